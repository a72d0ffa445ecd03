package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/figures"
)

// first writes the first screen, planned for a number of lines: what does not fit is left to the details.
func (p *page) first(s analyzer.Summary, cfg TextConfig, lines int) {
	p.heading(s, cfg)
	p.parts(s.Total)
	queries, _ := apart(s.Shapes)
	foot := &page{color: p.color, width: p.width}
	foot.lacked(s)
	// The lists take what is left, each a title and an empty line, a row each in turn.
	left := lines - p.lines() - foot.lines()
	groups, shapes, findings := max(len(s.Methods), len(s.Users)), len(queries), len(s.Findings)
	for _, all := range []int{groups, shapes, findings} {
		if all > 0 {
			left -= 2
		}
	}
	var rows struct{ groups, shapes, findings int }
	for grown := true; grown; {
		grown = false
		for _, x := range []struct {
			n    *int
			most int
		}{{&rows.groups, min(groups, firstRows)}, {&rows.shapes, min(shapes, firstRows)}, {&rows.findings, min(findings, firstRows)}} {
			if *x.n < x.most && (left > 0 || *x.n == 0) {
				*x.n++
				left--
				grown = true
			}
		}
	}
	p.beside(s.Methods, s.Users, rows.groups)
	if shapes > 0 {
		p.shapeTable(ofAll("STATEMENTS", rows.shapes, shapes), queries[:rows.shapes])
		p.line("")
	}
	if findings > 0 {
		p.line("%s", p.styled(dim, ofAll("FINDINGS", rows.findings, findings)+", by the seconds a fix would save"))
		for i := range s.Findings[:rows.findings] {
			f := &s.Findings[i]
			p.line("%s   %s", p.styled(red, aligned(f.Cost)), briefFinding(f, p.findingWidth()))
		}
		p.line("")
	}
	p.WriteString(foot.String())
}

// beside writes methods and users next to each other. A narrow page leaves out the 95th percentiles.
func (p *page) beside(methods, users []analyzer.Group, n int) {
	if n == 0 {
		return
	}
	const gap = 3
	columns, some := 16, [2]bool{p.width >= 80, p.width >= 92} // columns of calls and total; whether there is a percentile
	left := (p.width - gap - 2*columns) * 3 / 5
	right := p.width - gap - 2*columns - left
	if some[0] {
		left -= 4
		right -= 5
	}
	if some[1] {
		left -= 5
		right -= 4
	}
	names := [2]int{left, right}
	var lists [2][]string
	for k, l := range []struct {
		title string
		all   []analyzer.Group
	}{{"METHODS", methods}, {"USERS", users}} {
		title := ofAll(l.title, min(n, len(l.all)), len(l.all))
		if len(title) >= names[k] {
			title = l.title
		}
		head := pad(title, names[k]) + fmt.Sprintf("%7s %8s", "calls", "total ")
		if some[k] {
			head += fmt.Sprintf(" %8s", "p95 ")
		}
		lists[k] = append(lists[k], p.styled(dim, head))
		for _, g := range l.all[:min(n, len(l.all))] {
			row := pad(figures.Middle(figures.Clean(g.Key), names[k]-1), names[k]) + fmt.Sprintf("%7s ", figures.Thousands(g.Calls)) + aligned(g.Total)
			if some[k] {
				row += " " + aligned(g.P95)
			}
			lists[k] = append(lists[k], row)
		}
	}
	empty := names[0] + columns
	if some[0] {
		empty += 9
	}
	for i := range max(len(lists[0]), len(lists[1])) {
		row := strings.Repeat(" ", empty)
		if i < len(lists[0]) {
			row = lists[0][i]
		}
		if i < len(lists[1]) {
			row += strings.Repeat(" ", gap) + lists[1][i]
		}
		p.line("%s", strings.TrimRight(row, " "))
	}
	p.line("")
}

// ofAll titles a list of which n rows are shown.
func ofAll(title string, n, all int) string {
	if n >= all {
		return title
	}
	return fmt.Sprintf("%s, %s of %s", title, figures.Thousands(int64(n)), figures.Thousands(int64(all)))
}

// briefFinding is a finding on one line.
func briefFinding(f *analyzer.FindingGroup, width int) string {
	text := figures.Clean(f.Title)
	if !strings.Contains(f.Title, f.Method) {
		text = figures.Middle(figures.Clean(f.Method), 40) + ": " + text
	}
	times := ""
	if f.Calls > 1 {
		times = " ×" + figures.Thousands(f.Calls)
	}
	return figures.Cut(text, width-len([]rune(times))) + times
}

// lacked says in a line or two what the recording lacked, but for the serious, which the heading has.
func (p *page) lacked(s analyzer.Summary) {
	switch rest := s.Notices[min(s.Serious, len(s.Notices)):]; {
	case len(s.Notices) == 0:
		for _, l := range figures.Wrap("The recording lacks nothing: no gaps, nothing unattributed, nothing encrypted.", p.width) {
			p.line("%s", p.styled(dim, l))
		}
	case len(rest) > 0:
		titles := make([]string, 0, len(rest))
		for _, n := range rest {
			titles = append(titles, figures.Clean(n.Title))
		}
		const most = 2
		lines := figures.Wrap("Lacking: "+strings.Join(titles, " "), p.width)
		if len(lines) > most {
			lines = append(lines[:most-1], figures.Cut(strings.Join(lines[most-1:], " "), p.width))
		}
		for _, l := range lines {
			p.line("%s", l)
		}
	}
}

// matters is the inverse share of all statements' time from which transaction control is no mere frame.
const matters = 10

// apart tells the statements that ask or change something from those that frame them, unless they take long:
// transaction control, and what a pool sends when a connection changes hands.
func apart(list []analyzer.ShapeGroup) (queries, frames []analyzer.ShapeGroup) {
	var all time.Duration
	for i := range list {
		all += list[i].Total
	}
	for i := range list {
		if g := &list[i]; frameOf(g.Text) != "" && g.Total < all/matters {
			frames = append(frames, *g)
		} else {
			queries = append(queries, *g)
		}
	}
	return queries, frames
}

// frameOf is the word that a framing statement begins with; empty if it is another one.
func frameOf(text string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	word = strings.ToUpper(strings.TrimRight(word, ";"))
	if slices.Contains([]string{"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "DISCARD", "RESET", "SET"}, word) {
		return word
	}
	return ""
}

// frames sums up framing statements on a line.
func (p *page) frames(list []analyzer.ShapeGroup) {
	var words []string
	n, total := map[string]int64{}, map[string]time.Duration{}
	for i := range list {
		word := frameOf(list[i].Text)
		if n[word] == 0 {
			words = append(words, word)
		}
		n[word] += list[i].Statements
		total[word] += list[i].Total
	}
	slices.SortStableFunc(words, func(a, b string) int { return cmp.Compare(total[b], total[a]) })
	for i, word := range words {
		words[i] = fmt.Sprintf("%s ×%s %s", word, figures.Thousands(n[word]), analyzer.Figure(total[word]))
	}
	for _, l := range figures.Wrap("around them: "+strings.Join(words, ", "), p.width) {
		p.line("%s", p.styled(dim, l))
	}
}

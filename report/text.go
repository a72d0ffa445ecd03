package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/perfd/perfd/analyzer"
)

// TextConfig tunes the text report. Its zero value works.
type TextConfig struct {
	// Names of the files read, for the first line. Defaults to none.
	Names []string
	// Top is the number of rows of each list. Defaults to as many as keep the report within Lines.
	Top int
	// Lines of a screen. Defaults to 50.
	Lines int
	// Color says that the output is a terminal that shows colours. Defaults to false.
	Color bool
}

// textWidth is the width of the page in columns.
const textWidth = 100

// Text writes a page of at most 100 columns whose first screen answers: how long, how many calls, who
// waited, on what, the methods, users and statements that took most, the findings, and what was lacking.
func Text(w io.Writer, s analyzer.Summary, cfg TextConfig) error {
	p := &page{color: cfg.Color}
	rows := layout(s, cfg)
	p.heading(s, cfg.Names)
	p.parts(s.Total)
	if len(s.Methods) > 0 {
		p.groups("METHODS", s.Methods, rows.methods)
		p.groups("USERS", s.Users, rows.users)
	}
	p.shapes(s.Shapes, rows.shapes)
	p.findings(s.Findings, rows.findings)
	p.notices(s.Notices)
	if _, err := io.WriteString(w, p.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// rows is the number of rows of each list.
type rows struct{ methods, users, shapes, findings int }

// layout shares the screen among the lists.
func layout(s analyzer.Summary, cfg TextConfig) rows {
	if cfg.Top > 0 {
		return rows{cfg.Top, cfg.Top, cfg.Top, cfg.Top}
	}
	lines := cmp.Or(cfg.Lines, 50)
	r := rows{methods: min(3, len(s.Methods)), users: min(2, len(s.Users)), shapes: min(3, len(s.Shapes))}
	// Heading 5, parts 4, four lists with a title and an empty line each, what else was found, the title of
	// the notices.
	used := 5 + 4 + 4*2 + 1 + 1 + r.methods + r.users + r.shapes + noticeLines(s.Notices)
	for grown := true; grown; {
		grown = false
		grow := func(n *int, limit, cost int) {
			if *n < limit && used+cost <= lines {
				*n++
				used += cost
				grown = true
			}
		}
		if r.findings < len(s.Findings) {
			grow(&r.findings, 6, 1+len(remedy(&s.Findings[r.findings])))
		}
		grow(&r.methods, min(10, len(s.Methods)), 1)
		grow(&r.shapes, min(10, len(s.Shapes)), 1)
		grow(&r.users, min(8, len(s.Users)), 1)
	}
	return r
}

// noticeLines is what notices take.
func noticeLines(list []analyzer.Notice) int {
	n := 0
	for _, x := range list {
		n += 1 + len(wrap(x.Fix, textWidth-2))
	}
	return n
}

// page collects the report.
type page struct {
	strings.Builder
	color bool
}

func (p *page) line(format string, args ...any) {
	fmt.Fprintf(p, format, args...)
	p.WriteByte('\n')
}

// styled writes text in an ANSI style (ECMA-48, SGR) if the output shows colours.
func (p *page) styled(style, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

const (
	bold = "1"
	dim  = "2"
	red  = "38;5;203"
)

func (p *page) heading(s analyzer.Summary, names []string) {
	var facts []string
	if len(names) > 0 {
		name := names[0]
		if len(names) > 1 {
			name = fmt.Sprintf("%s and %d more", name, len(names)-1)
		}
		facts = append(facts, p.styled(bold, clean(middle(name, 36))))
	}
	if !s.From.IsZero() {
		from, to := s.From.UTC(), s.To.UTC()
		end := to.Format("15:04:05")
		if from.Format(time.DateOnly) != to.Format(time.DateOnly) {
			end = to.Format("2006-01-02 15:04:05")
		}
		facts = append(facts, from.Format("2006-01-02 15:04:05")+"–"+end+" UTC")
	}
	if s.Packets > 0 {
		facts = append(facts, thousands(s.Packets)+" packets")
	}
	p.line("%s", strings.Join(facts, "  "))
	p.line("")
	p.line("%s", p.styled(bold, Sentence(s)))
	if s.Statements > 0 {
		p.line("%s statements: %s in calls (%s beyond doubt), %s in the background.", thousands(s.Statements), percent(s.Attributed, s.Statements),
			percent(s.Exact, s.Statements), percent(s.Statements-s.Attributed, s.Statements))
	}
	p.line("")
}

// Sentence says in one line how long the recording is, who waited and on what.
func Sentence(s analyzer.Summary) string {
	if s.Calls == 0 {
		return fmt.Sprintf("In %s, no call was seen.", analyzer.Figure(s.To.Sub(s.From)))
	}
	users := 0
	for _, u := range s.Users {
		if u.Key != analyzer.Unknown {
			users++
		}
	}
	who := plural(users, "user")
	if users == 0 {
		who = "users"
	}
	failed := ""
	if s.Errors > 0 {
		failed = fmt.Sprintf(", %s of which failed", thousands(s.Errors))
	}
	text := fmt.Sprintf("In %s, %s waited %s in %s%s", analyzer.Figure(s.To.Sub(s.From)), who, analyzer.Figure(s.Waited),
		plural(int(s.Calls), "call"), failed)
	if best := largest(s.Total); best.d > 0 {
		text += fmt.Sprintf("; %s of it %s", percent(int64(best.d), int64(s.Waited)), best.phrase)
	}
	return text + "."
}

func (p *page) parts(b analyzer.Breakdown) {
	total := b.Sum()
	if total == 0 {
		return
	}
	list := parts(b)
	p.line("%s", p.bar(list, total, total, textWidth))
	used := 0
	for _, x := range list {
		if x.d == 0 {
			continue
		}
		word := fmt.Sprintf("%s %s %s", x.name, analyzer.Figure(x.d), percent(int64(x.d), int64(total)))
		if used > 0 && used+len([]rune(word))+5 > textWidth {
			p.WriteByte('\n')
			used = 0
		}
		if used > 0 {
			p.WriteString("   ")
			used += 3
		}
		p.WriteString(p.glyph(x) + " " + word)
		used += 2 + len([]rune(word))
	}
	p.line("\n")
}

// glyph is the mark of a part in bars and legend.
func (p *page) glyph(x part) string {
	if p.color {
		return p.styled("38;5;"+x.ansi, "█")
	}
	return x.mark
}

// bar draws parts whose sum is own on a scale on which full is width columns.
func (p *page) bar(list []part, own, full time.Duration, width int) string {
	var out strings.Builder
	columns := int(float64(width)*float64(own)/float64(full) + 0.5)
	if columns == 0 && own > 0 {
		columns = 1
	}
	drawn, sum := 0, time.Duration(0)
	for _, x := range list {
		sum += x.d
		upTo := min(int(float64(columns)*float64(sum)/float64(own)+0.5), columns)
		if n := upTo - drawn; n > 0 {
			if p.color {
				out.WriteString(p.styled("38;5;"+x.ansi, strings.Repeat("█", n)))
			} else {
				out.WriteString(strings.Repeat(x.mark, n))
			}
			drawn = upTo
		}
	}
	return out.String()
}

func (p *page) groups(title string, list []analyzer.Group, n int) {
	p.line("%s", p.styled(dim, fmt.Sprintf("%-38s%7s%7s%8s %8s %8s %8s", title, "calls", "failed", "stmts", "total ", "p50 ", "p95 ")))
	longest := time.Duration(1)
	for _, g := range list {
		longest = max(longest, g.Total)
	}
	for _, g := range list[:min(n, len(list))] {
		failed := fmt.Sprintf("%7s", thousands(g.Errors))
		if g.Errors > 0 {
			failed = p.styled(red, failed)
		} else {
			failed = p.styled(dim, failed)
		}
		p.line("%s%7s%s%8s %s %s %s %s", pad(middle(clean(g.Key), 37), 38), thousands(g.Calls), failed, thousands(g.Statements),
			aligned(g.Total), aligned(g.P50), aligned(g.P95), p.bar(parts(g.Time), g.Total, longest, 12))
	}
	p.line("")
}

func (p *page) shapes(list []analyzer.ShapeGroup, n int) {
	if len(list) == 0 {
		return
	}
	p.line("%s", p.styled(dim, fmt.Sprintf("%-56s%8s%7s %8s %8s %8s", "STATEMENTS", "times", "calls", "total ", "p95 ", "max ")))
	for _, g := range list[:min(n, len(list))] {
		owners := thousands(g.Calls)
		if g.Calls == 0 {
			owners = "none"
		}
		p.line("%s%8s%7s %s %s %s", pad(Brief(g.Text, 55), 56), thousands(g.Statements), owners, aligned(g.Total), aligned(g.P95), aligned(g.Max))
	}
	p.line("")
}

func (p *page) findings(list []analyzer.FindingGroup, n int) {
	if len(list) == 0 {
		return
	}
	p.line("%s", p.styled(dim, "FINDINGS, by the seconds a fix would save"))
	for i := range list[:min(n, len(list))] {
		p.line("%s   %s", p.styled(red, aligned(list[i].Cost)), cut(clean(list[i].Title), findingWidth))
		for _, l := range remedy(&list[i]) {
			p.line("%11s%s", "", p.styled(dim, l))
		}
	}
	if more := len(list) - n; more > 0 {
		p.line("%11s%s", "", p.styled(dim, fmt.Sprintf("and %s more: --top %d, or --serve", thousands(int64(more)), len(list))))
	}
	p.line("")
}

// findingWidth is what stands beside a finding's cost.
const findingWidth = textWidth - 11

// remedy is where a finding occurs and what to change, in lines.
func remedy(f *analyzer.FindingGroup) []string {
	var where string
	if !strings.Contains(f.Title, f.Method) {
		where = "In " + middle(f.Method, 48)
	}
	if f.Calls > 1 {
		where += " ×" + thousands(f.Calls)
	}
	if where = strings.TrimSpace(where); where != "" {
		where += ": "
	}
	return wrap(clean(where+f.Fix), findingWidth)
}

func (p *page) notices(list []analyzer.Notice) {
	if len(list) == 0 {
		p.line("%s", p.styled(dim, "The recording lacks nothing: no gaps, nothing unattributed, nothing encrypted."))
		return
	}
	p.line("%s", p.styled(dim, "WHAT THE RECORDING LACKED"))
	for _, n := range list {
		p.line("%s", cut(clean(n.Title), textWidth))
		for _, l := range wrap(clean(n.Fix), textWidth-2) {
			p.line("  %s", p.styled(dim, l))
		}
	}
}

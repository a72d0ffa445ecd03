package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/figures"
)

// details lists more than the first screen, with more figures and what to do.
func (p *page) details(s analyzer.Summary, top int) {
	told := len(s.Notices) == 0 || len(s.Notices) == 1 && s.Serious == 1 // with what to do
	if len(s.Methods)+len(s.Shapes)+len(s.Findings) == 0 && told {
		return
	}
	p.line("\n%s\n", p.styled(dim, "IN DETAIL "+strings.Repeat("─", p.width-len("IN DETAIL "))))
	if len(s.Methods) > 0 {
		p.groups("METHODS", s.Methods, top)
		p.groups("USERS", s.Users, top)
	}
	p.shapes(s.Shapes, top)
	p.findings(s.Findings, top)
	if !told {
		p.notices(s.Notices)
	}
}

// groups lists methods or users. A narrow page leaves out the bars first, then the failures and the median.
func (p *page) groups(title string, list []analyzer.Group, n int) {
	bars, all := p.width >= 87, p.width >= 74
	key := p.width - 33
	switch {
	case bars:
		key = p.width - 62
	case all:
		key = p.width - 49
	}
	head := pad(title, key) + fmt.Sprintf("%7s", "calls")
	if all {
		head += fmt.Sprintf("%7s%8s %8s %8s %8s", "failed", "stmts", "total ", "p50 ", "p95 ")
	} else {
		head += fmt.Sprintf("%8s %8s %8s", "stmts", "total ", "p95 ")
	}
	p.line("%s", p.styled(dim, head))
	longest := time.Duration(1)
	for _, g := range list {
		longest = max(longest, g.Total)
	}
	for _, g := range list[:min(n, len(list))] {
		p.WriteString(pad(figures.Middle(figures.Clean(g.Key), key-1), key) + fmt.Sprintf("%7s", figures.Thousands(g.Calls)))
		if all {
			style := dim
			if g.Errors > 0 {
				style = red
			}
			p.WriteString(p.styled(style, fmt.Sprintf("%7s", figures.Thousands(g.Errors))))
		}
		fmt.Fprintf(p, "%8s %s", figures.Thousands(g.Statements), aligned(g.Total))
		if all {
			p.WriteString(" " + aligned(g.P50))
		}
		p.WriteString(" " + aligned(g.P95))
		if bars {
			p.WriteString(" " + p.bar(parts(g.Time), g.Total, longest, 12))
		}
		p.line("")
	}
	p.more("", len(list), n)
	p.line("")
}

// more says how many of a list are not shown.
func (p *page) more(indent string, all, shown int) {
	if all <= shown {
		return
	}
	text := fmt.Sprintf("and %s more", figures.Thousands(int64(all-shown)))
	if !p.gone {
		text += fmt.Sprintf(": --top %d, or --serve", all)
	}
	p.line("%s%s", indent, p.styled(dim, text))
}

// shapes lists statements, and sums up those that frame them.
func (p *page) shapes(list []analyzer.ShapeGroup, n int) {
	queries, frames := apart(list)
	if len(queries) > 0 {
		p.shapeTable("STATEMENTS", queries[:min(n, len(queries))])
		p.more("", len(queries), n)
	}
	if len(frames) > 0 {
		p.frames(frames)
	}
	if len(list) > 0 {
		p.line("")
	}
}

// withPercentile is the width from which statements have their 95th percentile.
const withPercentile = 80

// nameColumns is the width of statements' names on a page.
func nameColumns(width int) int {
	if width >= withPercentile {
		return width - 44
	}
	return width - 35
}

// statementNames words the first n queries and those that count as such.
func statementNames(list []analyzer.ShapeGroup, n, columns int) map[string]string {
	queries, _ := apart(list)
	queries = queries[:min(n, len(queries))]
	names := make(map[string]string, len(queries))
	for i, label := range labels(queries, columns) {
		names[queries[i].Text] = label
	}
	return names
}

// shapeTable writes rows of statements. A narrow page leaves out the 95th percentile.
func (p *page) shapeTable(title string, list []analyzer.ShapeGroup) {
	all, name := p.width >= withPercentile, nameColumns(p.width)
	head := fmt.Sprintf("%8s%7s %8s", "times", "calls", "total ")
	if all {
		head += fmt.Sprintf(" %8s", "p95 ")
	}
	p.line("%s", p.styled(dim, pad(title, name)+head+fmt.Sprintf(" %8s", "max ")))
	for i := range list {
		g := &list[i]
		owners := figures.Thousands(g.Calls)
		if g.Calls == 0 {
			owners = "none"
		}
		fmt.Fprintf(p, "%s%8s%7s %s", pad(p.names[g.Text], name), figures.Thousands(g.Statements), owners, aligned(g.Total))
		if all {
			p.WriteString(" " + aligned(g.P95))
		}
		p.line(" %s", aligned(g.Max))
	}
}

func (p *page) findings(list []analyzer.FindingGroup, n int) {
	if len(list) == 0 {
		return
	}
	p.line("%s", p.styled(dim, "FINDINGS, by the seconds a fix would save"))
	for i := range list[:min(n, len(list))] {
		for j, l := range p.findingTitle(&list[i]) {
			if j == 0 {
				p.line("%s   %s", p.styled(red, aligned(list[i].Cost)), l)
				continue
			}
			p.line("%11s%s", "", l)
		}
		for _, l := range p.remedy(&list[i]) {
			p.line("%11s%s", "", p.styled(dim, l))
		}
	}
	p.more(strings.Repeat(" ", 11), len(list), n)
	p.line("")
}

// findingWidth is what stands beside a finding's cost.
func (p *page) findingWidth() int { return p.width - 11 }

func (p *page) findingTitle(f *analyzer.FindingGroup) []string {
	return figures.Wrap(figures.Clean(f.Title), p.findingWidth())
}

// remedy is where a finding occurs and what to change, in lines.
func (p *page) remedy(f *analyzer.FindingGroup) []string {
	var where string
	if !strings.Contains(f.Title, f.Method) {
		where = "In " + figures.Middle(f.Method, 48)
	}
	if f.Calls > 1 {
		where += " ×" + figures.Thousands(f.Calls)
	}
	if where = strings.TrimSpace(where); where != "" {
		where += ": "
	}
	return figures.Wrap(figures.Clean(where+f.Fix), p.findingWidth())
}

// notices lists what the recording lacked, and what mends it.
func (p *page) notices(list []analyzer.Notice) {
	p.line("%s", p.styled(dim, "WHAT THE RECORDING LACKED"))
	for _, n := range list {
		p.notice(n, "", "0")
	}
}

// notice writes one notice, its title marked.
func (p *page) notice(n analyzer.Notice, mark, style string) {
	for i, l := range figures.Wrap(figures.Clean(n.Title), p.width-2) {
		if i > 0 {
			mark = "  "
		}
		p.line("%s", p.styled(style, mark+l))
	}
	if n.Fix == "" {
		return
	}
	for _, l := range figures.Wrap(figures.Clean(n.Fix), p.width-2) {
		p.line("  %s", p.styled(dim, l))
	}
}

package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/perfd/perfd/analyzer"
)

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
		p.WriteString(pad(middle(clean(g.Key), key-1), key) + fmt.Sprintf("%7s", thousands(g.Calls)))
		if all {
			style := dim
			if g.Errors > 0 {
				style = red
			}
			p.WriteString(p.styled(style, fmt.Sprintf("%7s", thousands(g.Errors))))
		}
		fmt.Fprintf(p, "%8s %s", thousands(g.Statements), aligned(g.Total))
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
	if all > shown {
		p.line("%s%s", indent, p.styled(dim, fmt.Sprintf("and %s more: --top %d, or --serve", thousands(int64(all-shown)), all)))
	}
}

// shapes lists statements. A narrow page leaves out the 95th percentile.
func (p *page) shapes(list []analyzer.ShapeGroup, n int) {
	if len(list) == 0 {
		return
	}
	all := p.width >= 80
	name := p.width - 35
	head := fmt.Sprintf("%8s%7s %8s", "times", "calls", "total ")
	if all {
		name = p.width - 44
		head += fmt.Sprintf(" %8s", "p95 ")
	}
	p.line("%s", p.styled(dim, pad("STATEMENTS", name)+head+fmt.Sprintf(" %8s", "max ")))
	total := len(list)
	list = list[:min(n, total)]
	texts := make([]string, 0, len(list))
	for i := range list {
		texts = append(texts, list[i].Text)
	}
	for i, label := range labels(texts, name-1) {
		g := &list[i]
		owners := thousands(g.Calls)
		if g.Calls == 0 {
			owners = "none"
		}
		fmt.Fprintf(p, "%s%8s%7s %s", pad(label, name), thousands(g.Statements), owners, aligned(g.Total))
		if all {
			p.WriteString(" " + aligned(g.P95))
		}
		p.line(" %s", aligned(g.Max))
	}
	p.more("", total, n)
	p.line("")
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
	return wrap(clean(f.Title), p.findingWidth())
}

// remedy is where a finding occurs and what to change, in lines.
func (p *page) remedy(f *analyzer.FindingGroup) []string {
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
	return wrap(clean(where+f.Fix), p.findingWidth())
}

// notices lists what the heading, which has the serious ones, does not tell already.
func (p *page) notices(list []analyzer.Notice, serious int) {
	if len(list) == 0 {
		p.line("%s", p.styled(dim, "The recording lacks nothing: no gaps, nothing unattributed, nothing encrypted."))
		return
	}
	if list = list[min(serious, len(list)):]; len(list) > 0 {
		p.line("%s", p.styled(dim, "WHAT THE RECORDING LACKED"))
	}
	for _, n := range list {
		p.notice(n, "", "0")
	}
}

// notice writes one notice, its title marked.
func (p *page) notice(n analyzer.Notice, mark, style string) {
	for i, l := range wrap(clean(n.Title), p.width-2) {
		if i > 0 {
			mark = "  "
		}
		p.line("%s", p.styled(style, mark+l))
	}
	for _, l := range wrap(clean(n.Fix), p.width-2) {
		p.line("  %s", p.styled(dim, l))
	}
}

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
	// Agreement is a sentence about how far the server's own log agrees. Defaults to none.
	Agreement string
	// Top is the number of rows of each list. Defaults to as many as keep the report within Lines.
	Top int
	// Lines of a screen. Defaults to 50.
	Lines int
	// Width of the page in columns, 60 to 100. Defaults to 100.
	Width int
	// Color says that the output is a terminal that shows colours. Defaults to false.
	Color bool
}

// The page's width in columns.
const (
	textWidth   = 100
	narrowWidth = 60
)

// Text writes a page of at most Width columns whose first screen answers: how long, how many calls, who
// waited, on what, the methods, users and statements that took most, the findings, and what was lacking.
// What keeps the figures from being read as they stand comes right after the first sentence.
func Text(w io.Writer, s analyzer.Summary, cfg TextConfig) error {
	width := min(max(cmp.Or(cfg.Width, textWidth), narrowWidth), textWidth)
	p := &page{color: cfg.Color, width: width}
	p.heading(s, cfg)
	p.parts(s.Total)
	foot := &page{color: cfg.Color, width: width}
	foot.notices(s.Notices, s.Serious)
	rows := layout(p, s, cfg, strings.Count(p.String(), "\n")+strings.Count(foot.String(), "\n"))
	if len(s.Methods) > 0 {
		p.groups("METHODS", s.Methods, rows.methods)
		p.groups("USERS", s.Users, rows.users)
	}
	p.shapes(s.Shapes, rows.shapes)
	p.findings(s.Findings, rows.findings)
	p.WriteString(foot.String())
	if _, err := io.WriteString(w, p.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// rows is the number of rows of each list.
type rows struct{ methods, users, shapes, findings int }

// layout shares the screen among the lists, of which used lines are taken.
func layout(p *page, s analyzer.Summary, cfg TextConfig, used int) rows {
	if cfg.Top > 0 {
		return rows{cfg.Top, cfg.Top, cfg.Top, cfg.Top}
	}
	lines := cmp.Or(cfg.Lines, 50)
	r := rows{methods: min(3, len(s.Methods)), users: min(2, len(s.Users)), shapes: min(3, len(s.Shapes))}
	// Four lists with a title and an empty line each, and what else was found.
	used += 4*2 + 1 + r.methods + r.users + r.shapes
	// And how much more there is, as long as there is more.
	for _, l := range []struct{ all, shown int }{{len(s.Methods), r.methods}, {len(s.Users), r.users}, {len(s.Shapes), r.shapes}} {
		if l.all > l.shown {
			used++
		}
	}
	for grown := true; grown; {
		grown = false
		grow := func(n *int, limit, cost int) {
			if *n < limit && used+cost <= lines {
				*n++
				used += cost
				grown = true
			}
		}
		list := func(n *int, all, most int) {
			cost := 1
			if *n == all-1 {
				cost = 0 // the last one takes the place of the line that told of it
			}
			grow(n, min(most, all), cost)
		}
		if r.findings < len(s.Findings) {
			f := &s.Findings[r.findings]
			grow(&r.findings, 6, len(p.findingTitle(f))+len(p.remedy(f)))
		}
		list(&r.methods, len(s.Methods), 10)
		list(&r.shapes, len(s.Shapes), 10)
		list(&r.users, len(s.Users), 8)
	}
	return r
}

// page collects the report.
type page struct {
	strings.Builder
	color bool
	width int
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

func (p *page) heading(s analyzer.Summary, cfg TextConfig) {
	names := cfg.Names
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
		facts = append(facts, plural(int(s.Packets), "packet"))
	}
	used := 0
	for i, f := range facts {
		n := len([]rune(f))
		if i == 0 && len(names) > 0 {
			n = 36 // at most, without escape sequences
		}
		switch {
		case i > 0 && used+2+n > p.width:
			p.WriteByte('\n')
			used = 0
		case i > 0:
			p.WriteString("  ")
			used += 2
		}
		p.WriteString(f)
		used += n
	}
	p.line("\n")
	for _, l := range wrap(Sentence(s), p.width) {
		p.line("%s", p.styled(bold, l))
	}
	for _, n := range s.Notices[:min(s.Serious, len(s.Notices))] {
		p.notice(n, "! ", red)
	}
	if s.Statements > 0 {
		for _, l := range wrap(Attribution(s), p.width) {
			p.line("%s", l)
		}
	}
	for _, l := range wrap(cfg.Agreement, p.width) {
		if l != "" {
			p.line("%s", l)
		}
	}
	p.line("")
}

func (p *page) parts(b analyzer.Breakdown) {
	total := b.Sum()
	if total == 0 {
		return
	}
	list := parts(b)
	p.line("%s", p.bar(list, total, total, p.width))
	used := 0
	for _, x := range list {
		if x.d == 0 {
			continue
		}
		word := fmt.Sprintf("%s %s %s", x.name, analyzer.Figure(x.d), percent(int64(x.d), int64(total)))
		if used > 0 && used+len([]rune(word))+5 > p.width {
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

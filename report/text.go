package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/figures"
)

// TextConfig tunes the text report. Its zero value works.
type TextConfig struct {
	// Names of the files read, for the first line. Defaults to none.
	Names []string
	// Agreement is a sentence about how far the server's own log agrees. Defaults to none.
	Agreement string
	// Top is the number of rows of each list in the details. Defaults to 10.
	Top int
	// Lines of the first screen. Defaults to 23: a terminal of 24 rows and the prompt.
	Lines int
	// Height of the terminal in rows. Details that would push the first screen out of it are left out unless Top asks
	// for them. Defaults to no limit.
	Height int
	// Gone says that the input cannot be read again with other options: nothing is left out, none is advised.
	// Defaults to false.
	Gone bool
	// Width of the page in columns, 60 to 100. Defaults to 100.
	Width int
	// Color says that the output is a terminal that shows colours. Defaults to false.
	Color bool
}

// The page's width in columns, and what is shown if nothing else is asked for.
const (
	textWidth   = 100
	narrowWidth = 60
	firstLines  = 23
	firstRows   = 8 // of a list on the first screen at most
	detailRows  = 10
)

// Text writes a page of at most Width columns whose first screen answers: how long, how many calls, who
// waited, on what, the methods, users and statements that took most, the findings, and what was lacking.
// What keeps the figures from being read as they stand comes right after the first sentence. Below stand
// longer lists with more figures, and what to do about each finding and each lack.
func Text(w io.Writer, s analyzer.Summary, cfg TextConfig) error {
	width := min(max(cmp.Or(cfg.Width, textWidth), narrowWidth), textWidth)
	lines := cmp.Or(cfg.Lines, firstLines)
	names := statementNames(s.Shapes, max(cmp.Or(cfg.Top, detailRows), firstRows), nameColumns(width)-1)
	first := func(lines int) *page {
		p := &page{color: cfg.Color, width: width, names: names}
		if p.first(s, cfg, lines); p.lines() > lines {
			p = &page{color: cfg.Color, width: width, names: names, dense: true}
			p.first(s, cfg, lines)
		}
		return p
	}
	p, rest := first(lines), &page{color: cfg.Color, width: width, names: names, gone: cfg.Gone}
	if rest.details(s, cmp.Or(cfg.Top, detailRows)); cfg.Top == 0 && cfg.Height > 0 && !cfg.Gone && p.lines()+rest.lines() >= cfg.Height {
		p = first(max(lines, cfg.Height-1) - 1)
		p.line("%s", p.styled(dim, figures.Cut(fmt.Sprintf("More on each, and what to do: --top %d, or --serve for the browser", detailRows), width)))
		rest.Reset()
	}
	text := strings.TrimRight(p.String(), "\n") + "\n" + strings.TrimRight(rest.String(), "\n")
	if _, err := io.WriteString(w, strings.TrimRight(text, "\n")+"\n"); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// page collects the report.
type page struct {
	strings.Builder
	color bool
	width int
	dense bool              // not a line to spare
	gone  bool              // no option brings more
	names map[string]string // of statements, by text: the same wherever they stand
}

func (p *page) lines() int { return strings.Count(p.String(), "\n") }

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
	var facts []string
	room := p.width // for the name
	if !s.From.IsZero() {
		from, to := s.From.UTC(), s.To.UTC()
		end := to.Format("15:04:05")
		if from.Format(time.DateOnly) != to.Format(time.DateOnly) {
			end = to.Format("2006-01-02 15:04:05")
		}
		facts = append(facts, from.Format("2006-01-02 15:04:05")+"–"+end+" UTC")
	}
	if s.Packets > 0 {
		facts = append(facts, figures.Plural(int(s.Packets), "packet"))
	}
	for _, f := range facts {
		room -= 2 + len([]rune(f))
	}
	if names := cfg.Names; len(names) > 0 {
		others := ""
		if len(names) > 1 {
			others = fmt.Sprintf(" and %d more", len(names)-1)
		}
		name := figures.Middle(figures.Clean(names[0]), min(36, max(12, room-len(others)))) + others
		room -= len([]rune(name))
		facts = append([]string{p.styled(bold, name)}, facts...)
	}
	if room < 0 && len(facts) > 1 { // on a narrow page
		facts = facts[:len(facts)-1]
	}
	p.line("%s", strings.Join(facts, "  "))
	p.gap()
	for _, l := range figures.Wrap(Sentence(s), p.width) {
		p.line("%s", p.styled(bold, l))
	}
	serious := s.Notices[:min(s.Serious, len(s.Notices))]
	for _, n := range serious {
		if len(serious) > 1 { // what to do about several stands below
			n.Fix = ""
		}
		p.notice(n, "! ", red)
	}
	if s.Statements > 0 {
		for _, l := range figures.Wrap(Attribution(s), p.width) {
			p.line("%s", l)
		}
	}
	for _, l := range figures.Wrap(cfg.Agreement, p.width) {
		if l != "" {
			p.line("%s", l)
		}
	}
	p.gap()
}

// gap is an empty line where there is room.
func (p *page) gap() {
	if !p.dense {
		p.line("")
	}
}

func (p *page) parts(b analyzer.Breakdown) {
	total := b.Sum()
	if total == 0 {
		return
	}
	list := parts(b)
	p.line("%s", p.bar(list, total, total, p.width))
	legend := p.legend(list, total, 0)
	if len(legend) > 1 { // what does not show in the bar
		legend = p.legend(list, total, total/1000)
	}
	p.line("%s\n", strings.Join(legend, "\n"))
}

// legend names the parts longer than least, in lines.
func (p *page) legend(list []part, total, least time.Duration) []string {
	var lines []string
	used := 0
	for _, x := range list {
		if x.d <= least {
			continue
		}
		word := fmt.Sprintf("%s %s %s", x.name, analyzer.Figure(x.d), percent(int64(x.d), int64(total)))
		switch {
		case used == 0 || used+len([]rune(word))+5 > p.width:
			lines = append(lines, "")
			used = 0
		default:
			lines[len(lines)-1] += "   "
			used += 3
		}
		lines[len(lines)-1] += p.glyph(x) + " " + word
		used += 2 + len([]rune(word))
	}
	return lines
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

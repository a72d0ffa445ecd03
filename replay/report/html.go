package report

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/compare/answer"
	"github.com/perfd/perfd/sqltrace/statements"
)

// HTMLConfig tunes the page. Its zero value works.
type HTMLConfig struct {
	// Top is the number of methods and of places listed. Defaults to 50.
	Top int
}

//go:embed page.html.tmpl
var pageSource string

// pageTemplate is made when first needed: most replays write no page.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"join":      func(parts []string) string { return strings.Join(parts, " · ") },
		"thousands": figures.Thousands[int64],
		"figure":    func(seconds float64) template.HTML { return lighter(figure(seconds)) },
		"duration":  func(d time.Duration) template.HTML { return lighter(analyzer.Figure(d)) },
		"unit":      lighter,
		"number":    func(x float64) string { return figures.Thousands(int64(x + 0.5)) },
		"ratio":     func(x float64) template.HTML { return lighter(fmt.Sprintf("%.3g %%", 100*x)) },
		"span":      span,
		"left": func(left map[replay.Left]int64) string {
			n := int64(0)
			for _, x := range left {
				n += x
			}
			return figures.Thousands(n)
		},
	}).Parse(pageSource))
})

// htmlPage is what the template shows.
type htmlPage struct {
	R                              *Report
	Title, Word, Sentence, Cached  string
	Tried, Alike                   string
	About, Doubts                  []string
	Distribution, Rounds, Timeline template.HTML
	Scale                          template.HTML
	Rows                           []htmlRow
	More                           int
	Places                         []answer.Place
	Seen                           *htmlObserved
	Statements                     []statements.Change
}

// htmlRow is a row of the table of methods.
type htmlRow struct {
	Method, Class, Verdict, Reason, Calls, Errors string
	A, B, P95, P99                                template.HTML
	Change                                        template.HTML
	P                                             string
	Class95, Class99                              string
	Plot                                          template.HTML
}

// HTML writes one page that needs nothing else: no scripts, no other files, light and dark.
func HTML(w io.Writer, r *Report, c HTMLConfig) error {
	top := cmp.Or(c.Top, 50)
	p := htmlPage{R: r, Doubts: r.doubts(), Title: cmp.Or(r.Load.Name, "Replay")}
	p.Word, p.Sentence = r.Headline()
	if !r.compared() || p.Word == "~" || p.Word == "faster" || p.Word == "slower" {
		p.Word = "" // the sentence says it; colour is for the figures
	}
	if r.Answers != nil {
		p.Alike = alikeWords(r.Answers, r.B != "")
	}
	p.about()
	p.Seen, p.Tried, p.Statements = r.seen(top), tried(r), r.foreign()
	if x := r.Comparison; x != nil {
		p.Distribution = distribution(x.Distribution)
		p.Timeline = timeline(x.Timeline)
		if r.B != "" {
			p.Rounds = rounds(&x.Overall.Typical)
		}
		p.rows(x, top)
		p.Cached = hits(&x.Overall.B)
	}
	if r.Answers != nil {
		for _, x := range r.Answers.Places {
			if !x.Cancelled && len(p.Places) < top {
				p.Places = append(p.Places, x)
			}
		}
	}
	var out bytes.Buffer
	if err := pageTemplate().Execute(&out, p); err != nil {
		return fmt.Errorf("make page: %w", err)
	}
	printable := bytes.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return ' '
		}
		return r
	}, out.Bytes())
	if _, err := w.Write(printable); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

func (p *htmlPage) about() {
	r := p.R
	add := func(text string) {
		if text != "" {
			p.About = append(p.About, text)
		}
	}
	add(r.Load.Name)
	add(r.Load.Header.Product)
	add(r.Label)
	add(r.Mode)
	if x := r.Comparison; x != nil && x.Rounds > 0 {
		add(figures.Plural(int64(x.Rounds), "round"))
	}
	if x := r.Comparison; x != nil {
		add(figures.Plural(x.Overall.A.Calls+x.Overall.A.Errors+x.Overall.A.Hits, "call") + " of A")
	}
	if !r.Made.IsZero() {
		add(r.Made.UTC().Format("2006-01-02 15:04 UTC"))
	}
}

// rows makes the table of methods: all calls, then what has a verdict, then what took most time.
func (p *htmlPage) rows(c *compare.Comparison, top int) {
	methods := slices.Clone(c.Methods)
	if p.R.B != "" {
		slices.SortStableFunc(methods, byRank)
	}
	p.More = max(0, len(methods)-top)
	methods = methods[:len(methods)-p.More]
	s := scaleOf(append([]compare.Row{c.Overall}, methods...))
	p.Scale = s.axis()
	for i, m := range append([]compare.Row{c.Overall}, methods...) {
		row := htmlRow{
			Method: m.Method, Calls: figures.Thousands(m.A.Calls), Errors: figures.Thousands(m.A.Errors), A: quantile(m.A.P50), B: quantile(m.B.P50),
			P95: quantile(m.A.P95), P99: quantile(m.A.P99),
		}
		if i == 0 {
			row.Class = "total"
		}
		if p.R.B != "" {
			row.compare(&m, s)
		}
		p.Rows = append(p.Rows, row)
	}
}

func (row *htmlRow) compare(m *compare.Row, s scale) {
	if m.Verdict == compare.NotCompared {
		row.Reason = "not compared: " + m.Reason
		return
	}
	row.Change, row.P, row.Plot = "~", probability(m.Typical.Adjusted), s.interval(&m.Typical)
	row.Verdict = class(m.Verdict)
	if row.Verdict != "" {
		row.Change = lighter(signed(m.Typical.Delta))
	}
	row.P95, row.Class95 = tailOf(&m.P95)
	row.P99, row.Class99 = tailOf(&m.P99)
}

func tailOf(e *compare.Effect) (template.HTML, string) {
	switch {
	case len(e.PerRound) == 0:
		return "", ""
	case e.Verdict == compare.Faster || e.Verdict == compare.Slower:
		return lighter(signed(e.Delta)), class(e.Verdict)
	}
	return "~", ""
}

func class(v compare.Verdict) string {
	if v == compare.Faster || v == compare.Slower {
		return string(v)
	}
	return ""
}

func quantile(q compare.Quantile) template.HTML {
	if q.Seconds == 0 {
		return "–"
	}
	return lighter(figure(q.Seconds))
}

// lighter wraps a figure's unit, so that it stands in a lighter tone. The figure is one that this package wrote.
func lighter(text string) template.HTML {
	number, unit, ok := strings.Cut(text, " ")
	if !ok {
		return template.HTML(template.HTMLEscapeString(text))
	}
	return template.HTML(template.HTMLEscapeString(number) + "<i>" + template.HTMLEscapeString(unit) + "</i>")
}

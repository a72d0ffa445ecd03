package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/figures"
)

// HTMLConfig tunes the HTML report. Its zero value works.
type HTMLConfig struct {
	// Names of the files read, for the title. Defaults to none.
	Names []string
	// Top is the number of rows of each list. Defaults to 25.
	Top int
	// Version of perfd, for the foot of the page. Defaults to none.
	Version string
}

//go:embed report.html.tmpl
var pageSource string

// pageTemplate is made when first needed: most runs write no page.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("report").Funcs(template.FuncMap{
		"figure":  splitFigure,
		"count":   figures.Thousands[int64],
		"percent": percent,
		"parts":   parts,
		"bar":     svgBar,

		"contains": strings.Contains,

		"partShown":  func(p part) bool { return p.d > 0 },
		"partName":   func(p part) string { return p.name },
		"partClass":  func(p part) string { return p.class },
		"partFigure": func(p part) template.HTML { return splitFigure(p.d) },
	}).Parse(pageSource))
})

// htmlPage is what the template shows.
type htmlPage struct {
	Title, Sentence, Version, From, To string
	S                                  analyzer.Summary
	Total                              time.Duration
	Lists                              []htmlList
	Shapes                             []analyzer.ShapeGroup
	Names                              []string // of Shapes
	Findings                           []analyzer.FindingGroup
}

type htmlList struct {
	Title string
	Full  time.Duration // the scale of the bars
	Rows  []analyzer.Group
}

// shapeColumns is how long the name of a statement is on the page at most.
const shapeColumns = 100

// HTML writes one page that needs nothing else: no scripts, no other files, light and dark.
func HTML(w io.Writer, s analyzer.Summary, cfg HTMLConfig) error {
	top := cfg.Top
	if top <= 0 {
		top = 25
	}
	title := "Recording"
	if len(cfg.Names) > 0 {
		title = strings.Join(cfg.Names, ", ")
	}
	p := htmlPage{
		Title: title, Sentence: Sentence(s), Version: cfg.Version, S: s, Total: s.Total.Sum(),
		Shapes: s.Shapes[:min(top, len(s.Shapes))], Findings: s.Findings[:min(top, len(s.Findings))],
	}
	p.Names = labels(p.Shapes, shapeColumns)
	if !s.From.IsZero() {
		p.From, p.To = s.From.UTC().Format("2006-01-02 15:04:05"), s.To.UTC().Format("2006-01-02 15:04:05")
	}
	for _, l := range []struct {
		title string
		rows  []analyzer.Group
	}{{"Methods", s.Methods}, {"Users", s.Users}, {"Models", s.Models}} {
		if len(l.rows) > 0 {
			list := htmlList{Title: l.title, Rows: l.rows[:min(top, len(l.rows))]}
			for _, g := range list.Rows {
				list.Full = max(list.Full, g.Total)
			}
			p.Lists = append(p.Lists, list)
		}
	}
	var out bytes.Buffer
	if err := pageTemplate().Execute(&out, p); err != nil {
		return fmt.Errorf("make page: %w", err)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// splitFigure wraps a figure's unit, so that it stands in a lighter tone.
func splitFigure(d time.Duration) template.HTML {
	number, unit, _ := strings.Cut(analyzer.Figure(d), " ")
	return template.HTML(number + `<i>` + unit + `</i>`)
}

// svgBar draws the parts of b on a scale on which full fills the width.
func svgBar(b analyzer.Breakdown, full time.Duration) template.HTML {
	var out, label strings.Builder
	x := 0.0
	for _, p := range parts(b) {
		if p.d <= 0 || full <= 0 {
			continue
		}
		w := 100 * float64(p.d) / float64(full)
		fmt.Fprintf(&out, `<rect class="%s" x="%.3f" width="%.3f" height="10"/>`, p.class, x, w)
		fmt.Fprintf(&label, "%s %s, ", p.name, analyzer.Figure(p.d))
		x += w
	}
	return template.HTML(`<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="` +
		template.HTMLEscapeString(strings.TrimSuffix(label.String(), ", ")) + `">` + out.String() + `</svg>`)
}

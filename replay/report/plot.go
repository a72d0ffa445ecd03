package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/replay/compare"
)

// Plots are drawn in units of about a pixel of a page of 1,200.
const (
	plotWidth  = 560.0
	wideWidth  = 1152.0
	plotHeight = 220.0
	leftEdge   = 44.0
	rightEdge  = 8.0
	topEdge    = 8.0
	bottomEdge = 24.0
)

// drawing is an SVG that holds figures and this package's own words, nothing of a load.
type drawing struct {
	strings.Builder
	w, h float64
}

func draw(w, h float64, label string) *drawing {
	d := &drawing{w: w, h: h}
	fmt.Fprintf(d, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, w, h, template.HTMLEscapeString(label))
	return d
}

func (d *drawing) done() template.HTML {
	d.WriteString("</svg>")
	return template.HTML(d.String())
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(d, `<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, x1, y1, x2, y2)
}

func (d *drawing) text(class, anchor string, x, y float64, text string) {
	fmt.Fprintf(d, `<text class="%s" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`, class, anchor, x, y, template.HTMLEscapeString(text))
}

func (d *drawing) path(class string, points [][2]float64) {
	if len(points) < 2 {
		return
	}
	fmt.Fprintf(d, `<path class="%s" d="M`, class)
	for _, p := range points {
		fmt.Fprintf(d, "%.1f %.1f ", p[0], p[1])
	}
	d.WriteString(`"/>`)
}

// durationTicks are 1, 10, 100 µs … between two durations in seconds, with 2 and 5 if these are few.
func durationTicks(low, high float64) []float64 {
	steps := []float64{1}
	if high/low < 300 {
		steps = []float64{1, 2, 5}
	}
	var out []float64
	for decade := math.Floor(math.Log10(low)); decade <= math.Ceil(math.Log10(high)); decade++ {
		for _, s := range steps {
			if x := s * math.Pow(10, decade); x >= low && x <= high {
				out = append(out, x)
			}
		}
	}
	return out
}

// tick writes a duration without needless digits: 500 µs, 20 ms, 1 s.
func tick(seconds float64) string {
	switch {
	case seconds < 0.9995e-3:
		return fmt.Sprintf("%.3g µs", seconds*1e6)
	case seconds < 0.9995:
		return fmt.Sprintf("%.3g ms", seconds*1e3)
	case seconds < 60:
		return fmt.Sprintf("%.3g s", seconds)
	}
	return analyzer.Figure(time.Duration(seconds * float64(time.Second)))
}

// distribution draws the shares of calls that were answered within a time, on a logarithmic scale.
func distribution(arms [2][]compare.Bin) template.HTML {
	low, high := math.Inf(1), 0.0
	for _, bins := range arms {
		for _, b := range bins {
			if b.Share > 0.002 {
				low = min(low, b.Seconds)
			}
			high = max(high, b.Seconds)
		}
	}
	if high <= 0 || low >= high {
		return ""
	}
	low /= 1.1
	d := draw(plotWidth, plotHeight, "Distribution of durations")
	x := func(s float64) float64 {
		return leftEdge + (plotWidth-leftEdge-rightEdge)*math.Log(max(s, low)/low)/math.Log(high/low)
	}
	// By nines: each step up holds a tenth of the calls of the step below, so that the slowest are seen.
	const most = 0.9995
	y := func(share float64) float64 {
		return topEdge + (plotHeight-topEdge-bottomEdge)*(1-math.Log(1-min(share, most))/math.Log(1-most))
	}
	for _, s := range []float64{0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999} {
		d.line("grid", leftEdge, y(s), plotWidth-rightEdge, y(s))
		d.text("", "end", leftEdge-6, y(s)+4, fmt.Sprintf("%.3g %%", 100*s))
	}
	ticks := durationTicks(low, high)
	for i, t := range ticks {
		d.line("grid", x(t), topEdge, x(t), plotHeight-bottomEdge)
		if len(ticks) <= 12 || i%2 == 0 {
			d.text("", "middle", x(t), plotHeight-8, tick(t))
		}
	}
	for arm, class := range []string{"a", "b"} {
		var points [][2]float64
		for _, b := range arms[arm] {
			points = append(points, [2]float64{x(b.Seconds), y(b.Share)})
		}
		d.path(class, points)
	}
	return d.done()
}

// timeline draws p50 and p95 over the time of a pass.
func timeline(arms [2][]compare.Slot) template.HTML {
	low, high, end := math.Inf(1), 0.0, 0.0
	for _, slots := range arms {
		for _, s := range slots {
			if s.P50 > 0 {
				low, high = min(low, s.P50), max(high, s.P95)
				end = max(end, s.From.Seconds())
			}
		}
	}
	if high <= 0 || end <= 0 {
		return ""
	}
	low, high = low/1.2, high*1.2
	d := draw(wideWidth, plotHeight, "Durations over the time of a pass")
	left := leftEdge + 8
	x := func(s float64) float64 { return left + (wideWidth-left-rightEdge)*s/end }
	y := func(s float64) float64 {
		return topEdge + (plotHeight-topEdge-bottomEdge)*(1-math.Log(max(s, low)/low)/math.Log(high/low))
	}
	for _, t := range durationTicks(low, high) {
		d.line("grid", left, y(t), wideWidth-rightEdge, y(t))
		d.text("", "end", left-6, y(t)+4, tick(t))
	}
	step := clockStep(end)
	for s := 0.0; s <= end; s += step {
		d.text("", "middle", x(s), plotHeight-8, clock(s, end))
	}
	for arm, class := range []string{"a", "b"} {
		for _, q := range []struct {
			class string
			of    func(compare.Slot) float64
		}{{class + " thin", func(s compare.Slot) float64 { return s.P95 }}, {class, func(s compare.Slot) float64 { return s.P50 }}} {
			var points [][2]float64
			for _, s := range arms[arm] {
				if v := q.of(s); v > 0 {
					points = append(points, [2]float64{x(s.From.Seconds()), y(v)})
				}
			}
			d.path(q.class, points)
		}
	}
	return d.done()
}

// clockStep divides a time of that many seconds into at most eight round parts.
func clockStep(end float64) float64 {
	for _, step := range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400} {
		if end/step <= 8 {
			return step
		}
	}
	return end / 8
}

// clock writes seconds as 0:00, 1:23 or 1:02:03; if all of them are few, as 0.4 s.
func clock(s, end float64) string {
	if end < 10 {
		return fmt.Sprintf("%.1f s", s)
	}
	n := int(s + 0.5)
	if n >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", n/3600, n/60%60, n%60)
	}
	return fmt.Sprintf("%d:%02d", n/60, n%60)
}

// rounds draws what each round said, and the interval of all of them.
func rounds(e *compare.Effect) template.HTML {
	if len(e.PerRound) == 0 {
		return ""
	}
	reach := max(1.5*e.Minimum, 0.01)
	for _, v := range e.PerRound {
		reach = max(reach, 1.15*math.Abs(v))
	}
	reach = min(max(reach, min(1.15*max(math.Abs(e.Low), math.Abs(e.High)), 3*reach)), 20) // an interval of few rounds may go on without end
	low := -min(reach, 1)                                                                  // no call takes less than nothing
	d := draw(plotWidth, plotHeight, "Change in each round")
	x := func(v float64) float64 {
		return leftEdge + (plotWidth-leftEdge-rightEdge)*(min(max(v, low), reach)-low)/(reach-low)
	}
	bottom := plotHeight - bottomEdge
	fmt.Fprintf(d, `<rect class="band" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, x(-e.Minimum), topEdge, x(e.Minimum)-x(-e.Minimum), bottom-topEdge)
	d.axis(x, low, reach, bottom)
	n := float64(len(e.PerRound) + 1)
	step := (bottom - topEdge) / (n + 0.5)
	kind := class(e.Verdict)
	for i, v := range e.PerRound {
		y := topEdge + step*(float64(i)+0.75)
		d.text("", "end", leftEdge-6, y+4, fmt.Sprint(i+1))
		fmt.Fprintf(d, `<circle class="dot" cx="%.1f" cy="%.1f" r="3"/>`, x(v), y)
	}
	y := topEdge + step*n
	d.text("", "end", leftEdge-6, y+4, "all")
	fmt.Fprintf(d, `<g class="%s">`, kind)
	if e.Low != e.High {
		d.line("bar", x(e.Low), y, x(e.High), y)
	}
	fmt.Fprintf(d, `<circle class="dot" cx="%.1f" cy="%.1f" r="5"/></g>`, x(e.Delta), y)
	return d.done()
}

// axis draws lines of change with their names below.
func (d *drawing) axis(x func(float64) float64, low, reach, bottom float64) {
	step := niceStep(reach)
	for v := -math.Floor(reach/step) * step; v <= reach*1.0001; v += step {
		if v < low*1.0001 {
			continue
		}
		class := "grid"
		if math.Abs(v) < step/2 {
			class, v = "zero", 0
		}
		d.line(class, x(v), topEdge, x(v), bottom)
		d.text("", "middle", x(v), bottom+16, axisLabel(v, step))
	}
}

func axisLabel(v, step float64) string {
	digits := 0
	if step < 0.0099 {
		digits = 1
	}
	if v == 0 {
		return "0"
	}
	return strings.Replace(fmt.Sprintf("%+.*f %%", digits, 100*v), "-", "−", 1)
}

// niceStep is 1, 2 or 5 times a power of ten, two to four of which reach that far.
func niceStep(reach float64) float64 {
	for _, step := range []float64{0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5} {
		if reach/step < 4 {
			return step
		}
	}
	return 10
}

// scale is that of the intervals in the table: one for all rows, so that they can be compared.
type scale struct{ reach float64 }

const (
	cellWidth  = 260.0
	cellHeight = 20.0
)

// scaleOf reaches as far as what has a verdict does, and as far as most of the rest.
func scaleOf(rows []compare.Row) scale {
	reach := 0.05
	for _, r := range rows {
		if r.Verdict == compare.NotCompared || len(r.Typical.PerRound) == 0 {
			continue
		}
		reach = max(reach, 1.1*math.Abs(r.Typical.Delta))
		if r.Verdict != compare.Unchanged {
			reach = max(reach, 1.1*max(math.Abs(r.Typical.Low), math.Abs(r.Typical.High)))
		}
	}
	return scale{min(reach, 5)}
}

func (s scale) x(v float64) float64 {
	return cellWidth * (min(max(v, -s.reach), s.reach) + s.reach) / (2 * s.reach)
}

// axis is the head of the column.
func (s scale) axis() template.HTML {
	d := draw(cellWidth, cellHeight, "Scale of changes")
	step := niceStep(1.7 * s.reach) // the column has room for five names
	for v := -math.Floor(s.reach/step) * step; v <= s.reach*1.0001; v += step {
		if math.Abs(v) < step/2 {
			v = 0
		}
		if x := s.x(v); x > 18 && x < cellWidth-18 {
			d.text("", "middle", x, 14, axisLabel(v, step))
		}
	}
	return d.done()
}

// interval draws a change with its interval.
func (s scale) interval(e *compare.Effect) template.HTML {
	if len(e.PerRound) == 0 {
		return ""
	}
	d := draw(cellWidth, cellHeight, fmt.Sprintf("%s, from %s to %s", signed(e.Delta), signed(e.Low), signed(e.High)))
	fmt.Fprintf(d, `<rect class="band" x="%.1f" y="0" width="%.1f" height="%g"/>`, s.x(-e.Minimum), s.x(e.Minimum)-s.x(-e.Minimum), cellHeight)
	d.line("zero", s.x(0), 0, s.x(0), cellHeight)
	if e.Low != e.High {
		d.line("bar", s.x(e.Low), cellHeight/2, s.x(e.High), cellHeight/2)
	}
	fmt.Fprintf(d, `<circle class="dot" cx="%.1f" cy="%.1f" r="3.5"/>`, s.x(e.Delta), cellHeight/2)
	return d.done()
}

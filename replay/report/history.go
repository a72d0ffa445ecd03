package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay/compare"
)

// Past is a report that was kept, as far as later ones are compared with it.
type Past struct {
	Name string // of the file, with its folders, or of the store and the report's number
	Made time.Time
	Load string
	// Series names what runs have to share to be compared: load, targets and arms (of which a cache is one), mode and speed.
	Series  string
	Label   string // of the experiment, if it has one
	Verdict string
	// Partial says that the replay was ended before its load was, so that its figures are of other calls.
	Partial bool
	// Overall and Methods are of the arm that was tried: B, or A if there was one.
	Overall compare.Side
	Methods map[string]compare.Side
}

// maxReport is the longest report that is read back, in bytes.
const maxReport = 256 << 20

var errNoReport = errors.New("no report of perfd replay --json")

// Read reads a report that JSON wrote.
func Read(in io.Reader, name string) (*Past, error) {
	var d document
	limited := &io.LimitedReader{R: in, N: maxReport}
	if err := json.NewDecoder(limited).Decode(&d); err != nil {
		if limited.N <= 0 {
			err = fmt.Errorf("longer than %d bytes", maxReport)
		}
		return nil, fmt.Errorf("read report %s: %w: %w", name, errNoReport, err)
	}
	switch {
	case d.Version < 1 || d.Comparison == nil || d.Made == nil:
		return nil, fmt.Errorf("read report %s: %w", name, errNoReport)
	case d.Version > FormatVersion:
		return nil, fmt.Errorf("read report %s: written by a newer perfd", name)
	}
	of := func(r compare.Row) compare.Side {
		if d.B == "" {
			return r.A
		}
		return r.B
	}
	p := &Past{Name: name, Made: *d.Made, Load: d.Load.Name, Series: d.series(), Label: d.Label, Verdict: d.Verdict, Partial: d.Stopped && d.partial(), Overall: of(d.Comparison.Overall), Methods: map[string]compare.Side{}}
	for _, m := range d.Comparison.Methods {
		p.Methods[m.Method] = of(m)
	}
	return p, nil
}

// series is what the report is of, in words.
func (d *document) series() string {
	parts := []string{d.Load.Name, d.A}
	for _, s := range []string{d.B, d.Mode} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, " · ")
}

// partial reports whether what was measured is less than the load: of two arms whole rounds alone are.
func (d *document) partial() bool { return d.B == "" || d.Comparison.Rounds == 0 }

// whole are the runs that were not ended early, in the order in which they were made.
func whole(runs []*Past) []*Past {
	inOrder(runs)
	return slices.DeleteFunc(slices.Clone(runs), func(p *Past) bool { return p.Partial })
}

// Turn is a point from which runs are slower or faster than those before.
type Turn struct {
	Made     time.Time `json:"made"` // of the first run of the new level
	Name     string    `json:"name"`
	Method   string    `json:"method"`
	Quantile string    `json:"quantile"`
	Series   string    `json:"series,omitempty"`
	compare.Change
}

// Turns finds where the runs' quantiles changed their level, of all calls and of each method, the latest first. Runs are
// put in the order in which they were made; those that were ended early take no part. Runs of one series alone are compared.
func Turns(runs []*Past, c compare.TrendConfig) []Turn {
	var out []Turn
	for _, one := range series(whole(runs)) {
		out = append(out, turns(one, c)...)
	}
	slices.SortStableFunc(out, func(a, b Turn) int { return b.Made.Compare(a.Made) })
	return out
}

// series are the runs of each series, the first one's first.
func series(runs []*Past) (out [][]*Past) {
	at := map[string]int{}
	for _, r := range runs {
		i, ok := at[r.Series]
		if !ok {
			i = len(out)
			at[r.Series], out = i, append(out, nil)
		}
		out[i] = append(out[i], r)
	}
	return out
}

// turns are those of one series.
func turns(runs []*Past, c compare.TrendConfig) []Turn {
	names := map[string]bool{}
	for _, r := range runs {
		for m := range r.Methods {
			names[m] = true
		}
	}
	var out []Turn
	look := func(method, quantile string, of func(*Past) float64) {
		series := make([]float64, len(runs))
		for i, r := range runs {
			series[i] = of(r)
		}
		for _, x := range compare.Trend(series, c) {
			out = append(out, Turn{Made: runs[x.Index].Made, Name: runs[x.Index].Name, Method: method, Quantile: quantile, Series: runs[x.Index].Series, Change: x})
		}
	}
	look("all calls", "p50", func(p *Past) float64 { return p.Overall.P50.Seconds })
	look("all calls", "p95", func(p *Past) float64 { return p.Overall.P95.Seconds })
	for _, m := range slices.Sorted(maps.Keys(names)) {
		look(m, "p50", func(p *Past) float64 { return p.Methods[m].P50.Seconds })
		look(m, "p95", func(p *Past) float64 { return p.Methods[m].P95.Seconds })
	}
	return out
}

func inOrder(runs []*Past) {
	slices.SortStableFunc(runs, func(a, b *Past) int { return cmp.Or(a.Made.Compare(b.Made), cmp.Compare(a.Name, b.Name)) })
}

// minHistory is the number of runs from which a change of level can be found.
const minHistory = 6

// History writes runs and where they turned, in at most 100 columns.
func History(w io.Writer, runs []*Past, turns []Turn) error {
	inOrder(runs)
	p := &page{}
	p.linef("%s, from %s to %s", figures.Plural(int64(len(runs)), "run"), day(runs[0].Made), day(runs[len(runs)-1].Made))
	counted, longest := whole(runs), 0
	n := len(counted)
	var kinds []string
	for _, one := range series(counted) {
		kinds, longest = append(kinds, one[0].Series), max(longest, len(one))
	}
	if len(kinds) > 1 {
		p.list("!", []string{fmt.Sprintf("The runs are of %d series (load, targets, mode, cache), each compared with itself alone: %s.", len(kinds), join(kinds))}, 1)
	}
	if ended := len(runs) - n; ended > 0 {
		p.list("!", []string{figures.Plural(int64(ended), "run") + " ended early, whose figures are of other calls, and take no part."}, 1)
	}
	if longest < minHistory {
		p.list("!", []string{fmt.Sprintf("A change of level takes %d runs to be found.", minHistory)}, 1)
	}
	names := shortNames(runs)
	p.title("WHERE THE LEVEL CHANGED")
	if len(turns) == 0 {
		p.line("  nowhere, as far as these runs show")
	}
	for _, t := range turns[:min(len(turns), 20)] {
		word := compare.Slower
		if t.Delta < 0 {
			word = compare.Faster
		}
		p.linef("  %-28s %s %8s  %s to %s, %s since %s", figures.Middle(figures.Clean(t.Method), 28), t.Quantile, signed(t.Delta), figure(t.Before), figure(t.After), word, second(t.Made))
		if len(kinds) > 1 {
			p.line("    of " + figures.Middle(figures.Clean(t.Series), columns-7))
		}
	}
	if len(turns) > 20 {
		p.linef("  … and %d more", len(turns)-20)
	}
	p.title(fmt.Sprintf("%-20s %-38s %9s %9s %7s  %s", "RUNS", "", "p50", "p95", "errors", "verdict"))
	first := max(0, len(runs)-30)
	for i, r := range runs[first:] {
		verdict := r.Verdict
		if r.Partial {
			verdict = "ended early"
		}
		p.linef("%-20s %-38s %9s %9s %7s  %s", second(r.Made), names[first+i], known(r.Overall.P50), known(r.Overall.P95), figures.Thousands(r.Overall.Errors), figures.Clean(figures.Cut(verdict, 12)))
	}
	if _, err := io.WriteString(w, p.String()); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// second is when a run was made: several fit into a minute.
func second(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// nameWidth is the room for a run's name.
const nameWidth = 38

// shortNames are the runs' names without the folders that all share, each told apart from the others.
func shortNames(runs []*Past) []string {
	folder := func(name string) string { return name[:strings.LastIndexByte(name, '/')+1] }
	shared := folder(runs[0].Name)
	for _, r := range runs {
		for !strings.HasPrefix(r.Name, shared) {
			shared = folder(strings.TrimSuffix(shared, "/"))
		}
	}
	labels, texts := make([]string, len(runs)), make([]string, len(runs))
	for i, r := range runs {
		texts[i] = figures.Clean(r.Name[len(shared):])
		if r.Label != "" {
			texts[i] = figures.Clean(r.Label) + " " + texts[i]
		}
		labels[i] = figures.Middle(texts[i], nameWidth)
	}
	return figures.Distinct(labels, texts, nameWidth)
}

func join(parts []string) string {
	out := ""
	for i, s := range parts {
		if i == 5 {
			return out + " …"
		}
		if i > 0 {
			out += ", "
		}
		out += s
	}
	return out
}

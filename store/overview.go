package store

import (
	"context"
	"math"
	"time"

	"github.com/perfd/perfd/analyzer"
)

// Buckets divide a time range evenly: bucket i covers [T0 + i·DT, T0 + (i+1)·DT).
type Buckets struct {
	T0 time.Time
	DT time.Duration
	N  int
}

// Divide covers [from, to] with at most about n buckets of a round width (1, 2 or 5 times a power of ten)
// that start at a multiple of it.
func Divide(from, to time.Time, n int) Buckets {
	n = max(n, 1)
	span := max(to.Sub(from), time.Microsecond)
	dt := time.Duration(1)
	for step := 0; span/dt >= time.Duration(n); step++ {
		dt = [...]time.Duration{2, 5, 10}[step%3] * pow10(step/3)
	}
	t0 := time.Unix(0, from.UnixNano()/int64(dt)*int64(dt)).UTC()
	return Buckets{T0: t0, DT: dt, N: max(int((to.Sub(t0)+dt-1)/dt), 1)}
}

func pow10(n int) time.Duration {
	v := time.Duration(1)
	for range n {
		v *= 10
	}
	return v
}

// Index returns the bucket that t falls into; times beyond the range fall into the first or last one.
func (b *Buckets) Index(t time.Time) int {
	return min(max(int(t.Sub(b.T0)/b.DT), 0), b.N-1)
}

// Strip is what happened in each bucket, by start of the call.
type Strip struct {
	Calls, Errors, Statements []int64
	Time                      []analyzer.Breakdown
}

// Heatmap counts calls by time and by duration. Row i holds the durations in [Bounds[i], Bounds[i+1]).
type Heatmap struct {
	Bounds []time.Duration
	Counts [][]int64 // by row, then bucket
	Max    int64
}

const heatRows = 64

// heatBound is the lower bound of row i: half a power of two each, from a microsecond.
func heatBound(i int) time.Duration {
	return time.Duration(math.Round(1000 * math.Exp2(float64(i)/2)))
}

func heatRow(d time.Duration) int {
	if d < time.Microsecond {
		return 0
	}
	i := min(max(int(2*math.Log2(float64(d)/1000)), 0), heatRows-1)
	for i > 0 && d < heatBound(i) { // rounding may be off by one either way
		i--
	}
	for i < heatRows-1 && d >= heatBound(i+1) {
		i++
	}
	return i
}

// Overview is what the first page tells.
type Overview struct {
	From, To        time.Time
	All             Group
	Sessions        int
	Buckets         Buckets
	Strip           Strip
	Heatmap         Heatmap
	Methods, Models []Group
	Users           []Group
	Shapes          []ShapeGroup
	SQL             time.Duration // of all statements that match, those beyond Shapes too
	Control         float64       // share of those statements that only control transactions
	Findings        []Finds
	Rows            Rows

	// Statements are those of the range, in calls of any class and in the background, and Attributed the part
	// of them that calls own. A filter that asks for more than a range leaves those of the matching calls.
	Statements, Attributed int64
}

// Rows are the lengths of the whole lists of which an overview holds the tops. Queries is that of Shapes without those
// that only control transactions.
type Rows struct{ Methods, Models, Users, Shapes, Queries, Findings int }

// Range is the filter's time range, its open ends closed by the recording's.
func Range(ctx context.Context, r Reader, f Filter) (from, to time.Time, err error) {
	from, to = f.From, f.To
	if from.IsZero() || to.IsZero() {
		rec, err := r.Recording(ctx)
		if err != nil {
			return from, to, err
		}
		first, last := rec.Bounds()
		if from.IsZero() {
			from = first
		}
		if to.IsZero() {
			to = last
		}
	}
	if to.Before(from) {
		to = from
	}
	return from, to, nil
}

// Bounds are the recording's first and last moment: the capture's where known, else those of what it holds.
func (r *Recording) Bounds() (first, last time.Time) {
	first, last = r.Summary.From, r.Summary.To
	if first.IsZero() || !r.Counts.First.IsZero() && r.Counts.First.Before(first) {
		first = r.Counts.First
	}
	if last.Before(r.Counts.Last) {
		last = r.Counts.Last
	}
	return first, last
}

// Summarize reads everything of an overview, with at most n buckets and the top groups.
func Summarize(ctx context.Context, r Reader, f Filter, n, top int) (*Overview, error) {
	from, to, err := Range(ctx, r, f)
	if err != nil {
		return nil, err
	}
	o := &Overview{From: from, To: to, Buckets: Divide(from, to, n)}
	size := o.Buckets.N
	o.Strip = Strip{Calls: make([]int64, size), Errors: make([]int64, size), Statements: make([]int64, size), Time: make([]analyzer.Breakdown, size)}
	var heat [heatRows][]int64
	var all tally
	methods, models, users, lanes := newTallies(ByMethod), newTallies(ByModel), newTallies(ByUser), newTallies(ByLane)
	err = r.Scan(ctx, f, func(b *Brief) {
		all.add(b)
		methods.add(b)
		models.add(b)
		users.add(b)
		lanes.add(b)
		i := o.Buckets.Index(b.Start)
		o.Strip.Calls[i]++
		o.Strip.Statements[i] += b.Statements
		if b.Failed {
			o.Strip.Errors[i]++
		}
		addTime(&o.Strip.Time[i], &b.Time)
		row := heatRow(b.Duration)
		if heat[row] == nil {
			heat[row] = make([]int64, size)
		}
		heat[row][i]++
		o.Heatmap.Max = max(o.Heatmap.Max, heat[row][i])
	})
	if err != nil {
		return nil, err
	}
	o.All, o.Sessions = all.group(), len(lanes.order)
	o.Heatmap.crop(&heat, size)
	o.Rows = Rows{Methods: len(methods.order), Models: len(models.order), Users: len(users.order)}
	o.Methods, o.Models, o.Users = first(methods.groups(), top), first(models.groups(), top), first(users.groups(), top)
	if err := o.countStatements(ctx, r, f); err != nil {
		return nil, err
	}
	shapes, err := Shapes(ctx, r, f, ShapeFilter{})
	if err != nil {
		return nil, err
	}
	var listed, control int64
	for i := range shapes {
		o.SQL += shapes[i].Total
		listed += shapes[i].Statements
		if shapes[i].Kind.Controls() {
			control += shapes[i].Statements
		} else {
			o.Rows.Queries++
		}
	}
	if listed > 0 {
		o.Control = float64(control) / float64(listed)
	}
	o.Rows.Shapes, o.Shapes = len(shapes), first(shapes, top)
	finds, err := Findings(ctx, r, f, 5)
	if err != nil {
		return nil, err
	}
	o.Rows.Findings, o.Findings = len(finds), first(finds, top)
	return o, nil
}

func (o *Overview) countStatements(ctx context.Context, r Reader, f Filter) error {
	if f.Narrow() || len(f.Classes) > 0 && !f.AllCalls {
		o.Statements, o.Attributed = o.All.Statements, o.All.Statements
		return nil
	}
	f.AllCalls = true
	if err := r.Scan(ctx, f, func(b *Brief) { o.Attributed += b.Statements }); err != nil {
		return err
	}
	groups, _, err := r.Background(ctx, BackgroundFilter{From: f.From, To: f.To}, Page{})
	if err != nil {
		return err
	}
	o.Statements = o.Attributed
	for i := range groups {
		o.Statements += groups[i].Statements
	}
	return nil
}

// crop leaves out the empty rows at both ends.
func (h *Heatmap) crop(heat *[heatRows][]int64, columns int) {
	h.Bounds, h.Counts = []time.Duration{}, [][]int64{}
	low, high := heatRows, -1
	for i, row := range heat {
		if row != nil {
			low, high = min(low, i), i
		}
	}
	for i := low; i <= high; i++ {
		row := heat[i]
		if row == nil {
			row = make([]int64, columns)
		}
		h.Bounds, h.Counts = append(h.Bounds, heatBound(i)), append(h.Counts, row)
	}
	if high >= 0 {
		h.Bounds = append(h.Bounds, heatBound(high+1))
	}
}

func first[T any](s []T, n int) []T { return s[:min(len(s), n)] }

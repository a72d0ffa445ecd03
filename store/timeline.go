package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
)

// Timeline holds the calls of all lanes over a time range, or what they add up to where they are too many.
type Timeline struct {
	From, To time.Time
	Total    int64
	Lanes    []Group // by first call
	Bars     []Bar   // by start; empty where Bins are used
	Names    []string
	Bins     []Bin // by lane, then bin
	BinWidth time.Duration
}

// Bar is one call of a timeline.
type Bar struct {
	Lane     int
	ID       rpclog.CallID
	Start    time.Time
	Duration time.Duration
	Failed   bool
	Name     int // index into Timeline.Names
	Time     analyzer.Breakdown
}

// Bin sums up the calls of a lane that start within [From + Bin·BinWidth, …).
type Bin struct {
	Lane, Bin int
	Calls     int64
	Busy      time.Duration
	Time      analyzer.Breakdown
}

// Sessions sums up the matching calls by lane, in order of their first call.
func Sessions(ctx context.Context, r Reader, f Filter) ([]Group, error) {
	ts := newTallies(ByLane)
	if err := r.Scan(ctx, f, func(b *Brief) { ts.add(b) }); err != nil {
		return nil, err
	}
	return ts.inOrder(), nil
}

func (ts *tallies) inOrder() []Group {
	out := make([]Group, len(ts.order))
	for i, t := range ts.order {
		out[i] = t.group()
	}
	return out
}

// Draw reads the calls that overlap the filter's time range: each of them up to limit, beyond that sums in
// the given number of bins.
func Draw(ctx context.Context, r Reader, f Filter, limit, bins int) (*Timeline, error) {
	from, to, err := Range(ctx, r, f)
	if err != nil {
		return nil, err
	}
	f.Overlap = true
	width := max(to.Sub(from)/time.Duration(max(bins, 1)), 1)
	tl := &Timeline{From: from, To: to, Bars: []Bar{}, Names: []string{}, Bins: []Bin{}}
	lanes := newTallies(ByLane)
	index := map[*tally]int{}
	names := map[string]int{}
	type cell struct{ lane, bin int }
	cells := map[cell]*Bin{}
	err = r.Scan(ctx, f, func(b *Brief) {
		tl.Total++
		t := lanes.add(b)
		lane, known := index[t]
		if !known {
			lane = len(index)
			index[t] = lane
		}
		if tl.Total <= int64(limit) {
			name, known := names[b.Name]
			if !known {
				name = len(names)
				names[b.Name] = name
				tl.Names = append(tl.Names, b.Name)
			}
			tl.Bars = append(tl.Bars, Bar{Lane: lane, ID: b.ID, Start: b.Start, Duration: b.Duration, Failed: b.Failed, Name: name, Time: b.Time})
		}
		at := cell{lane, min(max(int(b.Start.Sub(from)/width), 0), bins-1)}
		bin := cells[at]
		if bin == nil {
			bin = &Bin{Lane: at.lane, Bin: at.bin}
			cells[at] = bin
		}
		bin.Calls++
		bin.Busy += b.Duration
		addTime(&bin.Time, &b.Time)
	})
	if err != nil {
		return nil, err
	}
	tl.Lanes = lanes.inOrder()
	if tl.Total <= int64(limit) {
		return tl, nil
	}
	tl.Bars, tl.Names, tl.BinWidth = []Bar{}, []string{}, width
	for _, b := range cells {
		tl.Bins = append(tl.Bins, *b)
	}
	slices.SortFunc(tl.Bins, func(a, b Bin) int { return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Bin, b.Bin)) })
	return tl, nil
}

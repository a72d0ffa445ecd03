package compare

import "time"

// maxSlots of a timeline. When a pass is longer than they reach, two become one.
const maxSlots = 120

// line is the timeline of one arm, over all its passes.
type line struct {
	width float64 // seconds
	slots []slot
}

type slot struct {
	hist   histogram
	calls  int64
	errors int64
}

func (l *line) add(x Sample) {
	if !(x.At >= 0 && x.At < 1e9) {
		return
	}
	if l.width == 0 {
		l.width = 0.01
	}
	for x.At >= l.width*maxSlots {
		l.halve()
	}
	i := int(x.At / l.width)
	for len(l.slots) <= i {
		l.slots = append(l.slots, slot{})
	}
	s := &l.slots[i]
	s.calls++
	switch {
	case x.Error:
		s.errors++
	case !x.Cached:
		s.hist.add(x.Seconds)
	}
}

func (l *line) halve() {
	l.width *= 2
	for i := range l.slots {
		if i%2 == 0 {
			l.slots[i/2] = l.slots[i]
			continue
		}
		to := &l.slots[i/2]
		to.calls += l.slots[i].calls
		to.errors += l.slots[i].errors
		to.hist.merge(&l.slots[i].hist)
	}
	l.slots = l.slots[:(len(l.slots)+1)/2]
}

func (l *line) result() []Slot {
	out := make([]Slot, 0, len(l.slots))
	for i, s := range l.slots {
		out = append(out, Slot{
			From: time.Duration(float64(i) * l.width * float64(time.Second)), Calls: s.calls, Errors: s.errors,
			P50: s.hist.quantile(0.5), P95: s.hist.quantile(0.95),
		})
	}
	return out
}

// merge adds the slots of a pass, which it may make wider.
func (l *line) merge(o *line) {
	if o.width == 0 {
		return
	}
	if l.width == 0 {
		l.width = o.width
	}
	alike(l, o)
	for i := range o.slots {
		if i == len(l.slots) {
			l.slots = append(l.slots, slot{})
		}
		to := &l.slots[i]
		to.calls += o.slots[i].calls
		to.errors += o.slots[i].errors
		to.hist.merge(&o.slots[i].hist)
	}
}

// alike gives two timelines slots of the same width.
func alike(a, b *line) {
	for a.width > 0 && b.width > 0 && a.width != b.width {
		if a.width < b.width {
			a.halve()
		} else {
			b.halve()
		}
	}
}

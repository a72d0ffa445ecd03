package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/perfd/perfd/analyzer"
)

// moment is a point in time as given on the command line: absolute, or an offset from the recording's
// first packet.
type moment struct {
	set    bool
	at     time.Time
	offset time.Duration // counts if at is zero
}

// parseMoment reads RFC 3339 ("2026-11-21T13:42:34Z"), Unix seconds ("1795325459.625") or an offset from the
// recording's start ("+5s").
func parseMoment(flag, s string) (moment, error) {
	if s == "" {
		return moment{}, nil
	}
	if offset, found := strings.CutPrefix(s, "+"); found {
		if d, err := time.ParseDuration(offset); err == nil && d >= 0 {
			return moment{set: true, offset: d}, nil
		}
	} else if x, err := strconv.ParseFloat(s, 64); err == nil && x > 0 && x < 1e11 {
		return moment{set: true, at: time.UnixMicro(int64(x * 1e6))}, nil
	} else if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return moment{set: true, at: t}, nil
	}
	return moment{}, usagef("--%s must be RFC 3339, Unix seconds or an offset such as +5s, not %q", flag, s)
}

// resolve turns an offset into a point in time.
func (m moment) resolve(start time.Time) time.Time {
	if m.at.IsZero() {
		return start.Add(m.offset)
	}
	return m.at
}

// window passes on the calls and background groups that start in [from, to).
type window struct {
	from, to moment
	base     func() time.Time // the recording's first packet; called when the first result comes
	next     analyzer.Sink

	resolved   bool
	start, end time.Time
}

var _ analyzer.Sink = (*window)(nil)

func (w *window) Trace(t *analyzer.Trace) error {
	if !w.holds(t.Call.Start) {
		return nil
	}
	return w.next.Trace(t)
}

func (w *window) Background(b *analyzer.Background) error {
	if !w.holds(b.Start) {
		return nil
	}
	return w.next.Background(b)
}

func (w *window) holds(t time.Time) bool {
	if !w.resolved {
		w.resolved = true
		w.start, w.end = w.bounds(w.base())
	}
	return !t.Before(w.start) && (w.end.IsZero() || t.Before(w.end))
}

// bounds resolves the window; a zero end is open.
func (w *window) bounds(base time.Time) (start, end time.Time) {
	if w.from.set {
		start = w.from.resolve(base)
	}
	if w.to.set {
		end = w.to.resolve(base)
	}
	return start, end
}

// clip narrows the recording's own range to the window.
func (w *window) clip(from, to time.Time) (time.Time, time.Time) {
	start, end := w.bounds(from)
	if start.After(from) {
		from = start
	}
	if !end.IsZero() && end.Before(to) {
		to = end
	}
	if to.Before(from) {
		to = from
	}
	return from, to
}

package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/perfd/perfd/analyzer"
)

// moment is a point in time as given on the command line: absolute, a time of the recording's first day, or
// an offset from the recording's first packet.
type moment struct {
	set    bool
	kind   momentKind
	at     time.Time     // of an absolute one
	offset time.Duration // from midnight or from the first packet
}

type momentKind uint8

const (
	absolute momentKind = iota
	ofDay
	fromFirst
)

// parseMoment reads RFC 3339 ("2026-11-21T13:42:34Z"), "2026-11-21 13:42:34" and "13:42:34" in UTC, Unix seconds
// ("1795325459.625") or an offset from the recording's start ("+5s").
func parseMoment(flag, s string) (moment, error) {
	if s == "" {
		return moment{}, nil
	}
	if offset, found := strings.CutPrefix(s, "+"); found {
		if d, err := time.ParseDuration(offset); err == nil && d >= 0 {
			return moment{set: true, kind: fromFirst, offset: d}, nil
		}
	}
	if x, err := strconv.ParseFloat(s, 64); err == nil && x > 0 && x < 1e11 && s[0] != '+' {
		return moment{set: true, at: time.UnixMicro(int64(x * 1e6))}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return moment{set: true, at: t}, nil
		}
	}
	for _, layout := range []string{time.TimeOnly, "15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return moment{set: true, kind: ofDay, offset: t.Sub(t.Truncate(24 * time.Hour))}, nil
		}
	}
	return moment{}, usagef("--%s must be a time such as 15:04:05 or 2006-01-02 15:04:05 (UTC), RFC 3339, Unix seconds or an offset such as +5s, not %q", flag, s)
}

// resolve turns the moment into a point in time, given the recording's first packet.
func (m moment) resolve(first time.Time) time.Time {
	switch m.kind {
	case ofDay:
		return first.UTC().Truncate(24 * time.Hour).Add(m.offset)
	case fromFirst:
		return first.Add(m.offset)
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
	outside    int64 // calls not passed on
}

var _ analyzer.Sink = (*window)(nil)

func (w *window) Trace(t *analyzer.Trace) error {
	if !w.holds(t.Call.Start) {
		w.outside++
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

// narrow makes the recording's range the window's, and notes what is outside.
func (w *window) narrow(rec *analyzer.Recording, first, last time.Time) {
	rec.From, rec.To = w.clip(first, last)
	rec.First, rec.Last, rec.Outside = first, last, w.outside
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

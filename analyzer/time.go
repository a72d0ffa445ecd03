package analyzer

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// TimeConfig bounds what the split of a call's time may conclude. Its zero value works.
type TimeConfig struct {
	// WaitFloor is the time from a complete request to its first statement that is taken for application
	// start-up; only what exceeds it is a wait for a worker, or for a turn among threads. Routing, session loading and argument parsing
	// cannot be told from a short wait by packets alone. Defaults to 5 ms.
	WaitFloor time.Duration
	// LockFloor is the shortest statement that may be a lock wait without an error saying so.
	// Defaults to 100 ms.
	LockFloor time.Duration
	// LockFactor is how many times its shape's median such a statement must have taken. Defaults to 50.
	LockFactor int
	// LockRows is the most rows such a statement may have touched. Defaults to 10.
	LockRows int64
	// LockSamples is how often a shape must have been seen before its median counts. Defaults to 8.
	LockSamples int
	// Shapes is how many fingerprints have their durations kept. Defaults to 20,000.
	Shapes int
}

func (c TimeConfig) withDefaults() TimeConfig {
	c.WaitFloor = cmp.Or(c.WaitFloor, 5*time.Millisecond)
	c.LockFloor = cmp.Or(c.LockFloor, 100*time.Millisecond)
	c.LockFactor = cmp.Or(c.LockFactor, 50)
	c.LockRows = cmp.Or(c.LockRows, 10)
	c.LockSamples = cmp.Or(c.LockSamples, 8)
	c.Shapes = cmp.Or(c.Shapes, 20000)
	return c
}

// Splitter splits calls' time into parts. It learns from the statements it observes how long each shape
// usually takes, which is what makes a lock wait visible.
type Splitter struct {
	cfg    TimeConfig
	dict   sqltrace.Dictionary
	seen   bool // the recording holds PostgreSQL statements
	shapes map[sqltrace.Fingerprint]*durations
}

// NewSplitter returns a splitter without experience.
func NewSplitter(cfg TimeConfig, dict sqltrace.Dictionary) *Splitter {
	return &Splitter{cfg: cfg.withDefaults(), dict: dict, shapes: make(map[sqltrace.Fingerprint]*durations)}
}

// Observe learns from a finished statement, whoever owns it.
func (s *Splitter) Observe(st *sqltrace.Statement) {
	s.seen = true
	if st.Gaps != 0 || st.SQLState != "" {
		return
	}
	d := s.shapes[st.Fingerprint]
	if d == nil {
		if len(s.shapes) >= s.cfg.Shapes {
			return
		}
		d = new(durations)
		s.shapes[st.Fingerprint] = d
	}
	d.add(st.End.Sub(st.Start))
}

// Split returns where the time of t went. The parts add up exactly to End − Start.
//
// Transfer is the request's and the response's time in transit; where their bytes were lost it is Unknown.
// Between them, in order of precedence: time covered by statements is SQL, or Lock where the statement most
// likely waited for one; the gap from the complete request to the first statement is Wait as far as it
// exceeds WaitFloor; a gap that follows the rollback of a serialization failure, deadlock or lock timeout
// is Retry; the rest is Application. A call without statements is Application, unless the recording has no
// statements at all: then nothing can be said.
func (s *Splitter) Split(t *Trace) Breakdown {
	var b Breakdown
	c := t.Call
	start, end := c.Start, c.End
	if !end.After(start) {
		return b
	}
	// Times may be missing or out of order in damaged recordings: force start ≤ sent ≤ first ≤ end.
	first := clamp(c.First, start, end, end)
	sent := clamp(c.Sent, start, first, start)
	if c.Gaps&(rpclog.GapRequest|rpclog.GapJoined) != 0 {
		b.Unknown = plus(b.Unknown, sent.Sub(start))
	} else {
		b.Transfer = plus(b.Transfer, sent.Sub(start))
	}
	if c.Gaps&(rpclog.GapResponse|rpclog.GapUnanswered) != 0 {
		b.Unknown = plus(b.Unknown, end.Sub(first))
	} else {
		b.Transfer = plus(b.Transfer, end.Sub(first))
	}

	spans := t.Spans
	if !slices.IsSortedFunc(spans, byStart) {
		spans = slices.Clone(spans)
		slices.SortStableFunc(spans, byStart)
	}
	reach, any, failed, retry := sent, false, false, false
	for i := range spans {
		st := spans[i].Statement
		from, to := st.Start, st.End
		if from.After(first) {
			break
		}
		if gap := from.Sub(reach); gap > 0 {
			switch {
			case !any:
				b.Wait = plus(b.Wait, max(0, gap-s.cfg.WaitFloor))
				b.Application = plus(b.Application, min(gap, s.cfg.WaitFloor))
			case retry:
				b.Retry = plus(b.Retry, gap)
			default:
				b.Application = plus(b.Application, gap)
			}
			reach = from
		}
		any = true
		if to.After(first) {
			to = first
		}
		if d := to.Sub(reach); d > 0 {
			switch {
			case st.Gaps&sqltrace.GapUnanswered != 0:
				b.Unknown = plus(b.Unknown, d)
			case s.Locked(st):
				b.Lock = plus(b.Lock, d)
			default:
				b.SQL = plus(b.SQL, d)
			}
			reach = to
		}
		switch {
		case retryable(st.SQLState):
			failed, retry = true, false
		case st.Kind == sqltrace.Rollback:
			retry, failed = failed, false
		default:
			retry = false
		}
	}
	if rest := first.Sub(reach); rest > 0 {
		switch {
		case !any && !s.seen, c.Gaps&rpclog.GapUnanswered != 0:
			b.Unknown = plus(b.Unknown, rest)
		default:
			b.Application = plus(b.Application, rest)
		}
	}
	return b
}

// Locked reports whether most of a statement's time was a wait for a lock: an error says so, or a write
// or locking read of few rows took far longer than its shape usually does.
func (s *Splitter) Locked(st *sqltrace.Statement) bool {
	if retryable(st.SQLState) {
		return true
	}
	d := st.End.Sub(st.Start)
	if d < s.cfg.LockFloor || st.Rows > s.cfg.LockRows || st.Gaps != 0 || st.Kind != sqltrace.Query {
		return false
	}
	known := s.shapes[st.Fingerprint]
	if known == nil || known.n < uint32(s.cfg.LockSamples) || d < known.median()*time.Duration(s.cfg.LockFactor) {
		return false
	}
	return locking(s.dict.Shape(st.Fingerprint))
}

// locking reports whether statements of a shape take row locks.
func locking(sh sqltrace.Shape) bool {
	if sh.Written != "" {
		return true
	}
	text := strings.ToUpper(sh.Text)
	return strings.Contains(text, "FOR UPDATE") || strings.Contains(text, "FOR NO KEY UPDATE") ||
		strings.Contains(text, "FOR SHARE") || strings.HasPrefix(text, "LOCK ")
}

// retryable reports whether Odoo and Tryton try a transaction again after this error: serialization
// failure, deadlock, lock not available (PostgreSQL, appendix A).
func retryable(sqlstate string) bool {
	return sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "55P03"
}

func byStart(a, b Span) int { return a.Statement.Start.Compare(b.Statement.Start) }

// clamp returns t if it lies in [lo, hi], the nearer bound if it does not, and missing if t is zero.
func clamp(t, lo, hi, missing time.Time) time.Time {
	switch {
	case t.IsZero():
		return missing
	case t.Before(lo):
		return lo
	case t.After(hi):
		return hi
	}
	return t
}

// durations is a histogram of microseconds with four buckets to each doubling: enough for a median that
// is compared by a factor, in a fixed 400 bytes.
type durations struct {
	n       uint32
	buckets [96]uint32
}

func (d *durations) add(t time.Duration) {
	d.n++
	d.buckets[bucket(t)]++
}

// bucket maps 0–3 µs to themselves and then [2^k, 2^(k+1)) to four equal parts.
func bucket(t time.Duration) int {
	us := uint64(max(0, t/time.Microsecond))
	if us < 4 {
		return int(us)
	}
	k := bits.Len64(us) - 3
	return min(k*4+int(us>>k), len(durations{}.buckets)-1)
}

// median returns the upper bound of the bucket that holds the median.
func (d *durations) median() time.Duration {
	var sum uint32
	for i, n := range d.buckets {
		if sum += n; sum*2 >= d.n && n > 0 {
			if i < 4 {
				return time.Duration(i+1) * time.Microsecond
			}
			k := (i - 4) / 4
			return time.Duration((i-k*4+1)<<k) * time.Microsecond
		}
	}
	return 0
}

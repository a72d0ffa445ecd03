package store

import (
	"cmp"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/perfd/perfd/analyzer"
)

// Trends sum up the ordinary calls by hour of their start and by method. They are small, and outlive the calls.
// The durations are a histogram whose buckets are 4 % wide, so that quantiles are within 2 %: a list of pairs
// of uvarints, the distance from the bucket before (from 0 for the first) and the number of calls in it.

const (
	hourLength   = int64(time.Hour)
	trendBuckets = maxBucket/2 + 1
	trendColumns = "calls, errors, statements, longest, wait, application, sql, lock, retry, transfer, unknown, durations"
	// otherMethods is the name under which the methods beyond Config.TrendMethods are summed up.
	otherMethods = "(other methods)"
	// maxTallies bounds the tallies in memory while they cannot be written.
	maxTallies = 4096
)

var errDurations = errors.New("malformed durations")

func hourOf(t time.Time) int64 { return floorDiv(t.UnixNano(), hourLength) }

func minuteOf(t time.Time) int64 { return floorDiv(t.UnixNano(), int64(time.Minute)) }

func floorDiv(n, by int64) int64 {
	if n < 0 {
		n -= by - 1
	}
	return n / by
}

// sum is what is known of calls together.
type sum struct {
	Calls, Errors, Statements int64
	Max                       time.Duration
	Time                      analyzer.Breakdown
}

func (s *sum) targets() []any {
	t := &s.Time
	return []any{&s.Calls, &s.Errors, &s.Statements, (*int64)(&s.Max), (*int64)(&t.Wait), (*int64)(&t.Application), (*int64)(&t.SQL),
		(*int64)(&t.Lock), (*int64)(&t.Retry), (*int64)(&t.Transfer), (*int64)(&t.Unknown)}
}

// hourTally is one row of trends in the making.
type hourTally struct {
	sum
	counts [trendBuckets]uint32
	loaded bool // what the store holds of it was added
	dirty  bool
}

type tallyKey struct {
	hour int64
	named
}

// trends are the rows that changed since the last commit, and those that are likely to change again.
type trends struct {
	rows        map[tallyKey]*hourTally
	sizes       map[int64]int // methods by hour
	changed     []tallyKey
	written     []tallyKey // in the open transaction
	find, write *sql.Stmt
	blob        []byte
}

func (ts *trends) dirty() bool { return len(ts.changed) > 0 }

func (ts *trends) add(t *analyzer.Trace, name string, methods int) {
	c := t.Call
	k := tallyKey{hourOf(c.Start), named{name, c.Service, c.Model, c.Method}}
	r := ts.rows[k]
	if r == nil {
		r = ts.open(&k, methods)
	}
	if !r.dirty {
		r.dirty = true
		ts.changed = append(ts.changed, k)
	}
	r.Calls++
	r.Statements += int64(len(t.Spans))
	if c.Error != "" || c.Status >= 400 {
		r.Errors++
	}
	addTime(&r.Time, &t.Time)
	d := duration(c)
	r.Max = max(r.Max, d)
	r.counts[bucket(d)/2]++
}

// open makes a row; k becomes that of the other methods where the hour has its share.
func (ts *trends) open(k *tallyKey, methods int) *hourTally {
	if ts.rows == nil || len(ts.rows) >= maxTallies {
		ts.rows, ts.sizes, ts.changed = map[tallyKey]*hourTally{}, map[int64]int{}, nil
	}
	if ts.sizes[k.hour] >= methods {
		*k = tallyKey{k.hour, named{name: otherMethods}}
		if r := ts.rows[*k]; r != nil {
			return r
		}
	}
	r := &hourTally{}
	ts.rows[*k] = r
	ts.sizes[k.hour]++
	return r
}

// redo makes the rows of a transaction that failed dirty again.
func (ts *trends) redo() {
	for _, k := range ts.written {
		if r := ts.rows[k]; r != nil && !r.dirty {
			r.dirty = true
			ts.changed = append(ts.changed, k)
		}
	}
	ts.written = ts.written[:0]
}

// settle forgets the rows of past hours; they are loaded again if a call comes late.
func (ts *trends) settle(hour int64) {
	ts.written = ts.written[:0]
	if len(ts.sizes) < 2 {
		return
	}
	for k, r := range ts.rows {
		if k.hour < hour && !r.dirty {
			delete(ts.rows, k)
		}
	}
	for h := range ts.sizes {
		if h < hour {
			delete(ts.sizes, h)
		}
	}
}

// writeTrends stores the rows that changed, in a fixed order.
func (w *Recorder) writeTrends() error {
	ts := &w.trends
	slices.SortFunc(ts.changed, func(a, b tallyKey) int {
		return cmp.Or(cmp.Compare(a.hour, b.hour), cmp.Compare(a.name, b.name), cmp.Compare(a.model, b.model),
			cmp.Compare(a.method, b.method), cmp.Compare(a.service, b.service))
	})
	for _, k := range ts.changed {
		r := ts.rows[k]
		method, err := w.methodID(k.named)
		if err != nil {
			return err
		}
		if !r.loaded {
			if err := ts.load(k.hour, method, r); err != nil {
				return err
			}
		}
		ts.blob = appendDurations(ts.blob[:0], &r.counts)
		t := &r.Time
		if _, err := ts.write.Exec(k.hour, method, r.Calls, r.Errors, r.Statements, int64(r.Max), int64(t.Wait), int64(t.Application),
			int64(t.SQL), int64(t.Lock), int64(t.Retry), int64(t.Transfer), int64(t.Unknown), ts.blob); err != nil {
			return fmt.Errorf("write trend: %w", err)
		}
		r.dirty = false
		ts.written = append(ts.written, k)
	}
	ts.changed = ts.changed[:0]
	return nil
}

// load adds what the store holds of a row already.
func (ts *trends) load(hour int64, method uint64, r *hourTally) error {
	var old hourTally
	var blob []byte
	switch err := ts.find.QueryRow(hour, method).Scan(append(old.targets(), &blob)...); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return fmt.Errorf("read trend: %w", err)
	default:
		if err := readDurations(blob, func(bucket int, n uint32) { r.counts[bucket] += n }); err != nil {
			return fmt.Errorf("read trend: %w", err)
		}
		r.join(&old.sum)
	}
	r.loaded = true
	return nil
}

// join adds other calls.
func (s *sum) join(o *sum) {
	s.Calls += o.Calls
	s.Errors += o.Errors
	s.Statements += o.Statements
	s.Max = max(s.Max, o.Max)
	addTime(&s.Time, &o.Time)
}

func appendDurations(b []byte, counts *[trendBuckets]uint32) []byte {
	last := 0
	for i, n := range counts {
		if n > 0 {
			b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(i-last)), uint64(n))
			last = i
		}
	}
	return b
}

// readDurations passes the buckets to yield. Every number is checked: a damaged list yields an error.
func readDurations(b []byte, yield func(bucket int, n uint32)) error {
	r := blobReader{b: b}
	at := uint64(0)
	for len(r.b) > 0 {
		step, n := r.uint(), r.uint()
		if at += step; r.bad || step >= trendBuckets || at >= trendBuckets || n > math.MaxUint32 {
			return errDurations
		}
		yield(int(at), uint32(n))
	}
	return nil
}

// trendValue is the duration that stands for a bucket: its middle.
func trendValue(bucket int) time.Duration {
	if bucket == 0 {
		return 0
	}
	return time.Duration(math.Exp(float64(2*bucket) * logGrowth))
}

package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

// TrendFilter picks trends. Its zero value picks all.
type TrendFilter struct {
	From, To time.Time // hours that begin in [From, To), From rounded down to its hour; zero: open
	Methods  []string  // name as analyzer.MethodOf makes it, or the bare method
	Models   []string
}

// Hour sums up the ordinary calls of one method that started within one hour.
type Hour struct {
	Start               time.Time
	Name, Model, Method string
	sum
	counts []byte
}

// Trend sums up ordinary calls over a stretch of time.
type Trend struct {
	Start time.Time
	sum
	P50, P95, P99 time.Duration // within 2 %
	counts        [trendBuckets]uint64
}

// Total is the sum of the calls' durations.
func (s *sum) Total() time.Duration {
	t := &s.Time
	return t.Wait + t.Application + t.SQL + t.Lock + t.Retry + t.Transfer + t.Unknown
}

// Hours passes the trends that match to yield, in order of hour and method.
func (s *SQLite) Hours(ctx context.Context, f TrendFilter, yield func(*Hour) error) error {
	v, err := s.view(ctx)
	if err != nil {
		return err
	}
	defer v.close()
	w := &where{}
	if !f.From.IsZero() {
		w.add("d.hour >= ?", hourOf(f.From))
	}
	if !f.To.IsZero() {
		w.add("d.hour < ?", hourOf(f.To.Add(time.Duration(hourLength)-1)))
	}
	w.any(len(f.Methods), func(i int) (string, []any) { return "(t.name = ? OR t.method = ?)", []any{f.Methods[i], f.Methods[i]} })
	w.any(len(f.Models), func(i int) (string, []any) { return "m.name = ?", []any{f.Models[i]} })
	var h Hour
	var hour int64
	var blob sql.RawBytes
	targets := append([]any{&hour, &h.Name, &h.Model, &h.Method}, append(h.targets(), &blob)...)
	err = each(ctx, v.tx, "SELECT d.hour, t.name, m.name, t.method, "+trendColumns+" FROM trends d JOIN methods t ON t.id = d.method JOIN models m ON m.id = t.model"+
		w.String()+" ORDER BY d.hour, t.name, d.method", w.args, func(r *sql.Rows) error {
		if err := r.Scan(targets...); err != nil {
			return err
		}
		h.Start, h.counts = time.Unix(0, hour*hourLength).UTC(), blob
		return yield(&h)
	})
	if err != nil {
		return fmt.Errorf("read trends: %w", err)
	}
	return nil
}

func (t *Trend) add(h *Hour) error {
	t.join(&h.sum)
	return readDurations(h.counts, func(bucket int, n uint32) { t.counts[bucket] += uint64(n) })
}

// finish computes the quantiles: nearest rank, as elsewhere.
func (t *Trend) finish() {
	for _, q := range [...]struct {
		share float64
		to    *time.Duration
	}{{.5, &t.P50}, {.95, &t.P95}, {.99, &t.P99}} {
		rank, seen := nearestRank(q.share, t.Calls), int64(0)
		for i, n := range t.counts {
			if seen += int64(n); n > 0 && seen >= rank {
				*q.to = min(trendValue(i), t.Max)
				break
			}
		}
	}
}

// Trends sums up the matching hours into stretches of the given step, which is rounded up to whole hours and
// counted from midnight UTC. Stretches without calls are left out.
func Trends(ctx context.Context, r Reader, f TrendFilter, step time.Duration) ([]Trend, error) {
	step = max((step + time.Hour - 1).Truncate(time.Hour), time.Hour)
	out := []Trend{}
	err := r.Hours(ctx, f, func(h *Hour) error {
		n := int64(step)
		at := h.Start.UnixNano()
		start := time.Unix(0, at-(at%n+n)%n).UTC()
		if len(out) == 0 || !out[len(out)-1].Start.Equal(start) {
			out = append(out, Trend{Start: start})
		}
		return out[len(out)-1].add(h)
	})
	for i := range out {
		out[i].finish()
	}
	return out, err
}

// MethodTrend is the trend of one method over a whole range.
type MethodTrend struct {
	Name, Model, Method string
	Trend
}

// TrendMethods sums up the matching hours by method, greatest total first.
func TrendMethods(ctx context.Context, r Reader, f TrendFilter) ([]MethodTrend, error) {
	byName := map[string]*MethodTrend{}
	order := []*MethodTrend{}
	err := r.Hours(ctx, f, func(h *Hour) error {
		t := byName[h.Name]
		if t == nil {
			t = &MethodTrend{Name: h.Name, Model: h.Model, Method: h.Method, Trend: Trend{Start: h.Start}}
			byName[h.Name] = t
			order = append(order, t)
		}
		return t.add(h)
	})
	slices.SortStableFunc(order, func(a, b *MethodTrend) int { return int(min(max(b.Total()-a.Total(), -1), 1)) })
	out := make([]MethodTrend, len(order))
	for i, t := range order {
		t.finish()
		out[i] = *t
	}
	return out, err
}

// fillTrends computes the trends of the calls that a store of the first version holds.
func fillTrends(tx *sql.Tx) error {
	type key struct{ hour, method int64 }
	rows := map[key]*hourTally{}
	ctx := context.Background()
	b := newBriefScan(newVocabulary(0))
	err := each(ctx, tx, "SELECT "+briefColumns+" FROM calls c WHERE c.class = 0", nil, func(r *sql.Rows) error {
		if err := r.Scan(b.targets...); err != nil {
			return err
		}
		k := key{hourOf(time.Unix(0, b.start)), b.method}
		t := rows[k]
		if t == nil {
			t = &hourTally{}
			rows[k] = t
		}
		one := sum{Calls: 1, Statements: b.b.Statements, Max: time.Duration(b.duration), Time: b.b.Time}
		if b.failed {
			one.Errors = 1
		}
		t.join(&one)
		t.counts[bucket(one.Max)/2]++
		return nil
	})
	if err != nil {
		return fmt.Errorf("sum up calls: %w", err)
	}
	for k, t := range rows {
		p := &t.Time
		_, err := tx.Exec("INSERT INTO trends VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", k.hour, k.method, t.Calls, t.Errors, t.Statements, int64(t.Max),
			int64(p.Wait), int64(p.Application), int64(p.SQL), int64(p.Lock), int64(p.Retry), int64(p.Transfer), int64(p.Unknown), appendDurations(nil, &t.counts))
		if err != nil {
			return fmt.Errorf("write trend: %w", err)
		}
	}
	return nil
}

package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
)

// hotRow is the fixed part of a Brief, with ids for its words.
type hotRow struct {
	id, start, duration         int64
	method, user, session, host int32
	statements                  int32
	class                       uint8
	failed                      bool
	time                        analyzer.Breakdown
}

// hotRows are all calls of a complete recording in order of start: what aggregates read again and again, and
// what takes the driver some microseconds a row to fetch.
type hotRows struct {
	rows []hotRow
	at   map[int64]int32 // by id
}

// hot returns the rows held in memory, which the first caller loads; nil where the recording is still being
// written or has more calls than Config.CacheCalls.
func (s *SQLite) hot(ctx context.Context, v *vocabulary) (*hotRows, error) {
	rec, err := s.Recording(ctx)
	if err != nil || !rec.Complete || rec.Counts.Calls > int64(s.cacheCalls) {
		return nil, err
	}
	s.loading.Lock()
	defer s.loading.Unlock()
	if s.kept != nil {
		return s.kept, nil
	}
	h := &hotRows{rows: make([]hotRow, 0, rec.Counts.Calls), at: make(map[int64]int32, rec.Counts.Calls)}
	err = s.scanRows(ctx, &Filter{AllCalls: true}, v, func(b *briefScan) {
		h.at[b.id] = int32(len(h.rows))
		h.rows = append(h.rows, hotRow{id: b.id, start: b.start, duration: b.duration, method: int32(b.method), user: int32(b.user),
			session: int32(b.session), host: int32(b.host), statements: int32(b.b.Statements), class: uint8(b.cl), failed: b.failed, time: b.b.Time})
	})
	if err != nil {
		return nil, err
	}
	s.kept = h
	return h, nil
}

// load makes b stand for a row held in memory.
func (b *briefScan) load(r *hotRow) {
	b.id, b.start, b.duration, b.failed, b.cl = r.id, r.start, r.duration, r.failed, int64(r.class)
	b.method, b.user, b.session, b.host = int64(r.method), int64(r.user), int64(r.session), int64(r.host)
	b.b.Statements, b.b.Time = int64(r.statements), r.time
	b.finish()
}

// match judges a row by the parts of the filter that need no dictionary; it is for filters that are not narrow.
func (f *Filter) match(r *hotRow) bool {
	if !f.To.IsZero() && r.start >= f.To.UnixNano() {
		return false
	}
	if !f.From.IsZero() {
		end := r.start
		if f.Overlap {
			end += r.duration
		}
		if end < f.From.UnixNano() {
			return false
		}
	}
	switch {
	case f.AllCalls:
		return true
	case len(f.Classes) == 0:
		return rpclog.Class(r.class) == rpclog.Ordinary
	}
	return slices.Contains(f.Classes, rpclog.Class(r.class))
}

// pick returns which rows match, in order: nil stands for all that f.match accepts.
func (s *SQLite) pick(ctx context.Context, f *Filter, h *hotRows) ([]int32, error) {
	if !f.Narrow() {
		return nil, nil
	}
	w := f.where()
	picked := []int32{}
	var id int64
	err := each(ctx, s.db, "SELECT c.id FROM calls c"+w.String(), w.args, func(r *sql.Rows) error {
		if err := r.Scan(&id); err != nil {
			return err
		}
		if at, ok := h.at[id]; ok {
			picked = append(picked, at)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("pick calls: %w", err)
	}
	slices.Sort(picked)
	return picked, nil
}

// Scan passes the matching calls to yield in order of start.
func (s *SQLite) Scan(ctx context.Context, f Filter, yield func(*Brief)) error {
	v, err := s.fresh(ctx)
	if err != nil {
		return err
	}
	h, err := s.hot(ctx, v)
	if err != nil {
		return err
	}
	if h == nil {
		return s.scanRows(ctx, &f, v, func(b *briefScan) {
			b.finish()
			yield(&b.b)
		})
	}
	picked, err := s.pick(ctx, &f, h)
	if err != nil {
		return err
	}
	b := newBriefScan(v)
	if picked != nil {
		for _, at := range picked {
			b.load(&h.rows[at])
			yield(&b.b)
		}
		return ctx.Err()
	}
	for i := range h.rows {
		if f.match(&h.rows[i]) {
			b.load(&h.rows[i])
			yield(&b.b)
		}
	}
	return ctx.Err()
}

// scanRows reads the matching calls from the database in order of start.
func (s *SQLite) scanRows(ctx context.Context, f *Filter, v *vocabulary, yield func(*briefScan)) error {
	w, b := f.where(), newBriefScan(v)
	err := each(ctx, s.db, "SELECT "+briefColumns+" FROM calls c"+w.String()+" ORDER BY c.start, c.id", w.args, func(r *sql.Rows) error {
		if err := r.Scan(b.targets...); err != nil {
			return err
		}
		yield(b)
		return nil
	})
	if err != nil {
		return fmt.Errorf("scan calls: %w", err)
	}
	return nil
}

// Spans passes the spans of the matching calls to yield, call by call in order of start.
func (s *SQLite) Spans(ctx context.Context, f Filter, yield func(*Brief, []Span)) error {
	v, err := s.fresh(ctx)
	if err != nil {
		return err
	}
	h, err := s.hot(ctx, v)
	if err != nil {
		return err
	}
	b := newBriefScan(v)
	w := f.where()
	query, targets := "SELECT "+briefColumns+", s.data FROM calls c JOIN spans s ON s.call = c.id", b.targets
	if h != nil {
		query, targets = "SELECT c.id, s.data FROM calls c JOIN spans s ON s.call = c.id", []any{&b.id}
	}
	var blob sql.RawBytes
	var leases []uint64
	var spans []Span
	targets = append(targets[:len(targets):len(targets)], &blob)
	err = each(ctx, s.db, query+w.String()+" ORDER BY c.start, c.id", w.args, func(r *sql.Rows) error {
		if err := r.Scan(targets...); err != nil {
			return err
		}
		if h != nil {
			b.load(&h.rows[h.at[b.id]])
		} else {
			b.finish()
		}
		if leases, spans, err = v.spans(blob, leases, spans); err != nil {
			return fmt.Errorf("call %d: %w", b.b.ID, err)
		}
		yield(&b.b, spans)
		return nil
	})
	if err != nil {
		return fmt.Errorf("scan spans: %w", err)
	}
	return nil
}

// defaultCacheCalls is about 50 MB of rows.
const defaultCacheCalls = 400_000

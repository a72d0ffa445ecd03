package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sort"

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

// hotRows are all calls of a recording in order of start: what aggregates read again and again, and what takes
// the driver some microseconds a row to fetch. Those of a live store are extended by what is new; they are
// never changed, and one that knows more shares the rows.
type hotRows struct {
	commits, calls, lastID int64
	rows                   []hotRow
}

func (h *hotRows) compare(i int, start, id int64) int {
	return cmp.Or(cmp.Compare(h.rows[i].start, start), cmp.Compare(h.rows[i].id, id))
}

// find returns where the call is, or -1.
func (h *hotRows) find(start, id int64) int {
	i := sort.Search(len(h.rows), func(i int) bool { return h.compare(i, start, id) >= 0 })
	if i < len(h.rows) && h.compare(i, start, id) == 0 {
		return i
	}
	return -1
}

// hot returns the rows held in memory, which the first caller loads; nil where the recording has more calls
// than Config.CacheCalls, or where another caller of a later moment has brought them further.
func (s *SQLite) hot(ctx context.Context, v *view) (*hotRows, error) {
	var calls, last int64
	if err := v.tx.QueryRowContext(ctx, "SELECT calls, last_call FROM state").Scan(&calls, &last); err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	if calls > int64(s.cacheCalls) {
		s.loading.Lock()
		s.kept = nil
		s.loading.Unlock()
		return nil, nil
	}
	s.loading.Lock()
	defer s.loading.Unlock()
	h := s.kept
	switch {
	case h != nil && h.commits == v.commits:
		return h, nil
	case h != nil && h.commits > v.commits:
		return nil, nil
	case h == nil:
		h = &hotRows{rows: make([]hotRow, 0, calls)}
	}
	n := &hotRows{commits: v.commits, calls: calls, lastID: last, rows: h.rows}
	if err := n.extend(ctx, v, rpclog.CallID(h.lastID)); err != nil {
		return nil, err
	}
	if int64(len(n.rows)) < calls { // ids that came out of order, as Create lets them
		n.rows = make([]hotRow, 0, calls)
		if err := n.extend(ctx, v, 0); err != nil {
			return nil, err
		}
	}
	if int64(len(n.rows)) != calls {
		if err := n.drop(ctx, v); err != nil {
			return nil, err
		}
	}
	s.kept = n
	return n, nil
}

// extend adds the calls after the given one.
func (h *hotRows) extend(ctx context.Context, v *view, after rpclog.CallID) error {
	inOrder := true
	err := v.scan(ctx, &Filter{AllCalls: true, After: after}, func(b *briefScan) {
		inOrder = inOrder && (len(h.rows) == 0 || h.compare(len(h.rows)-1, b.start, b.id) < 0)
		h.rows = append(h.rows, hotRow{id: b.id, start: b.start, duration: b.duration, method: int32(b.method), user: int32(b.user),
			session: int32(b.session), host: int32(b.host), statements: int32(b.b.Statements), class: uint8(b.cl), failed: b.failed, time: b.b.Time})
	})
	if err == nil && !inOrder { // at the seam of two runs, say
		h.rows = slices.Clone(h.rows)
		slices.SortFunc(h.rows, func(a, b hotRow) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.id, b.id)) })
	}
	return err
}

// drop takes out the calls that were deleted: the oldest ones, or those of a user, wherever they are.
func (h *hotRows) drop(ctx context.Context, v *view) error {
	gone := len(h.rows) - int(h.calls)
	var start, id int64
	err := v.tx.QueryRowContext(ctx, "SELECT start, id FROM calls ORDER BY start, id LIMIT 1").Scan(&start, &id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("find first call: %w", err)
	}
	if err == nil && gone > 0 && h.find(start, id) == gone {
		h.rows = h.rows[gone:]
		return nil
	}
	there := make(map[int64]struct{}, h.calls)
	if err := each(ctx, v.tx, "SELECT id FROM calls", nil, func(r *sql.Rows) error {
		err := r.Scan(&id)
		there[id] = struct{}{}
		return err
	}); err != nil {
		return fmt.Errorf("list calls: %w", err)
	}
	h.rows = slices.DeleteFunc(slices.Clone(h.rows), func(r hotRow) bool {
		_, ok := there[r.id]
		return !ok
	})
	return nil
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
	if !f.To.IsZero() && r.start >= f.To.UnixNano() || r.id <= int64(f.After) || f.Until > 0 && r.id > int64(f.Until) {
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
func (v *view) pick(ctx context.Context, f *Filter, h *hotRows) ([]int32, error) {
	if !f.Narrow() {
		return nil, nil
	}
	w := f.where()
	picked := []int32{}
	var id, start int64
	err := each(ctx, v.tx, "SELECT c.id, c.start FROM calls c"+w.String(), w.args, func(r *sql.Rows) error {
		if err := r.Scan(&id, &start); err != nil {
			return err
		}
		if at := h.find(start, id); at >= 0 {
			picked = append(picked, int32(at))
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
	v, err := s.view(ctx)
	if err != nil {
		return err
	}
	defer v.close()
	h, err := s.hot(ctx, v)
	if err != nil {
		return err
	}
	if h == nil {
		return v.scan(ctx, &f, func(b *briefScan) {
			b.finish()
			yield(&b.b)
		})
	}
	picked, err := v.pick(ctx, &f, h)
	if err != nil {
		return err
	}
	b := newBriefScan(v.words)
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

// scan reads the matching calls from the database in order of start.
func (v *view) scan(ctx context.Context, f *Filter, yield func(*briefScan)) error {
	w, b := f.where(), newBriefScan(v.words)
	err := each(ctx, v.tx, "SELECT "+briefColumns+" FROM calls c"+w.String()+" ORDER BY c.start, c.id", w.args, func(r *sql.Rows) error {
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
	v, err := s.view(ctx)
	if err != nil {
		return err
	}
	defer v.close()
	h, err := s.hot(ctx, v)
	if err != nil {
		return err
	}
	b := newBriefScan(v.words)
	w := f.where()
	query, targets := "SELECT "+briefColumns+", s.data FROM calls c JOIN spans s ON s.call = c.id", b.targets
	if h != nil {
		query, targets = "SELECT c.id, c.start, s.data FROM calls c JOIN spans s ON s.call = c.id", []any{&b.id, &b.start}
	}
	var blob sql.RawBytes
	var leases []uint64
	var spans []Span
	targets = append(targets[:len(targets):len(targets)], &blob)
	err = each(ctx, v.tx, query+w.String()+" ORDER BY c.start, c.id", w.args, func(r *sql.Rows) error {
		if err := r.Scan(targets...); err != nil {
			return err
		}
		if h == nil {
			b.finish()
		} else if at := h.find(b.start, b.id); at >= 0 {
			b.load(&h.rows[at])
		}
		if leases, spans, err = v.words.spans(blob, leases, spans); err != nil {
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

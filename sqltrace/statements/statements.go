// Package statements tells what a database did between two moments, by the counters of pg_stat_statements. It resets
// nothing, so that whoever else reads them loses nothing.
package statements

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/perfd/perfd/sqltrace/activity"
)

const (
	patience = 15 * time.Second
	most     = 20_000 // statements read
	longText = 2000   // of a statement
)

// ErrMissing says that the database does not have the extension.
var ErrMissing = errors.New("the extension pg_stat_statements is not in this database")

// key is a statement of a user; the database is the one that is asked.
type key struct {
	user  uint32
	query int64
	top   bool
}

// Counts are those of a statement.
type Counts struct {
	Calls   int64   `json:"calls"`
	Rows    int64   `json:"rows"`
	Hit     int64   `json:"hit"` // shared blocks found, and fetched
	Read    int64   `json:"read"`
	Seconds float64 `json:"seconds"`
}

// Snapshot is the counters at a moment.
type Snapshot struct {
	counts map[key]Counts
	texts  map[key]string
	evict  int64 // how often statements were forgotten for want of room; -1 if it is not known
	reset  time.Time
}

// Statement is what a statement did between two snapshots. Its text has $1 in place of values.
type Statement struct {
	QueryID int64  `json:"query_id"`
	Text    string `json:"text"`
	Counts
}

// Take reads the counters. Texts are left out if texts is false.
func Take(ctx context.Context, dsn string, texts bool) (*Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := activity.Connect(ctx, dsn)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it was about
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	s := &Snapshot{counts: map[key]Counts{}, texts: map[key]string{}, evict: -1}
	var version int
	if err := conn.QueryRow(ctx, `SELECT coalesce((SELECT (string_to_array(extversion, '.'))[2]::int FROM pg_extension WHERE extname = 'pg_stat_statements'), -1)`).Scan(&version); err != nil {
		return nil, fmt.Errorf("ask for pg_stat_statements: %s", activity.Reason(err))
	}
	if version < 0 {
		return nil, ErrMissing
	}
	text, total, top := "''", "total_exec_time", "toplevel"
	if texts {
		text = fmt.Sprintf("left(query, %d)", longText)
	}
	if version < 8 { // PostgreSQL 12
		total = "total_time"
	}
	if version < 9 { // PostgreSQL 13
		top = "true"
	} else if err := conn.QueryRow(ctx, `SELECT dealloc, stats_reset FROM pg_stat_statements_info`).Scan(&s.evict, &s.reset); err != nil {
		return nil, fmt.Errorf("read pg_stat_statements_info: %s", activity.Reason(err))
	}
	rows, err := conn.Query(ctx, `SELECT userid, queryid, `+top+`, `+text+`, calls, rows, shared_blks_hit, shared_blks_read, `+total+` / 1000
		FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND queryid IS NOT NULL
		ORDER BY `+total+` DESC LIMIT $1`, most)
	if err != nil {
		return nil, fmt.Errorf("read pg_stat_statements: %s", activity.Reason(err))
	}
	var k key
	var query string
	var c Counts
	if _, err := pgx.ForEachRow(rows, []any{&k.user, &k.query, &k.top, &query, &c.Calls, &c.Rows, &c.Hit, &c.Read, &c.Seconds}, func() error {
		s.counts[k] = c
		if texts {
			s.texts[k] = query
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read pg_stat_statements: %s", activity.Reason(err))
	}
	return s, nil
}

// Sums are what statements did in the passes of an arm, by their query id.
type Sums struct {
	ByQuery map[int64]*Statement
	// Seconds and Calls are of all of them; Passes counts the differences that were added.
	Seconds float64
	Calls   int64
	Passes  int
	// Partial says that the server forgot statements meanwhile, or its counters were reset.
	Partial bool
}

// Add adds what was done between two snapshots.
func (s *Sums) Add(before, after *Snapshot) {
	if s.ByQuery == nil {
		s.ByQuery = map[int64]*Statement{}
	}
	s.Passes++
	s.Partial = s.Partial || before.evict != after.evict || !before.reset.Equal(after.reset)
	for k, now := range after.counts {
		was := before.counts[k]
		if now.Calls <= was.Calls { // nothing was done, or the statement was forgotten and came again
			s.Partial = s.Partial || now.Calls < was.Calls
			continue
		}
		st := s.ByQuery[k.query]
		if st == nil {
			st = &Statement{QueryID: k.query, Text: after.texts[k]}
			s.ByQuery[k.query] = st
		}
		st.Calls += now.Calls - was.Calls
		st.Rows += now.Rows - was.Rows
		st.Hit += now.Hit - was.Hit
		st.Read += now.Read - was.Read
		st.Seconds += max(0, now.Seconds-was.Seconds)
		if k.top {
			s.Seconds += max(0, now.Seconds-was.Seconds)
			s.Calls += now.Calls - was.Calls
		}
	}
}

// Change is a statement in two arms.
type Change struct {
	QueryID int64  `json:"query_id"`
	Text    string `json:"text"`
	// A and B are per pass of the arm.
	A PerPass `json:"a"`
	B PerPass `json:"b"`
}

// PerPass are Counts of one pass, on average.
type PerPass struct {
	Calls   float64 `json:"calls"`
	Rows    float64 `json:"rows"`
	Blocks  float64 `json:"blocks"`
	Seconds float64 `json:"seconds"`
}

func (s *Sums) per(id int64) PerPass {
	st := s.ByQuery[id]
	if st == nil || s.Passes == 0 {
		return PerPass{}
	}
	n := float64(s.Passes)
	return PerPass{float64(st.Calls) / n, float64(st.Rows) / n, float64(st.Hit+st.Read) / n, st.Seconds / n}
}

// Changes are the statements whose time differs most between two arms, n of them.
func Changes(a, b *Sums, n int) []Change {
	var all []Change
	seen := map[int64]bool{}
	for _, s := range []*Sums{a, b} {
		for id, st := range s.ByQuery {
			if !seen[id] {
				seen[id] = true
				all = append(all, Change{QueryID: id, Text: st.Text, A: a.per(id), B: b.per(id)})
			}
		}
	}
	weight := func(c Change) float64 { return max(c.A.Seconds-c.B.Seconds, c.B.Seconds-c.A.Seconds) }
	slices.SortFunc(all, func(x, y Change) int {
		switch wx, wy := weight(x), weight(y); {
		case wx > wy:
			return -1
		case wx < wy:
			return 1
		}
		return int(min(max(x.QueryID-y.QueryID, -1), 1))
	})
	return all[:min(n, len(all))]
}

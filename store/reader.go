package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/perfd/perfd/rpclog"
)

// SQLite reads a store, finished or being written. Every answer comes out of one read transaction. What rows
// refer to by id is held in memory, and extended when the store has more of it.
type SQLite struct {
	db   *sql.DB
	keep *sql.Conn
	held string

	cacheCalls int
	loading    sync.Mutex // held while kept is brought up to date, so that it is done once
	kept       *hotRows

	mu       sync.Mutex
	words    *vocabulary // the newest
	counted  *Recording  // of the state countedAt
	stateOf  int64
	findings findingsCount
}

var _ Reader = (*SQLite)(nil)

// findingsCount is how many groups of findings there are: costly to know, and of a live store known only as
// of some time ago.
type findingsCount struct {
	groups int64
	until  time.Time
}

// view is the store at one moment: a read transaction and what the ids in its rows stand for.
type view struct {
	tx      *sql.Tx
	words   *vocabulary
	commits int64
	epoch   int64
}

// view begins a read transaction, which close has to end. All that is asked within it has to go through it:
// whoever waited for a second connection while holding a first could wait for ever.
func (s *SQLite) view(ctx context.Context) (*view, error) {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("begin reading: %w", err)
	}
	v := &view{tx: tx}
	if err := tx.QueryRowContext(ctx, "SELECT commits, epoch FROM state").Scan(&v.commits, &v.epoch); err != nil {
		v.close()
		return nil, fmt.Errorf("read state: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.words
	if w == nil || w.epoch < v.epoch {
		w = newVocabulary(v.epoch)
	}
	if w.commits < v.commits {
		if w, err = w.extended(ctx, tx, v.commits); err != nil {
			v.close()
			return nil, err
		}
		s.words = w
	}
	v.words = w
	return v, nil
}

func (v *view) close() { _ = v.tx.Rollback() } // nothing was written

// State returns the number of commits that made the store what it is.
func (s *SQLite) State(ctx context.Context) (int64, error) {
	var commits int64
	if err := s.db.QueryRowContext(ctx, "SELECT commits FROM state").Scan(&commits); err != nil {
		return 0, fmt.Errorf("read state: %w", err)
	}
	return commits, nil
}

// LastCall returns the highest id ever given to a call that was committed.
func (s *SQLite) LastCall(ctx context.Context) (rpclog.CallID, error) {
	var id int64
	if err := s.db.QueryRowContext(ctx, "SELECT last_call FROM state").Scan(&id); err != nil {
		return 0, fmt.Errorf("read last call: %w", err)
	}
	return rpclog.CallID(id), nil
}

// Close releases the database.
func (s *SQLite) Close() error {
	err := errors.Join(s.keep.Close(), s.db.Close())
	release(s.held)
	return err
}

// asker is a connection or a transaction.
type asker interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// each runs a query and passes every row to f.
func each(ctx context.Context, db asker, query string, args []any, f func(*sql.Rows) error) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Recording returns the recording's source, summary and totals.
func (s *SQLite) Recording(ctx context.Context) (Recording, error) {
	v, err := s.view(ctx)
	if err != nil {
		return Recording{}, err
	}
	defer v.close()
	s.mu.Lock()
	known := s.counted
	at := s.stateOf
	s.mu.Unlock()
	if known != nil && at == v.commits {
		return *known, nil
	}
	rec, err := s.recording(ctx, v)
	if err == nil {
		s.mu.Lock()
		s.counted, s.stateOf = &rec, v.commits
		s.mu.Unlock()
	}
	return rec, err
}

// readHeader fills in what the writer said of the recording.
func readHeader(ctx context.Context, db asker, rec *Recording) error {
	var text string
	err := db.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = 'recording'").Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read recording: %w", err)
	}
	var f finished
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return fmt.Errorf("decode recording: %w", err)
	}
	rec.Source, rec.Summary, rec.Complete, rec.Live = f.Source, f.Summary, f.State != stateLive, f.State != ""
	return nil
}

func (s *SQLite) recording(ctx context.Context, v *view) (Recording, error) {
	var rec Recording
	if err := readHeader(ctx, v.tx, &rec); err != nil {
		return rec, err
	}
	var st state
	if err := v.tx.QueryRowContext(ctx, "SELECT "+stateColumns+" FROM state").Scan(st.targets()...); err != nil {
		return rec, fmt.Errorf("read state: %w", err)
	}
	c := &rec.Counts
	c.Calls, c.Ordinary, c.Errors, c.Attributed, c.Exact = st.calls, st.ordinary, st.errors, st.attributed, st.exact
	c.Background, c.Statements = st.groups, st.attributed+st.unowned
	if rec.Complete && !rec.Live { // a store of the first version has counted no exact ones
		c.Exact = rec.Summary.Exact
	}
	var first sql.NullInt64
	err := v.tx.QueryRowContext(ctx, "SELECT min(start) FROM (SELECT min(start) AS start FROM calls UNION ALL SELECT min(start) FROM background)").Scan(&first)
	if err != nil {
		return rec, fmt.Errorf("find first call: %w", err)
	}
	if first.Valid {
		c.First, c.Last = time.Unix(0, first.Int64).UTC(), time.Unix(0, st.last).UTC()
	}
	// Each of these looks for one call, once for every word.
	err = v.tx.QueryRowContext(ctx, segments+` SELECT
(SELECT count(*) FROM sessions t WHERE id > 0 AND `+called(bySession)+`)),
(SELECT count(DISTINCT text) FROM (SELECT CASE WHEN login <> '' THEN login ELSE 'uid ' || uid END AS text FROM users t
  WHERE (login <> '' OR uid <> 0) AND `+called(byUser)+` AND class = 0))),
(SELECT count(*) FROM shapes WHERE id > 0), (SELECT count(*) FROM backends WHERE id > 0)`).Scan(&c.Sessions, &c.Users, &c.Shapes, &c.Backends)
	if err != nil {
		return rec, fmt.Errorf("count words: %w", err)
	}
	err = v.tx.QueryRowContext(ctx, segments+` SELECT count(DISTINCT t.name), count(DISTINCT CASE WHEN m.name <> '' THEN m.name END)
FROM methods t JOIN models m ON m.id = t.model WHERE `+called(byMethod)+` AND class = 0)`).Scan(&c.Methods, &c.Models)
	if err != nil {
		return rec, fmt.Errorf("count methods: %w", err)
	}
	c.Rules = append([]string{}, v.words.rules...)
	sort.Strings(c.Rules)
	c.Findings, err = s.countFindings(ctx, v, rec.Complete)
	return rec, err
}

// countFindings counts the groups of findings; of a recording that goes on, at intervals of fifty times what
// counting takes.
func (s *SQLite) countFindings(ctx context.Context, v *view, complete bool) (int64, error) {
	start := time.Now()
	s.mu.Lock()
	f := s.findings
	s.mu.Unlock()
	if !complete && start.Before(f.until) {
		return f.groups, nil
	}
	finds, err := Findings(ctx, viewReader{s, v}, Filter{}, 0)
	if err != nil {
		return 0, err
	}
	f = findingsCount{groups: int64(len(finds)), until: start.Add(50 * time.Since(start))}
	s.mu.Lock()
	s.findings = f
	s.mu.Unlock()
	return f.groups, nil
}

// viewReader answers within a view.
type viewReader struct {
	*SQLite
	v *view
}

// Findings passes the findings of the matching calls to yield, in order of call and place.
func (r viewReader) Findings(ctx context.Context, f Filter, yield func(*Brief, Finding)) error {
	return r.v.findings(ctx, &f, yield)
}

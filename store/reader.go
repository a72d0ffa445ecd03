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
	"github.com/perfd/perfd/sqltrace"
)

// SQLite reads a store. Dictionaries that every row refers to are held in memory and read again when a row
// names an id beyond them, so that a store that is still being written can be read too.
type SQLite struct {
	db   *sql.DB
	keep *sql.Conn
	path string

	cacheCalls int
	loading    sync.Mutex // held while kept is loaded, so that it is loaded once
	kept       *hotRows

	mu    sync.RWMutex
	words *vocabulary // replaced whole, never changed
	whole *Recording  // once the recording is complete and was read
}

var _ Reader = (*SQLite)(nil)

// vocabulary is what the ids in rows stand for.
type vocabulary struct {
	words    map[int64]string
	methods  map[int64]methodWord
	users    map[int64]userWord
	sessions map[int64]rpclog.SessionKey
	rules    []string // by bit
	shapes   map[int64]*sqltrace.Shape
}

type methodWord struct{ name, service, model, method string }

type userWord struct {
	uid         int64
	login, name string
}

// Close releases the database.
func (s *SQLite) Close() error { return errors.Join(s.keep.Close(), s.db.Close()) }

func (s *SQLite) vocabulary() *vocabulary {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.words
}

// reload reads the dictionaries anew.
func (s *SQLite) reload() error {
	ctx := context.Background()
	v := &vocabulary{words: map[int64]string{}, methods: map[int64]methodWord{}, users: map[int64]userWord{},
		sessions: map[int64]rpclog.SessionKey{}, shapes: map[int64]*sqltrace.Shape{}}
	err := errors.Join(
		each(ctx, s.db, "SELECT id, text FROM words", nil, func(r *sql.Rows) error {
			var id int64
			var w string
			err := r.Scan(&id, &w)
			v.words[id] = w
			return err
		}),
		each(ctx, s.db, "SELECT t.id, t.name, t.service, m.name, t.method FROM methods t JOIN models m ON m.id = t.model", nil, func(r *sql.Rows) error {
			var id int64
			var m methodWord
			err := r.Scan(&id, &m.name, &m.service, &m.model, &m.method)
			v.methods[id] = m
			return err
		}),
		each(ctx, s.db, "SELECT id, uid, login FROM users", nil, func(r *sql.Rows) error {
			var id int64
			var u userWord
			err := r.Scan(&id, &u.uid, &u.login)
			u.name = UserName(u.login, u.uid)
			v.users[id] = u
			return err
		}),
		each(ctx, s.db, "SELECT id, key FROM sessions", nil, func(r *sql.Rows) error {
			var id, key int64
			err := r.Scan(&id, &key)
			v.sessions[id] = rpclog.SessionKey(key)
			return err
		}),
		each(ctx, s.db, "SELECT name FROM rules ORDER BY id", nil, func(r *sql.Rows) error {
			var name string
			err := r.Scan(&name)
			v.rules = append(v.rules, name)
			return err
		}),
		each(ctx, s.db, "SELECT id, fingerprint, kind, text, tables, written FROM shapes", nil, func(r *sql.Rows) error {
			var id, fingerprint, kind int64
			var tables string
			shape := &sqltrace.Shape{}
			if err := r.Scan(&id, &fingerprint, &kind, &shape.Text, &tables, &shape.Written); err != nil {
				return err
			}
			shape.Fingerprint, shape.Kind = sqltrace.Fingerprint(fingerprint), sqltrace.Kind(kind)
			v.shapes[id] = shape
			return json.Unmarshal([]byte(tables), &shape.Tables)
		}))
	if err != nil {
		return fmt.Errorf("read dictionaries: %w", err)
	}
	s.mu.Lock()
	s.words = v
	s.mu.Unlock()
	return nil
}

// fresh returns a vocabulary that knows the newest rows: every dictionary's word is stored before the row
// that needs it, so one reload at most is needed for a query.
func (s *SQLite) fresh(ctx context.Context) (*vocabulary, error) {
	s.mu.RLock()
	v, whole := s.words, s.whole != nil
	s.mu.RUnlock()
	if whole {
		return v, nil
	}
	var words, methods, users, sessions, rules, shapes int
	err := s.db.QueryRowContext(ctx, `SELECT (SELECT max(id) FROM words), (SELECT max(id) FROM methods), (SELECT max(id) FROM users),
(SELECT max(id) FROM sessions), (SELECT coalesce(max(id), 0) FROM rules), (SELECT max(id) FROM shapes)`).
		Scan(&words, &methods, &users, &sessions, &rules, &shapes)
	if err != nil {
		return nil, fmt.Errorf("read dictionaries: %w", err)
	}
	if words+1 == len(v.words) && methods+1 == len(v.methods) && users+1 == len(v.users) &&
		sessions+1 == len(v.sessions) && rules == len(v.rules) && shapes+1 == len(v.shapes) {
		return v, nil
	}
	if err := s.reload(); err != nil {
		return nil, err
	}
	return s.vocabulary(), nil
}

// each runs a query and passes every row to f.
func each(ctx context.Context, db *sql.DB, query string, args []any, f func(*sql.Rows) error) error {
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

// Recording returns the recording's source, summary and totals. It is kept once it is complete: nothing in it
// changes any more.
func (s *SQLite) Recording(ctx context.Context) (Recording, error) {
	s.mu.RLock()
	whole := s.whole
	s.mu.RUnlock()
	if whole != nil {
		return *whole, nil
	}
	rec, err := s.recording(ctx)
	if err == nil && rec.Complete {
		s.mu.Lock()
		s.whole = &rec
		s.mu.Unlock()
	}
	return rec, err
}

func (s *SQLite) recording(ctx context.Context) (Recording, error) {
	var rec Recording
	var text string
	err := s.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = 'recording'").Scan(&text)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return rec, fmt.Errorf("read recording: %w", err)
	default:
		var f finished
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			return rec, fmt.Errorf("decode recording: %w", err)
		}
		rec.Source, rec.Summary, rec.Complete = f.Source, f.Summary, true
	}
	c := &rec.Counts
	var first, last sql.NullInt64
	err = s.db.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE class = 0), count(*) FILTER (WHERE class = 0 AND failed),
count(DISTINCT session) FILTER (WHERE session <> 0), min(start), max(start + duration) FROM calls`).
		Scan(&c.Calls, &c.Ordinary, &c.Errors, &c.Sessions, &first, &last)
	if err != nil {
		return rec, fmt.Errorf("count calls: %w", err)
	}
	var bgFirst, bgLast sql.NullInt64
	err = s.db.QueryRowContext(ctx, "SELECT count(*), min(start), max(start + duration), coalesce(sum(statements), 0) FROM background").
		Scan(&c.Background, &bgFirst, &bgLast, &c.Statements)
	if err != nil {
		return rec, fmt.Errorf("count background: %w", err)
	}
	err = s.db.QueryRowContext(ctx, `SELECT (SELECT coalesce(sum(statements), 0) FROM calls), (SELECT count(*) FROM shapes WHERE id > 0),
(SELECT count(*) FROM backends WHERE id > 0)`).
		Scan(&c.Attributed, &c.Shapes, &c.Backends)
	if err != nil {
		return rec, fmt.Errorf("count rows: %w", err)
	}
	c.Statements += c.Attributed
	c.Exact = rec.Summary.Exact
	c.First, c.Last = earliest(first, bgFirst), latest(last, bgLast)
	finds, err := Findings(ctx, s, Filter{}, 0)
	if err != nil {
		return rec, err
	}
	c.Findings = int64(len(finds))
	v, err := s.fresh(ctx)
	if err != nil {
		return rec, err
	}
	return rec, s.countWords(ctx, v, c)
}

// countWords counts what the ordinary calls name, by word and not by id.
func (s *SQLite) countWords(ctx context.Context, v *vocabulary, c *Counts) error {
	users, methods, models := map[string]bool{}, map[string]bool{}, map[string]bool{}
	err := each(ctx, s.db, "SELECT DISTINCT user, method FROM calls WHERE class = 0", nil, func(r *sql.Rows) error {
		var user, method int64
		if err := r.Scan(&user, &method); err != nil {
			return err
		}
		m := v.methods[method]
		users[v.users[user].name], methods[m.name], models[m.model] = true, true, true
		return nil
	})
	if err != nil {
		return fmt.Errorf("count words: %w", err)
	}
	delete(users, "")
	delete(models, "")
	c.Users, c.Methods, c.Models = int64(len(users)), int64(len(methods)), int64(len(models))
	c.Rules = append([]string{}, v.rules...)
	sort.Strings(c.Rules)
	return nil
}

func earliest(a, b sql.NullInt64) time.Time {
	if !a.Valid || b.Valid && b.Int64 < a.Int64 {
		a = b
	}
	return unixNano(a)
}

func latest(a, b sql.NullInt64) time.Time {
	if !a.Valid || b.Valid && b.Int64 > a.Int64 {
		a = b
	}
	return unixNano(a)
}

func unixNano(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.Unix(0, n.Int64).UTC()
}

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// maxWords bounds what a dictionary remembers while writing. When it is full it forgets, and a word may
// then be stored under a second id; readers must not take ids for identities.
const maxWords = 1 << 16

// entry is a word's row as the store has it.
type entry struct {
	id   uint64
	used int64 // minute
}

// dictionary gives ids from 1 to the words of one table, and notes the minute of their last use. An id is
// never given again: the row of the highest one is never deleted.
type dictionary[K comparable] struct {
	table         string
	insert, touch *sql.Stmt
	clock         *int64 // the minute it is
	ids           map[K]entry
	next          uint64
}

// id returns the id of k, which row stores when it is new; the minute is appended to what row returns.
func (d *dictionary[K]) id(k K, row func(id uint64) []any) (uint64, error) {
	if e, ok := d.ids[k]; ok {
		return e.id, d.mark(k, e)
	}
	d.room()
	if _, err := d.insert.Exec(append(row(d.next+1), *d.clock)...); err != nil {
		return 0, fmt.Errorf("write dictionary: %w", err)
	}
	d.next++
	d.ids[k] = entry{d.next, *d.clock}
	return d.next, nil
}

// mark notes that k was used in this minute.
func (d *dictionary[K]) mark(k K, e entry) error {
	if e.used >= *d.clock {
		return nil
	}
	if _, err := d.touch.Exec(*d.clock, e.id); err != nil {
		return fmt.Errorf("write dictionary: %w", err)
	}
	d.ids[k] = entry{e.id, *d.clock}
	return nil
}

// room makes place for one more word, at the cost of those not used in this minute or else of all.
func (d *dictionary[K]) room() {
	if len(d.ids) >= maxWords {
		d.forget(*d.clock)
	}
	if d.ids == nil || len(d.ids) > maxWords*7/8 {
		d.ids = map[K]entry{}
	}
}

// forget drops the words that were last used before the given minute.
func (d *dictionary[K]) forget(minute int64) {
	for k, e := range d.ids {
		if e.used < minute {
			delete(d.ids, k)
		}
	}
}

func (d *dictionary[K]) prepare(conn *sql.Conn, clock *int64, table string, columns int) (err error) {
	d.clock, d.table = clock, table
	marks := "?"
	for range columns - 1 {
		marks += ", ?"
	}
	ctx := context.Background()
	if d.insert, err = conn.PrepareContext(ctx, "INSERT INTO "+table+" VALUES ("+marks+")"); err != nil {
		return fmt.Errorf("prepare dictionary: %w", err)
	}
	if d.touch, err = conn.PrepareContext(ctx, "UPDATE "+table+" SET used = ? WHERE id = ?"); err != nil {
		return fmt.Errorf("prepare dictionary: %w", err)
	}
	return nil
}

// load remembers the newest words of the table, whose columns scan reads into a key.
func (d *dictionary[K]) load(conn *sql.Conn, columns string, scan func(k *K) []any) error {
	d.ids, d.next = map[K]entry{}, 0
	ctx := context.Background()
	rows, err := conn.QueryContext(ctx, "SELECT id, used, "+columns+" FROM "+d.table+" WHERE id > 0 ORDER BY id DESC LIMIT ?", maxWords/2)
	if err != nil {
		return fmt.Errorf("load dictionary: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var e entry
		var k K
		if err := rows.Scan(append([]any{&e.id, &e.used}, scan(&k)...)...); err != nil {
			return fmt.Errorf("load dictionary: %w", err)
		}
		d.next = max(d.next, e.id)
		if _, ok := d.ids[k]; !ok {
			d.ids[k] = e
		}
	}
	return rows.Err()
}

func text(d *dictionary[string], s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	if e, ok := d.ids[s]; ok { // saves the closure
		return e.id, d.mark(s, e)
	}
	return d.id(s, func(id uint64) []any { return []any{id, s} })
}

func (w *Recorder) word(s string) (uint64, error) { return text(&w.words, s) }

// prepareWords makes the statements of all dictionaries.
func (w *Recorder) prepareWords() error {
	for _, err := range [...]error{
		w.words.prepare(w.conn, &w.minute, "words", 3), w.paths.prepare(w.conn, &w.minute, "paths", 3),
		w.models.prepare(w.conn, &w.minute, "models", 3), w.methods.prepare(w.conn, &w.minute, "methods", 6),
		w.users.prepare(w.conn, &w.minute, "users", 4), w.sessions.prepare(w.conn, &w.minute, "sessions", 3),
		w.backends.prepare(w.conn, &w.minute, "backends", 8), w.shapes.prepare(w.conn, &w.minute, "shapes", 7),
	} {
		if err != nil {
			return err
		}
	}
	w.stmts = append(w.stmts, w.words.insert, w.words.touch, w.paths.insert, w.paths.touch, w.models.insert, w.models.touch,
		w.methods.insert, w.methods.touch, w.users.insert, w.users.touch, w.sessions.insert, w.sessions.touch,
		w.backends.insert, w.backends.touch, w.shapes.insert, w.shapes.touch)
	return nil
}

// loadWords remembers what the store holds.
func (w *Recorder) loadWords() error {
	for _, d := range [...]*dictionary[string]{&w.words, &w.paths} {
		if err := d.load(w.conn, "text", func(k *string) []any { return []any{k} }); err != nil {
			return err
		}
	}
	if err := w.models.load(w.conn, "name", func(k *string) []any { return []any{k} }); err != nil {
		return err
	}
	if err := w.methods.load(w.conn, "name, service, model, method", func(k *methodKey) []any {
		return []any{&k.name, &k.service, &k.model, &k.method}
	}); err != nil {
		return err
	}
	if err := w.users.load(w.conn, "uid, login", func(k *userKey) []any { return []any{&k.uid, &k.login} }); err != nil {
		return err
	}
	if err := w.sessions.load(w.conn, "key", func(k *rpclog.SessionKey) []any { return []any{signed{(*uint64)(k)}} }); err != nil {
		return err
	}
	if err := w.backends.load(w.conn, "client, server, db, user, application, pid", func(k *Backend) []any {
		return []any{&k.Client, &k.Server, &k.Database, &k.User, &k.Application, &k.PID}
	}); err != nil {
		return err
	}
	if err := w.shapes.load(w.conn, "fingerprint", func(k *sqltrace.Fingerprint) []any { return []any{signed{(*uint64)(k)}} }); err != nil {
		return err
	}
	return w.loadRules()
}

// loadRules reads the rules, which are few, and never deleted because the bits of calls.rules count them.
func (w *Recorder) loadRules() error {
	w.rules = map[string]uint64{}
	rows, err := w.conn.QueryContext(context.Background(), "SELECT id, name FROM rules")
	if err != nil {
		return fmt.Errorf("load rules: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id uint64
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return fmt.Errorf("load rules: %w", err)
		}
		w.rules[name] = id
	}
	return rows.Err()
}

func (w *Recorder) rule(name string) (uint64, error) {
	if id, ok := w.rules[name]; ok {
		return id, nil
	}
	id := uint64(len(w.rules) + 1)
	if id > maxRules {
		return 0, fmt.Errorf("more than %d rules", maxRules)
	}
	if _, err := w.newRule.Exec(id, name); err != nil {
		return 0, fmt.Errorf("write rule: %w", err)
	}
	w.rules[name] = id
	return id, nil
}

// signed scans a 64-bit key that is stored as a signed number.
type signed struct{ to *uint64 }

// Scan takes the number.
func (s signed) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("read key: %T is no number", v)
	}
	*s.to = uint64(n)
	return nil
}

// callIDs are the dictionary ids of a call's words.
type callIDs struct{ verb, path, method, db, user, session, client, server, err int64 }

func (w *Recorder) callWords(c *rpclog.Call, name string) (ids callIDs, err error) {
	look := func(to *int64, d *dictionary[string], s string) {
		if err == nil {
			var id uint64
			id, err = text(d, s)
			*to = int64(id)
		}
	}
	look(&ids.verb, &w.words, c.Verb)
	look(&ids.path, &w.paths, c.Path)
	look(&ids.db, &w.words, c.Database)
	look(&ids.client, &w.words, host(c.Client))
	look(&ids.server, &w.words, host(c.Server))
	look(&ids.err, &w.words, c.Error)
	if err != nil {
		return ids, err
	}
	method, err := w.methodID(named{name, c.Service, c.Model, c.Method})
	if err != nil {
		return ids, err
	}
	ids.method = int64(method)
	if k := (userKey{c.UID, c.Login}); k != (userKey{}) {
		id, err := w.users.id(k, func(id uint64) []any { return []any{id, k.uid, k.login} })
		if err != nil {
			return ids, err
		}
		ids.user = int64(id)
	}
	if c.Session != 0 {
		id, err := w.sessions.id(c.Session, func(id uint64) []any { return []any{id, int64(c.Session)} })
		if err != nil {
			return ids, err
		}
		ids.session = int64(id)
	}
	return ids, nil
}

// named is a method by its words.
type named struct{ name, service, model, method string }

func (w *Recorder) methodID(m named) (uint64, error) {
	model, err := text(&w.models, m.model)
	if err != nil {
		return 0, err
	}
	k := methodKey{m.name, m.service, m.method, model}
	if k == (methodKey{}) {
		return 0, nil
	}
	return w.methods.id(k, func(id uint64) []any { return []any{id, k.name, k.service, k.model, k.method} })
}

// backend stores what is known of a connection now; what is learned later makes another row.
func (w *Recorder) backend(s *sqltrace.Session) (uint64, error) {
	if s == nil {
		return 0, nil
	}
	k := Backend{Database: s.Database, User: s.User, Application: s.Application, PID: s.Backend}
	if s.Client.IsValid() {
		k.Client = s.Client.String()
	}
	if s.Server.IsValid() {
		k.Server = s.Server.String()
	}
	return w.backends.id(k, func(id uint64) []any {
		return []any{id, k.Client, k.Server, k.Database, k.User, k.Application, k.PID}
	})
}

func (w *Recorder) shapeID(f sqltrace.Fingerprint) (uint64, error) {
	if f == 0 {
		return 0, nil
	}
	if e, ok := w.shapes.ids[f]; ok {
		return e.id, w.shapes.mark(f, e)
	}
	var e entry // fingerprints are unique: one that was forgotten is looked up
	switch err := w.findShape.QueryRow(int64(f)).Scan(&e.id, &e.used); {
	case err == nil:
		w.shapes.room()
		w.shapes.ids[f] = e
		return e.id, w.shapes.mark(f, e)
	case !errors.Is(err, sql.ErrNoRows):
		return 0, fmt.Errorf("find shape: %w", err)
	}
	s := sqltrace.Shape{Fingerprint: f}
	if w.dict != nil {
		s = w.dict.Shape(f)
	}
	if s.Tables == nil {
		s.Tables = []string{}
	}
	tables, err := json.Marshal(s.Tables)
	if err != nil {
		return 0, fmt.Errorf("encode tables: %w", err)
	}
	return w.shapes.id(f, func(id uint64) []any {
		return []any{id, int64(f), int64(s.Kind), s.Text, string(tables), s.Written}
	})
}

package store

import (
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// maxWords bounds what a dictionary remembers while writing. When it is full it forgets, and a word may
// then be stored under a second id; readers must not take ids for identities.
const maxWords = 1 << 16

// dictionary gives ids from 1 to the words of one table.
type dictionary[K comparable] struct {
	insert *sql.Stmt
	ids    map[K]uint64
	next   uint64
}

// id returns the id of k, which row stores when it is new.
func (d *dictionary[K]) id(k K, row func(id uint64) []any) (uint64, error) {
	if id, ok := d.ids[k]; ok {
		return id, nil
	}
	if d.ids == nil || len(d.ids) >= maxWords {
		d.ids = map[K]uint64{}
	}
	d.next++
	if _, err := d.insert.Exec(row(d.next)...); err != nil {
		return 0, fmt.Errorf("write dictionary: %w", err)
	}
	d.ids[k] = d.next
	return d.next, nil
}

func text(d *dictionary[string], s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	if id, ok := d.ids[s]; ok { // saves the closure
		return id, nil
	}
	return d.id(s, func(id uint64) []any { return []any{id, s} })
}

func (w *Recorder) word(s string) (uint64, error) { return text(&w.words, s) }

// callIDs are the dictionary ids of a call's words.
type callIDs struct{ verb, path, method, db, user, session, client, server, err int64 }

func (w *Recorder) callWords(c *rpclog.Call) (ids callIDs, err error) {
	look := func(to *int64, d *dictionary[string], s string) {
		if err == nil {
			var id uint64
			id, err = text(d, s)
			*to = int64(id)
		}
	}
	var model int64
	look(&ids.verb, &w.words, c.Verb)
	look(&ids.path, &w.paths, c.Path)
	look(&ids.db, &w.words, c.Database)
	look(&ids.client, &w.words, host(c.Client))
	look(&ids.server, &w.words, host(c.Server))
	look(&ids.err, &w.words, c.Error)
	look(&model, &w.models, c.Model)
	if err != nil {
		return ids, err
	}
	if k := (methodKey{analyzer.MethodOf(c), c.Service, c.Method, uint64(model)}); k != (methodKey{}) {
		id, err := w.methods.id(k, func(id uint64) []any { return []any{id, k.name, k.service, k.model, k.method} })
		if err != nil {
			return ids, err
		}
		ids.method = int64(id)
	}
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
	if id, ok := w.shapes[f]; ok {
		return id, nil
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
	id := uint64(len(w.shapes))
	if _, err := w.shape.Exec(id, int64(f), int64(s.Kind), s.Text, string(tables), s.Written); err != nil {
		return 0, fmt.Errorf("write shape: %w", err)
	}
	w.shapes[f] = id
	return id, nil
}

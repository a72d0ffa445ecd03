package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// vocabulary is what the ids in rows stand for, as of a number of commits. It is never changed: one that
// knows more shares its lists, which are only ever appended to, and by one holder of SQLite.mu.
type vocabulary struct {
	commits, epoch int64

	words    table[string]
	methods  table[methodWord]
	users    table[userWord]
	sessions table[rpclog.SessionKey]
	shapes   table[*sqltrace.Shape]
	rules    []string // by bit
}

// table holds the words of one dictionary in order of id. Ids are given in order; any word may vanish.
type table[V any] struct {
	zero V // of id 0, and of what is not known
	ids  []int64
	rows []V
}

func (t *table[V]) at(id int64) V {
	if len(t.ids) == 0 || id < t.ids[0] {
		return t.zero
	}
	i := int(min(id-t.ids[0], int64(len(t.ids)-1))) // its place, where none before it vanished
	if t.ids[i] != id {
		var ok bool
		if i, ok = slices.BinarySearch(t.ids[:i], id); !ok {
			return t.zero
		}
	}
	return t.rows[i]
}

// last returns the highest id known; -1 while not even that of the empty word is.
func (t *table[V]) last() int64 {
	if len(t.ids) == 0 {
		return -1
	}
	return t.ids[len(t.ids)-1]
}

func (t *table[V]) put(id int64, v V) {
	if id == 0 {
		t.zero = v
		return
	}
	t.ids, t.rows = append(t.ids, id), append(t.rows, v)
}

type methodWord struct{ name, service, model, method string }

type userWord struct {
	uid         int64
	login, name string
}

var unknownShape = sqltrace.Shape{Tables: []string{}}

func newVocabulary(epoch int64) *vocabulary {
	v := &vocabulary{epoch: epoch}
	v.shapes.zero = &unknownShape
	return v
}

// extended returns a vocabulary that knows what the transaction sees.
func (v *vocabulary) extended(ctx context.Context, tx *sql.Tx, commits int64) (*vocabulary, error) {
	n := *v
	n.commits = commits
	steps := []struct {
		query string
		after int64
		row   func(*sql.Rows) error
	}{
		{"SELECT id, text FROM words", n.words.last(), func(r *sql.Rows) error {
			var id int64
			var w string
			err := r.Scan(&id, &w)
			n.words.put(id, w)
			return err
		}},
		{"SELECT id, name, service, (SELECT m.name FROM models m WHERE m.id = model), method FROM methods", n.methods.last(), func(r *sql.Rows) error {
			var id int64
			var m methodWord
			var model sql.NullString
			err := r.Scan(&id, &m.name, &m.service, &model, &m.method)
			m.model = model.String
			n.methods.put(id, m)
			return err
		}},
		{"SELECT id, uid, login FROM users", n.users.last(), func(r *sql.Rows) error {
			var id int64
			var u userWord
			err := r.Scan(&id, &u.uid, &u.login)
			u.name = UserName(u.login, u.uid)
			n.users.put(id, u)
			return err
		}},
		{"SELECT id, key FROM sessions", n.sessions.last(), func(r *sql.Rows) error {
			var id, key int64
			err := r.Scan(&id, &key)
			n.sessions.put(id, rpclog.SessionKey(key))
			return err
		}},
		{"SELECT id, fingerprint, kind, text, tables, written FROM shapes", n.shapes.last(), func(r *sql.Rows) error {
			var id, fingerprint, kind int64
			var tables string
			shape := &sqltrace.Shape{}
			if err := r.Scan(&id, &fingerprint, &kind, &shape.Text, &tables, &shape.Written); err != nil {
				return err
			}
			shape.Fingerprint, shape.Kind = sqltrace.Fingerprint(fingerprint), sqltrace.Kind(kind)
			n.shapes.put(id, shape)
			return json.Unmarshal([]byte(tables), &shape.Tables)
		}},
		{"SELECT id, name FROM rules", int64(len(n.rules)), func(r *sql.Rows) error {
			var id int64
			var name string
			err := r.Scan(&id, &name)
			n.rules = append(n.rules, name)
			return err
		}},
	}
	for _, s := range steps {
		if err := each(ctx, tx, s.query+" WHERE id > ? ORDER BY id", []any{s.after}, s.row); err != nil {
			return nil, fmt.Errorf("read dictionary: %w", err)
		}
	}
	return &n, nil
}

// spans unpacks a blob and resolves the shapes.
func (v *vocabulary) spans(blob []byte, leases []uint64, buf []Span) ([]uint64, []Span, error) {
	leases, buf, err := readSpans(blob, leases, buf)
	if err != nil {
		return leases, buf, err
	}
	for i := range buf {
		buf[i].Shape = v.shapes.at(int64(buf[i].shape))
	}
	return leases, buf, nil
}

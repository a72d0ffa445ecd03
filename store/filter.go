package store

import (
	"strings"

	"github.com/perfd/perfd/rpclog"
)

// where collects conditions on the calls table (named c) and their arguments.
type where struct {
	terms []string
	args  []any
	found bool // a term says where the calls are, the others need but check them
}

func (w *where) add(term string, args ...any) {
	w.terms = append(w.terms, term)
	w.args = append(w.args, args...)
}

// any adds that one of n alternatives holds.
func (w *where) any(n int, one func(i int) (term string, args []any)) {
	if n == 0 {
		return
	}
	terms := make([]string, n)
	for i := range n {
		term, args := one(i)
		terms[i] = term
		w.args = append(w.args, args...)
	}
	w.terms = append(w.terms, "("+strings.Join(terms, " OR ")+")")
}

// of adds that the calls have one of n words of a table. The first time they are looked up in the postings, and then checked
// by their column; there is none for what stands in postings alone.
func (w *where) of(column string, kind int, table string, n int, one func(i int) (term string, args []any)) {
	if n == 0 {
		return
	}
	var words where
	words.any(n, one)
	query := "SELECT id FROM " + table + words.String()
	if column == "" || !w.found {
		w.found = true
		w.add("c.id IN "+posted(kind, query), words.args...)
		return
	}
	w.add(column+" IN ("+query+")", words.args...)
}

func (w *where) String() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

// where turns a filter into SQL. Words are looked up in their dictionaries by subqueries, which SQLite
// runs once; the calls are then found by id in the postings.
func (f *Filter) where() *where {
	w := &where{}
	w.class(f)
	if !f.From.IsZero() {
		if f.Overlap {
			w.add("c.start + c.duration >= ?", f.From.UnixNano())
		} else {
			w.add("c.start >= ?", f.From.UnixNano())
		}
	}
	if !f.To.IsZero() {
		w.add("c.start < ?", f.To.UnixNano())
	}
	if f.After > 0 {
		w.add("c.id > ?", int64(f.After))
	}
	if f.Min > 0 {
		w.add("c.duration >= ?", int64(f.Min))
	}
	if f.Max > 0 {
		w.add("c.duration < ?", int64(f.Max))
	}
	if f.Until > 0 {
		w.add("+c.id <= ?", int64(f.Until)) // mostly all of them: other columns are the ones to search by
	}
	w.found = f.After > 0 // few calls, which are gone through
	w.of("c.session", bySession, "sessions", len(f.Sessions), func(i int) (string, []any) {
		return "key = ?", []any{int64(f.Sessions[i])}
	})
	w.of("c.user", byUser, "users", len(f.Users), func(i int) (string, []any) {
		v := f.Users[i]
		if uid, ok := userID(v); ok {
			return "login = ? OR uid = ?", []any{v, uid}
		}
		if v == "" {
			return "login = '' AND uid = 0", nil
		}
		return "login = ?", []any{v}
	})
	w.of("", byShape, "shapes", len(f.Shapes), func(i int) (string, []any) {
		return "fingerprint = ?", []any{int64(f.Shapes[i])}
	})
	w.of("c.method", byMethod, "methods", len(f.Methods), func(i int) (string, []any) {
		return "name = ? OR method = ?", []any{f.Methods[i], f.Methods[i]}
	})
	w.of("c.method", byMethod, "methods", len(f.Models), func(i int) (string, []any) {
		return "model IN (SELECT id FROM models WHERE name = ?)", []any{f.Models[i]}
	})
	w.any(len(f.Rules), func(i int) (string, []any) {
		if f.Rules[i] == Any {
			return "c.rules <> 0", nil
		}
		return "c.id IN (SELECT call FROM findings WHERE rule IN (SELECT id FROM rules WHERE name = ?))", []any{f.Rules[i]}
	})
	w.any(len(f.Errors), func(i int) (string, []any) {
		switch f.Errors[i] {
		case Any:
			return "c.failed", nil
		case None:
			return "NOT c.failed", nil
		}
		return "c.error IN (SELECT id FROM words WHERE text = ?)", []any{f.Errors[i]}
	})
	for _, word := range strings.Fields(f.Text) {
		like := "%" + likeEscaper.Replace(word) + "%"
		w.add(`(c.path IN (SELECT id FROM paths WHERE text LIKE ? ESCAPE '\')
 OR c.method IN (SELECT id FROM methods WHERE name LIKE ? ESCAPE '\')
 OR c.user IN (SELECT id FROM users WHERE login LIKE ? ESCAPE '\')
 OR c.error IN (SELECT id FROM words WHERE text LIKE ? ESCAPE '\' AND id <> 0))`, like, like, like, like)
	}
	return w
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// table names the calls to search. Those after an id are few and stand together: no index finds them faster.
func (f *Filter) table() string {
	if f.After > 0 {
		return "calls c NOT INDEXED"
	}
	return "calls c"
}

func (w *where) class(f *Filter) {
	classes := f.Classes
	if f.AllCalls {
		return
	}
	if len(classes) == 0 {
		classes = []rpclog.Class{rpclog.Ordinary}
	}
	w.any(len(classes), func(i int) (string, []any) { return "c.class = ?", []any{int64(classes[i])} })
}

// sortColumns maps the sort keys of calls to SQL; words sort by their text.
var sortColumns = map[string]string{
	"": "c.start", "start": "c.start", "duration": "c.duration",
	"name":   "(SELECT name FROM methods WHERE id = c.method)",
	"method": "(SELECT method FROM methods WHERE id = c.method)",
	"model":  "(SELECT name FROM models WHERE id = (SELECT model FROM methods WHERE id = c.method))",
	"path":   "(SELECT text FROM paths WHERE id = c.path)",
	"user":   "(SELECT CASE WHEN login <> '' THEN login WHEN uid <> 0 THEN 'uid ' || uid ELSE '' END FROM users WHERE id = c.user)",
	// Keys sort as the digits they are shown with: as unsigned numbers.
	"session": "(SELECT printf('%016x', key) FROM sessions WHERE id = c.session)",
	"status":  "c.status", "error": "(SELECT text FROM words WHERE id = c.error)",
	"statements": "c.statements", "findings": "c.findings", "probability": "c.probability",
	"request_bytes": "c.request_bytes", "response_bytes": "c.response_bytes",
	"wait": "c.wait", "application": "c.application", "sql": "c.sql", "lock": "c.lock", "retry": "c.retry",
	"transfer": "c.transfer", "unknown": "c.unknown",
}

// backgroundColumns are the sort keys of background groups.
var backgroundColumns = map[string]string{"": "b.start", "start": "b.start", "duration": "b.duration",
	"statements": "b.statements", "sql": "b.sql"}

// SortKey reports whether calls can be sorted by key.
func SortKey(key string) bool { return sortColumns[key] != "" }

func (p *Page) orderBy(column, id string) string {
	dir := " ASC"
	if p.Desc {
		dir = " DESC"
	}
	return " ORDER BY " + column + dir + ", " + id + dir
}

func (f *BackgroundFilter) where() *where {
	w := &where{}
	if f.ID != 0 {
		w.add("b.id = ?", f.ID)
	}
	if !f.From.IsZero() {
		w.add("b.start >= ?", f.From.UnixNano())
	}
	if !f.To.IsZero() {
		w.add("b.start < ?", f.To.UnixNano())
	}
	w.any(len(f.Groups), func(i int) (string, []any) {
		return "b.kind IN (SELECT id FROM words WHERE text = ?)", []any{f.Groups[i]}
	})
	return w
}

package sqltrace

import "bytes"

// kindReader tells the role of a statement from its first words.
type kindReader struct {
	words    [5][]byte // lower case; values as ?
	n        int
	kinds    []Kind // of the statements before this one in the text
	resetAll bool
}

// kindOf returns the kind of a text.
func kindOf(text []byte, escapes bool) Kind {
	var r kindReader
	lx := lexer{s: text, escapes: escapes}
	more := bytes.IndexByte(text, ';') >= 0
	for t := lx.next(); t.kind != tokenEnd; t = lx.next() {
		r.token(t)
		if r.n == len(r.words) && !more {
			break
		}
	}
	return r.result()
}

// token takes the next token of the text.
func (r *kindReader) token(t token) {
	switch t.kind {
	case tokenSemicolon:
		r.end()
	case tokenWord:
		r.add(bytes.ToLower(t.text))
	case tokenValue:
		r.add(placeholder)
	default:
		r.add(t.text)
	}
}

func (r *kindReader) add(w []byte) {
	if r.n < len(r.words) {
		r.words[r.n] = w
		r.n++
	}
}

func (r *kindReader) end() {
	if r.n == 0 || len(r.kinds) >= 64 {
		return
	}
	r.kinds = append(r.kinds, r.kind())
	r.resetAll = r.is(1, "all") && r.kinds[len(r.kinds)-1] == Reset
	clear(r.words[:])
	r.n = 0
}

// result is the kind of the whole text. Statements of different kinds make a query, unless the last one
// resets everything, which is how some pools hand over a connection.
func (r *kindReader) result() Kind {
	r.end()
	if len(r.kinds) == 0 {
		return Other
	}
	for _, k := range r.kinds {
		if k != r.kinds[0] {
			if r.resetAll {
				return Reset
			}
			return Query
		}
	}
	return r.kinds[0]
}

func (r *kindReader) is(i int, w ...string) bool {
	if i >= r.n {
		return false
	}
	for _, w := range w {
		if string(r.words[i]) == w {
			return true
		}
	}
	return false
}

func (r *kindReader) kind() Kind {
	switch string(r.words[0]) {
	case "begin":
		return Begin
	case "start":
		if r.is(1, "transaction") {
			return Begin
		}
	case "commit", "end":
		if r.is(1, "prepared") {
			return Other
		}
		return Commit
	case "prepare":
		if r.is(1, "transaction") {
			return Commit
		}
	case "rollback", "abort":
		switch {
		case r.is(1, "prepared"):
			return Other
		case r.is(1, "to"), r.is(1, "work", "transaction") && r.is(2, "to"):
			return Savepoint
		}
		return Rollback
	case "savepoint", "release":
		return Savepoint
	case "discard":
		if r.is(1, "all") {
			return Reset
		}
		return Other
	case "reset":
		return Reset
	case "set":
		return r.set()
	case "copy":
		return Copy
	case "listen", "unlisten", "notify", "show", "deallocate", "load",
		"identify_system", "start_replication", "create_replication_slot", "drop_replication_slot",
		"read_replication_slot", "timeline_history", "base_backup":
		return Other
	}
	return Query
}

// set tells a driver's handing over of a session from a setting that an application makes: SET … TO DEFAULT,
// and the session defaults that psycopg2 sets when a connection's mode changes.
func (r *kindReader) set() Kind {
	i := 1
	if r.is(1, "session") {
		i = 2
	}
	switch {
	case r.is(1, "local"):
	case r.is(i+1, "to", "=") && r.is(i+2, "default"),
		r.is(i, "default_transaction_read_only", "default_transaction_isolation", "default_transaction_deferrable"):
		return Reset
	}
	return Other
}

package sqltrace

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxTables bounds the tables listed of one statement.
const maxTables = 64

// tableReader collects the tables a statement names.
type tableReader struct {
	tables  []string
	written string
	ctes    []string

	levels []tableLevel
	prev   string // the token before: a keyword of tableWords, anyName, or one byte; empty for values
	prior  string // the one before that
	name   []byte // table name being read
	room   []byte // of lower
	state  tableState
	cte    string // name that AS ( would make a common table expression
	with   int    // bracket depth of WITH's list; 0 outside of one
	target bool   // the name being read is written to
	copied bool   // it is the table of a COPY
}

// tableLevel is what stands between two brackets.
type tableLevel struct {
	query bool // it holds a SELECT, DELETE or such, so that FROM names tables
	from  bool // within a FROM list, where a comma brings another table
}

type tableState uint8

const (
	noTable   tableState = iota
	wantTable            // a table's name may come now
	inTable              // a name was read; a dot continues it
	afterDot             // the part after the dot is due
)

func newTableReader() *tableReader { return &tableReader{levels: make([]tableLevel, 1, 8)} }

// token takes the next token of the text; open tells that a parenthesis follows it.
func (r *tableReader) token(t token, open bool) {
	lv := &r.levels[len(r.levels)-1]
	switch t.kind {
	case tokenWord:
		lower := r.lower(t.text)
		w := keyword(lower)
		if r.state == wantTable && (w == "only" || w == "lateral" || w == "if" || w == "not" || w == "exists" || w == "table") {
			return
		}
		if !r.part(lower, open) {
			r.word(w, lower, lv)
		}
		r.prior, r.prev = r.prev, w
		return
	case tokenName:
		if r.state == wantTable || r.state == afterDot || r.names() {
			name := bytes.ReplaceAll(bytes.Trim(t.text, `"`), []byte(`""`), []byte(`"`))
			if !r.part(name, open) && r.names() {
				r.cte = string(name)
			}
		} else {
			r.end()
		}
		r.prior, r.prev = r.prev, anyName
		return
	case tokenOpen:
		if r.state == wantTable {
			r.copied = false
		}
		r.end()
		if r.cte != "" && (r.prev == "as" || r.prev == "materialized") && len(r.ctes) < maxTables {
			r.ctes = append(r.ctes, r.cte)
			r.cte = ""
		}
		if len(r.levels) < maxDepth {
			r.levels = append(r.levels, tableLevel{})
		}
	case tokenClose:
		r.end()
		if len(r.levels) > 1 {
			r.levels = r.levels[:len(r.levels)-1]
		}
	case tokenComma:
		r.end()
		if lv.from {
			r.state = wantTable
		}
	case tokenSemicolon:
		r.end()
		*lv, r.with = tableLevel{}, 0
	case tokenOperator:
		if t.text[0] == '.' && r.state == inTable {
			r.state = afterDot
		} else {
			r.end()
		}
	default:
		r.end()
	}
	r.prior, r.prev = r.prev, string(t.text) // one byte, or none of a value
}

// anyName stands for a name in tableReader.prev: which one it was does not matter.
const anyName = `"`

// tableWords are the keywords that the tables of a statement hang on.
var tableWords = func() map[string]string {
	m := map[string]string{}
	for _, w := range strings.Fields(`alter analyze as copy create delete distinct drop except exists explain fetch for from
		group having if insert intersect into is join lateral limit lock materialized merge not offset only order recursive
		returning select set table truncate union update using verbose where window with`) {
		m[w] = w
	}
	return m
}()

// keyword returns a word in lower case if the tables of a statement hang on it, and anyName if not.
func keyword(lower []byte) string {
	const longest = len("materialized")
	if len(lower) <= longest {
		if w, ok := tableWords[string(lower)]; ok {
			return w
		}
	}
	return anyName
}

// lower returns w in lower case, valid until the next call.
func (r *tableReader) lower(w []byte) []byte {
	r.room = append(r.room[:0], w...)
	for i, c := range r.room {
		switch {
		case c >= utf8.RuneSelf:
			return bytes.ToLower(w)
		case c >= 'A' && c <= 'Z':
			r.room[i] = c | 0x20
		}
	}
	return r.room
}

// part takes a name where one is due and reports whether it did.
func (r *tableReader) part(name []byte, open bool) bool {
	switch r.state {
	case wantTable:
		if open && !r.target && !r.copied {
			r.state = noTable // a function
			return true
		}
		r.name = append(r.name[:0], name...)
		r.state = inTable
		return true
	case afterDot:
		if string(r.name) == "public" {
			r.name = r.name[:0]
		} else {
			r.name = append(r.name, '.')
		}
		r.name = append(r.name, name...)
		r.state = inTable
		if open && !r.target && !r.copied {
			r.state = noTable
		}
		return true
	}
	r.end()
	return false
}

// end finishes the name being read.
func (r *tableReader) end() {
	if (r.state == inTable || r.state == afterDot) && len(r.name) > 0 && len(r.name) <= 128 {
		name := strings.ToValidUTF8(string(r.name), "\ufffd")
		if !slices.Contains(r.ctes, name) {
			if len(r.tables) < maxTables && !slices.Contains(r.tables, name) {
				r.tables = append(r.tables, name)
			}
			if r.target && r.written == "" {
				r.written = name
			}
		}
	}
	r.state, r.target = noTable, false
}

// word takes a word that is no part of a table's name, as keyword names it and as it is in lower case.
func (r *tableReader) word(w string, lower []byte, lv *tableLevel) {
	start := r.prev == "" || r.prev == "(" || r.prev == ")" || r.prev == ";" || r.prev == "explain" || r.prev == "analyze" ||
		r.prev == "verbose" || r.prev == "as"
	switch w {
	case "with":
		if start {
			r.with = len(r.levels)
		}
		return
	case "select":
		lv.query, lv.from = true, false
	case "delete":
		lv.query = lv.query || start
	case "from":
		switch {
		case r.prev == "distinct" && (r.prior == "is" || r.prior == "not"):
		case r.copied:
			if len(r.tables) > 0 {
				r.written = r.tables[len(r.tables)-1]
			}
			r.copied = false
		case lv.query:
			lv.from, r.state = true, wantTable
			r.target = r.prev == "delete"
		}
	case "using":
		if lv.from && r.written != "" { // DELETE … USING; JOIN … USING is followed by a parenthesis
			r.state = wantTable
		}
	case "join":
		r.state = wantTable
	case "into":
		r.state, r.target = wantTable, r.prev == "insert" || r.prev == "merge"
	case "update":
		if start {
			lv.query, r.state, r.target = true, wantTable, true
		}
	case "truncate", "table":
		if r.prev == "" || r.prev == ";" || w == "table" && (r.prev == "alter" || r.prev == "drop" || r.prev == "lock" || r.prev == "create") {
			r.state = wantTable
			r.target = w == "truncate"
		}
	case "copy":
		if r.prev == "" || r.prev == ";" {
			r.state, r.copied = wantTable, true
		}
	case "where", "group", "order", "having", "limit", "offset", "window", "union", "intersect", "except", "returning", "set", "for", "fetch":
		lv.from = false
	}
	if r.names() && w != "recursive" {
		r.cte = string(lower)
	}
}

// names reports whether the name of a common table expression may come now.
func (r *tableReader) names() bool {
	return r.with == len(r.levels) && (r.prev == "with" || r.prev == "recursive" || r.prev == ",")
}

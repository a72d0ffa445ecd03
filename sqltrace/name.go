package sqltrace

import (
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxNamed       = 4      // columns that a name holds
	maxIdentifier  = 128    // bytes of an identifier that a name holds: a schema's and a table's, as PostgreSQL bounds them
	maxNamedText   = 40     // runes of a text that is its own name
	maxNamedTokens = 10_000 // looked at
)

// Name is what a statement is called wherever one is shown: on the terminal, in the pages, in the API.
type Name struct {
	// Subject is its verb and the table or function that it is about: "SELECT res_partner", "COMMIT".
	Subject string
	// How tells statements of one subject apart: "by", "count by", "set", or of what has no columns the words that
	// follow; empty if there is nothing to say.
	How string
	// Columns are those that it looks by or sets, those that nearly every statement names last, at most four.
	Columns []string
}

// About is How with all Columns: "count by comment, active".
func (n Name) About() string {
	return strings.TrimSpace(n.How + " " + strings.Join(n.Columns, ", "))
}

// String is the whole name: "SELECT res_partner count by comment, active".
func (n Name) String() string { return strings.TrimSpace(n.Subject + " " + n.About()) }

// Fit is the name with as many columns as fit width runes, one at least.
func (n Name) Fit(width int) string {
	for k := len(n.Columns) - 1; k > 0 && utf8.RuneCountInString(n.String()) > width; k-- {
		n.Columns = n.Columns[:k]
	}
	return n.String()
}

// Name names the statement. It never fails, whatever the text.
func (s Shape) Name() Name {
	r := nameReader{tables: s.Tables, written: s.Written}
	r.read(s.Text)
	return r.name(s)
}

// NameOf names a statement of which only the text is known, be it with its values.
func NameOf(text string) Name {
	lx, tables := lexer{s: []byte(text)}, newTableReader()
	for t := lx.next(); t.kind != tokenEnd && !lx.doubt; t = lx.next() {
		tables.token(t, nextByte(lx.s, lx.i) == '(')
	}
	tables.end()
	r := nameReader{tables: tables.tables, written: tables.written, cut: strings.HasSuffix(text, "…")}
	r.read(text)
	return r.name(Shape{Text: text, Tables: tables.tables, Written: tables.written})
}

// commands are the words that statements begin with, with what names one.
var commands = func() map[string]command {
	m := map[string]command{}
	for c, words := range map[command]string{
		ofTable:   "select insert update delete merge copy truncate lock call values",
		ofWord:    "begin start commit end rollback abort savepoint release prepare execute deallocate fetch move declare checkpoint vacuum explain analyze do",
		ofWords:   "set reset discard listen unlisten notify create alter drop close refresh comment grant revoke cluster reindex show import",
		ofReading: "with",
	} {
		for _, w := range strings.Fields(words) {
			m[w] = c
		}
	}
	return m
}()

// command is what a statement is named by.
type command uint8

const (
	ofText    command = iota // its text
	ofTable                  // its table or function
	ofWord                   // its first word, what follows tells it apart
	ofWords                  // its first two words
	ofReading                // the verb that follows the common table expressions
)

// late are columns that Odoo names in nearly every statement.
var late = map[string]bool{
	"active": true, "company_id": true, "partner_share": true, "write_date": true, "write_uid": true, "create_date": true, "create_uid": true,
}

// named is a token as names need it.
type named struct {
	text  string // of words in lower case, of quoted names without their quotes
	kind  tokenKind
	depth int16 // brackets around it; those that open and close stand within
}

func (t named) is(words ...string) bool {
	return t.kind == tokenWord && slices.Contains(words, t.text)
}

func (t named) isName() bool { return t.kind == tokenWord || t.kind == tokenName }

// nameReader finds what a statement's name is made of.
type nameReader struct {
	tables  []string
	written string
	cut     bool // the text is cut, and its tables may come later
	all     []named
	verb    int // where the verb stands in all; -1 if there is none
	of      command
}

// read splits a text and finds its verb.
func (r *nameReader) read(text string) {
	lx := lexer{s: []byte(text)}
	depth := int16(0)
	r.all = make([]named, 0, min(len(text)/4+1, maxNamedTokens))
	for t := lx.next(); t.kind != tokenEnd && !lx.doubt && len(r.all) < maxNamedTokens; t = lx.next() {
		n := named{kind: t.kind, depth: depth}
		if t.kind != tokenValue {
			n.text = text[lx.i-len(t.text) : lx.i]
		}
		switch t.kind {
		case tokenWord:
			n.text = strings.ToLower(n.text)
		case tokenName:
			n.text = strings.ReplaceAll(strings.Trim(n.text, `"`), `""`, `"`)
		case tokenOpen:
			depth++
			n.depth = depth
		case tokenClose:
			depth = max(0, depth-1)
		}
		r.all = append(r.all, n)
	}
	r.verb = slices.IndexFunc(r.all, func(t named) bool { return t.kind != tokenOpen })
	if r.verb < 0 || r.all[r.verb].kind != tokenWord {
		r.verb = -1
		return
	}
	r.of = commands[r.all[r.verb].text]
	if r.of == ofReading {
		with, verb := r.verb, slices.IndexFunc(r.all[r.verb:], func(t named) bool {
			return t.depth == r.all[r.verb].depth && t.is("select", "insert", "update", "delete", "merge", "values")
		})
		if r.of = ofTable; verb >= 0 { // it may be beyond what was kept of the text
			r.verb = with + verb
		}
	}
}

// name puts together what was read of s.
func (r *nameReader) name(s Shape) Name {
	text := strings.Join(strings.Fields(s.Text), " ")
	switch {
	case text == "":
		return Name{Subject: "statement of unknown text"}
	case r.verb < 0 || r.of == ofText:
		return Name{Subject: ownName(text)}
	}
	verb := r.all[r.verb].text
	if r.of != ofTable {
		return r.words()
	}
	about := r.table()
	if about == "" && !r.cut {
		about = s.Function()
	}
	n := Name{Subject: strings.ToUpper(verb)}
	if about == "" {
		if utf8.RuneCountInString(text) <= maxNamedText {
			n.Subject = text
		}
		return n
	}
	n.Subject += " " + about
	switch verb {
	case "update":
		n.How, n.Columns = "set", r.set()
	case "select", "delete":
		n.How, n.Columns = "by", r.conditions()
	}
	if len(n.Columns) == 0 {
		n.How = ""
	}
	if verb == "select" && r.verb+1 < len(r.all) && r.all[r.verb+1].is("count") {
		n.How = strings.TrimSpace("count " + n.How)
	}
	return n
}

// ownName is a text that is its own name, at most so long.
func ownName(text string) string {
	if utf8.RuneCountInString(text) <= maxNamedText {
		return text
	}
	return strings.TrimRight(string([]rune(text)[:maxNamedText-1]), " ") + "…"
}

// words names a statement by its first word or two, and tells it apart by those that follow: "BEGIN" and "isolation
// level repeatable read", "SET search_path".
func (r *nameReader) words() Name {
	const most = 7
	var list []string
	for _, t := range r.all[r.verb:] {
		if !t.isName() || len(list) == most || len(t.text) > maxIdentifier {
			break
		}
		list = append(list, t.text)
	}
	first := 1
	if r.of == ofWords {
		first = min(2, len(list))
	}
	n := Name{Subject: strings.ToUpper(list[0])}
	for i, w := range list[1:first] {
		if i == 0 && (list[0] == "create" || list[0] == "alter" || list[0] == "drop" || list[0] == "discard" || list[0] == "refresh") {
			w = strings.ToUpper(w)
		}
		n.Subject += " " + w
	}
	n.How = strings.Join(list[first:], " ")
	if table := r.table(); table != "" && !slices.Contains(list, table) {
		n.How = strings.TrimSpace(n.How + " " + table)
	}
	return n
}

// table is the table that the statement is about: the one it writes, the first of its own FROM, or the first named.
func (r *nameReader) table() string {
	switch {
	case r.written != "":
		return r.written
	case len(r.tables) == 0:
		return ""
	}
	if i := r.own(r.verb, "from"); i > 0 {
		if i+1 < len(r.all) && r.all[i+1].is("only") {
			i++
		}
		var name []string
		for i++; i < len(r.all) && r.all[i].isName(); i += 2 {
			name = append(name, r.all[i].text)
			if i+1 == len(r.all) || r.all[i+1].text != "." {
				break
			}
		}
		if len(name) > 1 && name[0] == "public" {
			name = name[1:]
		}
		if table := strings.Join(name, "."); slices.Contains(r.tables, table) {
			return table
		}
	}
	return r.tables[0]
}

// own finds a word after a place in the verb's own query; -1 if it is not there.
func (r *nameReader) own(from int, words ...string) int {
	for i := from + 1; i < len(r.all); i++ {
		switch t := r.all[i]; {
		case t.depth < r.all[r.verb].depth:
			return -1
		case t.depth == r.all[r.verb].depth && t.is(words...):
			return i
		}
	}
	return -1
}

// set are the columns that an UPDATE sets.
func (r *nameReader) set() []string {
	from := r.own(r.verb, "set")
	if from < 0 {
		return nil
	}
	to := r.own(from, "from", "where", "returning")
	if to < 0 {
		to = len(r.all)
	}
	var found columnSet
	for i := from + 1; i+1 < to; i++ {
		if r.all[i].depth == r.all[r.verb].depth && r.all[i].isName() && r.all[i+1].text == "=" {
			found.add(r.all[i].text)
		}
	}
	return found.list()
}

// conditions are the columns of the verb's own WHERE with the queries in it, or of the first in a query that it
// reads from.
func (r *nameReader) conditions() []string {
	from := r.own(r.verb, "where")
	if from < 0 {
		for i := r.verb + 1; i < len(r.all) && from < 0; i++ {
			if r.all[i].is("where") {
				from = i
			}
		}
	}
	if from < 0 {
		return nil
	}
	var found columnSet
	for i := from + 1; i < len(r.all) && r.all[i].depth >= r.all[from].depth; i++ {
		t := r.all[i]
		if t.depth == r.all[from].depth && t.is("group", "order", "limit", "for", "union", "intersect", "except", "returning") {
			break
		}
		if !t.isName() || t.is("from", "join", "as", "null", "true", "false", "not", "is", "in", "and", "or", "exists", "any", "all", "end") {
			continue
		}
		if before := r.all[i-1]; before.is("from", "join", "as") || before.text == ":" { // a table, an alias or a type
			continue
		}
		if r.compared(i + 1) {
			found.add(t.text)
		}
	}
	return found.list()
}

// compared reports whether what stands at i compares what stands before it.
func (r *nameReader) compared(i int) bool {
	if i >= len(r.all) {
		return false
	}
	switch t := r.all[i]; t.kind {
	case tokenClose:
		return true
	case tokenWord:
		return t.is("in", "like", "ilike", "is", "not", "between", "similar")
	case tokenOperator:
		return strings.Contains("=<>!~@:|#&", t.text) || t.text == "-" && i+1 < len(r.all) && r.all[i+1].text == ">"
	}
	return false
}

// columnSet collects names, each once.
type columnSet struct{ first, last []string }

func (c *columnSet) add(name string) {
	to := &c.first
	if late[name] {
		to = &c.last
	}
	if name != "" && len(name) <= maxIdentifier && !slices.Contains(*to, name) && len(*to) < maxNamed {
		*to = append(*to, name)
	}
}

func (c *columnSet) list() []string {
	all := slices.Concat(c.first, c.last)
	return all[:min(len(all), maxNamed)]
}

package sqltrace

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	sqllexer "github.com/DataDog/go-sqllexer"
)

// Fingerprints of statements that have no text of their own.
const (
	// overflow stands for the fingerprints beyond Config.Shapes.
	overflow Fingerprint = 1
	// functionCall stands for the messages that call a function by its number.
	functionCall Fingerprint = 2
)

// maxUnread bounds the bytes of texts that wait for their shape to be made.
const maxUnread = 4 << 20

// shapes is the Dictionary of a decoder. Shapes are made by a goroutine of its own, which lives while there
// is something to make; who asks for one that is due waits for it.
type shapes struct {
	limit, display int
	kinds          map[Fingerprint]Kind // the decoder's own, read without a lock
	obfuscator     *sqllexer.Obfuscator
	normalizer     *sqllexer.Normalizer

	plain atomic.Bool  // texts are not made pretty
	bare  atomic.Int64 // those that were not

	mu      sync.Mutex
	made    sync.Cond // a shape was made
	shapes  map[Fingerprint]Shape
	due     []unread
	unread  int // bytes of texts in due
	working bool
}

// unread is a text whose shape is due.
type unread struct {
	fingerprint Fingerprint
	kind        Kind
	text        []byte
	escapes     bool
}

var _ Dictionary = (*shapes)(nil)

func newShapes(limit, display int) *shapes {
	d := &shapes{
		limit: limit, display: display,
		kinds:      map[Fingerprint]Kind{functionCall: Other},
		obfuscator: sqllexer.NewObfuscator(sqllexer.WithReplacePositionalParameter(true)),
		normalizer: sqllexer.NewNormalizer(sqllexer.WithKeepSQLAlias(true), sqllexer.WithUppercaseKeywords(true),
			sqllexer.WithRemoveSpaceBetweenParentheses(true)),
		shapes: map[Fingerprint]Shape{
			overflow:     {Fingerprint: overflow, Text: "(too many shapes)"},
			functionCall: {Fingerprint: functionCall, Kind: Other, Text: "(function call)"},
		},
	}
	d.made.L = &d.mu
	return d
}

// Shape returns what is known of f.
func (d *shapes) Shape(f Fingerprint) Shape {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.shapes[f]
	if !ok {
		return Shape{Fingerprint: f}
	}
	for s.Fingerprint == 0 { // due
		d.made.Wait()
		s = d.shapes[f]
	}
	return s
}

// learn returns the kind of the statement whose fingerprint is f, and the fingerprint it counts under.
// Only the decoder's goroutine calls it.
func (d *shapes) learn(f Fingerprint, text []byte, escapes bool) (Fingerprint, Kind) {
	if k, ok := d.kinds[f]; ok {
		return f, k
	}
	k := kindOf(text, escapes)
	if len(d.kinds) > d.limit {
		return overflow, k
	}
	d.kinds[f] = k
	u := unread{fingerprint: f, kind: k, text: text, escapes: escapes}
	d.mu.Lock()
	if d.unread+len(text) > maxUnread {
		d.mu.Unlock()
		s := d.read(u)
		d.mu.Lock()
		d.shapes[f] = s
	} else {
		u.text = bytes.Clone(text)
		d.unread += len(text)
		d.due = append(d.due, u)
		d.shapes[f] = Shape{}
		if !d.working {
			d.working = true
			go d.work()
		}
	}
	d.mu.Unlock()
	return f, k
}

// work makes the shapes that are due.
func (d *shapes) work() {
	d.mu.Lock()
	for len(d.due) > 0 {
		u := d.due[0]
		d.due[0] = unread{}
		d.due = d.due[1:]
		d.mu.Unlock()
		s := d.read(u)
		d.mu.Lock()
		d.shapes[u.fingerprint] = s
		d.unread -= len(u.text)
		d.made.Broadcast()
	}
	d.due, d.working = nil, false
	d.mu.Unlock()
}

// read makes the shape of a text.
func (d *shapes) read(u unread) Shape {
	lx := lexer{s: u.text, escapes: u.escapes}
	form, tables := newCanonical(len(u.text), 2*d.display), newTableReader()
	for t := lx.next(); t.kind != tokenEnd; t = lx.next() {
		form.token(t)
		tables.token(t, nextByte(u.text, lx.i) == '(')
		if lx.doubt {
			form.cut = true
			break
		}
	}
	tables.end()
	return Shape{
		Fingerprint: u.fingerprint,
		Kind:        u.kind,
		Text:        d.text(form.text()),
		Tables:      tables.tables,
		Written:     tables.written,
	}
}

// text makes the display form of a canonical text, which holds no literal any more.
func (d *shapes) text(form []byte) string {
	if !utf8.Valid(form) {
		form = bytes.ToValidUTF8(form, []byte("\ufffd"))
	}
	if d.plain.Load() {
		d.bare.Add(1)
		return d.cut(string(form))
	}
	s, _, err := sqllexer.ObfuscateAndNormalize(string(form), d.obfuscator, d.normalizer, sqllexer.WithDBMS(sqllexer.DBMSPostgres))
	if err != nil || s == "" {
		s = string(form)
	}
	return d.cut(strings.ReplaceAll(s, ",,", ",")) // which it makes of (? FROM a, b)
}

// cut shortens a display form to the limit.
func (d *shapes) cut(s string) string {
	if len(s) <= d.display {
		return s
	}
	n := d.display - len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.TrimRight(s[:n], " ") + "…"
}

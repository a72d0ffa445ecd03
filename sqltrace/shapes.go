package sqltrace

import (
	"bytes"
	"strings"
	"sync"
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

// shapes is the Dictionary of a decoder.
type shapes struct {
	limit, display int
	kinds          map[Fingerprint]Kind // the decoder's own, read without a lock
	obfuscator     *sqllexer.Obfuscator
	normalizer     *sqllexer.Normalizer

	mu     sync.RWMutex
	shapes map[Fingerprint]Shape
}

var _ Dictionary = (*shapes)(nil)

func newShapes(limit, display int) *shapes {
	return &shapes{
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
}

// Shape returns what is known of f.
func (d *shapes) Shape(f Fingerprint) Shape {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if s, ok := d.shapes[f]; ok {
		return s
	}
	return Shape{Fingerprint: f}
}

// learn returns the kind of the statement whose fingerprint is f, and the fingerprint it counts under.
// It reads the text when f is new. Only the decoder's goroutine calls it.
func (d *shapes) learn(f Fingerprint, text []byte, escapes bool) (Fingerprint, Kind) {
	if k, ok := d.kinds[f]; ok {
		return f, k
	}
	if len(d.kinds) > d.limit {
		var kinds kindReader
		lx := lexer{s: text[:min(len(text), 256)], escapes: escapes}
		for t := lx.next(); t.kind != tokenEnd; t = lx.next() {
			kinds.token(t)
		}
		return overflow, kinds.result()
	}
	s := d.read(text, escapes)
	s.Fingerprint = f
	d.kinds[f] = s.Kind
	d.mu.Lock()
	d.shapes[f] = s
	d.mu.Unlock()
	return f, s.Kind
}

// read makes the shape of a text.
func (d *shapes) read(text []byte, escapes bool) Shape {
	var kinds kindReader
	lx := lexer{s: text, escapes: escapes}
	form, tables := newCanonical(2*d.display), newTableReader()
	for t := lx.next(); t.kind != tokenEnd; t = lx.next() {
		form.token(t)
		kinds.token(t)
		tables.token(t, nextByte(text, lx.i) == '(')
		if lx.doubt {
			form.cut = true
			break
		}
	}
	tables.end()
	return Shape{
		Kind:    kinds.result(),
		Text:    d.text(form.text()),
		Tables:  tables.tables,
		Written: tables.written,
	}
}

// text makes the display form of a canonical text, which holds no literal any more.
func (d *shapes) text(form []byte) string {
	form = bytes.ToValidUTF8(form, []byte("\ufffd"))
	s, _, err := sqllexer.ObfuscateAndNormalize(string(form), d.obfuscator, d.normalizer, sqllexer.WithDBMS(sqllexer.DBMSPostgres))
	if err != nil || s == "" {
		s = string(form)
	}
	if len(s) <= d.display {
		return s
	}
	n := d.display - len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.TrimRight(s[:n], " ") + "…"
}

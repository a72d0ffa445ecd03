// Package jsontree reads JSON texts that others wrote into trees that keep the order of members and the text of
// numbers, within bounds, so that a text can be looked through, rewritten in places, and otherwise stay what it was.
package jsontree

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind is the type of a value.
type Kind uint8

// Kinds of values.
const (
	Null Kind = iota
	False
	True
	Number
	String
	Array
	Object
)

// Value is a JSON value. The zero value is null.
type Value struct {
	Kind Kind
	// Text is a string's content, or a number as it was written.
	Text string
	// Items are an array's elements, or the values of an object's members in the order of Names.
	Items []Value
	Names []string
}

// Config bounds what Parse takes. The zero value works.
type Config struct {
	// Depth bounds the nesting. Defaults to 128.
	Depth int
	// Values bounds the number of values. Defaults to 131072.
	Values int
}

// ErrBound is wrapped by the error of a text that exceeds a bound.
var ErrBound = errors.New("more than is allowed")

// Parse reads one JSON text (RFC 8259).
func Parse(text []byte, cfg Config) (Value, error) {
	if cfg.Depth <= 0 {
		cfg.Depth = 128
	}
	if cfg.Values <= 0 {
		cfg.Values = 1 << 17
	}
	if !json.Valid(text) {
		return Value{}, fmt.Errorf("parse JSON: %w", errForm)
	}
	p := parser{text: string(text), depth: cfg.Depth, left: cfg.Values}
	v, err := p.value(0)
	if err != nil {
		return Value{}, fmt.Errorf("parse JSON: %w", err)
	}
	return v, nil
}

var literals = [256]Kind{'t': True, 'f': False, 'n': Null}

var errForm = errors.New("it is none")

// parser reads a text that is known to be valid. Strings and numbers are parts of it, not copies.
type parser struct {
	text        string
	at          int
	depth, left int
}

// next passes over what stands between values and returns the byte after it.
func (p *parser) next() byte {
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
		default:
			return c
		}
	}
	return 0
}

func (p *parser) value(depth int) (Value, error) {
	if p.left--; p.left < 0 {
		return Value{}, fmt.Errorf("values: %w", ErrBound)
	}
	switch c := p.next(); c {
	case '"':
		return Value{Kind: String, Text: p.string()}, nil
	case '{', '[':
		if depth >= p.depth {
			return Value{}, fmt.Errorf("nesting: %w", ErrBound)
		}
		p.at++
		v := Value{Kind: Array}
		if c == '{' {
			v.Kind = Object
		}
		return p.items(v, depth)
	case 't', 'f', 'n':
		v := Value{Kind: literals[c]}
		p.word()
		return v, nil
	default:
		return Value{Kind: Number, Text: p.word()}, nil
	}
}

// items reads what is in a container, and its end.
func (p *parser) items(v Value, depth int) (Value, error) {
	for {
		if c := p.next(); c == ']' || c == '}' || c == 0 {
			p.at++
			return v, nil
		}
		if v.Kind == Object {
			v.Names = append(v.Names, p.string())
		}
		item, err := p.value(depth + 1)
		if err != nil {
			return v, err
		}
		v.Items = append(v.Items, item)
	}
}

// word is a number or a literal.
func (p *parser) word() string {
	start := p.at
	for p.at < len(p.text) && !strings.ContainsRune(" \t\r\n,:]}", rune(p.text[p.at])) {
		p.at++
	}
	return p.text[start:p.at]
}

// string is the string whose quote comes next.
func (p *parser) string() string {
	start := p.at
	escaped := false
	for p.at++; p.at < len(p.text) && p.text[p.at] != '"'; p.at++ {
		if p.text[p.at] == '\\' {
			escaped = true
			p.at++
		}
	}
	p.at = min(p.at+1, len(p.text))
	raw := p.text[start:p.at]
	if escaped || !utf8.ValidString(raw) {
		var s string
		if json.Unmarshal([]byte(raw), &s) == nil {
			return s
		}
	}
	return strings.Trim(raw, `"`)
}

// Of is the string s as a value.
func Of(s string) Value { return Value{Kind: String, Text: s} }

// Member is the value of an object's member; null if there is none.
func (v *Value) Member(name string) *Value {
	if v.Kind == Object {
		for i, n := range v.Names {
			if n == name {
				return &v.Items[i]
			}
		}
	}
	return &Value{}
}

// Item is an array's element; null if there is none.
func (v *Value) Item(i int) *Value {
	if v.Kind == Array && i < len(v.Items) {
		return &v.Items[i]
	}
	return &Value{}
}

// Sort puts the members of all objects in the order of their names, so that equal values have equal texts.
func (v *Value) Sort() {
	if v.Kind == Object && !slices.IsSorted(v.Names) {
		order := make([]int, len(v.Names))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(v.Names[a], v.Names[b]) })
		names, items := make([]string, len(order)), make([]Value, len(order))
		for i, o := range order {
			names[i], items[i] = v.Names[o], v.Items[o]
		}
		v.Names, v.Items = names, items
	}
	for i := range v.Items {
		v.Items[i].Sort()
	}
}

// Append appends the text of v, without space between its parts.
func (v *Value) Append(b []byte) []byte {
	switch v.Kind {
	case False:
		return append(b, "false"...)
	case True:
		return append(b, "true"...)
	case Number:
		return append(b, v.Text...)
	case String:
		return appendString(b, v.Text)
	case Array, Object:
		open, end := byte('['), byte(']')
		if v.Kind == Object {
			open, end = '{', '}'
		}
		b = append(b, open)
		for i := range v.Items {
			if i > 0 {
				b = append(b, ',')
			}
			if v.Kind == Object {
				b = append(appendString(b, v.Names[i]), ':')
			}
			b = v.Items[i].Append(b)
		}
		return append(b, end)
	}
	return append(b, "null"...)
}

const hexDigits = "0123456789abcdef"

// appendString appends a string as JSON has it; bytes that are no UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

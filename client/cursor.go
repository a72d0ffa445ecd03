package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// errShape says that an answer is JSON, but not of the form that was expected.
var errShape = errors.New("not what was expected")

// cursor reads JSON that json.Valid has approved, and leaves values that nobody wants unread. It takes no memory.
type cursor struct{ b []byte }

// peek is the first byte of the next value or sign, 0 at the end.
func (c *cursor) peek() byte {
	for i, x := range c.b {
		if x != ' ' && x != '\n' && x != '\t' && x != '\r' {
			c.b = c.b[i:]
			return x
		}
	}
	c.b = nil
	return 0
}

// take steps over x and tells whether it came next.
func (c *cursor) take(x byte) bool {
	if c.peek() != x || x == 0 {
		return false
	}
	c.b = c.b[1:]
	return true
}

// value is the next value's text.
func (c *cursor) value() []byte {
	first := c.peek()
	n := 0
	switch first {
	case 0:
		return nil
	case '"':
		n = stringEnd(c.b)
	case '{', '[':
		for depth := 0; n < len(c.b); {
			switch c.b[n] {
			case '"':
				n += stringEnd(c.b[n:])
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			if n++; depth == 0 {
				break
			}
		}
	default:
		for n < len(c.b) && !endsLiteral(c.b[n]) {
			n++
		}
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

func endsLiteral(x byte) bool {
	switch x {
	case ',', ']', '}', ':', ' ', '\n', '\t', '\r':
		return true
	}
	return false
}

// stringEnd is the length of the text in quotes that b begins with.
func stringEnd(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// elements calls f for every element of a list, which f reads.
func (c *cursor) elements(f func() error) error {
	if !c.take('[') {
		return errShape
	}
	for !c.take(']') {
		if c.peek() == 0 {
			return errShape
		}
		if err := f(); err != nil {
			return err
		}
		c.take(',')
	}
	return nil
}

// each calls f for every element of a list.
func (c *cursor) each(f func([]byte) error) error {
	return c.elements(func() error { return f(c.value()) })
}

// members calls f for every member of an object. The key is valid during the call alone.
func (c *cursor) members(f func(key, value []byte) error) error {
	if !c.take('{') {
		return errShape
	}
	for !c.take('}') {
		k := c.value()
		if len(k) < 2 || k[0] != '"' || !c.take(':') {
			return errShape
		}
		v := c.value()
		if len(v) == 0 {
			return errShape
		}
		key := k[1 : len(k)-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			key = []byte(text(k))
		}
		if err := f(key, v); err != nil {
			return err
		}
		c.take(',')
	}
	return nil
}

// text is the text that the JSON string v stands for; v is a string.
func text(v []byte) string {
	inner := v[1 : len(v)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var s string
	_ = json.Unmarshal(v, &s) // it was valid
	return s
}

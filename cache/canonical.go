package cache

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxDepth bounds how deep arguments may be nested.
const maxDepth = 100

var (
	errTooDeep   = fmt.Errorf("nested deeper than %d", maxDepth)
	errNotUTF8   = errors.New("a string is not UTF-8")
	errNotNumber = errors.New("a json.Number is no number")
	errNotFinite = errors.New("a number is not finite")
	errTwoValues = errors.New("more than one JSON value")
)

// Unordered is a list whose order has no meaning, such as the fields of a read. It is never right for the ids of a
// read, whose order the answer follows.
type Unordered []string

// canonical appends the JSON of v that all equal values have: without spaces, maps by key.
func canonical(b []byte, v any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return b, errTooDeep
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return quote(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case int32:
		return strconv.AppendInt(b, int64(v), 10), nil
	case float64:
		return number(b, v)
	case json.Number:
		if !json.Valid([]byte(v)) || (v[0] != '-' && (v[0] < '0' || v[0] > '9')) {
			return b, errNotNumber
		}
		return append(b, v...), nil
	case []any:
		return list(b, v, depth)
	case []string:
		return list(b, v, depth)
	case []int64:
		return list(b, v, depth)
	case []int:
		return list(b, v, depth)
	case Unordered:
		s := slices.Clone([]string(v))
		slices.Sort(s)
		return list(b, s, depth)
	case map[string]any:
		return object(b, v, depth)
	case json.RawMessage:
		return raw(b, v, depth)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return b, err
	}
	return raw(b, text, depth)
}

// raw appends the canonical form of a JSON text.
func raw(b, text []byte, depth int) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return b, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return b, errTwoValues
	}
	return canonical(b, v, depth+1)
}

func quote(b []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return b, errNotUTF8
	}
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"'), nil
}

// number writes whole numbers as integers are written, so that 1 from Go and 1 from JSON are one, and others as
// encoding/json does.
func number(b []byte, f float64) ([]byte, error) {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return b, errNotFinite
	case f == math.Trunc(f) && math.Abs(f) <= 1<<53 && !(f == 0 && math.Signbit(f)):
		return strconv.AppendInt(b, int64(f), 10), nil
	}
	text, err := json.Marshal(f)
	return append(b, text...), err
}

func list[T any](b []byte, items []T, depth int) ([]byte, error) {
	if items == nil { // as encoding/json sends it
		return append(b, "null"...), nil
	}
	b = append(b, '[')
	var err error
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = canonical(b, item, depth+1); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func object(b []byte, m map[string]any, depth int) ([]byte, error) {
	if m == nil {
		return append(b, "null"...), nil
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = append(b, '{')
	var err error
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = quote(b, k); err != nil {
			return b, err
		}
		if b, err = canonical(append(b, ':'), m[k], depth+1); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

// Package xmlrpc marshals the calls and answers of XML-RPC, in the dialect of Odoo's server: nil and 64-bit integers
// are part of it. Values are those of encoding/json, so that a caller need not know how they travel.
package xmlrpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxDepth bounds how deep values may be nested.
const maxDepth = 200

var (
	errTooDeep = fmt.Errorf("nested deeper than %d", maxDepth)
	errText    = errors.New("a text has a character that XML cannot carry")
	errNumber  = errors.New("a number that XML-RPC cannot carry")
)

// Fault is an answer that says that the call failed.
type Fault struct {
	Code   int
	String string
	// Text is the code of a server that gives a text for it, as Odoo's /xmlrpc does, and not a number.
	Text string
}

var _ error = (*Fault)(nil)

func (f *Fault) Error() string {
	if f.Text != "" {
		return f.Text
	}
	return fmt.Sprintf("fault %d: %s", f.Code, f.String)
}

// AppendCall appends a call of method.
func AppendCall(b []byte, method string, params ...any) ([]byte, error) {
	b = append(b, "<?xml version='1.0'?>\n<methodCall>\n<methodName>"...)
	b, err := text(b, method)
	if err != nil {
		return b, err
	}
	b = append(b, "</methodName>\n<params>\n"...)
	for _, p := range params {
		b = append(b, "<param>\n"...)
		if b, err = value(b, p, 0); err != nil {
			return b, fmt.Errorf("marshal parameter of %s: %w", method, err)
		}
		b = append(b, "</param>\n"...)
	}
	return append(b, "</params>\n</methodCall>\n"...), nil
}

func value(b []byte, v any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return b, errTooDeep
	}
	b = append(b, "<value>"...)
	var err error
	switch v := v.(type) {
	case nil:
		b = append(b, "<nil/>"...)
	case bool:
		b = append(b, "<boolean>"...)
		if v {
			b = append(b, '1')
		} else {
			b = append(b, '0')
		}
		b = append(b, "</boolean>"...)
	case int:
		b = integer(b, int64(v))
	case int64:
		b = integer(b, v)
	case float64:
		b, err = double(b, v)
	case json.Number:
		b, err = number(b, v)
	case string:
		b = append(b, "<string>"...)
		if b, err = text(b, v); err == nil {
			b = append(b, "</string>"...)
		}
	case time.Time:
		b = append(b, "<dateTime.iso8601>"...)
		b = v.UTC().AppendFormat(b, "20060102T15:04:05")
		b = append(b, "</dateTime.iso8601>"...)
	case []any:
		b = append(b, "<array><data>\n"...)
		for _, item := range v {
			if b, err = value(b, item, depth+1); err != nil {
				return b, err
			}
		}
		b = append(b, "</data></array>"...)
	case map[string]any:
		b, err = structure(b, v, depth)
	default:
		return other(b[:len(b)-len("<value>")], v, depth)
	}
	return append(b, "</value>\n"...), err
}

// other is a value of a type that encoding/json knows.
func other(b []byte, v any, depth int) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return b, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var plain any
	if err := d.Decode(&plain); err != nil {
		return b, err
	}
	return value(b, plain, depth)
}

func integer(b []byte, n int64) []byte {
	if n < math.MinInt32 || n > math.MaxInt32 {
		b = append(b, "<i8>"...)
		return append(strconv.AppendInt(b, n, 10), "</i8>"...)
	}
	b = append(b, "<int>"...)
	return append(strconv.AppendInt(b, n, 10), "</int>"...)
}

func double(b []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return b, errNumber
	}
	b = append(b, "<double>"...)
	return append(strconv.AppendFloat(b, f, 'g', -1, 64), "</double>"...), nil
}

func number(b []byte, n json.Number) ([]byte, error) {
	if i, err := n.Int64(); err == nil {
		return integer(b, i), nil
	}
	f, err := n.Float64()
	if err != nil {
		return b, errNumber
	}
	return double(b, f)
}

func structure(b []byte, m map[string]any, depth int) ([]byte, error) {
	b = append(b, "<struct>\n"...)
	for _, k := range sortedKeys(m) {
		b = append(b, "<member>\n<name>"...)
		var err error
		if b, err = text(b, k); err != nil {
			return b, err
		}
		b = append(b, "</name>\n"...)
		if b, err = value(b, m[k], depth+1); err != nil {
			return b, err
		}
		b = append(b, "</member>\n"...)
	}
	return append(b, "</struct>"...), nil
}

// text escapes s. A carriage return is written as a reference, because a reader of XML makes a line feed of it.
func text(b []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return b, errText
	}
	for _, r := range s {
		switch {
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '\r':
			b = append(b, "&#13;"...)
		case r < ' ' && r != '\t' && r != '\n', r == 0xfffe, r == 0xffff:
			return b, errText
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b, nil
}

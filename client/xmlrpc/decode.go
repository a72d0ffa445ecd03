package xmlrpc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

var errForm = errors.New("not an XML-RPC message")

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// Answer is the result of a call, or a *Fault as the error if the server gave one.
func Answer(message []byte) (any, error) {
	d := newDecoder(message)
	if err := d.open("methodResponse"); err != nil {
		return nil, err
	}
	start, err := d.start()
	if err != nil {
		return nil, err
	}
	switch start.Name.Local {
	case "params":
		if err := d.open("param"); err != nil {
			return nil, err
		}
		v, err := d.value(0)
		if err != nil {
			return nil, err
		}
		return v, d.end("param", "params", "methodResponse")
	case "fault":
		v, err := d.value(0)
		if err != nil {
			return nil, err
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil, errForm
		}
		f := &Fault{}
		f.String, _ = m["faultString"].(string)
		switch code := m["faultCode"].(type) {
		case int64:
			f.Code = int(code)
		case string:
			f.Text = code
		}
		return nil, f
	}
	return nil, errForm
}

// Call is the method and the parameters of a call.
func Call(message []byte) (string, []any, error) {
	d := newDecoder(message)
	if err := d.open("methodCall"); err != nil {
		return "", nil, err
	}
	if err := d.open("methodName"); err != nil {
		return "", nil, err
	}
	method, err := d.text("methodName")
	if err != nil {
		return "", nil, err
	}
	params := []any{}
	for {
		t, err := d.next()
		if err != nil {
			return "", nil, err
		}
		switch t := t.(type) {
		case xml.EndElement:
			if t.Name.Local == "methodCall" {
				return method, params, nil
			}
		case xml.StartElement:
			if t.Name.Local != "param" {
				continue
			}
			v, err := d.value(0)
			if err != nil {
				return "", nil, err
			}
			params = append(params, v)
		}
	}
}

type decoder struct{ x *xml.Decoder }

func newDecoder(message []byte) decoder {
	x := xml.NewDecoder(bytes.NewReader(message))
	x.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "us-ascii") {
			return in, nil
		}
		return nil, fmt.Errorf("character set %.20q: %w", charset, errForm)
	}
	return decoder{x}
}

// next is the next start, end or text that says something.
func (d decoder) next() (xml.Token, error) {
	for {
		t, err := d.x.Token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("read XML-RPC: %w", err)
		}
		switch t := t.(type) {
		case xml.StartElement, xml.EndElement:
			return t, nil
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return t, nil
			}
		case xml.Directive:
			return nil, errForm // no document type: no entities of the server's making
		}
	}
}

func (d decoder) start() (xml.StartElement, error) {
	t, err := d.next()
	if err != nil {
		return xml.StartElement{}, err
	}
	s, ok := t.(xml.StartElement)
	if !ok {
		return s, errForm
	}
	return s, nil
}

func (d decoder) open(name string) error {
	s, err := d.start()
	if err == nil && s.Name.Local != name {
		err = fmt.Errorf("element %.40q, want %s: %w", s.Name.Local, name, errForm)
	}
	return err
}

func (d decoder) end(names ...string) error {
	for _, name := range names {
		t, err := d.next()
		if err != nil {
			return err
		}
		if e, ok := t.(xml.EndElement); !ok || e.Name.Local != name {
			return errForm
		}
	}
	return nil
}

// text is everything up to the end of the element name.
func (d decoder) text(name string) (string, error) {
	var b strings.Builder
	for {
		t, err := d.x.Token()
		if err != nil {
			return "", fmt.Errorf("read XML-RPC: %w", err)
		}
		switch t := t.(type) {
		case xml.CharData:
			b.Write(t)
		case xml.EndElement:
			if t.Name.Local != name {
				return "", errForm
			}
			return b.String(), nil
		case xml.StartElement:
			return "", errForm
		}
	}
}

// value reads <value> with what is in it.
func (d decoder) value(depth int) (any, error) {
	if err := d.open("value"); err != nil {
		return nil, err
	}
	return d.inside(depth)
}

// inside reads what is in <value>, and its end. Text without an element of its own is a string.
func (d decoder) inside(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	var bare strings.Builder
	for {
		t, err := d.x.Token()
		if err != nil {
			return nil, fmt.Errorf("read XML-RPC: %w", err)
		}
		switch t := t.(type) {
		case xml.CharData:
			bare.Write(t)
		case xml.EndElement:
			return bare.String(), nil
		case xml.StartElement:
			v, err := d.typed(t.Name.Local, depth)
			if err != nil {
				return nil, err
			}
			return v, d.end("value")
		}
	}
}

func (d decoder) typed(kind string, depth int) (any, error) {
	switch kind {
	case "array":
		return d.array(depth)
	case "struct":
		return d.structure(depth)
	}
	s, err := d.text(kind)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "string":
		return s, nil
	case "nil":
		return nil, nil //nolint:nilnil // it is the value
	}
	s = strings.TrimSpace(s)
	switch kind {
	case "int", "i4", "i8", "i1", "i2", "biginteger":
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, nil
		}
	case "boolean":
		if s == "1" || s == "0" {
			return s == "1", nil
		}
	case "double", "float":
		if f, err := strconv.ParseFloat(s, 64); err == nil && json.Valid([]byte(strconv.FormatFloat(f, 'g', -1, 64))) {
			return f, nil
		}
	case "dateTime.iso8601": // as Odoo's JSON has it
		for _, form := range []string{"20060102T15:04:05", "2006-01-02T15:04:05"} {
			if t, err := time.Parse(form, s); err == nil {
				return t.Format("2006-01-02 15:04:05"), nil
			}
		}
	case "base64": // as JSON has it, without line feeds
		s = strings.Join(strings.Fields(s), "")
		if _, err := base64.StdEncoding.DecodeString(s); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("read %.40s %.40q: %w", kind, s, errForm)
}

func (d decoder) array(depth int) (any, error) {
	if err := d.open("data"); err != nil {
		return nil, err
	}
	items := []any{}
	for {
		t, err := d.next()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.EndElement: // of data
			return items, d.end("array")
		case xml.StartElement:
			if t.Name.Local != "value" {
				return nil, errForm
			}
			v, err := d.inside(depth + 1)
			if err != nil {
				return nil, err
			}
			items = append(items, v)
		default:
			return nil, errForm
		}
	}
}

func (d decoder) structure(depth int) (any, error) {
	m := map[string]any{}
	for {
		t, err := d.next()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.EndElement: // of struct
			return m, nil
		case xml.StartElement:
			if t.Name.Local != "member" {
				return nil, errForm
			}
			if err := d.open("name"); err != nil {
				return nil, err
			}
			name, err := d.text("name")
			if err != nil {
				return nil, err
			}
			if m[name], err = d.value(depth + 1); err != nil {
				return nil, err
			}
			if err := d.end("member"); err != nil {
				return nil, err
			}
		default:
			return nil, errForm
		}
	}
}

package client

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// decodeAll reads the server's list of records. Without a plan, T is Record.
func decodeAll[T any](raw json.RawMessage, p *plan) ([]T, error) {
	if !json.Valid(raw) {
		return nil, fmt.Errorf("decode records: %w: no JSON", errShape)
	}
	out := []T{}
	c := cursor{raw}
	err := c.elements(func() error {
		out = append(out, *new(T))
		if p == nil {
			r, err := decodeRecord(&c)
			reflect.ValueOf(&out[len(out)-1]).Elem().Set(reflect.ValueOf(r))
			return err
		}
		return p.decode(&c, reflect.ValueOf(&out[len(out)-1]).Elem())
	})
	if err != nil {
		return nil, fmt.Errorf("decode records: %w", err)
	}
	return out, nil
}

// decodeList reads the server's list of records into pointers to new structs.
func (p *plan) decodeList(raw json.RawMessage) ([]reflect.Value, error) {
	if !json.Valid(raw) {
		return nil, fmt.Errorf("decode records: %w: no JSON", errShape)
	}
	var out []reflect.Value
	c := cursor{raw}
	err := c.elements(func() error {
		at := reflect.New(p.typ)
		out = append(out, at)
		return p.decode(&c, at.Elem())
	})
	if err != nil {
		return nil, fmt.Errorf("decode records: %w", err)
	}
	return out, nil
}

// decode reads one record into the struct v.
func (p *plan) decode(c *cursor, v reflect.Value) error {
	return c.members(func(key, value []byte) error {
		i, ok := p.byName[string(key)]
		if !ok {
			return nil
		}
		f := &p.fields[i]
		dst := v.FieldByIndex(f.index)
		if len(key) > len(f.name) { // "party.": what Tryton adds of the record that party refers to
			return setRefName(dst, value)
		}
		if err := f.set(dst, value); err != nil {
			return fmt.Errorf("field %s: %w", f.name, err)
		}
		return nil
	})
}

// setter puts a JSON value into a field.
type setter func(dst reflect.Value, v []byte) error

// absent tells that v is how servers say that a field is empty.
func absent(v []byte) bool { return v[0] == 'n' || v[0] == 'f' }

func shape(want string, v []byte) error {
	if len(v) > 40 {
		v = append(bytes.Clone(v[:40]), "…"...)
	}
	return fmt.Errorf("%w: want %s, got %s", errShape, want, v)
}

// setterFor finds the setter for a type; to is what a pointer to a comodel's struct points to.
func setterFor(t, to reflect.Type, p Protocol) (setter, error) {
	if to != nil {
		return setPointer(to, p), nil
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return scalar("a time", parseTime), nil
	case reflect.TypeFor[Date]():
		return scalar("a date", func(v []byte) (Date, error) {
			t, err := parseTime(v)
			return DateOf(t), err
		}), nil
	case reflect.TypeFor[time.Duration]():
		return scalar("a duration", parseDuration), nil
	case reflect.TypeFor[Clock]():
		return scalar("a time of the day", parseClock), nil
	case reflect.TypeFor[Decimal]():
		return scalar("a number", parseDecimal), nil
	case reflect.TypeFor[Ref]():
		return setRef, nil
	case reflect.TypeFor[[]byte]():
		return scalar("bytes", parseBytes), nil
	case reflect.TypeFor[json.RawMessage]():
		return func(dst reflect.Value, v []byte) error {
			dst.SetBytes(bytes.Clone(v))
			return nil
		}, nil
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return setJSON, nil
	}
	switch t.Kind() {
	case reflect.String:
		return setString, nil
	case reflect.Bool:
		return setBool, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return setInt, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return setUint, nil
	case reflect.Float32, reflect.Float64:
		return setFloat, nil
	case reflect.Pointer:
		inner, err := setterFor(t.Elem(), nil, p)
		isBool := t.Elem().Kind() == reflect.Bool
		return func(dst reflect.Value, v []byte) error {
			if v[0] == 'n' || v[0] == 'f' && !isBool {
				dst.SetZero()
				return nil
			}
			at := reflect.New(t.Elem())
			dst.Set(at)
			return inner(at.Elem(), v)
		}, err
	case reflect.Slice:
		inner, err := setterFor(t.Elem(), nil, p)
		return setSlice(t, inner), err
	case reflect.Map, reflect.Struct, reflect.Interface:
		return func(dst reflect.Value, v []byte) error {
			if absent(v) && t.Kind() != reflect.Interface {
				dst.SetZero()
				return nil
			}
			return setJSON(dst, v)
		}, nil
	}
	return nil, fmt.Errorf("%w: no value of a record is a %s", ErrModel, t)
}

func scalar[V any](want string, parse func([]byte) (V, error)) setter {
	return func(dst reflect.Value, v []byte) error {
		if absent(v) {
			dst.SetZero()
			return nil
		}
		parsed, err := parse(v)
		if err != nil {
			return shape(want, v)
		}
		*dst.Addr().Interface().(*V) = parsed
		return nil
	}
}

func setJSON(dst reflect.Value, v []byte) error { return json.Unmarshal(v, dst.Addr().Interface()) }

func setString(dst reflect.Value, v []byte) error {
	switch {
	case v[0] == '"':
		dst.SetString(text(v))
	case absent(v):
		dst.SetString("")
	default:
		return shape("text", v)
	}
	return nil
}

func setBool(dst reflect.Value, v []byte) error {
	if v[0] != 't' && !absent(v) {
		return shape("true or false", v)
	}
	dst.SetBool(v[0] == 't')
	return nil
}

// whole is v as a whole number: what is absent is 0, and a reference is its id.
func whole(v []byte) (int64, error) {
	switch v[0] {
	case 'n', 'f':
		return 0, nil
	case '[', '{':
		r, err := parseRef(v)
		return r.ID, err
	}
	if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(string(v), 64) // "3.0", as some drivers have it
	if n, ok := number(f); ok && err == nil {
		return n, nil
	}
	return 0, shape("a whole number", v)
}

func setInt(dst reflect.Value, v []byte) error {
	n, err := whole(v)
	if err == nil && dst.OverflowInt(n) {
		err = shape("a number of "+dst.Type().String(), v)
	}
	if err == nil {
		dst.SetInt(n)
	}
	return err
}

func setUint(dst reflect.Value, v []byte) error {
	n, err := whole(v)
	if err == nil && (n < 0 || dst.OverflowUint(uint64(n))) {
		err = shape("a number of "+dst.Type().String(), v)
	}
	if err == nil {
		dst.SetUint(uint64(n))
	}
	return err
}

func setFloat(dst reflect.Value, v []byte) error {
	if absent(v) {
		dst.SetFloat(0)
		return nil
	}
	d, err := parseDecimal(v)
	if err != nil {
		return shape("a number", v)
	}
	n, err := strconv.ParseFloat(string(d), 64)
	if err != nil {
		return shape("a number", v)
	}
	dst.SetFloat(n)
	return nil
}

func setSlice(t reflect.Type, inner setter) setter {
	return func(dst reflect.Value, v []byte) error {
		if absent(v) {
			dst.SetZero()
			return nil
		}
		out := reflect.MakeSlice(t, 0, bytes.Count(v, []byte{','})+1)
		zero := reflect.Zero(t.Elem())
		c := cursor{v}
		err := c.each(func(item []byte) error {
			out = reflect.Append(out, zero)
			return inner(out.Index(out.Len()-1), item)
		})
		if errors.Is(err, errShape) && v[0] != '[' {
			return shape("a list", v)
		}
		dst.Set(out)
		return err
	}
}

func parseBytes(v []byte) ([]byte, error) {
	if v[0] == '{' {
		return classed[[]byte](v)
	}
	if v[0] != '"' {
		return nil, errShape
	}
	return base64.StdEncoding.DecodeString(text(v))
}

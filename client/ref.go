package client

import (
	"encoding/json"
	"math"
	"reflect"
	"time"
)

// Ref is the value of a many2one field: the record's id and what it is called. No record has the id 0.
type Ref struct {
	ID   int64
	Name string
}

// IsZero tells whether d is no day at all, as of a field without a value.
func (d Date) IsZero() bool { return d == Date{} }

// Time is the beginning of the day in UTC; the zero time of no day.
func (d Date) Time() time.Time {
	if d.IsZero() {
		return time.Time{}
	}
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
}

// none is how a protocol says that there is no value.
func none(p Protocol) any {
	if p == Tryton {
		return nil
	}
	return false
}

// plain is v as the protocol's JSON has it. No value, a zero time or day, no decimal digits and a reference to nothing
// are an empty field, a list that is nil is an empty list, and a reference is its id. What is not valid is left to the call, which refuses it.
func plain(p Protocol, v any) any {
	switch v := v.(type) {
	case nil:
		return none(p)
	case bool, string, int, int64, float64, json.Number, json.RawMessage:
		return v
	case []int64:
		if v == nil {
			return []int64{}
		}
		return v
	case Ref:
		if v.ID == 0 {
			return none(p)
		}
		return v.ID
	case time.Time:
		return plainSet(p, v, v.IsZero())
	case Date:
		return plainSet(p, v, v.IsZero())
	case Decimal:
		return plainSet(p, v, v == "")
	case []byte:
		return plainSet(p, v, v == nil)
	case Clock, time.Duration:
		return plainSet(p, v, false)
	}
	r := reflect.ValueOf(v)
	switch r.Kind() { //nolint:exhaustive // the others are left to encoding/json
	case reflect.Slice, reflect.Array:
		out := make([]any, r.Len())
		for i := range out {
			out[i] = plain(p, r.Index(i).Interface())
		}
		return out
	case reflect.Map:
		switch {
		case r.IsNil():
			return none(p)
		case r.Type().Key().Kind() != reflect.String:
			return v
		}
		out := make(map[string]any, r.Len())
		for i := r.MapRange(); i.Next(); {
			out[i.Key().String()] = plain(p, i.Value().Interface())
		}
		return out
	case reflect.Pointer:
		if r.IsNil() {
			return none(p)
		}
		return plain(p, r.Elem().Interface())
	}
	return v
}

func plainSet(p Protocol, v any, empty bool) any {
	switch {
	case empty:
		return none(p)
	case p == Tryton:
		return trytonValue(v)
	}
	if w, err := odooValue(v); err == nil {
		return w
	}
	return v
}

// number is v as a whole number, if it is one.
func number(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case float64: // as encoding/json has numbers
		n := int64(v)
		return n, float64(n) == v && math.Abs(v) < 1<<53
	case json.Number:
		n, err := v.Int64()
		return n, err == nil
	}
	return 0, false
}

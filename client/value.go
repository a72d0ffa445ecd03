package client

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"time"
)

// Date is a day, without a time of day or a zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf is the day of t in t's own zone.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// IsZero tells whether d is no day at all, which a field without a value gives.
func (d Date) IsZero() bool { return d == Date{} }

// Time is the beginning of the day in UTC; the zero time of no day.
func (d Date) Time() time.Time {
	if d.IsZero() {
		return time.Time{}
	}
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
}

// String is d as ISO 8601 has it; empty of no day.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return d.Time().Format(time.DateOnly)
}

// Decimal is an exact number, in its decimal notation ("24.0000"); empty means none.
type Decimal string

// Ref is the value of a many2one field: the record's id and what it is called. No record has the id 0.
type Ref struct {
	ID   int64
	Name string
}

// Command is one change of a one2many or many2many field, in the form that servers take it: [0, 0, values] and its
// kin of Odoo, ["create", [values]] and its kin of Tryton.
type Command []any

// wireOdoo is v as Odoo takes it: no value is false, a time is UTC without a zone, bytes are base64.
func wireOdoo(v any) any {
	switch v := v.(type) {
	case nil:
		return false
	case bool, string, int, int64, float64, json.Number, []int64, []string, json.RawMessage:
		return v
	case Command:
		return wireEach(reflect.ValueOf([]any(v)), wireOdoo)
	case time.Time:
		if v.IsZero() {
			return false
		}
		return v.UTC().Format(time.DateTime)
	case Date:
		if v.IsZero() {
			return false
		}
		return v.String()
	case Decimal:
		if v == "" {
			return false
		}
		return json.Number(v)
	case Ref:
		if v.ID == 0 {
			return false
		}
		return v.ID
	case []byte:
		if v == nil {
			return false
		}
		return base64.StdEncoding.EncodeToString(v)
	}
	return wireDeep(v, wireOdoo)
}

// wireTryton is v as Tryton takes it: what JSON lacks is a dictionary that names its class.
func wireTryton(v any) any {
	switch v := v.(type) {
	case nil, bool, string, int, int64, float64, json.Number, []int64, []string, json.RawMessage:
		return v
	case Command:
		return wireEach(reflect.ValueOf([]any(v)), wireTryton)
	case time.Time:
		if v.IsZero() {
			return nil
		}
		v = v.UTC()
		return map[string]any{
			"__class__": "datetime", "year": v.Year(), "month": int(v.Month()), "day": v.Day(),
			"hour": v.Hour(), "minute": v.Minute(), "second": v.Second(), "microsecond": v.Nanosecond() / 1000,
		}
	case time.Duration:
		return map[string]any{"__class__": "timedelta", "seconds": v.Seconds()}
	case Date:
		if v.IsZero() {
			return nil
		}
		return map[string]any{"__class__": "date", "year": v.Year, "month": int(v.Month), "day": v.Day}
	case Decimal:
		if v == "" {
			return nil
		}
		return map[string]any{"__class__": "Decimal", "decimal": string(v)}
	case Ref:
		if v.ID == 0 {
			return nil
		}
		return v.ID
	case []byte:
		if v == nil {
			return nil
		}
		return map[string]any{"__class__": "bytes", "base64": base64.StdEncoding.EncodeToString(v)}
	}
	return wireDeep(v, wireTryton)
}

// wire is the function for a protocol's values.
func wire(p Protocol) func(any) any {
	if p == Tryton {
		return wireTryton
	}
	return wireOdoo
}

// wireDeep converts what lists, maps and pointers hold.
func wireDeep(v any, each func(any) any) any {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Slice, reflect.Array:
		return wireEach(r, each)
	case reflect.Map:
		if r.Type().Key().Kind() != reflect.String {
			return v
		}
		out := make(map[string]any, r.Len())
		for i := r.MapRange(); i.Next(); {
			out[i.Key().String()] = each(i.Value().Interface())
		}
		return out
	case reflect.Pointer:
		if r.IsNil() {
			return each(nil)
		}
		return each(r.Elem().Interface())
	}
	return v
}

func wireEach(r reflect.Value, each func(any) any) []any {
	out := make([]any, r.Len())
	for i := range out {
		out[i] = each(r.Index(i).Interface())
	}
	return out
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

package client

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
)

// Date is a day without a time. As a value of a call it travels as the server has dates.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf is the day of t, in t's own zone.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

// MarshalText writes the date as Odoo has it.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Clock is a time of the day (Tryton's time).
type Clock struct{ Hour, Minute, Second, Microsecond int }

// Decimal is an exact number in decimal digits (Tryton's numeric; a number like any other for Odoo).
type Decimal string

// maxNesting bounds how deep arguments and results may be nested.
const maxNesting = 200

// wireValue is v as the servers of a protocol take it: time.Time, Date, Clock, time.Duration, Decimal and []byte in
// lists and maps become what stands for them. What has none of them is v itself.
func wireValue(p Protocol, v any, depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("nested deeper than %d", maxNesting)
	}
	switch v := v.(type) {
	case nil, bool, string, int, int64, int32, float64, json.Number, json.RawMessage, []string, []int, []int64:
		return v, nil
	case []any:
		return wireList(p, v, depth)
	case map[string]any:
		return wireMap(p, v, depth)
	case time.Time, Date, Clock, time.Duration, Decimal, []byte:
		if p == Tryton {
			return trytonValue(v), nil
		}
		return odooValue(v)
	}
	switch r := reflect.ValueOf(v); r.Kind() { //nolint:exhaustive // the others are left to encoding/json
	case reflect.Slice, reflect.Array:
		if _, ok := v.(json.Marshaler); ok || r.Kind() == reflect.Slice && r.IsNil() {
			return v, nil
		}
		items := make([]any, r.Len())
		for i := range items {
			items[i] = r.Index(i).Interface()
		}
		return wireList(p, items, depth)
	case reflect.Map:
		if _, ok := v.(json.Marshaler); ok || r.Type().Key().Kind() != reflect.String || r.IsNil() {
			return v, nil
		}
		m := make(map[string]any, r.Len())
		for it := r.MapRange(); it.Next(); {
			m[it.Key().String()] = it.Value().Interface()
		}
		return wireMap(p, m, depth)
	case reflect.Pointer:
		if r.IsNil() {
			return nil, nil //nolint:nilnil // null
		}
		if _, ok := v.(json.Marshaler); !ok && r.Elem().Kind() != reflect.Struct {
			return wireValue(p, r.Elem().Interface(), depth+1)
		}
	}
	return v, nil
}

// wireList copies the list only if one of its values changes.
func wireList(p Protocol, v []any, depth int) (any, error) {
	out := v
	for i, item := range v {
		w, err := wireValue(p, item, depth+1)
		if err != nil {
			return nil, err
		}
		if same(w, item) {
			continue
		}
		if &out[0] == &v[0] {
			out = append([]any(nil), v...)
		}
		out[i] = w
	}
	return out, nil
}

func wireMap(p Protocol, v map[string]any, depth int) (any, error) {
	out, copied := v, false
	for k, item := range v {
		w, err := wireValue(p, item, depth+1)
		if err != nil {
			return nil, err
		}
		if same(w, item) {
			continue
		}
		if !copied {
			out, copied = make(map[string]any, len(v)), true
			for k, item := range v {
				out[k] = item
			}
		}
		out[k] = w
	}
	return out, nil
}

// same tells whether wireValue gave back what it got.
func same(a, b any) bool {
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		return ok && len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
	case map[string]any:
		_, ok := b.(map[string]any)
		return ok && reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
	case nil, bool, string, int, int64, int32, float64, json.Number:
		return a == b
	case json.RawMessage, []string, []int, []int64:
		return reflect.TypeOf(a) == reflect.TypeOf(b)
	}
	return false
}

func odooValue(v any) (any, error) {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05"), nil
	case Date:
		return v.String(), nil
	case time.Duration:
		return v.Hours(), nil // as Odoo's fields of float_time have it
	case Clock:
		return float64(v.Hour) + float64(v.Minute)/60 + float64(v.Second)/3600, nil
	case Decimal:
		if f, err := strconv.ParseFloat(string(v), 64); err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("%.40q is no decimal number", string(v))
		}
		return json.Number(v), nil
	case []byte:
		return base64.StdEncoding.EncodeToString(v), nil
	}
	return v, nil
}

func trytonValue(v any) any {
	switch v := v.(type) {
	case time.Time:
		v = v.UTC()
		return map[string]any{
			"__class__": "datetime", "year": v.Year(), "month": int(v.Month()), "day": v.Day(),
			"hour": v.Hour(), "minute": v.Minute(), "second": v.Second(), "microsecond": v.Nanosecond() / 1000,
		}
	case Date:
		return map[string]any{"__class__": "date", "year": v.Year, "month": int(v.Month), "day": v.Day}
	case Clock:
		return map[string]any{"__class__": "time", "hour": v.Hour, "minute": v.Minute, "second": v.Second, "microsecond": v.Microsecond}
	case time.Duration:
		return map[string]any{"__class__": "timedelta", "seconds": v.Seconds()}
	case Decimal:
		return map[string]any{"__class__": "Decimal", "decimal": string(v)}
	case []byte:
		return map[string]any{"__class__": "bytes", "base64": base64.StdEncoding.EncodeToString(v)}
	}
	return v
}

// DecodeValue reads a result into Go values: maps, lists, json.Number, and for what Tryton marks with __class__
// time.Time, Date, Clock, time.Duration, Decimal and []byte. A mark that is unknown or wrong stays a map.
func DecodeValue(result json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(result))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("decode result: %w", err)
	}
	return unmark(v), nil
}

func unmark(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = unmark(v[i])
		}
	case map[string]any:
		if class, ok := v["__class__"].(string); ok {
			if x, ok := classValue(class, v); ok {
				return x
			}
		}
		for k := range v {
			v[k] = unmark(v[k])
		}
	}
	return v
}

// classValue is what a dictionary with __class__ stands for.
func classValue(class string, m map[string]any) (any, bool) {
	ok := true
	part := func(name string, least, most int64) int {
		v, there := m[name]
		if !there && least == 0 { // microsecond and others may be left out
			return 0
		}
		n, is := v.(json.Number)
		i, err := n.Int64()
		ok = ok && is && err == nil && i >= least && i <= most
		return int(i)
	}
	text := func(name string) string {
		s, is := m[name].(string)
		ok = ok && is
		return s
	}
	day := func() (int, time.Month, int) {
		return part("year", 1, 9999), time.Month(part("month", 1, 12)), part("day", 1, 31)
	}
	clock := func() Clock {
		return Clock{part("hour", 0, 23), part("minute", 0, 59), part("second", 0, 59), part("microsecond", 0, 999_999)}
	}
	var x any
	switch class {
	case "date":
		y, mo, d := day()
		x = Date{y, mo, d}
	case "datetime":
		y, mo, d := day()
		k := clock()
		x = time.Date(y, mo, d, k.Hour, k.Minute, k.Second, k.Microsecond*1000, time.UTC)
	case "time":
		x = clock()
	case "timedelta":
		n, is := m["seconds"].(json.Number)
		f, err := n.Float64()
		ok = is && err == nil && math.Abs(f) < math.MaxInt64/1e9
		x = time.Duration(math.Round(f*1e6)) * time.Microsecond
	case "Decimal":
		x = Decimal(text("decimal"))
	case "bytes":
		b, err := base64.StdEncoding.DecodeString(text("base64")) // which skips line feeds
		ok = ok && err == nil
		x = b
	default:
		return nil, false
	}
	return x, ok
}

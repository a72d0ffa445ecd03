package client

import (
	"math"
	"reflect"
	"strconv"
	"time"
)

// classed reads a value of Tryton that JSON has no form for, and that must be a V.
func classed[V any](v []byte) (V, error) {
	x, err := DecodeValue(v)
	if err != nil {
		return *new(V), err
	}
	if x, ok := x.(V); ok {
		return x, nil
	}
	return *new(V), errShape
}

// times are the forms of a date or a time in Odoo's answers. All are UTC.
var times = []string{time.DateTime, time.DateOnly, "2006-01-02 15:04:05.999999", time.RFC3339, "2006-01-02T15:04:05"}

func parseTime(v []byte) (time.Time, error) {
	if v[0] == '{' {
		if d, err := classed[Date](v); err == nil {
			return d.Time(), nil
		}
		return classed[time.Time](v)
	}
	if v[0] != '"' {
		return time.Time{}, errShape
	}
	s := text(v)
	for _, layout := range times {
		if len(s) < len(time.DateOnly) || layout == time.DateTime && len(s) != len(layout) {
			continue
		}
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errShape
}

func parseDecimal(v []byte) (Decimal, error) {
	switch {
	case v[0] == '{':
		return classed[Decimal](v)
	case v[0] == '-' || v[0] >= '0' && v[0] <= '9':
		return Decimal(v), nil
	}
	return "", errShape
}

// parseHours reads what Odoo has of durations and times of the day: hours as a number.
func parseHours(v []byte) (time.Duration, error) {
	h, err := strconv.ParseFloat(string(v), 64)
	if err != nil || math.Abs(h) > math.MaxInt64/float64(time.Hour) {
		return 0, errShape
	}
	return time.Duration(math.Round(h * float64(time.Hour))), nil
}

func parseDuration(v []byte) (time.Duration, error) {
	if v[0] == '{' {
		return classed[time.Duration](v)
	}
	return parseHours(v)
}

func parseClock(v []byte) (Clock, error) {
	if v[0] == '{' {
		return classed[Clock](v)
	}
	d, err := parseHours(v)
	if err != nil || d < 0 || d > 24*time.Hour {
		return Clock{}, errShape
	}
	d = d.Round(time.Second)
	return Clock{Hour: int(d / time.Hour), Minute: int(d / time.Minute % 60), Second: int(d / time.Second % 60)}, nil
}

// parseRef reads a many2one field: an id, [id, name], or an object with an id and one of the names of names.
func parseRef(v []byte) (Ref, error) {
	var r Ref
	c := cursor{v}
	switch v[0] {
	case '[':
		i := 0
		err := c.each(func(item []byte) error {
			var err error
			switch {
			case i == 0 && item[0] != '[' && item[0] != '{':
				r.ID, err = whole(item)
			case i == 1 && item[0] == '"':
				r.Name = text(item)
			case i == 1 && absent(item):
			default:
				err = errShape
			}
			i++
			return err
		})
		if err != nil || i != 2 {
			return Ref{}, shape("[id, name]", v)
		}
	case '{':
		found := false
		err := c.members(func(key, value []byte) error {
			var err error
			switch string(key) {
			case "id":
				found = value[0] != '{' && value[0] != '['
				if found {
					r.ID, err = whole(value)
				}
			case "display_name", "rec_name":
				if value[0] == '"' {
					r.Name = text(value)
				}
			}
			return err
		})
		if err != nil || !found {
			return Ref{}, shape("a record", v)
		}
	case 'n', 'f':
	default:
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil {
			return Ref{}, shape("a reference", v)
		}
		r.ID = n
	}
	return r, nil
}

func setRef(dst reflect.Value, v []byte) error {
	r, err := parseRef(v)
	if err == nil {
		at := dst.Addr().Interface().(*Ref)
		if r.Name == "" && r.ID == at.ID { // the name came before the id
			r.Name = at.Name
		}
		*at = r
	}
	return err
}

// setRefName takes the name out of what Tryton adds of the record that a field refers to.
func setRefName(dst reflect.Value, v []byte) error {
	if v[0] != '{' {
		return nil // the field is empty
	}
	r, err := parseRef(v)
	if err == nil {
		*dst.Addr().Interface().(*Ref) = r
	}
	return err
}

// setPointer makes the struct that a many2one field refers to, with its id alone.
func setPointer(to reflect.Type, p Protocol) setter {
	return func(dst reflect.Value, v []byte) error {
		r, err := parseRef(v)
		if err != nil || r.ID == 0 {
			dst.SetZero()
			return err
		}
		next, err := planFor(to, p)
		if err != nil {
			return err
		}
		at := reflect.New(to)
		if next.id >= 0 {
			if err := next.fields[next.id].set(at.Elem().FieldByIndex(next.fields[next.id].index), strconv.AppendInt(nil, r.ID, 10)); err != nil {
				return err
			}
		}
		dst.Set(at)
		return nil
	}
}

// decodeRecord reads a record whose fields nobody knows.
func decodeRecord(c *cursor) (Record, error) {
	r := Record{}
	err := c.members(func(key, value []byte) error {
		x, err := decodeAny(value, 0)
		r[string(key)] = x
		return err
	})
	return r, err
}

// maxValueDepth bounds how deep a value of a record may nest.
const maxValueDepth = 100

func decodeAny(v []byte, depth int) (any, error) {
	if depth > maxValueDepth {
		return nil, errShape
	}
	c := cursor{v}
	switch v[0] {
	case 'n':
		return nil, nil
	case 't', 'f':
		return v[0] == 't', nil
	case '"':
		return text(v), nil
	case '[':
		out := []any{}
		err := c.each(func(item []byte) error {
			x, err := decodeAny(item, depth+1)
			out = append(out, x)
			return err
		})
		return out, err
	case '{':
		out := map[string]any{}
		err := c.members(func(key, value []byte) error {
			x, err := decodeAny(value, depth+1)
			out[string(key)] = x
			return err
		})
		if _, ok := out["__class__"]; ok && err == nil {
			if x, err := DecodeValue(v); err == nil {
				return x, nil
			}
		}
		return out, err
	}
	if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
		return n, nil
	}
	n, err := strconv.ParseFloat(string(v), 64)
	if err != nil {
		return nil, errShape
	}
	return n, nil
}

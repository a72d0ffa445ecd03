package rewrite

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/jsontree"
	"github.com/perfd/perfd/replay/load"
)

// nearRecording is how far from the day of the recording a date may be that is taken to mean "about now".
const nearRecording = 31 * 24 * time.Hour

// Rewriter rewrites calls for a target, and answers back.
type Rewriter struct {
	// Table has the ids. It has to be given.
	Table *Table
	// Schema has the fields. It has to be given.
	Schema *Schema
	// Tryton says whose calls they are. Defaults to Odoo's.
	Tryton bool
	// Shift is what is added to the dates in domains that are near Recorded. Defaults to nothing.
	Shift    time.Duration
	Recorded time.Time

	stamps stamps
}

// Changes tells whether there is anything to rewrite but ids.
func (r *Rewriter) Changes() bool { return r.Shift != 0 }

// parts are the JSON texts of a call.
type parts struct {
	args, kwargs, params, query, fields jsontree.Value
}

func parse(c *load.Call) (p parts, err error) {
	for _, part := range []struct {
		text json.RawMessage
		into *jsontree.Value
	}{{c.Args, &p.args}, {c.Kwargs, &p.kwargs}, {c.Params, &p.params}, {c.Query, &p.query}, {c.Fields, &p.fields}} {
		if len(part.text) > 0 {
			if *part.into, err = jsontree.Parse(part.text, jsontree.Config{}); err != nil {
				return p, fmt.Errorf("read arguments: %w", err)
			}
		}
	}
	return p, nil
}

func (r *Rewriter) walker(ctx context.Context, as client.Caller, visit func(model string, id int64) int64) *walker {
	return &walker{tryton: r.Tryton, visit: visit, fields: func(model string) map[string]Field { return r.Schema.Fields(ctx, as, model) }}
}

func (r *Rewriter) walk(w *walker, c *load.Call, p *parts) {
	if r.Tryton {
		w.trytonCall(c.Service, c.Model, c.Method, &p.args)
		return
	}
	if c.Model != "" {
		w.odooCall(c.Model, c.Method, &p.args, &p.kwargs)
	}
	w.object(&p.params)
	w.form(&p.query, c.Path)
	w.form(&p.fields, c.Path)
}

// Refs are the records made by the load that a call names. The target is asked, as a user, for the fields of models
// that it has not described yet.
func (r *Rewriter) Refs(ctx context.Context, as client.Caller, c *load.Call) ([]Key, error) {
	p, err := parse(c)
	if err != nil {
		return nil, err
	}
	var keys []Key
	w := r.walker(ctx, as, func(model string, id int64) int64 {
		k := Key{model, id}
		if _, state := r.Table.Look(c.Session, k); state != Old && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
		return id
	})
	r.walk(w, c, &p)
	w.path(c.Path)
	return keys, nil
}

// Apply is a call as the target has to get it. It asks nobody: what Refs did not see stays as it is.
func (r *Rewriter) Apply(c *load.Call) (load.Call, error) {
	p, err := parse(c)
	if err != nil {
		return *c, err
	}
	changed := false
	w := r.walker(context.Background(), nil, func(model string, id int64) int64 {
		now, state := r.Table.Look(c.Session, Key{model, id})
		if state != Known {
			return id
		}
		changed = changed || now != id
		return now
	})
	if r.Shift != 0 {
		w.moment = func(v *jsontree.Value, _ string) { changed = r.shift(v) || changed }
	}
	w.stamp = func(ref string, v *jsontree.Value) { changed = r.stamp(ref, v) || changed }
	r.walk(w, c, &p)
	out := *c
	out.Path = w.path(c.Path)
	if !changed {
		return out, nil
	}
	for _, part := range []struct {
		text *json.RawMessage
		from *jsontree.Value
	}{{&out.Args, &p.args}, {&out.Kwargs, &p.kwargs}, {&out.Params, &p.params}, {&out.Query, &p.query}, {&out.Fields, &p.fields}} {
		if len(*part.text) > 0 {
			*part.text = part.from.Append(make([]byte, 0, len(*part.text)+16))
		}
	}
	return out, nil
}

// Back is an answer to a call with the recorded ids in place of the target's. It asks for fields as Refs does.
func (r *Rewriter) Back(ctx context.Context, as client.Caller, c *load.Call, result json.RawMessage) json.RawMessage {
	if !r.Table.moved() {
		return result
	}
	v, err := jsontree.Parse(result, jsontree.Config{})
	if err != nil {
		return result
	}
	changed := false
	w := r.walker(ctx, as, func(model string, id int64) int64 {
		if old, ok := r.Table.was(Key{model, id}); ok && old != id {
			changed = true
			return old
		}
		return id
	})
	if r.Tryton {
		w.trytonResult(c.Service, c.Model, c.Method, &v)
	} else {
		w.odooResult(c.Model, c.Method, &v)
	}
	if !changed {
		return result
	}
	return v.Append(make([]byte, 0, len(result)+16))
}

// shift moves a date, or a list of them.
func (r *Rewriter) shift(v *jsontree.Value) bool {
	switch v.Kind { //nolint:exhaustive // no other is a date
	case jsontree.String:
		for _, form := range []string{time.DateOnly, time.DateTime, "2006-01-02T15:04:05"} {
			if t, err := time.Parse(form, v.Text); err == nil && r.near(t) {
				v.Text = t.Add(r.Shift).Format(form)
				return true
			}
		}
	case jsontree.Array:
		changed := false
		for i := range v.Items {
			changed = r.shift(&v.Items[i]) || changed
		}
		return changed
	case jsontree.Object:
		return r.shiftClass(v)
	}
	return false
}

// shiftClass moves {"__class__": "date", "year": 2031, "month": 1, "day": 2}.
func (r *Rewriter) shiftClass(v *jsontree.Value) bool {
	if class := v.Member("__class__").Text; class != "date" && class != "datetime" {
		return false
	}
	number := func(name string) int {
		n, _ := strconv.Atoi(v.Member(name).Text)
		return n
	}
	t := time.Date(number("year"), time.Month(number("month")), number("day"), 0, 0, 0, 0, time.UTC)
	if number("year") == 0 || !r.near(t) {
		return false
	}
	t = t.Add(r.Shift)
	v.Member("year").Text, v.Member("month").Text, v.Member("day").Text = strconv.Itoa(t.Year()), strconv.Itoa(int(t.Month())), strconv.Itoa(t.Day())
	return true
}

func (r *Rewriter) near(t time.Time) bool { return t.Sub(r.Recorded).Abs() <= nearRecording }

package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// picture is what the tables have, with every id replaced by the one that the record had first.
func (f *fake) picture(newIDs map[string]map[int64]int64) map[string]string {
	first := func(model string, v any) any {
		id, ok := number(v)
		if !ok {
			return v
		}
		out := id
		for old, now := range newIDs[model] {
			if now == id {
				out = min(out, old)
			}
		}
		return out
	}
	out := map[string]string{}
	for model, table := range f.tables {
		for id, r := range table {
			var parts []string
			for _, name := range slices.Sorted(maps.Keys(f.schema[model])) {
				v := r[name]
				switch info := f.schema[model][name]; info.Type {
				case "many2one":
					v = first(info.Relation, v)
				case "many2many":
					ids := []string{}
					for _, to := range list(v) {
						if to != nil {
							ids = append(ids, fmt.Sprint(first(info.Relation, to)))
						}
					}
					slices.Sort(ids)
					v = ids
				case "boolean":
					v = v == true
				}
				parts = append(parts, fmt.Sprint(name, "=", v))
			}
			out[fmt.Sprint(model, " ", first(model, id))] = strings.Join(parts, " ")
		}
	}
	return out
}

// TestUndoRestores: whatever was made, written and deleted, also what was made or written before it was deleted, and
// references among what was: all is as it was but for the ids of what was deleted, which Undone tells.
func TestUndoRestores(t *testing.T) {
	thoroughly(t, func(t *rapid.T) {
		f := populate(newFake(rapid.SampledFrom([]Protocol{Odoo, Tryton}).Draw(t, "protocol")), 4)
		for _, name := range []string{"a", "b", "c"} {
			f.insert("res.tag", row{"name": name})
		}
		before := f.picture(nil)
		ctx := context.Background()
		l := NewUndoLog(f)
		some := func(model string) []int64 {
			ids := slices.Sorted(maps.Keys(f.tables[model]))
			if len(ids) == 0 {
				return nil
			}
			return rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 0, 3, rapid.ID).Draw(t, "ids")
		}
		values := func() Record {
			v := Record{"name": rapid.StringMatching("[a-c]{1,3}").Draw(t, "name")}
			if rapid.Bool().Draw(t, "has age") {
				v["age"] = rapid.IntRange(1, 9).Draw(t, "age")
			}
			if ids := some("res.partner"); len(ids) > 0 {
				v["parent"] = ids[0]
			}
			if ids := some("res.tag"); f.protocol == Odoo {
				v["tags"] = []any{[]any{6, 0, ids}}
			} else {
				v["tags"] = []any{[]any{"add", ids}}
			}
			return v
		}
		changes := 0
		for range rapid.IntRange(0, 6).Draw(t, "changes") {
			var err error
			switch rapid.IntRange(0, 3).Draw(t, "change") {
			case 0:
				_, err = l.Create(ctx, "res.partner", values(), values())
				changes++
			case 1:
				ids := some("res.partner")
				err = l.Write(ctx, "res.partner", ids, values())
				changes += min(1, len(ids))
			case 2:
				ids := some("res.partner")
				err = l.Unlink(ctx, "res.partner", ids)
				changes += min(1, len(ids))
			case 3:
				ids := some("res.tag")
				err = l.Unlink(ctx, "res.tag", ids)
				changes += min(1, len(ids))
			}
			if errors.Is(err, KindValidation) {
				changes-- // others refer to it
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if l.Len() != changes {
			t.Fatalf("%d changes, %d in the log", changes, l.Len())
		}
		u, err := l.Undo(ctx)
		if err != nil || u.Steps != changes || l.Len() != 0 {
			t.Fatalf("undone %+v, %v", u, err)
		}
		after := f.picture(u.NewIDs)
		if len(after) != len(before) {
			t.Fatalf("before %v\nafter  %v\nnew ids %v", before, after, u.NewIDs)
		}
		for key, want := range before {
			if got := after[key]; got != want {
				t.Fatalf("%s was %s\nand is %s; new ids %v", key, want, got, u.NewIDs)
			}
		}
	})
}

// TestUndoReadsBeforeItWrites: one description of a model, and one reading before each change, in that order.
func TestUndoReadsBeforeItWrites(t *testing.T) {
	both(t, 3, func(t *testing.T, f *fake) {
		l := NewUndoLog(f)
		if err := errors.Join(
			l.Write(t.Context(), "res.partner", []int64{1, 2}, Record{"name": "x"}),
			l.Write(t.Context(), "res.partner", []int64{3}, Record{"age": 4}),
			l.Write(t.Context(), "res.partner", nil, Record{"age": 4}),
		); err != nil {
			t.Fatal(err)
		}
		want := "res.partner.fields_get res.partner.read res.partner.write res.partner.read res.partner.write"
		if calls := strings.Join(f.take(), " "); calls != want {
			t.Errorf("calls %s", calls)
		}
		l.Forget()
		if u, err := l.Undo(t.Context()); err != nil || u.Steps != 0 || len(f.take()) != 0 {
			t.Errorf("undone %+v, %v", u, err)
		}
	})
}

// TestUndoFollowsNewIDs: what referred to a record before that was deleted refers to it under its new id.
func TestUndoFollowsNewIDs(t *testing.T) {
	both(t, 2, func(t *testing.T, f *fake) {
		tag := f.insert("res.tag", row{"name": "a"})
		other := f.insert("res.country", row{"code": "DE"})
		add, remove := []any{[]any{6, 0, []any{tag}}}, []any{[]any{6, 0, []any{}}}
		if f.protocol == Tryton {
			add, remove = []any{[]any{"add", []any{tag}}}, []any{[]any{"remove", []any{tag}}}
		}
		f.set("res.partner", f.tables["res.partner"][1], wireform(row{"tags": add, "country": other}).(row))
		l := NewUndoLog(f)
		if err := errors.Join(
			l.Write(t.Context(), "res.partner", []int64{1}, Record{"tags": remove, "country": nil}),
			l.Unlink(t.Context(), "res.tag", []int64{tag}), l.Unlink(t.Context(), "res.country", []int64{other}),
		); err != nil {
			t.Fatal(err)
		}
		u, err := l.Undo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r, newTag, newOther := f.tables["res.partner"][1], u.NewIDs["res.tag"][tag], u.NewIDs["res.country"][other]
		if newTag == tag || newOther == other || len(list(r["tags"])) != 1 || !equal(list(r["tags"])[0], newTag) || !equal(r["country"], newOther) {
			t.Errorf("partner %v, new ids %v", r, u.NewIDs)
		}
	})
}

func TestUndoRefusesWhatHasNoWayBack(t *testing.T) {
	f := populate(newFake(Odoo), 3)
	f.schema["res.shadow"], f.tables["res.shadow"] = map[string]fieldInfo{"name": {Type: "char", ReadOnly: true}}, map[int64]row{1: {"id": 1}}
	l := NewUndoLog(f)
	for name, err := range map[string]error{
		"one2many":   l.Write(t.Context(), "res.partner", []int64{1}, Record{"children": []any{[]any{0, 0, row{"name": "x"}}}}),
		"no field":   l.Write(t.Context(), "res.partner", []int64{1}, Record{"nothing": 1}),
		"no values":  l.Unlink(t.Context(), "res.shadow", []int64{1}),
		"not a list": l.Write(t.Context(), "res.none", []int64{1}, Record{"a": 1}),
		"not there":  l.Write(t.Context(), "res.partner", []int64{1, 99}, Record{"name": "x"}),
	} {
		if err == nil || strings.HasPrefix(name, "no ") && !errors.Is(err, ErrNotUndoable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if l.Len() != 0 || f.tables["res.partner"][1]["name"] != "p1" {
		t.Error("something was changed")
	}
}

// TestUndoAfterDoubt: a call without an answer is undone as if it had been done, whether it was or not; one that the
// server refused is not.
func TestUndoAfterDoubt(t *testing.T) {
	lost := &Error{Kind: KindConnection, Sent: true}
	for name, test := range map[string]struct {
		done bool // before the answer was lost
		err  error
		in   bool // the log
	}{
		"done, answer lost": {true, lost, true}, "not done, answer lost": {false, lost, true}, "another error": {false, errors.New("?"), true},
		"refused": {false, &Error{Kind: KindValidation, Sent: true}, false}, "not sent": {false, &Error{Kind: KindConnection}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := populate(newFake(Odoo), 4)
			before := f.picture(nil)
			fail := func(_, method string, _ []any) error {
				if method == "write" || method == "unlink" || method == "create" {
					return test.err
				}
				return nil
			}
			if test.done {
				f.after = fail
			} else {
				f.before = fail
			}
			l := NewUndoLog(f)
			err1 := l.Write(t.Context(), "res.partner", []int64{1, 2}, Record{"name": "x"})
			err2 := l.Unlink(t.Context(), "res.partner", []int64{3, 4})
			if err1 == nil || err2 == nil || (l.Len() == 2) != test.in {
				t.Fatalf("%d changes in the log; %v, %v", l.Len(), err1, err2)
			}
			f.before, f.after = nil, nil
			u, err := l.Undo(t.Context())
			if err != nil || (len(u.NewIDs["res.partner"]) == 2) != test.done || !maps.Equal(f.picture(u.NewIDs), before) {
				t.Errorf("undone %+v, %v:\n%v, want\n%v", u, err, f.picture(u.NewIDs), before)
			}
			// Records that may have been made have no ids by which to delete them.
			f.before = fail
			_, err = l.Create(t.Context(), "res.partner", Record{"name": "x"})
			if u, _ := l.Undo(t.Context()); err == nil || (len(u.Uncertain) == 1) != test.in {
				t.Errorf("uncertain %v", u.Uncertain)
			}
		})
	}
}

// TestUndoGoesOnWhereItStopped: a failed step and those before it remain, and are undone by the next Undo.
func TestUndoGoesOnWhereItStopped(t *testing.T) {
	f := populate(newFake(Tryton), 4)
	before := f.picture(nil)
	l := NewUndoLog(f)
	_, err := l.Create(t.Context(), "res.partner", Record{"name": "x"})
	if err := errors.Join(err, l.Unlink(t.Context(), "res.partner", []int64{4}), l.Write(t.Context(), "res.partner", []int64{1}, Record{"name": "y"})); err != nil {
		t.Fatal(err)
	}
	f.before = func(_, method string, _ []any) error {
		if method == "create" {
			return &Error{Kind: KindAccess, Sent: true}
		}
		return nil
	}
	u, err := l.Undo(t.Context())
	if u.Steps != 1 || !errors.Is(err, KindAccess) || l.Len() != 2 {
		t.Fatalf("undone %+v, %v", u, err)
	}
	f.before = nil
	u, err = l.Undo(t.Context())
	if err != nil || u.Steps != 2 || u.NewIDs["res.partner"][4] != 6 || !maps.Equal(f.picture(u.NewIDs), before) {
		t.Errorf("undone %+v, %v", u, err)
	}
}

// TestWithUndo undoes after an error and a panic, also when the context has ended, and nothing after success.
func TestWithUndo(t *testing.T) {
	f := populate(newFake(Odoo), 2)
	before := f.picture(nil)
	name := func(l *UndoLog) error { return l.Write(t.Context(), "res.partner", []int64{1}, Record{"name": "x"}) }
	ctx, cancel := context.WithCancel(t.Context())
	wrong := errors.New("wrong")
	u, err := WithUndo(ctx, f, func(l *UndoLog) error {
		if err := name(l); err != nil {
			return err
		}
		cancel()
		return wrong
	})
	if !errors.Is(err, wrong) || u.Steps != 1 || !maps.Equal(f.picture(nil), before) {
		t.Errorf("after an error: %+v, %v", u, err)
	}
	func() {
		defer func() {
			if p := recover(); p != "panic" {
				t.Errorf("recovered %v", p)
			}
		}()
		_, _ = WithUndo(t.Context(), f, func(l *UndoLog) error {
			if err := name(l); err != nil {
				return err
			}
			panic("panic")
		})
	}()
	if !maps.Equal(f.picture(nil), before) {
		t.Error("not undone after a panic")
	}
	if u, err := WithUndo(t.Context(), f, name); err != nil || u.Steps != 0 || f.tables["res.partner"][1]["name"] != "x" {
		t.Errorf("after success: %+v, %v", u, err)
	}
}

package rewrite

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/jsontree"
	"github.com/perfd/perfd/replay/load"
)

// Learn finds the counterparts of records that were made inside others, as the lines of an order, which no answer to a
// create names: beside each other, the recorded answer and the target's to the same call have the same fields of the same
// record, and if the record is one that the load made, so are those that it alone names.
func (r *Rewriter) Learn(ctx context.Context, as client.Caller, c *load.Call, was, is json.RawMessage) {
	if !r.Table.moved() {
		return
	}
	a, err1 := jsontree.Parse(was, jsontree.Config{})
	b, err2 := jsontree.Parse(is, jsontree.Config{})
	if err1 != nil || err2 != nil {
		return
	}
	l := learner{r: r, fields: func(model string) map[string]Field { return r.Schema.Fields(ctx, as, model) }}
	switch c.Method {
	case "read", "search_read", "web_read", "web_save":
		l.rows(c.Model, &a, &b)
	case "web_search_read":
		l.rows(c.Model, a.Member("records"), b.Member("records"))
	}
}

type learner struct {
	r      *Rewriter
	fields func(model string) map[string]Field
}

func (l *learner) rows(model string, a, b *jsontree.Value) {
	if a.Kind != jsontree.Array || b.Kind != jsontree.Array || len(a.Items) != len(b.Items) {
		return
	}
	for i := range a.Items {
		l.row(model, &a.Items[i], &b.Items[i])
	}
}

// row takes two rows of one record, if the load made it.
func (l *learner) row(model string, a, b *jsontree.Value) {
	old, now := idOf(a.Member("id")), idOf(b.Member("id"))
	if was, ok := l.r.Table.was(Key{model, now}); !ok || was != old || old == 0 {
		return
	}
	for name, f := range l.fields(model) {
		if f.Type != "one2many" || f.Relation == "" {
			continue
		}
		x, y := a.Member(name), b.Member(name)
		if x.Kind != jsontree.Array || y.Kind != jsontree.Array || len(x.Items) != len(y.Items) {
			continue
		}
		for i := range x.Items {
			l.pair(f.Relation, &x.Items[i], &y.Items[i])
		}
	}
}

// pair is a record inside another, as its id or as a row.
func (l *learner) pair(model string, a, b *jsontree.Value) {
	old, now := idOf(a), idOf(b)
	if a.Kind == jsontree.Object && b.Kind == jsontree.Object {
		old, now = idOf(a.Member("id")), idOf(b.Member("id"))
	}
	if old == 0 || now == 0 {
		return
	}
	if _, state := l.r.Table.Look("", Key{model, old}); state == Old {
		l.r.Table.Resolve([]load.Minted{{Model: model, IDs: []int64{old}}}, []load.Minted{{Model: model, IDs: []int64{now}}})
	}
	l.row(model, a, b)
}

func idOf(v *jsontree.Value) int64 {
	n, err := strconv.ParseInt(v.Text, 10, 64)
	if v.Kind != jsontree.Number || err != nil || n <= 0 {
		return 0
	}
	return n
}

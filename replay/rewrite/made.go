package rewrite

import (
	"encoding/json"
	"strconv"

	"github.com/perfd/perfd/jsontree"
	"github.com/perfd/perfd/replay/load"
)

// Made are the ids of the records that a call made, as its answer tells: those of create, copy, name_create, of a
// web_save of nothing that was there, of the record that an action opens, and of a wizard's session.
func Made(tryton bool, c *load.Call, result json.RawMessage) []load.Minted {
	v, err := jsontree.Parse(result, jsontree.Config{})
	if err != nil {
		return nil
	}
	one := func(model string, ids []int64) []load.Minted {
		if len(ids) == 0 || model == "" {
			return nil
		}
		return []load.Minted{{Model: model, IDs: ids}}
	}
	switch {
	case tryton && c.Service == "wizard":
		if c.Method == "create" {
			return one(wizardModel, numbers(v.Item(0)))
		}
		return nil
	case c.Method == "create" || c.Method == "copy":
		return one(c.Model, numbers(&v))
	case tryton:
		return nil
	case c.Method == "name_create":
		return one(c.Model, numbers(v.Item(0)))
	case c.Method == "web_save":
		var ids []int64
		for i := range v.Items {
			ids = append(ids, numbers(v.Items[i].Member("id"))...)
		}
		return one(c.Model, ids)
	}
	return one(v.Member("res_model").Text, numbers(v.Member("res_id")))
}

func numbers(v *jsontree.Value) []int64 {
	var ids []int64
	add := func(v *jsontree.Value) {
		if n, err := strconv.ParseInt(v.Text, 10, 64); v.Kind == jsontree.Number && err == nil && n > 0 {
			ids = append(ids, n)
		}
	}
	add(v)
	if v.Kind == jsontree.Array {
		for i := range v.Items {
			add(&v.Items[i])
		}
	}
	return ids
}

package export

import (
	"strconv"

	"github.com/perfd/perfd/jsontree"
	"github.com/perfd/perfd/replay/load"
)

// made are the records that the calls of a load make. The target gives them other ids, which neither form can know: a call
// that names one would fail, or change a record that is none of its business.
type made map[record]bool

type record struct {
	model string
	id    int64
}

// maxMade bounds the records that are remembered.
const maxMade = 1_000_000

// note remembers what a call made. A record that an action opened may have been there before.
func (m made) note(c *load.Call) {
	if !load.Creates(c) {
		return
	}
	for _, minted := range c.Minted {
		for _, id := range minted.IDs {
			if len(m) < maxMade {
				m[record{minted.Model, id}] = true
			}
		}
	}
}

// names tells whether a method is called on a record that was made: its ids come first, or under their name.
func (m made) names(c *load.Call) bool {
	if len(m) == 0 || c.Model == "" {
		return false
	}
	model := c.Model
	if c.Transport == "tryton" && c.Service == "wizard" {
		model = "wizard." + model
	}
	args, err1 := jsontree.Parse(c.Args, jsontree.Config{})
	kwargs, err2 := jsontree.Parse(first(c.Kwargs, c.Params), jsontree.Config{})
	return err1 == nil && m.among(model, args.Item(0)) || err2 == nil && (m.among(model, kwargs.Member("ids")) || m.among(model, kwargs.Member("args").Item(0)))
}

func (m made) among(model string, ids *jsontree.Value) bool {
	if ids.Kind == jsontree.Number {
		id, err := strconv.ParseInt(ids.Text, 10, 64)
		return err == nil && m[record{model, id}]
	}
	for i := range ids.Items {
		if item := &ids.Items[i]; ids.Kind == jsontree.Array && item.Kind == jsontree.Number && m.among(model, item) {
			return true
		}
	}
	return false
}

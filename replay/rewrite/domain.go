package rewrite

import (
	"strings"

	"github.com/perfd/perfd/jsontree"
)

const maxNesting = 32 // of domains in domains, and of the steps of a path

// domain is a domain on a model: [[path, operator, value], "&", …], of Tryton nested with "AND" and "OR".
func (w *walker) domain(v *jsontree.Value, model string) { w.domainAt(v, model, 0) }

func (w *walker) domainAt(v *jsontree.Value, model string, depth int) {
	if v.Kind != jsontree.Array || model == "" || depth > maxNesting {
		return
	}
	of := ""
	for i := range v.Items {
		leaf := &v.Items[i]
		if name := leaf.Item(0).Text; (name == "res_model" || name == "model") && leaf.Item(1).Text == "=" && isModel(leaf.Item(2).Text) {
			of = leaf.Item(2).Text
		}
	}
	for i := range v.Items {
		item := &v.Items[i]
		switch {
		case item.Kind != jsontree.Array || len(item.Items) == 0:
		case item.Items[0].Kind == jsontree.String && len(item.Items) >= 3 && (!w.tryton || !isJunction(item.Items[0].Text)):
			w.leaf(item, model, of, depth)
		default:
			w.domainAt(item, model, depth+1)
		}
	}
}

func isJunction(s string) bool { return s == "AND" || s == "OR" }

// leaf is one condition. Of is the model that the ids of res_id are of, if the domain says it.
func (w *walker) leaf(v *jsontree.Value, model, of string, depth int) {
	path, operator, value := v.Items[0].Text, v.Items[1].Text, &v.Items[2]
	f, last := w.follow(path, model)
	switch {
	case operator == "any" || operator == "not any" || operator == "where" || operator == "not where":
		w.domainAt(value, f.Relation, depth+1)
	case last == "id":
		w.ids(value, f.Relation)
	case f.Type == "many2one" || f.Type == "one2many" || f.Type == "many2many" || f.Type == "one2one":
		w.ids(value, f.Relation)
	case f.Type == "reference":
		w.references(v)
	case last == "res_id" && of != "":
		w.ids(value, of)
	case w.moment != nil && (f.Type == "date" || f.Type == "datetime" || f.Type == "timestamp" || last == "create_date" || last == "write_date"):
		w.moment(value, f.Type)
	}
}

// references are texts "model,id", one or several, or, of Tryton, an id with its model as the fourth part.
func (w *walker) references(v *jsontree.Value) {
	value := &v.Items[2]
	w.reference(value)
	for i := range value.Items {
		w.reference(&value.Items[i])
	}
	if w.tryton && len(v.Items) == 4 {
		w.ids(value, v.Items[3].Text)
	}
}

// follow goes along a path of field names. Of "id" it gives the model that it is of as the relation.
func (w *walker) follow(path, model string) (f Field, last string) {
	for range maxNesting {
		name, rest, more := strings.Cut(path, ".")
		if name == "id" {
			return Field{Relation: model}, name
		}
		f, last = w.fields(model)[name], name
		if !more || f.Relation == "" {
			return f, last
		}
		path, model = rest, f.Relation
	}
	return Field{}, ""
}

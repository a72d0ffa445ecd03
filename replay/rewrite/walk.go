package rewrite

import (
	"strconv"
	"strings"

	"github.com/perfd/perfd/jsontree"
)

// walker goes through the parts of calls and answers that hold ids of records.
type walker struct {
	tryton bool
	fields func(model string) map[string]Field
	// visit gets each id with its model, and says what to put in its place.
	visit func(model string, id int64) int64
	// moment gets each text, or value with a class, that a domain compares a date with; nil if none is wanted.
	moment func(v *jsontree.Value, kind string)
	// stamp gets each time by which a state of a record, "model,id", is meant; nil if none is wanted.
	stamp func(ref string, v *jsontree.Value)
}

// id is one id.
func (w *walker) id(v *jsontree.Value, model string) {
	if v.Kind != jsontree.Number || model == "" {
		return
	}
	n, err := strconv.ParseInt(v.Text, 10, 64)
	if err != nil || n <= 0 { // what is not saved yet has negative ids, or texts as virtual_1
		return
	}
	if now := w.visit(model, n); now != n {
		v.Text = strconv.FormatInt(now, 10)
	}
}

// ids is one id or a list of them.
func (w *walker) ids(v *jsontree.Value, model string) {
	w.id(v, model)
	if v.Kind == jsontree.Array {
		for i := range v.Items {
			w.id(&v.Items[i], model)
		}
	}
}

// pair is an id, or an id with a name, or an object with an id.
func (w *walker) pair(v *jsontree.Value, model string) {
	switch v.Kind { //nolint:exhaustive // nothing else holds an id
	case jsontree.Number:
		w.id(v, model)
	case jsontree.Array:
		if len(v.Items) == 2 && v.Items[1].Kind != jsontree.Number {
			w.id(&v.Items[0], model)
		}
	case jsontree.Object:
		w.row(v, model)
	}
}

// reference is a text "model,id".
func (w *walker) reference(v *jsontree.Value) {
	if v.Kind != jsontree.String {
		return
	}
	model, text, ok := strings.Cut(v.Text, ",")
	n, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil || n <= 0 || !isModel(model) {
		return
	}
	if now := w.visit(model, n); now != n {
		v.Text = model + "," + strconv.FormatInt(now, 10)
	}
}

func isModel(s string) bool {
	if s == "" || len(s) > 128 || s[0] == '.' {
		return false
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// row is the values of a record, to be written or as they were read.
func (w *walker) row(v *jsontree.Value, model string) {
	if v.Kind != jsontree.Object || model == "" {
		return
	}
	fields := w.fields(model)
	for i, name := range v.Names {
		item := &v.Items[i]
		if name == "id" {
			w.id(item, model)
			continue
		}
		if nested, ok := strings.CutSuffix(name, "."); ok && w.tryton { // "party.": {"id": 7, …}
			w.row(item, fields[nested].Relation)
			continue
		}
		w.value(item, fields[strings.TrimPrefix(name, "_parent_")], v)
	}
}

// value is what a field holds; row is where it stands.
func (w *walker) value(v *jsontree.Value, f Field, row *jsontree.Value) {
	switch f.Type {
	case "many2one", "one2one":
		w.pair(v, f.Relation)
		if v.Kind == jsontree.String { // Tryton's "model,id", of fields that may hold any model
			w.reference(v)
		}
	case "one2many", "many2many":
		w.list(v, f.Relation)
	case "reference":
		w.reference(v)
	case "many2one_reference":
		w.id(v, modelBeside(row))
	case "integer": // a res_id of old versions, beside the name of its model
		if model := modelBeside(row); model != "" && v == row.Member("res_id") {
			w.id(v, model)
		}
	}
}

// modelBeside is the model that a res_id is of.
func modelBeside(row *jsontree.Value) string {
	for _, name := range []string{"res_model", "model"} {
		if m := row.Member(name); m.Kind == jsontree.String && isModel(m.Text) {
			return m.Text
		}
	}
	return ""
}

// list is the value of a one2many or many2many field: ids, rows, or commands.
func (w *walker) list(v *jsontree.Value, model string) {
	if v.Kind != jsontree.Array || model == "" {
		return
	}
	for i := range v.Items {
		item := &v.Items[i]
		switch item.Kind { //nolint:exhaustive // nothing else holds an id
		case jsontree.Number:
			w.id(item, model)
		case jsontree.Object:
			w.row(item, model)
		case jsontree.Array:
			if w.tryton {
				w.trytonCommand(item, model)
			} else {
				w.odooCommand(item, model)
			}
		}
	}
}

// Commands of Odoo's x2many fields that name one record, and that name several.
const (
	commandCreate = "0"
	commandSet    = "6"
)

// odooCommand is [0, virtual, values], [1, id, values], [2, id], [3, id], [4, id], [5], or [6, 0, ids].
func (w *walker) odooCommand(v *jsontree.Value, model string) {
	switch v.Item(0).Text {
	case commandCreate:
		w.row(v.Item(2), model)
	case "1", "2", "3", "4":
		w.id(v.Item(1), model)
		w.row(v.Item(2), model)
	case commandSet:
		w.ids(v.Item(2), model)
	}
}

// trytonCommand is ["create", rows], ["write", ids, row, …], ["add", ids], ["remove", ids], ["delete", ids], or
// ["copy", ids, row].
func (w *walker) trytonCommand(v *jsontree.Value, model string) {
	switch v.Item(0).Text {
	case "create":
		w.rows(v.Item(1), model)
	case "write":
		w.pairsOf(v.Items[1:], model)
	case "add", "remove", "delete", "copy":
		w.ids(v.Item(1), model)
		w.row(v.Item(2), model)
	}
}

// pairsOf is ids and values, again and again, as Tryton's write has them.
func (w *walker) pairsOf(items []jsontree.Value, model string) {
	for i := range items {
		if i%2 == 0 {
			w.ids(&items[i], model)
		} else {
			w.row(&items[i], model)
		}
	}
}

// rows is one record's values or several's.
func (w *walker) rows(v *jsontree.Value, model string) {
	w.row(v, model)
	if v.Kind == jsontree.Array {
		for i := range v.Items {
			w.row(&v.Items[i], model)
		}
	}
}

// context is the context of a call of a model.
func (w *walker) context(v *jsontree.Value, model string) {
	if v.Kind != jsontree.Object {
		return
	}
	active := v.Member("active_model").Text
	fields := map[string]Field(nil)
	for i, name := range v.Names {
		item := &v.Items[i]
		switch {
		case name == "active_id" || name == "active_ids":
			w.ids(item, active)
		case name == "allowed_company_ids":
			w.ids(item, "res.company")
		case name == "res_id" || name == "res_ids":
			w.ids(item, modelBeside(v))
		case name == "default_res_id" || name == "default_res_ids":
			if m := v.Member("default_res_model"); m.Kind == jsontree.String {
				w.ids(item, m.Text)
			} else if m := v.Member("default_model"); m.Kind == jsontree.String {
				w.ids(item, m.Text)
			}
		case name == "params" && !w.tryton:
			w.object(item)
		case name == stampName && w.tryton && item.Kind == jsontree.Object:
			for j := range item.Names {
				ref := jsontree.Of(item.Names[j])
				w.reference(&ref)
				item.Names[j] = ref.Text
				if w.stamp != nil {
					w.stamp(ref.Text, &item.Items[j])
				}
			}
		case strings.HasPrefix(name, "default_"), strings.HasPrefix(name, "search_default_"):
			if fields == nil && model != "" {
				fields = w.fields(model)
			}
			w.value(item, fields[strings.TrimPrefix(strings.TrimPrefix(name, "search_"), "default_")], v)
		}
	}
}

// object is the parameters of a route that is no method's: the models of its ids stand beside them.
func (w *walker) object(v *jsontree.Value) {
	if v.Kind != jsontree.Object {
		return
	}
	model := ""
	for _, name := range []string{"model", "res_model", "resModel", "thread_model"} {
		if m := v.Member(name); model == "" && m.Kind == jsontree.String && isModel(m.Text) {
			model = m.Text
		}
	}
	for i, name := range v.Names {
		item := &v.Items[i]
		switch name {
		case "id", "ids", "res_id", "res_ids", "resId", "thread_id":
			w.ids(item, model)
		case "domain":
			w.domain(item, model)
		case "context":
			w.context(item, model)
		case "kwargs", "args", "data":
			w.object(item)
		}
	}
}

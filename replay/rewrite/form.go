package rewrite

import (
	"strconv"
	"strings"

	"github.com/perfd/perfd/jsontree"
)

// form is the query or the form of a plain route, a list of names with their values. Ids are texts there. A report's path
// has ids of the model that its context tells.
func (w *walker) form(v *jsontree.Value, route string) {
	model, active := "", ""
	if attachments(route) {
		model = "ir.attachment"
	}
	for i := range v.Items {
		switch name, value := v.Items[i].Item(0).Text, v.Items[i].Item(1); name {
		case "model", "res_model", "thread_model":
			if isModel(value.Text) {
				model = value.Text
			}
		case "context":
			active = value.Member("active_model").Text
		}
	}
	for i := range v.Items {
		value := v.Items[i].Item(1)
		switch name := v.Items[i].Item(0).Text; name {
		case "id", "ids", "res_id", "res_ids", "thread_id", "active_id", "active_ids":
			w.idsText(value, model)
		case "domain":
			w.domain(value, model)
		case "context":
			w.context(value, model)
		case "data":
			w.object(value)
			if path := value.Item(0); isModel(active) && strings.HasPrefix(path.Text, "/report/") {
				at := strings.LastIndexByte(path.Text, '/') + 1
				ids := jsontree.Of(path.Text[at:])
				w.idsText(&ids, active)
				path.Text = path.Text[:at] + ids.Text
			}
		}
	}
}

// attachments tells whether a route is of files that belong to no other model.
func attachments(route string) bool {
	return route == "/web/content" || route == "/web/image" || strings.HasPrefix(route, "/web/content/") || strings.HasPrefix(route, "/web/image/")
}

// idsText is an id or several, with commas between them, as a text; or a list.
func (w *walker) idsText(v *jsontree.Value, model string) {
	if v.Kind != jsontree.String {
		w.ids(v, model)
		return
	}
	ids := strings.Split(v.Text, ",")
	changed := false
	for i, text := range ids {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n <= 0 || model == "" {
			return
		}
		if now := w.visit(model, n); now != n {
			ids[i], changed = strconv.FormatInt(now, 10), true
		}
	}
	if changed {
		v.Text = strings.Join(ids, ",")
	}
}

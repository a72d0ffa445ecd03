package rewrite

import (
	"strings"

	"github.com/perfd/perfd/jsontree"
)

// ofWizard begins what stands for the model of wizards' sessions (load.Mints).
const ofWizard = "wizard."

// trytonCall is a method's parameters, of which the last is the context.
func (w *walker) trytonCall(service, model, method string, args *jsontree.Value) {
	if args.Kind != jsontree.Array || len(args.Items) == 0 {
		return
	}
	items := args.Items[:len(args.Items)-1]
	w.context(&args.Items[len(items)], model)
	first := args.Item(0)
	if len(items) == 0 {
		return
	}
	switch {
	case service == "wizard":
		if method != "create" {
			w.id(first, ofWizard+model)
		}
	case service == "report":
		w.ids(first, modelOfReport(&items[min(1, len(items)-1)], model))
	case service != "model":
	case method == "search" || method == "search_count" || method == "search_read":
		w.domain(first, model)
	case method == "create":
		w.rows(first, model)
	case method == "write":
		w.pairsOf(items, model)
	case method == "copy":
		w.ids(first, model)
		if len(items) > 1 {
			w.rows(&items[1], model)
		}
	case strings.HasPrefix(method, "on_change"):
		w.row(first, model)
	case strings.HasPrefix(method, "default_") || strings.HasPrefix(method, "fields_") || method == "search_global" || method == "autocomplete":
	case areNumbers(first):
		w.ids(first, model)
	}
}

// modelOfReport is the model that the data of a report names, or what the report is called.
func modelOfReport(data *jsontree.Value, report string) string {
	if m := data.Member("model"); m.Kind == jsontree.String && isModel(m.Text) {
		return m.Text
	}
	return report
}

// trytonResult is what a method answers.
func (w *walker) trytonResult(service, model, method string, v *jsontree.Value) {
	switch {
	case service == "wizard" && method == "create":
		w.id(v.Item(0), ofWizard+model)
	case service != "model":
	case method == "search" || method == "create" || method == "copy":
		w.ids(v, model)
	case method == "read" || method == "search_read":
		w.rows(v, model)
	case method == "default_get":
		w.row(v, model)
	case strings.HasPrefix(method, "on_change"):
		w.rows(v, model)
	}
}

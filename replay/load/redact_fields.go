package load

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/perfd/perfd/jsontree"
)

// reportRoute takes a form of which the field data is the path of a report and its type.
const reportRoute = "/report/download"

// redactFields redacts a query or a form.
func (x *redactor) redactFields(raw json.RawMessage, route string) json.RawMessage {
	fields, err := ParseFields(raw)
	if err != nil {
		x.failed = true
		return nil
	}
	for i := range fields {
		x.field(&fields[i], route)
	}
	if raw == nil {
		return nil
	}
	return FormatFields(fields)
}

// field redacts one field. Rules name it, and what stands in it, by its name.
func (x *redactor) field(f *Field, route string) {
	name, v := f.Name, &f.Value
	if f.File != nil && !x.stands(name) {
		x.file(f.File)
	}
	if name != hidden {
		f.Name = x.key(name)
	}
	known, named := modesByName[name]
	switch {
	case !x.rule.all && x.stands(name): // and what stands in it
	case v.Kind == jsontree.Object && !named:
		x.named(v)
	case v.Kind == jsontree.Array && route == reportRoute:
		x.names(v)
	case v.Kind == jsontree.String && (x.stands(name) || flags[v.Text] || idName(name) && idList(v.Text)):
	case named:
		x.as(known, v, name)
	case v.Kind == jsontree.String && fieldNames[name]:
		x.names(v)
	default:
		x.free(v, name)
	}
}

// file redacts what a file was called, but for its extension, by which servers go, and a type that is none.
func (x *redactor) file(f *File) {
	if f.Name != "" {
		extension := path.Ext(f.Name)
		if !technical(extension) || len(extension) > 8 {
			extension = ""
		}
		f.Name, x.changed = x.alias.text(f.Name)+extension, true
	}
	if !technical(strings.NewReplacer("+", "", "-", "").Replace(f.Type)) {
		f.Type, x.changed = x.alias.text(f.Type), true
	}
}

// fieldNames are fields of queries and forms that hold names of the server's, besides those of arguments.
var fieldNames = map[string]bool{"xmlid": true, "filename_field": true, "report_name": true, "debug": true, "mimetype": true, "converter": true, "action": true, "lang": true}

// flags are values that tell nothing.
var flags = map[string]bool{"": true, hidden: true, "0": true, "1": true, "true": true, "false": true, "True": true, "False": true, "on": true, "off": true}

// idName says whether a field is one of ids, or of counts, by its name.
func idName(name string) bool {
	switch name {
	case "id", "ids", "cids", "page", "limit", "offset", "width", "height", "quality":
		return true
	}
	return strings.HasSuffix(name, "_id") || strings.HasSuffix(name, "_ids") || strings.HasSuffix(name, "Id") || strings.HasSuffix(name, "Ids")
}

// idList says whether a text is an id or several of them.
func idList(text string) bool {
	return !slices.ContainsFunc(strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '-' }), func(id string) bool { return !maybeID(id) })
}

// modelOf is the model that a request without an envelope names; empty if it names none.
func modelOf(c *Call) string {
	for _, raw := range []json.RawMessage{c.Query, c.Fields} {
		fields, err := ParseFields(raw)
		if err != nil {
			return ""
		}
		for i := range fields {
			f := &fields[i]
			name := f.Value.Member("model").Text
			if f.Name == "model" || f.Name == "res_model" {
				name = f.Value.Text
			}
			if name != "" && isName(name) {
				return name
			}
		}
	}
	return ""
}

package load

import (
	"encoding/json"
	"strings"

	"github.com/perfd/perfd/jsontree"
)

// redact leaves in a call what the rules let stand: its arguments or none, and aliases in the place of values.
func (w *Writer) redact(c *Call) {
	had := c.Args != nil || c.Kwargs != nil || c.Params != nil || c.Fields != nil
	model := c.Model
	if c.Transport == "http" && model == "" {
		model = modelOf(c)
	}
	rule, keep := w.cfg.Rules.of(model)
	use := w.usage.of(model)
	use.calls++
	if c.Transport == "http" && (!keep || !rule.all) {
		w.redactPath(c)
	}
	if !keep {
		if c.Query != nil {
			c.lack("query")
		}
		c.drop()
		if had {
			c.lack("arguments")
		}
		return
	}
	if !w.cfg.Answers {
		c.Answer = nil
	}
	x := redactor{alias: w.alias, rule: rule, usage: &w.usage, tryton: c.Transport == "tryton"}
	c.Args = x.text(c.Args, '[', func(v *jsontree.Value) { x.positional(v, c) })
	c.Kwargs = x.text(c.Kwargs, '{', x.named)
	c.Params = x.text(c.Params, 0, x.named)
	c.Query, c.Fields = x.redactFields(c.Query, c.Path), x.redactFields(c.Fields, c.Path)
	if x.failed {
		c.drop()
		c.lack("arguments")
	} else if x.changed {
		c.lack("values")
	}
	if c.Args != nil || c.Kwargs != nil || c.Params != nil || c.Query != nil || c.Fields != nil {
		use.kept++
	}
	c.Answer = x.text(c.Answer, 0, func(v *jsontree.Value) { x.value(v, "") })
}

// redactPath puts aliases in the place of a plain route's segments that are no words of the server's own, such as the names
// of files.
func (w *Writer) redactPath(c *Call) {
	segments := strings.Split(c.Path, "/")
	for i, s := range segments {
		if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_.-:*") != "" {
			segments[i] = w.alias.text(s)
			c.lack("path")
		}
	}
	c.Path = strings.Join(segments, "/")
}

// redactor puts aliases in the place of values. Names that the server gave, of fields, models and the like, stay; so do
// dates, whole numbers as long as ids may be, and what else holds references together.
type redactor struct {
	alias   *aliases
	rule    rule
	usage   *usage
	tryton  bool
	changed bool // an alias was put
	failed  bool // a text was no JSON
}

// text redacts a JSON text, which must begin as said unless that is 0; nil stays nil.
func (x *redactor) text(raw json.RawMessage, open byte, how func(*jsontree.Value)) json.RawMessage {
	if raw == nil {
		return nil
	}
	v, err := jsontree.Parse(raw, jsontree.Config{})
	if err != nil {
		x.failed = true
		return nil
	}
	how(&v)
	if raw = v.Append(nil); open != 0 && raw[0] != open {
		x.failed = true
		return nil
	}
	return raw
}

// as redacts a value in the way that its place asks for.
func (x *redactor) as(m mode, v *jsontree.Value, path string) {
	switch m {
	case asDomain:
		x.domain(v, path)
	case asNames:
		x.names(v)
	case asContext:
		x.context(v)
	case asValue:
		x.value(v, path)
	}
}

// positional redacts a method's positional arguments.
func (x *redactor) positional(v *jsontree.Value, c *Call) {
	modes := placesOf(c)
	last := len(v.Items) - 1
	for i := range v.Items {
		item := &v.Items[i]
		switch {
		case x.tryton && i == last && item.Kind == jsontree.Object && i > 0, x.tryton && last == 0 && item.Kind == jsontree.Object:
			x.context(item)
		case i < len(modes):
			x.as(modes[i], item, "")
		default:
			x.free(item, "")
		}
	}
}

// named redacts arguments by their names.
func (x *redactor) named(v *jsontree.Value) {
	if v.Kind != jsontree.Object {
		x.free(v, "")
		return
	}
	for i, name := range v.Names {
		item := &v.Items[i]
		if m, ok := modesByName[name]; ok {
			x.as(m, item, "")
		} else {
			x.free(item, name)
		}
		v.Names[i] = x.key(name)
	}
}

// free redacts an argument of which nothing is known but its form.
func (x *redactor) free(v *jsontree.Value, path string) {
	if v.Kind == jsontree.Array && len(v.Items) > 0 && likeDomain(v) {
		x.domain(v, "")
		return
	}
	x.value(v, path)
}

// likeDomain says whether a list holds at least one leaf of a domain, and nothing else but operators.
func likeDomain(v *jsontree.Value) bool {
	found := false
	for i := range v.Items {
		switch item := &v.Items[i]; {
		case isLeaf(item):
			found = true
		case item.Kind == jsontree.String && connective[item.Text]:
		case item.Kind == jsontree.Array && likeDomain(item):
			found = true
		default:
			return false
		}
	}
	return found
}

var connective = map[string]bool{"&": true, "|": true, "!": true, "AND": true, "OR": true}

// isLeaf says whether v is field, operator and value; Tryton's may have a model behind them.
func isLeaf(v *jsontree.Value) bool {
	return v.Kind == jsontree.Array && (len(v.Items) == 3 || len(v.Items) == 4) && v.Items[0].Kind == jsontree.String && isName(v.Items[0].Text) &&
		v.Items[1].Kind == jsontree.String && operators[v.Items[1].Text]
}

var operators = func() map[string]bool {
	all := map[string]bool{}
	for _, op := range []string{
		"=", "!=", "<>", "<", ">", "<=", ">=", "=?", "in", "not in", "like", "not like", "ilike", "not ilike", "=like", "=ilike", "not =like", "not =ilike",
		"child_of", "parent_of", "not child_of", "not parent_of", "any", "not any", "any!", "not any!", "where", "not where",
	} {
		all[op] = true
	}
	return all
}()

// domain redacts the values of a search.
func (x *redactor) domain(v *jsontree.Value, path string) {
	switch {
	case v.Kind != jsontree.Array:
		if v.Kind != jsontree.String || !connective[v.Text] {
			x.value(v, path)
		}
	case isLeaf(v):
		field := v.Items[0].Text
		switch value := &v.Items[2]; {
		case value.Kind == jsontree.Array && likeDomain(value): // any, where
			x.domain(value, field)
		default:
			x.value(value, field)
		}
		if len(v.Items) == 4 {
			x.names(&v.Items[3])
		}
	default:
		for i := range v.Items {
			x.domain(&v.Items[i], path)
		}
	}
}

// names lets names stand, and what is written with them: orders, groupings, specifications of fields.
func (x *redactor) names(v *jsontree.Value) {
	switch v.Kind {
	case jsontree.String:
		if x.usage.seen(&x.rule, v.Text); !technical(v.Text) {
			x.put(v)
		}
	case jsontree.Array:
		for i := range v.Items {
			x.names(&v.Items[i])
		}
	case jsontree.Object:
		for i, name := range v.Names {
			x.usage.seen(&x.rule, name)
			switch name {
			case "context":
				x.context(&v.Items[i])
			case "domain":
				x.domain(&v.Items[i], "")
			default:
				x.names(&v.Items[i])
			}
			v.Names[i] = x.key(name)
		}
	}
}

// context redacts a context: languages, time zones, models and views stand, defaults are values of their fields.
func (x *redactor) context(v *jsontree.Value) {
	if v.Kind != jsontree.Object {
		x.value(v, "")
		return
	}
	for i, name := range v.Names {
		item := &v.Items[i]
		field, defaults := strings.CutPrefix(strings.TrimPrefix(name, "search_"), "default_")
		switch {
		case defaults:
			x.value(item, field)
		case contextNames[name] || strings.HasSuffix(name, "_ref") || strings.HasSuffix(name, "_model"):
			x.zone(item)
		case name == "locale" || name == "_timestamp": // formats of dates, and times by model and id
		case strings.HasSuffix(name, ".rec_name") && item.Kind == jsontree.String: // what Tryton's client shows, and no server reads
			if !x.stands(name) {
				item.Text = x.alias.text(item.Text)
			}
		default:
			x.free(item, name)
		}
		v.Names[i] = x.key(name)
	}
}

var contextNames = map[string]bool{"lang": true, "language": true, "tz": true, "active_model": true, "group_by": true, "order": true, "orderby": true,
	"language_direction": true, "company_filter": true}

// zone is names for what may hold capitals, such as time zones.
func (x *redactor) zone(v *jsontree.Value) {
	if v.Kind == jsontree.String && len(v.Text) <= 64 && strings.Trim(v.Text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-") == "" {
		return
	}
	x.names(v)
}

// value redacts the value of a field, named by its path from the model of the rule.
func (x *redactor) value(v *jsontree.Value, path string) {
	switch v.Kind {
	case jsontree.String:
		if !x.stands(path) && !connected(v.Text) {
			x.put(v)
		}
	case jsontree.Number:
		if !x.stands(path) && !maybeID(v.Text) {
			x.put(v)
		}
	case jsontree.Array:
		for i := range v.Items {
			if item := &v.Items[i]; i > 0 || item.Kind != jsontree.String || !x.tryton || !commands[item.Text] || len(v.Items) < 2 || v.Items[1].Kind != jsontree.Array {
				x.value(item, path)
			}
		}
	case jsontree.Object:
		x.object(v, path)
	}
}

// object redacts the values of a record, or what Tryton writes for a date or a number.
func (x *redactor) object(v *jsontree.Value, path string) {
	switch v.Member("__class__").Text {
	case "date", "datetime", "time", "timedelta":
		return
	case "Decimal", "bytes", "bytearray":
		for i, name := range v.Names {
			if name != "__class__" && !x.stands(path) {
				x.put(&v.Items[i])
			}
		}
		return
	}
	for i, name := range v.Names {
		inner := name
		switch {
		case path != "" && !wrappers[path]:
			inner = path + "." + name
		case name == "context":
			x.context(&v.Items[i])
			continue
		}
		x.value(&v.Items[i], inner)
		v.Names[i] = x.key(name)
	}
}

// wrappers are members of an answer that stand around its records.
var wrappers = map[string]bool{"records": true, "groups": true, "value": true, "values": true, "vals": true, "vals_list": true}

// commands are those of Tryton's x2many fields.
var commands = map[string]bool{"create": true, "write": true, "add": true, "remove": true, "delete": true, "copy": true}

// key is a member's name, or an alias if it is none.
func (x *redactor) key(name string) string {
	if isName(name) {
		return name
	}
	x.changed = true
	return x.alias.text(name)
}

// stands says whether the value at a path stands as it is.
func (x *redactor) stands(path string) bool {
	x.usage.seen(&x.rule, path)
	return x.rule.stands(path)
}

// put puts an alias in the place of a value.
func (x *redactor) put(v *jsontree.Value) {
	x.changed = true
	if v.Kind == jsontree.Number {
		v.Text = x.alias.number(v.Text)
		return
	}
	v.Text = x.alias.text(v.Text)
}

// stands says whether the value at a path stands as it is: a rule that names fields lets stand them and what is in them, a
// rule that leaves out fields lets stand all but them, wherever their names come.
func (r rule) stands(path string) bool {
	if path == "" {
		return r.all
	}
	if r.all {
		for segment := range strings.SplitSeq(path, ".") {
			if r.field[segment] {
				return false
			}
		}
		return !r.field[path]
	}
	for rest := path; ; {
		if r.field[rest] {
			return true
		}
		i := strings.LastIndexByte(rest, '.')
		if i < 0 {
			return false
		}
		rest = rest[:i]
	}
}

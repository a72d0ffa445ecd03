package secrets

import (
	"strings"

	"github.com/perfd/perfd/jsontree"
)

// Stripper takes secrets out of trees. The zero value works.
type Stripper struct {
	// Found says that there was one.
	Found bool
	known map[string]bool
}

// maxKnown bounds the names that are remembered.
const maxKnown = 4096

// field is Field, which is asked for the same names row after row.
func (s *Stripper) field(owner, name string) bool {
	secret, ok := s.known[name]
	if !ok {
		secret = Name(name)
		if s.known == nil {
			s.known = map[string]bool{}
		}
		if len(s.known) < maxKnown {
			s.known[name] = secret
		}
	}
	return secret || Field(owner, name)
}

// Strip takes out what stands under a name of a secret, in a domain beside one, in a service's arguments behind database
// and user, and texts that hold one. The owner is the model or the route.
func (s *Stripper) Strip(v *jsontree.Value, owner string) { s.strip(v, owner, false) }

// Args is Strip for the positional arguments of a method, where a name may stand before its value, and names beside rows.
func (s *Stripper) Args(method string, args, kwargs *jsontree.Value, owner string) {
	if c, ok := columns[method]; ok {
		names, rows := args.Item(c.names), args.Item(c.rows)
		if kwargs != nil {
			names, rows = or(names, kwargs.Member("fields")), or(rows, kwargs.Member("data"))
		}
		s.columns(names, rows, owner)
	}
	for i := range args.Items {
		item := &args.Items[i]
		told := i > 0 && item.Kind == jsontree.String && args.Items[i-1].Kind == jsontree.String && s.field(owner, args.Items[i-1].Text)
		s.strip(item, owner, told)
	}
	if kwargs != nil {
		s.Strip(kwargs, owner)
	}
}

// columns are the places of names and of rows under them, of methods that import.
var columns = map[string]struct{ names, rows int }{"load": {0, 1}, "import_data": {0, 1}}

// Exports says whether a method answers rows, of which the request has the names; Exported whether a secret is among these.
func Exports(method string) bool { return strings.HasPrefix(method, "export_data") }

// Exported says whether a request for rows names a secret.
func Exported(args, kwargs *jsontree.Value, owner string) bool {
	for _, v := range []*jsontree.Value{args, kwargs} {
		for i := range v.Items {
			for j := range v.Items[i].Items {
				if Field(owner, v.Items[i].Items[j].Text) {
					return true
				}
			}
		}
	}
	return false
}

func or(v, other *jsontree.Value) *jsontree.Value {
	if v.Kind == jsontree.Null {
		return other
	}
	return v
}

func (s *Stripper) columns(names, rows *jsontree.Value, owner string) {
	for i := range names.Items {
		if !s.field(owner, names.Items[i].Text) {
			continue
		}
		for j := range rows.Items {
			if row := &rows.Items[j]; row.Kind == jsontree.Array && i < len(row.Items) {
				s.strip(&row.Items[i], owner, true)
			}
		}
	}
}

// Form takes secrets out of the fields of a query or a form: names with their values, each a list of two.
func (s *Stripper) Form(fields *jsontree.Value, owner string) {
	changing := false // a password, by fields with names of their own
	for i := range fields.Items {
		f := &fields.Items[i]
		changing = changing || f.Item(0).Text == "op" && Name(f.Item(1).Text)
	}
	for i := range fields.Items {
		f := &fields.Items[i]
		name, value := f.Item(0), f.Item(1)
		token := value.Kind == jsontree.String && isName([]byte(value.Text)) && Token([]byte(value.Text)) && !technical[name.Text]
		switch {
		case value.Kind == jsontree.String && value.Text == "", value.Text == Hidden:
		case s.field(owner, name.Text), name.Text == "session_id", token, ofLoose(name.Text, value.Text, true), changing && name.Text != "op":
			s.hide(value)
		default:
			s.Strip(value, owner)
		}
		if Text(name.Text) || isName([]byte(name.Text)) && Token([]byte(name.Text)) {
			s.hide(name)
		}
		s.Strip(f.Item(2), owner)
	}
}

// technical are fields whose long values are names, and no tokens.
var technical = map[string]bool{
	"model": true, "res_model": true, "field": true, "filename_field": true, "xmlid": true, "view_type": true, "report_name": true, "mimetype": true, "filename": true,
}

func (s *Stripper) hide(v *jsontree.Value) {
	*v, s.Found = jsontree.Of(Hidden), true
}

func (s *Stripper) strip(v *jsontree.Value, owner string, secret bool) {
	switch v.Kind {
	case jsontree.String:
		if v.Text != "" && v.Text != Hidden && (secret || Text(v.Text)) {
			s.hide(v)
		}
	case jsontree.Number:
		if secret {
			s.hide(v)
		}
	case jsontree.Array:
		leaf := s.leaf(v, owner)
		for i := range v.Items {
			s.strip(&v.Items[i], owner, secret || leaf && i == 2)
		}
	case jsontree.Object:
		s.object(v, owner, secret)
	}
}

// leaf says whether v is a search's field, operator and value, of a secret.
func (s *Stripper) leaf(v *jsontree.Value, owner string) bool {
	return (len(v.Items) == 3 || len(v.Items) == 4) && v.Items[0].Kind == jsontree.String && v.Items[1].Kind == jsontree.String &&
		operators[strings.ToLower(strings.TrimSpace(v.Items[1].Text))] && (s.field(owner, v.Items[0].Text) || ofLoose(v.Items[0].Text, v.Items[2].Text, false))
}

var operators = func() map[string]bool {
	all := map[string]bool{}
	for _, op := range []string{
		"=", "==", "!=", "<>", "<", ">", "<=", ">=", "=?", "in", "not in", "like", "not like", "ilike", "not ilike", "=like", "=ilike", "not =like", "not =ilike", "is", "is not",
		"child_of", "parent_of", "not child_of", "not parent_of", "any", "not any", "any!", "not any!", "where", "not where",
	} {
		all[op] = true
	}
	return all
}()

func (s *Stripper) object(v *jsontree.Value, owner string, secret bool) {
	told := named(v)
	service := v.Member("service").Kind == jsontree.String && v.Member("method").Kind == jsontree.String
	if secret && describes(v) {
		secret = false
	}
	for i, name := range v.Names {
		item, of := &v.Items[i], owner
		if owns(name) {
			of = name
		}
		hide := secret || told && valueNames[name] || service && name == "args" || s.field(owner, name) || ofLoose(name, item.Text, false) ||
			name == "session_id" && len(item.Text) >= minToken
		s.strip(item, of, hide)
	}
}

// describes says whether an object tells of a field rather than holding its value: how it is to be read, or what it is.
func describes(v *jsontree.Value) bool {
	if v.Member("type").Kind == jsontree.String && v.Member("string").Kind == jsontree.String {
		return true
	}
	for _, name := range v.Names {
		switch name {
		case "fields", "context", "limit", "offset", "order":
		default:
			return false
		}
	}
	return true
}

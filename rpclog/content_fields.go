package rpclog

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/perfd/perfd/evidence"
	"github.com/perfd/perfd/jsontree"
	"github.com/perfd/perfd/secrets"
)

// Forms in which the arguments of a call travel where there are several.
const (
	FormExecute    = "execute"    // Odoo's object service, the arguments one after the other
	FormExecuteKW  = "execute_kw" // the same, the arguments in a list and an object
	FormURLEncoded = "urlencoded" // a form, as application/x-www-form-urlencoded
	FormMultipart  = "multipart"  // a form, as multipart/form-data
)

// maxFields bounds the fields of a query or a form, and maxBoundary what stands between a form's parts (RFC 2046).
const (
	maxFields   = 4096
	maxBoundary = 70
)

var errFields = errors.New("no fields, or too many")

// holdQuery keeps the query of a plain request, whose path alone stands in the call.
func (x *exchange) holdQuery(target []byte) {
	if x.d.cfg.Keep == nil {
		return
	}
	_, query, some := bytes.Cut(target, []byte{'?'})
	query, _, _ = bytes.Cut(query, []byte{'#'})
	if !some || len(query) == 0 {
		return
	}
	x.query = &kept{d: x.d}
	x.query.write(query)
	x.query.whole = !x.query.over
}

// isForm says whether a body is a form.
func isForm(content contentType) bool { return content == contentForm || content == contentMultipart }

// openForm keeps a request's form. Nobody reads it: its values are no evidence.
func (o *body) openForm(x *exchange, h *head, set *evidence.Set) {
	if set == &x.call.Request && h.coding == identical {
		x.form = h.content
		o.kept = x.holder(set)
	}
}

// plainRequest takes the query, and the form or the JSON, out of a request that carries no envelope.
func (o *Content) plainRequest(x *exchange) {
	var query, form jsontree.Value
	var err error
	if x.query != nil {
		if query, err = fieldsOf(x.query.b); err != nil || !x.query.whole {
			o.Unread, query = true, jsontree.Value{}
		}
	}
	if x.ask != nil && x.ask.whole {
		kind := ""
		switch x.form { //nolint:exhaustive // no other is a form
		case contentForm:
			kind = FormURLEncoded
			form, err = fieldsOf(x.ask.b)
		case contentMultipart:
			kind = FormMultipart
			form, err = partsOf(x.ask.b)
		default:
			o.request(x.call, x.ask.b)
		}
		if err == nil {
			o.Form = kind
		}
	}
	if ofGuarded(&query) || ofGuarded(&form) {
		*o = Content{Unread: query.Kind != jsontree.Null || o.Unread}
		return
	}
	s := secrets.Stripper{Found: o.Secret}
	o.Query = stripped(&s, &query, x.call.Path)
	if o.Form != "" {
		o.Fields = stripped(&s, &form, x.call.Path)
	}
	o.Secret = s.Found
}

// fieldsOf reads names and values as URLs and forms hold them. A value that is an object or a list in JSON stands as such.
func fieldsOf(text []byte) (jsontree.Value, error) {
	all := jsontree.Value{Kind: jsontree.Array}
	for part := range strings.SplitSeq(string(text), "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if err := errors.Join(err1, err2); err != nil || len(all.Items) == maxFields || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return all, errFields
		}
		all.Items = append(all.Items, fieldOfForm(name, value))
	}
	return all, nil
}

func fieldOfForm(name, value string) jsontree.Value {
	v := jsontree.Of(value)
	if value != "" && (value[0] == '{' || value[0] == '[') {
		if inner, err := jsontree.Parse([]byte(value), jsontree.Config{}); err == nil {
			v = inner
		}
	}
	return jsontree.Value{Kind: jsontree.Array, Items: []jsontree.Value{jsontree.Of(name), v}}
}

// partsOf reads a form of parts, which begins with what stands between them. Of a file the name, the type and the size
// are read.
func partsOf(text []byte) (jsontree.Value, error) {
	all := jsontree.Value{Kind: jsontree.Array}
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	boundary, ok := bytes.CutPrefix(bytes.TrimRight(line, " \t\r"), []byte("--"))
	if !ok || len(boundary) == 0 || len(boundary) > maxBoundary {
		return all, errFields
	}
	r := multipart.NewReader(bytes.NewReader(text), string(boundary))
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil || len(all.Items) == maxFields {
			return all, errFields
		}
		value, err := io.ReadAll(part) // which is not longer than the body
		if err != nil {
			return all, errFields
		}
		_, disposition, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		name := disposition["name"]
		if err != nil || !utf8.ValidString(name) {
			return all, errFields
		}
		if filename, file := disposition["filename"]; file {
			all.Items = append(all.Items, fileOfForm(name, filename, part.Header.Get("Content-Type"), len(value)))
			continue
		}
		if !utf8.Valid(value) {
			return all, errFields
		}
		all.Items = append(all.Items, fieldOfForm(name, string(value)))
	}
}

// fileOfForm is a file: its name, no value, and what it was.
func fileOfForm(name, filename, kind string, size int) jsontree.Value {
	file := jsontree.Value{
		Kind: jsontree.Object, Names: []string{"filename", "type", "size"},
		Items: []jsontree.Value{jsontree.Of(filename), jsontree.Of(kind), {Kind: jsontree.Number, Text: strconv.Itoa(size)}},
	}
	return jsontree.Value{Kind: jsontree.Array, Items: []jsontree.Value{jsontree.Of(name), jsontree.Of(""), file}}
}

// ofGuarded says whether fields name a model of which nothing is kept.
func ofGuarded(fields *jsontree.Value) bool {
	for i := range fields.Items {
		field := &fields.Items[i]
		if modelName[field.Item(0).Text] && secrets.Model(field.Item(1).Text) || namesGuarded(field.Item(1)) {
			return true
		}
	}
	return false
}

func namesGuarded(v *jsontree.Value) bool {
	for i := range v.Items {
		if v.Kind == jsontree.Object && modelName[v.Names[i]] && secrets.Model(v.Items[i].Text) || namesGuarded(&v.Items[i]) {
			return true
		}
	}
	return false
}

var modelName = map[string]bool{"model": true, "res_model": true, "resModel": true, "model_name": true, "active_model": true, "thread_model": true}

// stripped is the text of fields without their secrets; nil for none.
func stripped(s *secrets.Stripper, all *jsontree.Value, path string) json.RawMessage {
	if all.Kind != jsontree.Array {
		return nil
	}
	s.Form(all, path)
	return all.Append(nil)
}

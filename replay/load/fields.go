package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/perfd/perfd/jsontree"
)

// Forms in which the arguments of a call travel where there are several; see Call.Form.
const (
	FormExecute    = "execute"
	FormExecuteKW  = "execute_kw"
	FormURLEncoded = "urlencoded"
	FormMultipart  = "multipart"
)

// Hidden stands where a secret was.
const Hidden = hidden

// Bounds of a query and of a form.
const (
	maxFields   = 4096
	maxFileSize = 1 << 30
)

var errFields = errors.New("no list of names and values")

// Field is a name and a value of a query or a form.
type Field struct {
	Name string
	// Value is a text, or an object or a list that travels as JSON.
	Value jsontree.Value
	// File is what was sent under the name if it was a file; its content is not kept.
	File *File
}

// File is a file that was part of a form.
type File struct {
	Name, Type string
	Size       int64
}

// Text is the value as it travels.
func (f *Field) Text() string {
	if f.Value.Kind == jsontree.String {
		return f.Value.Text
	}
	return string(f.Value.Append(nil))
}

// Secret says whether the value is one that was taken out.
func (f *Field) Secret() bool { return f.Value.Kind == jsontree.String && f.Value.Text == hidden }

// ParseFields reads Call.Query or Call.Fields.
func ParseFields(raw json.RawMessage) ([]Field, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	v, err := jsontree.Parse(raw, jsontree.Config{})
	if err != nil {
		return nil, fmt.Errorf("read fields: %w", err)
	}
	if v.Kind != jsontree.Array || len(v.Items) > maxFields {
		return nil, errFields
	}
	fields := make([]Field, 0, len(v.Items))
	for i := range v.Items {
		f, err := fieldOf(&v.Items[i])
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// fieldOf reads name and value, and what a file was.
func fieldOf(v *jsontree.Value) (Field, error) {
	if v.Kind != jsontree.Array || len(v.Items) != 2 && len(v.Items) != 3 || v.Items[0].Kind != jsontree.String {
		return Field{}, errFields
	}
	f := Field{Name: v.Items[0].Text, Value: v.Items[1]}
	if !isText(f.Name, maxText) {
		return f, errFields
	}
	switch f.Value.Kind { //nolint:exhaustive // no other travels
	case jsontree.String, jsontree.Array, jsontree.Object:
	default:
		return f, errFields
	}
	if len(v.Items) == 2 {
		return f, nil
	}
	size, err := strconv.ParseInt(v.Items[2].Member("size").Text, 10, 64)
	f.File = &File{Name: v.Items[2].Member("filename").Text, Type: v.Items[2].Member("type").Text, Size: size}
	if err != nil || size < 0 || size > maxFileSize || !isText(f.File.Name, maxText) || !isText(f.File.Type, maxName) {
		return f, errFields
	}
	return f, nil
}

// FormatFields is the reverse of ParseFields.
func FormatFields(fields []Field) json.RawMessage {
	all := jsontree.Value{Kind: jsontree.Array}
	for _, f := range fields {
		one := jsontree.Value{Kind: jsontree.Array, Items: []jsontree.Value{jsontree.Of(f.Name), f.Value}}
		if f.File != nil {
			one.Items = append(one.Items, jsontree.Value{
				Kind: jsontree.Object, Names: []string{"filename", "type", "size"},
				Items: []jsontree.Value{jsontree.Of(f.File.Name), jsontree.Of(f.File.Type), {Kind: jsontree.Number, Text: strconv.FormatInt(f.File.Size, 10)}},
			})
		}
		all.Items = append(all.Items, one)
	}
	return all.Append(nil)
}

// EncodeFields is fields as they stand behind a path, or in an urlencoded form. Of a file its name is left.
func EncodeFields(fields []Field) string {
	var b []byte
	for i := range fields {
		if i > 0 {
			b = append(b, '&')
		}
		text := fields[i].Text()
		if fields[i].File != nil {
			text = fields[i].File.Name
		}
		b = append(append(append(b, url.QueryEscape(fields[i].Name)...), '='), url.QueryEscape(text)...)
	}
	return string(b)
}

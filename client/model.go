package client

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// plan is what a struct type says of a model: its name, and which field of a record goes where. It is made once for
// each type and protocol and never changed.
type plan struct {
	typ      reflect.Type
	protocol Protocol
	model    string
	fields   []planField
	names    []string // of the fields to read
	byName   map[string]int
	id       int // index of the field "id" in fields; -1 without one
}

type planField struct {
	name      string
	index     []int
	set       setter
	readOnly  bool // never written
	omitEmpty bool // not written if zero
	named     bool // of a Ref: Tryton has to be asked for the name
	// to is the struct that a pointer to a comodel's struct points to; nil for other fields.
	to reflect.Type
}

type planKey struct {
	typ      reflect.Type
	protocol Protocol
}

type planned struct {
	*plan
	err error
}

var plans sync.Map // planKey → planned

// planOf is the plan of T; nil for Record.
func planOf[T any](p Protocol) (*plan, error) {
	t := reflect.TypeFor[T]()
	if t == reflect.TypeFor[Record]() {
		return nil, fmt.Errorf("ask for %s: %w: use Records", t, ErrModel)
	}
	return planFor(t, p)
}

func planFor(t reflect.Type, p Protocol) (*plan, error) {
	key := planKey{t, p}
	if found, ok := plans.Load(key); ok {
		return found.(planned).plan, found.(planned).err
	}
	made, err := makePlan(t, p)
	plans.Store(key, planned{made, err})
	return made, err
}

func tagName(p Protocol) string {
	if p == Tryton {
		return "tryton"
	}
	return "odoo"
}

func makePlan(t reflect.Type, p Protocol) (*plan, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("ask for %s: %w: it is no struct", t, ErrModel)
	}
	out := &plan{typ: t, protocol: p, byName: map[string]int{}, id: -1}
	for i := range t.NumField() {
		if f := t.Field(i); f.Name == "_" && f.Tag.Get(tagName(p)) != "" {
			out.model = f.Tag.Get(tagName(p))
		}
	}
	for _, f := range reflect.VisibleFields(t) {
		tag, ok := f.Tag.Lookup(tagName(p))
		if !ok || tag == "-" {
			continue
		}
		name, flags, _ := strings.Cut(tag, ",")
		if f.Name == "_" {
			continue
		}
		if err := out.add(f, name, flags); err != nil {
			return nil, fmt.Errorf("ask for %s: field %s: %w", t, f.Name, err)
		}
	}
	if len(out.fields) == 0 {
		return nil, fmt.Errorf("ask for %s: %w: no field has a tag %s", t, ErrModel, tagName(p))
	}
	for i, f := range out.fields {
		out.names = append(out.names, f.name)
		if f.named && p == Tryton {
			out.names = append(out.names, f.name+".rec_name")
			out.byName[f.name+"."] = i
		}
	}
	return out, nil
}

func (p *plan) add(f reflect.StructField, name, flags string) error {
	switch {
	case name == "", strings.Contains(name, "."):
		return fmt.Errorf("%w: %q names no field of the model", ErrModel, name)
	case !f.IsExported():
		return fmt.Errorf("%w: it is not exported", ErrModel)
	case f.Anonymous:
		return fmt.Errorf("%w: a tag of an embedded struct", ErrModel)
	}
	if _, twice := p.byName[name]; twice {
		return fmt.Errorf("%w: a second field for %s", ErrModel, name)
	}
	for i := range f.Index[:len(f.Index)-1] { // nothing may be nil on the way
		if p.typ.FieldByIndex(f.Index[:i+1]).Type.Kind() == reflect.Pointer {
			return fmt.Errorf("%w: it is in an embedded pointer", ErrModel)
		}
	}
	pf := planField{name: name, index: f.Index, readOnly: name == "id", named: f.Type == reflect.TypeFor[Ref]()}
	for flag := range strings.SplitSeq(flags, ",") {
		switch flag {
		case "":
		case "readonly":
			pf.readOnly = true
		case "omitempty":
			pf.omitEmpty = true
		default:
			return fmt.Errorf("%w: no such flag %q", ErrModel, flag)
		}
	}
	if f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() >= reflect.Int && f.Type.Elem().Kind() <= reflect.Int64 {
		pf.readOnly = true // a relation: servers take commands for those
	}
	if to, ok := comodel(f.Type, p.protocol); ok {
		pf.to, pf.readOnly = to, true
	}
	var err error
	if pf.set, err = setterFor(f.Type, pf.to, p.protocol); err != nil {
		return err
	}
	if name == "id" {
		if !f.Type.ConvertibleTo(reflect.TypeFor[int64]()) || f.Type.Kind() == reflect.Float32 || f.Type.Kind() == reflect.Float64 {
			return fmt.Errorf("%w: an id is a whole number", ErrModel)
		}
		p.id = len(p.fields)
	}
	p.byName[name] = len(p.fields)
	p.fields = append(p.fields, pf)
	return nil
}

// comodel is the struct that t points to if that names a model: whether it is sound shows when it is used.
func comodel(t reflect.Type, p Protocol) (reflect.Type, bool) {
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return nil, false
	}
	for i := range t.Elem().NumField() {
		f := t.Elem().Field(i)
		if _, ok := f.Tag.Lookup(tagName(p)); ok && f.Name == "_" {
			return t.Elem(), true
		}
	}
	return nil, false
}

func (p *plan) field(name string) *planField {
	if i, ok := p.byName[name]; ok && p.fields[i].name == name {
		return &p.fields[i]
	}
	return nil
}

// reads are the names to ask the server for.
func (p *plan) reads(only, without []string) []string {
	if only == nil && len(without) == 0 {
		return p.names
	}
	out := []string{}
	for _, name := range p.names {
		base, _, _ := strings.Cut(name, ".")
		if base == "id" || (only == nil || slices.Contains(only, base)) && !slices.Contains(without, base) {
			out = append(out, name)
		}
	}
	return out
}

// prefetchable tells why the path cannot be prefetched.
func (p *plan) prefetchable(path string) error {
	name, rest, more := strings.Cut(path, ".")
	f := p.field(name)
	if f == nil {
		return fmt.Errorf("prefetch %s.%s: %s has no such field", p.model, name, p.typ)
	}
	if f.to == nil {
		return fmt.Errorf("prefetch %s.%s: %w: the field is no pointer to a struct that names a model", p.model, name, ErrModel)
	}
	next, err := p.next(f)
	if err != nil || !more {
		return err
	}
	return next.prefetchable(rest)
}

// next is the plan of what f points to.
func (p *plan) next(f *planField) (*plan, error) {
	next, err := planFor(f.to, p.protocol)
	if err == nil && next.id < 0 {
		err = fmt.Errorf("ask for %s: %w: no field is its id", f.to, ErrModel)
	}
	return next, err
}

// values are what v says of a record, for create and write.
func (p *plan) values(v reflect.Value) Record {
	out := make(Record, len(p.fields))
	for i := range p.fields {
		f := &p.fields[i]
		field := v.FieldByIndex(f.index)
		if f.readOnly || f.omitEmpty && field.IsZero() {
			continue
		}
		out[f.name] = plain(p.protocol, field.Interface())
	}
	return out
}

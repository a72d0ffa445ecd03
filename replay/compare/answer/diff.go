// Package answer says in what two answers to the same call differ, and which of the differences mean something.
//
// A server seldom answers twice alike: times, tokens, sequences and the order of unordered lists change by themselves. So
// differences are counted by place, a method and a path in its answer, once between A and A again, which is noise, and
// once between A and B. A place where B differs no more often than A does from itself is left out.
package answer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Volatile is what Config.Ignore defaults to.
var Volatile = []string{"write_date", "create_date", "__last_update", "*token*", "*checksum*", "session_id", "unique", "cache_hashes", "registry_hash"}

// Config tunes what counts as a difference. Its zero value works.
type Config struct {
	// Ignore are patterns of member names whose values are not compared. Defaults to write_date, create_date,
	// __last_update, *token*, *checksum*, session_id, unique, cache_hashes and registry_hash.
	Ignore []string
	// Digits returns how many digits after the point a float field has, as fields_get tells. Defaults to none known:
	// floats are then equal if they differ by less than a billionth.
	Digits func(model, field string) (int, bool)
	// MaxBytes of an answer that is looked into; longer ones are equal or not as a whole. Defaults to 16 MiB.
	MaxBytes int
	// MaxDepth of an answer; what is deeper is equal or not as a whole. Defaults to 64.
	MaxDepth int
	// MaxPlaces that are counted apart in one answer, and a thousandfold of it in a Ledger. Defaults to 100.
	MaxPlaces int
}

func (c Config) defaults() Config {
	if c.Ignore == nil {
		c.Ignore = Volatile
	}
	c.MaxBytes = cmp.Or(c.MaxBytes, 16<<20)
	c.MaxDepth = cmp.Or(c.MaxDepth, 64)
	c.MaxPlaces = cmp.Or(c.MaxPlaces, 100)
	return c
}

// Kind is how two values differ.
type Kind string

// The kinds of difference.
const (
	Missing Kind = "missing" // A has it, B has not
	Added   Kind = "added"
	Type    Kind = "type"
	Value   Kind = "value"
	Order   Kind = "order" // the same elements of a list in another order
	Whole   Kind = "whole" // the answers differ, and were not looked into: too long, or no JSON
)

// Difference is a place in which two answers differ. It holds no value of either.
type Difference struct {
	// Path is as $.records[].name: elements of lists and members whose names are ids are not told apart.
	Path string `json:"path"`
	Kind Kind   `json:"kind"`
}

var errDeep = errors.New("too deep")

// Diff returns the places in which two answers of a model's method differ, each once, in the order of their paths.
func (c Config) Diff(model string, a, b []byte) []Difference { return c.defaults().diff(model, a, b) }

func (c Config) diff(model string, a, b []byte) []Difference {
	if bytes.Equal(a, b) {
		return nil
	}
	x, errX := c.parse(a)
	y, errY := c.parse(b)
	if errX != nil || errY != nil {
		return []Difference{{"$", Whole}}
	}
	d := differ{config: c, model: model, found: map[Difference]bool{}}
	d.values("$", "", x, y)
	out := make([]Difference, 0, len(d.found))
	for x := range d.found {
		out = append(out, x)
	}
	slices.SortFunc(out, func(x, y Difference) int {
		return cmp.Or(cmp.Compare(x.Path, y.Path), cmp.Compare(x.Kind, y.Kind))
	})
	return out
}

func (c Config) parse(text []byte) (any, error) {
	if len(text) > c.MaxBytes {
		return nil, fmt.Errorf("read answer: %d bytes", len(text))
	}
	if len(text) == 0 {
		return nil, nil
	}
	if deep(text, c.MaxDepth) {
		return nil, fmt.Errorf("read answer: %w", errDeep)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read answer: more than one value")
	}
	return v, nil
}

// deep reports whether text nests more than limit lists and objects.
func deep(text []byte, limit int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case quoted && ch == '\\':
			i++
		case ch == '"':
			quoted = !quoted
		case quoted:
		case ch == '[' || ch == '{':
			if depth++; depth > limit {
				return true
			}
		case ch == ']' || ch == '}':
			depth--
		}
	}
	return false
}

// differ collects the differences of two answers.
type differ struct {
	config Config
	model  string
	found  map[Difference]bool
}

func (d *differ) add(path string, kind Kind) {
	if len(d.found) >= d.config.MaxPlaces {
		path, kind = "$…", Value
	}
	d.found[Difference{path, kind}] = true
}

func (d *differ) values(path, field string, a, b any) {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			d.objects(path, x, y)
			return
		}
	case []any:
		if y, ok := b.([]any); ok {
			d.lists(path, field, x, y)
			return
		}
	case json.Number:
		if y, ok := b.(json.Number); ok {
			if !d.sameNumber(field, x.String(), y.String()) {
				d.add(path, Value)
			}
			return
		}
	case string:
		if y, ok := b.(string); ok {
			if x != y {
				d.add(path, Value)
			}
			return
		}
	case bool:
		if y, ok := b.(bool); ok {
			if x != y {
				d.add(path, Value)
			}
			return
		}
	case nil:
		if b == nil {
			return
		}
	}
	if empty(a) || empty(b) { // a field without a value is false or null, whatever its type
		d.add(path, Value)
		return
	}
	d.add(path, Type)
}

func empty(v any) bool { return v == nil || v == false }

func (d *differ) objects(path string, a, b map[string]any) {
	for name, x := range a {
		if d.ignored(name) {
			continue
		}
		if y, ok := b[name]; ok {
			d.values(path+member(name), name, x, y)
		} else {
			d.add(path+member(name), Missing)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok && !d.ignored(name) {
			d.add(path+member(name), Added)
		}
	}
}

// maxName of a member in a path.
const maxName = 64

// member writes a member's name as part of a path. Those that are ids are one place.
func member(name string) string {
	if _, err := strconv.ParseInt(name, 10, 64); err == nil {
		return ".*"
	}
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName]) + "…"
	}
	return "." + name
}

func (d *differ) ignored(name string) bool {
	return slices.ContainsFunc(d.config.Ignore, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return err == nil && ok
	})
}

// lists compares records by their ids, lists of plain values by what they hold, others by position.
func (d *differ) lists(path, field string, a, b []any) {
	path += "[]"
	if x, order, ok := byID(a); ok {
		if y, other, ok := byID(b); ok {
			for id, record := range x {
				if with, ok := y[id]; ok {
					d.values(path, field, record, with)
				} else {
					d.add(path, Missing)
				}
			}
			for id := range y {
				if _, ok := x[id]; !ok {
					d.add(path, Added)
				}
			}
			if len(x) == len(y) && !slices.Equal(order, other) && sameElements(order, other) {
				d.add(path, Order)
			}
			return
		}
	}
	if x, ok := plain(a); ok && len(a) > 1 && len(a) == len(b) {
		if y, ok := plain(b); ok && !slices.Equal(x, y) && sameElements(x, y) {
			d.add(path, Order)
			return
		}
	}
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			d.add(path, Added)
			return
		case i >= len(b):
			d.add(path, Missing)
			return
		}
		d.values(path, field, a[i], b[i])
	}
}

// byID returns the records of a list by their ids, and the ids in order, if all are records with ids of their own.
func byID(list []any) (map[string]any, []string, bool) {
	out := make(map[string]any, len(list))
	ids := make([]string, 0, len(list))
	for _, x := range list {
		record, ok := x.(map[string]any)
		if !ok {
			return nil, nil, false
		}
		id, ok := record["id"].(json.Number)
		if !ok || out[id.String()] != nil {
			return nil, nil, false
		}
		out[id.String()] = record
		ids = append(ids, id.String())
	}
	return out, ids, true
}

// plain returns the elements of a list of numbers and strings as texts.
func plain(list []any) ([]string, bool) {
	out := make([]string, 0, len(list))
	for _, x := range list {
		switch x := x.(type) {
		case json.Number:
			out = append(out, x.String())
		case string:
			out = append(out, `"`+x)
		default:
			return nil, false
		}
	}
	return out, true
}

func sameElements(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// sameNumber compares integers as they stand and floats by the digits of their field.
func (d *differ) sameNumber(field, a, b string) bool {
	if a == b {
		return true
	}
	if !strings.ContainsAny(a+b, ".eE") {
		return false
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX != nil || errY != nil {
		return false
	}
	if d.config.Digits != nil {
		if n, ok := d.config.Digits(d.model, field); ok {
			return math.Abs(x-y) < 0.5*math.Pow(10, -float64(min(max(n, 0), 15)))
		}
	}
	return math.Abs(x-y) <= 1e-9*max(1, math.Abs(x), math.Abs(y))
}

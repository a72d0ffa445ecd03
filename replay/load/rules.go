package load

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Rules say of which models' calls the arguments are kept, and which fields' values stand in them as they are; any other
// value stands as an alias. The zero value keeps none.
//
// A rule is MODEL or MODEL:FIELD,FIELD…:
//
//	res.partner                 the arguments are kept, with an alias for each value
//	res.partner:city,country_id the same, but the values of these fields as they are
//	res.partner:*               all values as they are
//	res.partner:-vat,-email     all values as they are but those of these fields
//	sale.*                      a model may end in a star; * is all models and the calls of none
//	-res.users                  no arguments are kept
//
// Of the rules that name a model the last one counts. Secrets are never kept, whatever the rules say.
type Rules struct{ list []rule }

type rule struct {
	model string // a pattern of path.Match
	keep  bool
	all   bool            // values stand as they are but those of fields
	field map[string]bool // the exceptions
	names []string        // the same, in their order
	text  string          // as it was given
}

var errRule = errors.New("a rule is MODEL, MODEL:FIELD,FIELD or MODEL:-FIELD,-FIELD")

// maxRules bounds the rules, and the fields of a rule.
const maxRules = 4096

// ParseRules reads rules, each a text of its own.
func ParseRules(texts ...string) (Rules, error) {
	var r Rules
	for _, text := range texts {
		one, err := parseRule(text)
		if err != nil {
			return Rules{}, fmt.Errorf("%q: %w", text, err)
		}
		if r.list = append(r.list, one); len(r.list) > maxRules {
			return Rules{}, fmt.Errorf("rules: %w", ErrBound)
		}
	}
	return r, nil
}

// ReadRules reads rules from a file, one a line; what follows a # is a comment.
func ReadRules(in io.Reader) (Rules, error) {
	var texts []string
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if _, err := parseRule(text); err != nil {
			return Rules{}, fmt.Errorf("line %d: %w", n, err)
		}
		texts = append(texts, text)
	}
	if err := lines.Err(); err != nil {
		return Rules{}, fmt.Errorf("read rules: %w", err)
	}
	return ParseRules(texts...)
}

// With is r and then the rules of o.
func (r Rules) With(o Rules) Rules {
	return Rules{list: append(append([]rule(nil), r.list...), o.list...)}
}

func parseRule(text string) (rule, error) {
	r := rule{keep: true, field: map[string]bool{}, text: text}
	model, fields, some := strings.Cut(strings.ReplaceAll(text, " ", ""), ":")
	if rest, no := strings.CutPrefix(model, "-"); no {
		if some {
			return r, errRule
		}
		model, r.keep = rest, false
	}
	r.model = model
	if plain := strings.ReplaceAll(model, "*", "x"); model == "" || !isName(plain) {
		return r, errRule
	}
	if !some {
		return r, nil
	}
	for i, f := range strings.Split(fields, ",") {
		name, minus := strings.CutPrefix(f, "-")
		switch {
		case f == "*" && !r.all && len(r.field) == 0:
			r.all = true
			continue
		case name == "" || !isName(name):
			return r, errRule
		case i == 0:
			r.all = minus
		case minus != r.all:
			return r, errRule
		}
		if !r.field[name] {
			r.names = append(r.names, name)
		}
		if r.field[name] = true; len(r.field) > maxRules {
			return r, fmt.Errorf("fields: %w", ErrBound)
		}
	}
	return r, nil
}

// Any says whether any arguments are kept.
func (r Rules) Any() bool {
	for _, one := range r.list {
		if one.keep {
			return true
		}
	}
	return false
}

// Keeps says whether the arguments of a model's calls are kept; a model of "" is of calls without one.
func (r Rules) Keeps(model string) bool {
	_, keep := r.of(model)
	return keep
}

// of is the rule for a model.
func (r Rules) of(model string) (rule, bool) {
	for i := len(r.list) - 1; i >= 0; i-- {
		one := r.list[i]
		if matches(one.model, model) {
			return one, one.keep
		}
	}
	return rule{}, false
}

func matches(pattern, model string) bool {
	ok, err := path.Match(pattern, model) // names hold no slash, so that a star takes all
	return err == nil && ok
}

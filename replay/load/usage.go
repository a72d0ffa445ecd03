package load

import (
	"slices"
	"strings"
)

// RuleUse is what became of a rule by the end of a load: one that did nothing is misspelt, as like as not.
type RuleUse struct {
	// Rule as it was given.
	Rule string
	// Calls that went by the rule, and Kept those of them whose arguments were.
	Calls, Kept int64
	// Later are the calls of its models that went by a later rule.
	Later int64
	// Missing are the fields of the rule that came in no argument and no answer.
	Missing []string
}

// usage counts what rules do.
type usage struct {
	models map[string]*modelUse
	fields map[string]map[string]bool // that came, by the rule's text
}

type modelUse struct{ calls, kept int64 }

// maxModels whose calls are told apart: others are not counted, and no rule is called idle then.
const maxModels = 10_000

func newUsage() usage { return usage{map[string]*modelUse{}, map[string]map[string]bool{}} }

// of is the count of a model.
func (u *usage) of(model string) *modelUse {
	m := u.models[model]
	if m == nil {
		if m = (&modelUse{}); len(u.models) < maxModels {
			u.models[model] = m
		}
	}
	return m
}

// seen notes which of a rule's fields a path, or what is made of names, has.
func (u *usage) seen(r *rule, path string) {
	if u == nil || len(r.field) == 0 {
		return
	}
	came := u.fields[r.text]
	if came == nil {
		came = map[string]bool{}
		u.fields[r.text] = came
	}
	for at := 0; at <= len(path); at++ {
		if at < len(path) && path[at] != '.' {
			continue
		}
		prefix := path[:at]
		for _, name := range [...]string{prefix, prefix[strings.LastIndexByte(prefix, '.')+1:]} {
			if r.field[name] {
				came[name] = true
			}
		}
	}
}

// RuleUses tells what became of each rule, in their order.
func (w *Writer) RuleUses() []RuleUse {
	if len(w.usage.models) >= maxModels {
		return nil
	}
	rules := w.cfg.Rules
	out := make([]RuleUse, len(rules.list))
	for i := range rules.list {
		r := &rules.list[i]
		out[i].Rule = r.text
		for _, name := range r.names {
			if !w.usage.fields[r.text][name] {
				out[i].Missing = append(out[i].Missing, name)
			}
		}
	}
	for model, m := range w.usage.models {
		last := true
		for i := len(out) - 1; i >= 0; i-- {
			switch {
			case !matches(rules.list[i].model, model):
			case last:
				last = false
				out[i].Calls += m.calls
				out[i].Kept += m.kept
			default:
				out[i].Later += m.calls
			}
		}
	}
	return out
}

// Models are those that the calls so far are of, in alphabetical order.
func (w *Writer) Models() (list []string) {
	for model := range w.usage.models {
		if model != "" {
			list = append(list, model)
		}
	}
	slices.Sort(list)
	return list
}

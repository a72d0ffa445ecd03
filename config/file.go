package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// loadFile reads a YAML file into c. Every problem names its line; all are found in one go.
func (c *Config) loadFile(path string) Problems {
	b, err := readBounded(path)
	if err != nil {
		return Problems{{Source: Source{Name: path}, Message: "cannot be read: " + err.Error()}}
	}
	problems := c.parse(path, b)
	for _, s := range settings {
		if from := c.configured[s.key]; s.secret() && from.Name == path && format(s.at(c)) != "" && exposed(path) {
			problems = append(problems, Problem{Source: from, Key: s.key, Warning: true,
				Message: "is a secret in a file that every user can read; chmod 640 it, or use " + s.env()})
		}
	}
	return problems
}

// parse sets what a YAML document says. name is told in problems.
func (c *Config) parse(name string, text []byte) (problems Problems) {
	defer func() { // the library's, on input no person writes
		if r := recover(); r != nil {
			problems = append(problems, Problem{Source: Source{Name: name}, Message: "is no YAML that perfd can read"})
		}
	}()
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return Problems{{Source: Source{Name: name, Line: errorLine(err)}, Message: "is no valid YAML: " + errorText(err)}}
	}
	w := walker{config: c, name: name}
	for i, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if i > 0 {
			w.problem(doc.Body, "", "the file must hold one document, without ---")
			break
		}
		w.mapping("", doc.Body)
	}
	return w.problems
}

func errorLine(err error) int {
	var y yaml.Error
	if errors.As(err, &y) && y.GetToken() != nil {
		return y.GetToken().Position.Line
	}
	return 0
}

func errorText(err error) string {
	var y yaml.Error
	if errors.As(err, &y) {
		return y.GetMessage()
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// walker goes through a document and sets what it finds.
type walker struct {
	config   *Config
	name     string
	problems Problems
}

func (w *walker) source(n ast.Node) Source {
	line := 0
	if t := n.GetToken(); t != nil && t.Position != nil {
		line = t.Position.Line
	}
	return Source{Name: w.name, Line: line}
}

func (w *walker) problem(n ast.Node, key, message string) {
	w.problems = append(w.problems, Problem{Source: w.source(n), Key: key, Message: message})
}

// mapping reads a section; prefix is its key, empty for the file.
func (w *walker) mapping(prefix string, n ast.Node) {
	pairs, ok := pairsOf(n)
	if !ok {
		if _, null := n.(*ast.NullNode); null {
			return // a section without settings
		}
		if prefix == "" {
			w.problem(n, "", "the file must hold settings as key: value")
			return
		}
		w.problem(n, prefix, "is a section: its settings stand below it, indented: "+strings.Join(keysBelow(prefix), ", "))
		return
	}
	for _, pair := range pairs {
		key := prefix + pair.Key.String()
		if prefix != "" {
			key = prefix + "." + pair.Key.String()
		}
		s, known := byKey(key)
		switch {
		case known:
			w.value(s, pair)
		case len(keysBelow(key)) > 0:
			w.mapping(key, pair.Value)
		default:
			w.problem(pair.Key, key, "is no setting; "+suggest(prefix, key))
		}
	}
}

// value reads one setting.
func (w *walker) value(s setting, pair *ast.MappingValueNode) {
	var values []string
	switch n := pair.Value.(type) {
	case *ast.NullNode:
		return // as if it were not there
	case *ast.SequenceNode:
		for _, item := range n.Values {
			text, ok := scalar(item)
			if !ok {
				w.problem(item, s.key, "must be "+kindOf(s).what)
				return
			}
			values = append(values, text)
		}
		if !kindOf(s).list {
			w.problem(pair.Value, s.key, "must be "+kindOf(s).what+", not a list")
			return
		}
	case *ast.MappingNode, *ast.MappingValueNode:
		pairs, _ := pairsOf(n)
		if _, isMap := s.at(new(Config)).(*map[string]string); !isMap {
			w.problem(pair.Value, s.key, "must be "+kindOf(s).what)
			return
		}
		for _, p := range pairs {
			text, ok := scalar(p.Value)
			if !ok {
				w.problem(p.Value, s.key, "must be "+kindOf(s).what)
				return
			}
			values = append(values, p.Key.String()+"="+text)
		}
	default:
		text, ok := scalar(n)
		if !ok {
			w.problem(pair.Value, s.key, fmt.Sprintf("must be %s", kindOf(s).what))
			return
		}
		values = split(s, text)
	}
	from := w.source(pair.Key)
	if first, twice := w.config.configured[s.key]; twice {
		w.problem(pair.Key, s.key, fmt.Sprintf("is set in line %d already", first.Line))
		return
	}
	w.problems = append(w.problems, w.config.set(s, values, from)...)
}

func pairsOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// scalar is a value as it was written. Anchors, aliases and tags are none: settings do not need them.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return strings.TrimSuffix(n.Value.Value, "\n"), true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// keysBelow lists the settings of a section by their last names.
func keysBelow(section string) []string {
	var out []string
	for _, s := range settings {
		if name, ok := strings.CutPrefix(s.key, section+"."); ok && section != "" {
			out = append(out, name)
		}
	}
	return out
}

// suggest says what may stand in a section instead of key.
func suggest(section, key string) string {
	var all, here []string
	seen := map[string]bool{}
	for _, s := range settings {
		all = append(all, s.key)
		top, rest, nested := strings.Cut(s.key, ".")
		switch {
		case section == "" && !seen[top]:
			seen[top] = true
			here = append(here, top)
		case nested && top == section:
			here = append(here, rest)
		}
	}
	for name := range seen {
		all = append(all, name)
	}
	if near := Nearest(key, all); near != "" {
		return "did you mean " + near + "?"
	}
	return "allowed here: " + strings.Join(here, ", ")
}

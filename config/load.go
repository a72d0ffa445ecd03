package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// DefaultFile is read where no other is named, if it exists.
const DefaultFile = "/etc/perfd/perfd.yaml"

// maxFile bounds what is read as configuration or token.
const maxFile = 1 << 20

// Input is where settings come from.
type Input struct {
	// File is the configuration file. Defaults to what PERFD_CONFIG in Env names, then to Fallback.
	File string
	// Fallback is read if it exists. Defaults to none.
	Fallback string
	// Env are variables as os.Environ gives them. Defaults to none.
	Env []string
	// Flags are values by key, as Flags names them. Defaults to none.
	Flags map[string][]string
}

// Source is where a value comes from.
type Source struct {
	Name string // a file, a variable or a flag; empty for a default
	Line int    // in a file; 0 elsewhere
}

// String names the source as a compiler would.
func (s Source) String() string {
	switch {
	case s.Name == "":
		return "default"
	case s.Line > 0:
		return fmt.Sprintf("%s:%d", s.Name, s.Line)
	}
	return s.Name
}

// Problem is one thing wrong with the settings.
type Problem struct {
	Source  Source
	Key     string // empty if it is about the file as a whole
	Message string
	Warning bool // perfd starts all the same
}

// String is one line.
func (p Problem) String() string {
	text := p.Message
	if p.Key != "" {
		text = p.Key + " " + p.Message
	}
	if p.Source.Name != "" {
		text = p.Source.String() + ": " + text
	}
	if p.Warning {
		text += " (warning)"
	}
	return text
}

// Problems is what is wrong, in order of sources.
type Problems []Problem

// Err is the problems that keep perfd from starting, as one error; nil if there are none.
func (p Problems) Err() error {
	if slices.ContainsFunc(p, func(x Problem) bool { return !x.Warning }) {
		return &Error{p}
	}
	return nil
}

// Error is a configuration that cannot be used.
type Error struct{ Problems Problems }

// Error lists the problems, a line each.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// Load makes the settings of all sources and checks them. The Config is complete even where problems were found:
// what could not be read has the value of the next lower source.
func Load(in Input) (*Config, Problems) {
	c := Default()
	c.configured = make(map[string]Source)
	var problems Problems
	env := environment(in.Env)
	file := in.File
	if file == "" {
		file = env["PERFD_CONFIG"]
	}
	if file == "" && in.Fallback != "" {
		if _, err := os.Stat(in.Fallback); err == nil {
			file = in.Fallback
		}
	}
	if file != "" {
		problems = append(problems, c.loadFile(file)...)
	}
	problems = append(problems, c.loadEnv(env)...)
	for _, s := range settings {
		if values, ok := in.Flags[s.key]; ok {
			all := []string{}
			for _, v := range values {
				all = append(all, split(s, v)...)
			}
			problems = append(problems, c.set(s, all, Source{Name: "--" + s.flag})...)
		}
	}
	if c.Auth.TokenFile != "" {
		problems = append(problems, c.loadToken()...)
	}
	return &c, append(problems, c.Validate()...)
}

// set assigns a value and remembers whence it is.
func (c *Config) set(s setting, values []string, from Source) Problems {
	old := *c
	if err := assign(s, c, values); err != nil {
		*c = old
		return Problems{{Source: from, Key: s.key, Message: err.Error()}}
	}
	c.configured[s.key] = from
	return nil
}

// environment is perfd's part of the environment.
func environment(list []string) map[string]string {
	env := make(map[string]string)
	for _, line := range list {
		if name, value, ok := strings.Cut(line, "="); ok && strings.HasPrefix(name, "PERFD_") {
			env[name] = value
		}
	}
	return env
}

func (c *Config) loadEnv(env map[string]string) (problems Problems) {
	known := map[string]bool{"PERFD_CONFIG": true}
	var names []string
	for _, s := range settings {
		known[s.env()] = true
		names = append(names, s.env())
		if v, ok := env[s.env()]; ok {
			problems = append(problems, c.set(s, split(s, v), Source{Name: s.env()})...)
		}
	}
	var unknown []string
	for name := range env {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		// A Kubernetes service named perfd puts PERFD_SERVICE_HOST, PERFD_PORT_… here: only what comes near is told.
		if near := Nearest(name, names); near != "" {
			problems = append(problems, Problem{Source: Source{Name: name}, Message: "is no setting; did you mean " + near + "?", Warning: true})
		}
	}
	return problems
}

func (c *Config) loadToken() Problems {
	from := c.configured["auth.token_file"]
	b, err := readBounded(c.Auth.TokenFile)
	if err != nil {
		return Problems{{Source: from, Key: "auth.token_file", Message: "cannot be read: " + err.Error()}}
	}
	if c.Auth.Token != "" {
		return Problems{{Source: from, Key: "auth.token_file", Message: "is given together with auth.token: keep one of them"}}
	}
	c.Auth.Token = Secret(strings.TrimSpace(string(b)))
	c.configured["auth.token"] = Source{Name: c.Auth.TokenFile}
	if c.Auth.Token == "" {
		return Problems{{Source: from, Key: "auth.token_file", Message: "is empty"}}
	}
	return nil
}

// readBounded reads a small file and words why it cannot without the path, which the caller tells.
func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxFile {
		return nil, fmt.Errorf("it is larger than %s", Size(maxFile))
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(path)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return nil, pe.Err
	}
	return b, err
}

// exposed reports whether others than owner and group may read a file.
func exposed(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o004 != 0
}

// Nearest is the name that was probably meant; empty if none comes near.
func Nearest(name string, names []string) string {
	best, least := "", 3
	for _, n := range names {
		if d := distance(name, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is the number of bytes to insert, delete or replace to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

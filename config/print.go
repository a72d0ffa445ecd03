package config

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteDefault writes a file that sets everything to its default and says what it is for.
func WriteDefault(w io.Writer) error {
	d := Default()
	var b strings.Builder
	b.WriteString("# Settings of perfd watch. Flags come before the environment (PERFD_RETENTION_AGE), the environment\n" +
		"# before this file, and this file before the defaults, which are what stands here.\n" +
		"# SIGHUP makes a running perfd read it again; settings marked [restart] wait for the next start.\n")
	section := ""
	for _, s := range settings {
		name, indent := s.key, ""
		if top, rest, nested := strings.Cut(s.key, "."); nested {
			if top != section {
				section = top
				fmt.Fprintf(&b, "\n# %s\n%s:\n", sections[top], top)
			}
			name, indent = rest, "  "
		} else {
			b.WriteByte('\n')
		}
		help := s.help
		if len(s.allowed) > 0 {
			help += " One of: " + strings.Join(s.allowed, ", ") + "."
		}
		if s.restart {
			help += " [restart]"
		}
		for _, line := range wrap(help, 100) {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		fmt.Fprintf(&b, "%s%s: %s\n", indent, name, yamlValue(s, &d))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write default settings: %w", err)
	}
	return nil
}

// WriteEffective writes every setting with its value and where that comes from. Secrets are masked.
func (c *Config) WriteEffective(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range settings {
		fmt.Fprintf(t, "%s\t%s\t%s\n", s.key, shown(s, c), c.From(s.key))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return nil
}

// shown is a value for people: quoted where it would be invisible, masked where it is secret.
func shown(s setting, c *Config) string {
	text := format(s.at(c))
	switch {
	case s.secret():
		text = Secret(text).String()
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		text = strconv.Quote(text)
	}
	if text == "" {
		return "-"
	}
	return text
}

// yamlValue writes a setting's value as the file has it.
func yamlValue(s setting, c *Config) string {
	p := s.at(c)
	switch p := p.(type) {
	case *map[string]string:
		return "{}"
	case *string:
		if *p == "" || strings.ContainsAny(*p, ":#{}[]%&*!|>'\"@`, ") {
			return strconv.Quote(*p)
		}
		return *p
	}
	if kindOf(s).list {
		return "[" + strings.Join(items(p), ", ") + "]"
	}
	return format(p)
}

// wrap breaks a text into lines of at most width bytes.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

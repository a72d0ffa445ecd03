package process

import (
	"bytes"
	"path"
	"strings"
)

// Kind is a kind of application server.
type Kind string

// Kinds of application servers.
const (
	Odoo   Kind = "odoo"
	Tryton Kind = "tryton"
)

// Role is what a process of an application server is there for.
type Role string

// Roles. Main is the process that the others descend from, or the only one; Worker one whose title does not tell
// what it works on; Other is not a server (a shell, an installation).
const (
	Main   Role = "main"
	HTTP   Role = "http"
	Cron   Role = "cron"
	Gevent Role = "gevent"
	Worker Role = "worker"
	Other  Role = "other"
)

// Title is what a command line says of a process. Command is free of its options, since these may hold passwords.
type Title struct {
	Kind    Kind
	Role    Role
	Command string
	Config  string // the configuration file named on the command line
}

// maxCommand bounds a command's display form.
const maxCommand = 64

// Classify reads a command line as /proc/PID/cmdline has it: words with a NUL after each, or a title that the
// process has written over them. It returns false for what is no Odoo or Tryton.
func Classify(cmdline []byte) (Title, bool) {
	words := strings.Split(string(bytes.TrimRight(cmdline, "\x00 \n")), "\x00")
	if title, ok := named(words[0]); ok {
		return title, true
	}
	i := 0
	base := path.Base(words[0])
	if strings.HasPrefix(base, "python") || strings.HasPrefix(base, "pypy") {
		for i = 1; i < len(words) && strings.HasPrefix(words[i], "-"); i++ {
			if words[i] == "-m" {
				i++
				break
			}
			if words[i] == "-c" {
				return Title{}, false
			}
			if words[i] == "-W" || words[i] == "-X" {
				i++
			}
		}
		if i >= len(words) {
			return Title{}, false
		}
		base = path.Base(words[i])
	}
	return program(base, words[i+1:])
}

// named reads the titles that processes give themselves.
func named(title string) (Title, bool) {
	name, rest, ok := strings.Cut(title, ": ")
	if !ok || strings.ContainsAny(name, " /") {
		return Title{}, false
	}
	first, _, _ := strings.Cut(rest, " ")
	t := Title{Role: Worker, Command: clip(name + ": " + first)}
	switch name {
	case "odoo", "odoo-bin", "openerp", "openerp-server":
		t.Kind = Odoo
		lower := strings.ToLower(rest)
		switch {
		case strings.HasPrefix(first, "WorkerHTTP"):
			t.Role = HTTP
		case strings.HasPrefix(first, "WorkerCron"):
			t.Role = Cron
		case strings.Contains(lower, "gevent"), strings.Contains(lower, "evented"), strings.Contains(lower, "longpolling"):
			t.Role = Gevent
		case strings.Contains(lower, "prefork"), strings.Contains(lower, "master"):
			t.Role = Main
		}
		return t, true
	case "gunicorn", "uwsgi":
		kind, ok := application(rest)
		if !ok {
			return Title{}, false
		}
		t.Kind = kind // and a worker of either may have several threads
		if first == "master" {
			t.Role = Main
		}
		return t, true
	}
	return Title{}, false
}

// application tells what a WSGI server was told to serve.
func application(s string) (Kind, bool) {
	switch {
	case strings.Contains(s, "trytond"):
		return Tryton, true
	case strings.Contains(s, "odoo"), strings.Contains(s, "openerp"):
		return Odoo, true
	}
	return "", false
}

func program(base string, args []string) (Title, bool) {
	t := Title{Role: Main, Command: clip(base), Config: configOf(args)}
	switch base {
	case "odoo", "odoo-bin", "odoo.py", "odoo-server", "openerp-server", "openerp-gevent", "odoo-gevent":
		t.Kind = Odoo
		if strings.HasSuffix(base, "-gevent") {
			t.Role = Gevent
			return t, true
		}
		switch command := subcommand(args); command {
		case "", "server", "start":
		case "gevent":
			t.Role, t.Command = Gevent, clip(base+" gevent")
		default:
			t.Role, t.Command = Other, clip(base+" "+command)
		}
		return t, true
	case "trytond":
		t.Kind = Tryton
		return t, true
	case "trytond-cron":
		t.Kind, t.Role = Tryton, Cron
		return t, true
	case "trytond-worker":
		t.Kind, t.Role = Tryton, Worker
		return t, true
	case "trytond-admin", "trytond-console", "trytond-shell", "trytond-stat":
		t.Kind, t.Role = Tryton, Other
		return t, true
	case "gunicorn", "gunicorn3", "uwsgi", "uwsgi-core":
		for _, a := range args {
			if kind, ok := application(a); ok {
				t.Kind = kind
				return t, true
			}
		}
	}
	return Title{}, false
}

// subcommand is the first word of Odoo's command line, which is its subcommand unless it is an option.
func subcommand(args []string) string {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return ""
	}
	return args[0]
}

func configOf(args []string) string {
	for i, a := range args {
		if name, value, ok := strings.Cut(a, "="); ok && name == "--config" {
			return value
		}
		if (a == "-c" || a == "--config") && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

func clip(s string) string {
	if len(s) > maxCommand {
		s = s[:maxCommand]
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s), "?")
}

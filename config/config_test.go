package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "perfd.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// told is problems without the folder of the file.
func told(p Problems) string {
	var lines []string
	for _, x := range p {
		x.Source.Name = filepath.Base("/" + x.Source.Name)
		if x.Source.Name == "/" {
			x.Source.Name = ""
		}
		lines = append(lines, x.String())
	}
	return strings.Join(lines, "\n")
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; if rightly, run with -update. Got:\n%s", path, got)
	}
}

func TestPrecedence(t *testing.T) {
	path := file(t, "memory: 128MiB\nlisten: 127.0.0.1:1\nstore: file.db\n")
	c, problems := Load(Input{
		File:  path,
		Env:   []string{"HOME=/", "PERFD_LISTEN=127.0.0.1:2", "PERFD_STORE=env.db"},
		Flags: map[string][]string{"store": {"flag.db"}},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, tt := range []struct{ key, got, want, from string }{
		{"retention.age", c.Retention.Age.String(), "72h0m0s", "default"},
		{"memory", c.Memory.String(), "128MiB", path + ":1"},
		{"listen", c.Listen, "127.0.0.1:2", "PERFD_LISTEN"},
		{"store", c.Store, "flag.db", "--store"},
	} {
		if tt.got != tt.want || c.From(tt.key).String() != tt.from {
			t.Errorf("%s is %s from %s, want %s from %s", tt.key, tt.got, c.From(tt.key), tt.want, tt.from)
		}
	}
}

func TestFileIsFound(t *testing.T) {
	named, other := file(t, "memory: 128MiB"), file(t, "memory: 100MiB")
	for _, tt := range []struct {
		in   Input
		want string
	}{
		{Input{File: named, Env: []string{"PERFD_CONFIG=" + other}}, "128MiB"},
		{Input{Env: []string{"PERFD_CONFIG=" + other}, Fallback: named}, "100MiB"},
		{Input{Fallback: named}, "128MiB"},
		{Input{Fallback: named + ".none"}, "256MiB"},
	} {
		if c, p := Load(tt.in); c.Memory.String() != tt.want || len(p) > 0 {
			t.Errorf("%+v: memory %s, %v; want %s", tt.in, c.Memory, p, tt.want)
		}
	}
}

func TestProblemsNameTheLine(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"memory: 1MiB", "perfd.yaml:1: memory must be at least 64MiB, not 1MiB"},
		{"\n\nmemry: 1GiB", "perfd.yaml:3: memry is no setting; did you mean memory?"},
		{"keep:\n  user: x", "perfd.yaml:2: keep.user is no setting; did you mean keep.users?"},
		{"keep:\n  colour: x", "perfd.yaml:2: keep.colour is no setting; allowed here: users, methods, models, slow"},
		{"keep: x", "perfd.yaml:1: keep is a section: its settings stand below it, indented: users, methods, models, slow"},
		{"rpc_ports: [8069, 99999]", `perfd.yaml:1: rpc_ports must be ports from 1 to 65535, not "99999"`},
		{"rpc_ports:\n  - 0", `perfd.yaml:1: rpc_ports must be ports from 1 to 65535, not "0"`},
		{"memory: [1, 2]", "perfd.yaml:1: memory must be a size such as 256MiB, not a list"},
		{"memory:\n  a: b", "perfd.yaml:2: memory must be a size such as 256MiB"},
		{"log:\n  level: loud", `perfd.yaml:2: log.level must be debug, info, warn or error, not "loud"`},
		{"cpu: lots", `perfd.yaml:1: cpu must be a number of cores such as 0.5, or 50%, not "lots"`},
		{"metrics:\n  enabled: perhaps", `perfd.yaml:2: metrics.enabled must be true or false, not "perhaps"`},
		{"metrics:\n  max_methods: 0", "perfd.yaml:2: metrics.max_methods must be from 1 to 10000, not 0"},
		{"store: a\nstore: b", `perfd.yaml:2: is no valid YAML: mapping key "store" already defined at [1:1]`},
		{"a: b: c", "perfd.yaml:1: is no valid YAML: mapping value is not allowed in this context"},
		{"store: a\n---\nstore: b", "perfd.yaml:3: the file must hold one document, without ---"},
		{"- store", "perfd.yaml:1: the file must hold settings as key: value"},
		{"store: &x a", "perfd.yaml:1: store must be a text"},
		{"store: ''", "perfd.yaml:1: store must name a file"},
		{"listen: 0.0.0.0:7070", "perfd.yaml:1: listen is 0.0.0.0:7070, which others can reach: set auth.token, auth.token_file or auth.password_hash, or listen on 127.0.0.1"},
		{"listen: 7070", `perfd.yaml:1: listen must be host:port, such as 127.0.0.1:7070, not "7070"`},
		{"metrics: {listen: '127.0.0.1:7070'}", "perfd.yaml:1: metrics.listen is the address of the pages; leave it empty to serve both there"},
		{"rpc_ports: 5432\npg_ports: 5432", "perfd.yaml:2: pg_ports names port 5432, and so does rpc_ports"},
		{"interfaces: [a/b]", `perfd.yaml:1: interfaces must be names of network interfaces such as eth0, not "a/b"`},
		{"retention:\n  age: 100d", "retention.aggregates must be at least retention.age, 100d"},
		{"retention: {age: 1s, size: 3}", "perfd.yaml:1: retention.age must be at least 1m, not 1s\nperfd.yaml:1: retention.size must be 0 or at least 16MiB, not 3"},
		{"auth:\n  token: short", "perfd.yaml:2: auth.token must have at least 16 characters"},
		{"auth:\n  password_hash: hunter2hunter2", "perfd.yaml:2: auth.password_hash must be what perfd config hash-password prints"},
		{"pyroscope:\n  url: ftp://x", "perfd.yaml:2: pyroscope.url must begin with http:// or https://"},
		{"pyroscope:\n  url: http://a:b@x", "perfd.yaml:2: pyroscope.url must not hold a password; use pyroscope.user and PERFD_PYROSCOPE_PASSWORD"},
		{"pg_log: {path: x, format: csvlog, line_prefix: '%m'}", "perfd.yaml:1: pg_log.line_prefix is used with the format stderr, not with csvlog"},
		{"hosts: ['erp:80']", `perfd.yaml:1: hosts must be host names without port, not "erp:80"`},
		{"keep: {users: ['']}", "perfd.yaml:1: keep.users must be patterns of 1 to 256 characters"},
		{"listen: off", ""},
		{"listen: off\nmetrics: {enabled: true}", "metrics.listen must be set to serve metrics while listen is off (warning)"},
		{"keep: {users: ['[']}", `perfd.yaml:1: keep.users must be patterns of plain characters, * for any and ? for one, not "["`},
		{`keep: {methods: ['a{b,c}']}`, `perfd.yaml:1: keep.methods must be patterns of plain characters, * for any and ? for one, not "a{b,c}"`},
		{"\tstore: x", "perfd.yaml:1: is no valid YAML: tab character cannot use as a map key directly"},
		{"keep:\nlog:\nstore:\n", ""},
		{"", ""},
	} {
		t.Run(tt.text, func(t *testing.T) {
			_, problems := Load(Input{File: file(t, tt.text)})
			if got := told(problems); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestProblemsOfEnvironmentAndFlags(t *testing.T) {
	_, problems := Load(Input{
		Env:   []string{"PERFD_MEMORY=big", "PERFD_STOER=x", "PERFD_SERVICE_HOST=10.0.0.1", "PERFD_PORT_7070_TCP_ADDR=10.0.0.1"},
		Flags: map[string][]string{"cpu": {"-1"}},
	})
	want := `PERFD_MEMORY: memory must be a size such as 256MiB or 2GB, not "big"
PERFD_STOER: is no setting; did you mean PERFD_STORE? (warning)
--cpu: cpu must be a number of cores such as 0.5, or 50%, not "-1"`
	if got := told(problems); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if problems.Err() == nil || problems[1:2].Err() != nil {
		t.Error("a warning alone must not be an error, a problem must")
	}
	if c, p := Load(Input{Env: []string{"PERFD_MEMORY=big"}}); c.Memory != Default().Memory || len(p) != 1 {
		t.Errorf("a value that cannot be read gives %s, want the default", c.Memory)
	}
}

// Every setting can be set by file, environment and flag, in a form that reads back the same.
func TestEverySetting(t *testing.T) {
	samples := map[string]string{ // where the sample for the type will not do
		"evidence.process": "off", "evidence.threads": "on", "pg_log.format": "csvlog", "log.level": "warn",
		"log.format": "json", "privacy.users": "pseudonym",
	}
	seen := map[string]string{}
	for _, s := range settings {
		sample := samples[s.key]
		if sample == "" {
			switch s.at(new(Config)).(type) {
			case *[]string, *Patterns:
				sample = "a,b"
			case *[]uint16:
				sample = "7,8"
			case *map[string]string:
				sample = "a=b,c=d"
			case *bool:
				sample = "false"
			case *int:
				sample = "7"
			case *Size:
				sample = "77MiB"
			case *Share:
				sample = "0.75"
			case *time.Duration:
				sample = "77h"
			default:
				sample = "some text"
			}
		}
		top, rest, nested := strings.Cut(s.key, ".")
		line := sample
		if strings.Contains(sample, "=") {
			line = "{a: b, c: d}"
		}
		text := fmt.Sprintf("%s: %s\n", top, line)
		if nested {
			text = fmt.Sprintf("%s:\n  %s: %s\n", top, rest, line)
		}
		var byFile, byEnv, byFlag Config
		for _, c := range []*Config{&byFile, &byEnv, &byFlag} {
			*c = Default()
			c.configured = map[string]Source{}
		}
		if p := byFile.parse("f", []byte(text)); len(p) > 0 {
			t.Errorf("%s: %v", s.key, p)
		}
		if p := byEnv.loadEnv(map[string]string{s.env(): sample}); len(p) > 0 {
			t.Errorf("%s: %v", s.key, p)
		}
		if p := byFlag.set(s, split(s, sample), Source{}); len(p) > 0 {
			t.Errorf("%s: %v", s.key, p)
		}
		for from, c := range map[string]*Config{"file": &byFile, "environment": &byEnv, "flag": &byFlag} {
			if got := format(s.at(c)); got != sample {
				t.Errorf("%s by %s is %q, want %q", s.key, from, got, sample)
			}
			base := Default()
			if same(s, &base, c) {
				t.Errorf("%s by %s: the sample is the default", s.key, from)
			}
			if s.restart {
				keep(s, c, &base)
				if !same(s, &base, c) {
					t.Errorf("%s is not kept by a reload", s.key)
				}
			}
		}
		for _, name := range []string{s.key, s.env(), "--" + s.flag} {
			if seen[name] != "" && name != "--" {
				t.Errorf("%s names both %s and %s", name, seen[name], s.key)
			}
			seen[name] = s.key
		}
		if s.help == "" || !strings.HasSuffix(s.help, ".") {
			t.Errorf("%s: help must be a sentence: %q", s.key, s.help)
		}
		if _, ok := sections[top]; nested && !ok {
			t.Errorf("section %s is not described", top)
		}
	}
	if n := fields(reflect.TypeFor[Config]()); n != len(settings) {
		t.Errorf("Config has %d fields and the table %d lines", n, len(settings))
	}
}

func fields(t reflect.Type) (n int) {
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case !f.IsExported():
		case f.Type.Kind() == reflect.Struct:
			n += fields(f.Type)
		default:
			n++
		}
	}
	return n
}

func TestDefaultFile(t *testing.T) {
	var b bytes.Buffer
	if err := WriteDefault(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "default.yaml", b.String())
	c, problems := Load(Input{File: file(t, b.String())})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	d := Default()
	for _, s := range settings {
		if !same(s, &d, c) {
			t.Errorf("%s is %q in the file, its default is %q", s.key, format(s.at(c)), format(s.at(&d)))
		}
		if c.From(s.key).Line == 0 {
			t.Errorf("%s is not in the file", s.key)
		}
	}
}

const secret = "canary-4711-canary"

func TestSecretsAreMasked(t *testing.T) {
	c, problems := Load(Input{
		File:  file(t, "auth:\n  token: "+secret+"\ndatabase:\n  dsn: postgres://u:"+secret+"@h/d\nlog:\n  level: debug\n"),
		Env:   []string{"PERFD_PYROSCOPE_PASSWORD=" + secret, "PERFD_PYROSCOPE_USER=u"},
		Flags: map[string][]string{"interfaces": {"lo"}},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if string(c.Auth.Token) != secret || string(c.Pyroscope.Password) != secret {
		t.Fatal("the secrets were not read")
	}
	var b bytes.Buffer
	if err := c.WriteEffective(&b); err != nil {
		t.Fatal(err)
	}
	text, _ := c.Auth.Token.MarshalText()
	fmt.Fprintf(&b, "%v %+v %#v %s", c, *c, c.Auth, text)
	if strings.Contains(b.String(), secret) {
		t.Errorf("a secret is shown:\n%s", b.String())
	}
	for _, want := range []string{"lo ", "--interface", "PERFD_PYROSCOPE_PASSWORD", "perfd.yaml:2"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the settings do not show %q:\n%s", want, b.String())
		}
	}
	for _, bad := range []string{"auth: {password_hash: " + secret + "}", "auth: {token: [" + secret + "," + secret + "]}", "auth: {token: {a: " + secret + "}}"} {
		if _, p := Load(Input{File: file(t, bad)}); len(p) == 0 || strings.Contains(told(p), secret) {
			t.Errorf("%s: %v", bad, p)
		}
	}
}

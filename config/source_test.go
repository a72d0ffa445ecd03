package config

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTokenFile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"good": secret + "\n", "empty": "\n", "large": strings.Repeat("x", maxFile+1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ name, token, want string }{
		{"good", "", ""},
		{"good", secret, "is given together with auth.token"},
		{"empty", "", "is empty"},
		{"large", "", "it is larger than 1MiB"},
		{"none", "", "no such file"},
	} {
		env := []string{"PERFD_LISTEN=0.0.0.0:7070", "PERFD_AUTH_TOKEN_FILE=" + filepath.Join(dir, tt.name)}
		if tt.token != "" {
			env = append(env, "PERFD_AUTH_TOKEN="+tt.token)
		}
		c, p := Load(Input{Env: env})
		if tt.want == "" {
			if len(p) > 0 || string(c.Auth.Token) != secret || !c.Auth.Required() {
				t.Errorf("%s: %v", tt.name, p)
			}
		} else if len(p) != 1 || !strings.Contains(p[0].Message, tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, p, tt.want)
		}
	}
}

func TestExposedSecretIsTold(t *testing.T) {
	path := file(t, "auth: {token: "+secret+"}")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	c, p := Load(Input{File: path})
	if len(p) != 1 || !p[0].Warning || !strings.Contains(p[0].Message, "PERFD_AUTH_TOKEN") || p.Err() != nil || string(c.Auth.Token) != secret {
		t.Errorf("got %v, want one warning", p)
	}
	if _, p := Load(Input{File: path + ".none"}); p.Err() == nil || !strings.Contains(p.Err().Error(), "cannot be read: no such file") {
		t.Errorf("a missing file: %v", p)
	}
}

func TestReload(t *testing.T) {
	path := file(t, "retention: {age: 24h}\nstore: a.db\nmemory: 128MiB\n")
	in := Input{File: path}
	old, p := Load(in)
	if len(p) > 0 {
		t.Fatal(p)
	}
	rewrite := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rewrite("\nretention: {age: 48h}\nstore: b.db\nmemory: 128MiB\nkeep: {users: [anna, b*]}\n")
	next, changed, restart, p := Reload(old, in)
	if len(p) > 0 || !slices.Equal(changed, []string{"retention.age", "keep.users"}) || !slices.Equal(restart, []string{"store"}) {
		t.Fatalf("changed %v, restart %v, %v", changed, restart, p)
	}
	if next.Retention.Age != 48*time.Hour || next.Store != "a.db" || !next.Keep.Users.Match("bob") || next.From("store").Line != 2 {
		t.Errorf("after the reload: %+v, store from %v", next, next.From("store"))
	}
	rewrite("retention: {age: soon}\n")
	if still, changed, restart, p := Reload(next, in); still != next || p.Err() == nil || len(changed)+len(restart) > 0 {
		t.Errorf("a mistake in the file changed settings: %v %v %v", changed, restart, p)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "512": 512, "1KiB": 1024, "1.5 MiB": 3 << 19, "256MiB": 256 << 20, "2GB": 2e9, "1TiB": 1 << 40, "7B": 7, "3kB": 3000,
	} {
		got, err := ParseSize(text)
		if err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", text, got, err, want)
		}
		if again, err := ParseSize(got.String()); err != nil || again != got {
			t.Errorf("%s reads back as %d, %v", got, again, err)
		}
	}
	for _, text := range []string{"", "x", "-1", "1XB", "MiB", "1e30", "NaN", "Inf", "0x10", "1_0", "9e18GB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "500ms": 500 * time.Millisecond, "72h": 72 * time.Hour, "90d": 90 * day, "2w": 14 * day, "1w2d3h": 9*day + 3*time.Hour, "1m30s": 90 * time.Second,
	} {
		got, err := ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", text, got, err, want)
		}
		if again, err := ParseDuration(FormatDuration(got)); err != nil || again != got {
			t.Errorf("%s reads back from %s as %s, %v", got, FormatDuration(got), again, err)
		}
	}
	for _, text := range []string{"", "x", "5", "-1h", "-1d", "d", "1d-1h", "106752d", "100000d2562047h", "2147483647w"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is %s, want an error", text, got)
		}
	}
	if FormatDuration(math.MaxInt64) == "" {
		t.Error("the longest time is not written")
	}
}

func TestShares(t *testing.T) {
	for text, want := range map[string]Share{"0": 0, "0.5": 0.5, "50%": 0.5, "2": 2, "150 %": 1.5} {
		if got, err := parseShare(text); err != nil || got != want {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "NaN", "2000"} {
		if got, err := parseShare(text); err == nil {
			t.Errorf("%q is %v, want an error", text, got)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"anna", "anna", true}, {"anna", "ann", false}, {"anna", "annab", false}, {"a*", "anna", true}, {"*a", "anna", true},
		{"*n*a", "anna", true}, {"a?na", "anna", true}, {"?", "ä", true}, {"??", "ä", false}, {"*", "", true}, {"", "", true},
		{"sale.*", "sale.order", true}, {"sale.*", "sales", false}, {"*a*a*a*b", strings.Repeat("a", 2000), false}, {"?*", "é", true},
	} {
		if got := (Patterns{tt.pattern}).Match(tt.s); got != tt.want {
			t.Errorf("%q matches %.20q: %v, want %v", tt.pattern, tt.s, got, tt.want)
		}
	}
	if !(Patterns{}).Match("x") || !(Patterns{"y", "x"}).Match("x") {
		t.Error("no pattern matches all, several match any")
	}
}

func TestPassword(t *testing.T) {
	made, err := hash("correct horse", 1000) // HashPassword's many rounds take their time
	if err != nil {
		t.Fatal(err)
	}
	a := Auth{PasswordHash: Secret(made)}
	if !a.AllowsPassword("correct horse") || a.AllowsPassword("correct house") || a.AllowsPassword("") || !a.Required() {
		t.Error("the password is not told from others")
	}
	if _, p := Load(Input{Env: []string{"PERFD_LISTEN=0.0.0.0:1", "PERFD_AUTH_PASSWORD_HASH=" + made}}); len(p) > 0 {
		t.Error(p)
	}
	a = Auth{Token: secret}
	if !a.AllowsToken(secret) || a.AllowsToken("") || a.AllowsToken(secret+"x") || (Auth{}).AllowsToken("") || (Auth{}).AllowsPassword("") || (Auth{}).Required() {
		t.Error("the token is not told from others")
	}
	if _, err := HashPassword("short"); err == nil {
		t.Error("a short password was taken")
	}
	for _, text := range []string{"", "a:b:c:d", "pbkdf2-sha256:1:AAAAAAAAAAAAAAAA:AAAA", strings.Replace(made, "1000", "999999999", 1)} {
		if _, err := parseHash(text); err == nil {
			t.Errorf("%q is no hash", text)
		}
	}
}

func TestFlags(t *testing.T) {
	names := map[string]Flag{}
	for _, f := range Flags() {
		names[f.Name] = f
		if f.Help == "" || strings.HasSuffix(f.Help, ".") {
			t.Errorf("--%s: %q", f.Name, f.Help)
		}
	}
	for _, want := range []string{"interface", "rpc-port", "pg-port", "store", "listen", "users", "methods", "models", "slow", "memory", "cpu"} {
		if _, ok := names[want]; !ok {
			t.Errorf("there is no flag --%s", want)
		}
	}
	if names["memory"].Default != "256MiB" || !names["metrics"].Bool || names["cpu"].Placeholder != "cores" {
		t.Errorf("flags: %+v", names)
	}
	for _, s := range settings {
		if s.secret() != strings.Contains("database.dsn auth.token auth.password_hash pyroscope.password", s.key) {
			t.Errorf("%s: secrets and only they have no flag", s.key)
		}
	}
}

func FuzzParse(f *testing.F) {
	seed, err := os.ReadFile("testdata/default.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	for _, text := range []string{"a: b: c", "keep: {users: [a, b]}", "memory: 1", "- x", "pyroscope:\n  tags: {a: b}\n", "&a b: *a", "? {a: b}\n: c"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := Default()
		c.configured = map[string]Source{}
		for _, p := range append(c.parse("x", text), c.Validate()...) {
			if p.Message == "" {
				t.Error("a problem without a message")
			}
		}
	})
}

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/rpclog"
)

func TestSessionKey(t *testing.T) {
	a, err1 := sessionKey(config.Privacy{})
	b, err2 := sessionKey(config.Privacy{})
	if err1 != nil || err2 != nil || len(a) < leastKey || string(a) == string(b) {
		t.Errorf("keys %x (%v) and %x (%v), want two of %d bytes", a, err1, b, err2, leastKey)
	}
	file := filepath.Join(t.TempDir(), "key")
	for text, ok := range map[string]bool{"0123456789abcdef0123456789abcdef\n": true, "short": false} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := sessionKey(config.Privacy{SessionKeyFile: file})
		if (err == nil) != ok || ok && string(key) != text[:leastKey] {
			t.Errorf("key file %q: %q, %v", text, key, err)
		}
	}
	if _, err := sessionKey(config.Privacy{SessionKeyFile: file + ".none"}); hintFor(err) == "" {
		t.Errorf("no key file: %v, want a hint", err)
	}
}

func TestPseudonyms(t *testing.T) {
	hidden := func(p *pseudonyms, login string) string {
		tr := &analyzer.Trace{Call: &rpclog.Call{Login: login}}
		p.hide(tr)
		return tr.Call.Login
	}
	p, other := &pseudonyms{[]byte("one")}, &pseudonyms{[]byte("two")}
	if a, b := hidden(p, "anna"), hidden(p, "anna"); a != b || a == "anna" || a == hidden(p, "bruno") || a == hidden(other, "anna") {
		t.Errorf("anna is %q and %q, by another key %q, bruno %q", a, b, hidden(other, "anna"), hidden(p, "bruno"))
	}
	if got := hidden(nil, "anna") + hidden(p, ""); got != "anna" {
		t.Errorf("hid %q", got)
	}
}

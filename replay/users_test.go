package replay_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perfd/perfd/replay"
)

func TestReadUsers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(name string) string { return map[string]string{"ANNA": "from the environment"}[name] }
	users, err := replay.ReadUsers([]byte("user1: {login: anna, password_env: ANNA}\n2: {login: two, password: plain}\ns7: {password_file: "+file+"}\n\"*\": demo\n"), env)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]replay.User{
		"user1": {Login: "anna", Password: "from the environment"}, "2": {Login: "two", Password: "plain"}, "s7": {Password: "from a file"}, replay.Anyone: {Login: "demo"},
	} {
		if users[name] != want {
			t.Errorf("%s is %s, want %s", name, users[name].Login, want.Login)
		}
	}
	for text, want := range map[string]string{
		"user1: {login: anna, password_env: NONE}": "NONE is not set", "user1: {login: anna, pasword: x}": "want a login", "user1: [1]": "want a login",
		"{": "read users", "user1: {password_file: /nowhere/at/all}": "no such file", strings.Repeat("a", 5<<20): "more than",
	} {
		if _, err := replay.ReadUsers([]byte(text), env); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.50s: %v, want %q", text, err, want)
		}
	}
}

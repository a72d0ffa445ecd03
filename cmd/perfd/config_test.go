package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigCheck(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	write(t, good, []byte("memory: 128MiB\nauth:\n  token: canary-4711-canary\n"))
	write(t, bad, []byte("memory: 128MiB\nkeep:\n  user: anna\nstore: ''\n"))
	if err := os.Chmod(good, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args, out, errOut string
		code              int
	}{
		{good, "the settings are right\n", "", exitOK},
		{good + " --effective --rpc-port 8069,8072 --metrics=false --users anna --users b*", "rpc_ports                 8069,8072", "", exitOK},
		{good + " --effective", "auth.token                ********        " + good + ":3", "", exitOK},
		{bad, "", bad + ":3: keep.user is no setting; did you mean keep.users?\n" + bad + ":4: store must name a file\n" +
			"perfd: the settings cannot be used: 2 problems; perfd config default prints what is allowed\n", exitFailure},
		{good + " --listen 0.0.0.0:1 --memory x", "", "--memory: memory must be a size such as 256MiB or 2GB, not \"x\"\n" +
			"perfd: the settings cannot be used: 1 problem", exitFailure},
		{good + " " + bad, "", "takes one FILE, not 2", exitUsage},
		{good + " --config " + bad, "", "given by --config and as an argument", exitUsage},
		{good + " --memroy 1", "", "unknown flag: --memroy, did you mean --memory?", exitUsage},
	} {
		code, out, errOut := perfd(t, nil, append([]string{"config", "check"}, strings.Fields(tt.args)...)...)
		if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(errOut, tt.errOut) || strings.Contains(out+errOut, "4711") {
			t.Errorf("config check %s: exit %d\n%s%s", tt.args, code, out, errOut)
		}
	}
}

func TestConfigDefaultIsRight(t *testing.T) {
	code, out, errOut := perfd(t, nil, "config", "default")
	if code != exitOK || errOut != "" {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	path := filepath.Join(t.TempDir(), "perfd.yaml")
	write(t, path, []byte(out))
	if code, _, errOut := perfd(t, nil, "config", "check", path); code != exitOK || errOut != "" {
		t.Errorf("exit %d: %s", code, errOut)
	}
}

func TestConfigHashPassword(t *testing.T) {
	code, out, errOut := perfd(t, strings.NewReader("correct horse\n"), "config", "hash-password")
	if code != exitOK || !strings.HasPrefix(out, "pbkdf2-sha256:") || strings.Contains(out, "horse") {
		t.Fatalf("exit %d: %s%s", code, out, errOut)
	}
	path := filepath.Join(t.TempDir(), "perfd.yaml")
	write(t, path, []byte("listen: 0.0.0.0:7070\nauth:\n  password_hash: "+out))
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := perfd(t, nil, "config", "check", path); code != exitOK || errOut != "" {
		t.Errorf("exit %d: %s", code, errOut)
	}
	if code, _, errOut := perfd(t, strings.NewReader("short"), "config", "hash-password"); code != exitUsage || !strings.Contains(errOut, "8 to 1024 characters") {
		t.Errorf("exit %d: %s", code, errOut)
	}
}

func TestConfigNeedsAKnownCommand(t *testing.T) {
	if code, _, errOut := perfd(t, nil, "config", "chekc"); code != exitUsage || !strings.Contains(errOut, `unknown command "config chekc"`) {
		t.Errorf("exit %d: %s", code, errOut)
	}
	if code, out, _ := perfd(t, nil, "config"); code != exitOK || !strings.Contains(out, "hash-password") {
		t.Errorf("exit %d: %s", code, out)
	}
}

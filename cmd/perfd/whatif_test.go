package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perfd/perfd/fixtures"
)

// commandLine runs perfd and returns what it wrote, and its exit code.
func commandLine(t *testing.T, args ...string) (out, errOut string, code int) {
	t.Helper()
	var o, e strings.Builder
	code = run(t.Context(), args, strings.NewReader(""), &o, &e)
	return o.String(), e.String(), code
}

func TestWhatIfAndExport(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "odoo.load")
	if out, errOut, code := commandLine(t, "record", file, "--from", fixtures.Path(t, "odoo18-a"), "--keep-args", "*:*"); code != exitOK {
		t.Fatalf("record: %d %s %s", code, out, errOut)
	}
	out, errOut, code := commandLine(t, "whatif", file)
	if code != exitOK || !strings.Contains(out, "WHAT IF THERE WERE A CACHE") || !strings.Contains(out, "WHAT IF THERE WERE N WORKERS") {
		t.Errorf("whatif: %d\n%s\n%s", code, out, errOut)
	}
	for _, line := range strings.Split(out, "\n") {
		if len([]rune(line)) > 100 {
			t.Errorf("%d columns: %s", len([]rune(line)), line)
		}
	}
	out, _, code = commandLine(t, "whatif", file, "--json", "--workers", "3")
	var answers struct {
		Calls   int64
		Workers []struct{ Workers int }
	}
	if err := json.Unmarshal([]byte(out), &answers); err != nil || code != exitOK || answers.Calls == 0 || len(answers.Workers) == 0 || len(answers.Workers) > 3 {
		t.Errorf("whatif --json: %v, %d\n%s", err, code, out)
	}
	har := filepath.Join(dir, "odoo.har")
	if _, errOut, code := commandLine(t, "export", file, "--har", har, "--target", "http://staging:8069"); code != exitOK || !strings.Contains(errOut, "calls of") {
		t.Errorf("export --har: %d %s", code, errOut)
	}
	var archive struct {
		Log struct {
			Entries []struct{ Request struct{ URL string } }
		}
	}
	text, err := os.ReadFile(har)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &archive); err != nil || len(archive.Log.Entries) < 10 || !strings.HasPrefix(archive.Log.Entries[0].Request.URL, "http://staging:8069/") {
		t.Errorf("%v, %d entries", err, len(archive.Log.Entries))
	}
	if out, _, code := commandLine(t, "export", file, "--k6", "-"); code != exitOK || !strings.Contains(out, "import http from 'k6/http'") {
		t.Errorf("export --k6: %d %.200s", code, out)
	}
	for _, wrong := range [][]string{
		{"whatif"}, {"whatif", file, "--workers", "0"}, {"whatif", file, "--ttl", "-1s"}, {"export", file}, {"export", file, "--k6", "a", "--har", "b"}, {"export"},
	} {
		if _, errOut, code := commandLine(t, wrong...); code != exitUsage {
			t.Errorf("%v: %d %s", wrong, code, errOut)
		}
	}
	if err := os.WriteFile(file, []byte("no load"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errOut, code := commandLine(t, "whatif", file); code != exitFailure || !strings.Contains(errOut, ";") {
		t.Errorf("a file that is no load: %d %s", code, errOut)
	}
}

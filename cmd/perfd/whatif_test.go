package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/report"
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
		{"whatif"}, {"whatif", file, "--workers", "0"}, {"whatif", file, "--ttl", "-1s"}, {"export", file}, {"export", file, "--k6", "a", "--har", "a"}, {"export", file, "--k6", file}, {"export", file, "--har", "-", "--target", "x"}, {"export", file, "--k6", "-", "--max-calls", "-1"}, {"export"},
	} {
		if _, errOut, code := commandLine(t, wrong...); code != exitUsage {
			t.Errorf("%v: %d %s", wrong, code, errOut)
		}
	}
	script := filepath.Join(dir, "odoo.js")
	if _, errOut, code := commandLine(t, "export", file, "--k6", script, "--har", har); code != exitOK || strings.Count(errOut, " exported to ") != 2 {
		t.Errorf("both at once: %d %s", code, errOut)
	}
	bare := filepath.Join(dir, "bare.load")
	if _, errOut, code := commandLine(t, "record", bare, "--from", fixtures.Path(t, "odoo18-a")); code != exitOK {
		t.Fatal(errOut)
	}
	none := filepath.Join(dir, "none.js")
	if _, errOut, code := commandLine(t, "export", bare, "--k6", none); code != exitFailure || !strings.Contains(errOut, "no call of it can be exported") || !strings.Contains(errOut, "--keep-args") {
		t.Errorf("an export of nothing: %d %s", code, errOut)
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("an export of nothing makes a file")
	}
	for _, command := range []string{"whatif", "export", "trend"} {
		out, _, code := commandLine(t, command, "--help")
		for _, line := range strings.Split(out, "\n") {
			if code != exitOK || len([]rune(line)) > helpWidth {
				t.Errorf("%s --help: %d, %d columns: %s", command, code, len([]rune(line)), line)
			}
		}
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, whole[:len(whole)*2/3], 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errOut, code := commandLine(t, "whatif", file); code != exitPartial || !strings.Contains(out, " calls in ") {
		t.Errorf("of a load that is cut off: %d\n%s\n%s", code, out, errOut)
	}
	if out, errOut, code := commandLine(t, "export", file, "--k6", "-"); code != exitPartial || !strings.Contains(out, "k6/http") {
		t.Errorf("of a load that is cut off: %d\n%.500s\n%s", code, out, errOut)
	}
	if err := os.WriteFile(file, []byte("no load"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errOut, code := commandLine(t, "whatif", file); code != exitFailure || !strings.Contains(errOut, ";") {
		t.Errorf("a file that is no load: %d %s", code, errOut)
	}
}

// TestFilesOfAnotherKind: who gives a capture, a store, a load or a report where another one is expected is told what it is, and
// what makes or takes it.
func TestFilesOfAnotherKind(t *testing.T) {
	dir := t.TempDir()
	tap, file, runs, report := fixtures.Path(t, "odoo18-a"), filepath.Join(dir, "a.load"), filepath.Join(dir, "runs.perfd"), filepath.Join(dir, "r.json")
	if _, errOut, code := commandLine(t, "record", file, "--from", tap, "--keep-args", "*:*"); code != exitOK {
		t.Fatal(errOut)
	}
	t.Setenv("ODOO_PASSWORD", "right")
	url := miniOdoo(t)
	if _, errOut, code := commandLine(t, "replay", file, "--target", url, "--mode", "max", "--store", runs, "--json", report); code != exitOK {
		t.Fatal(errOut)
	}
	for _, tt := range []struct{ args, want string }{
		{"replay " + tap + " --target " + url, "it is a capture, not a load; perfd record OUT --from"},
		{"whatif " + tap, "it is a capture, not a load; perfd record OUT --from"},
		{"export --k6 - " + runs, "it is a perfd store, not a load; perfd record OUT --from"},
		{"record --show " + report, "it is JSON, not a load; perfd trend takes"},
		{"record " + dir + "/x --from " + file, "it is a load, not a capture; perfd record --show"},
		{"analyze " + file, "it is a load, not a capture; perfd record --show"},
		{"trend " + file, "it is a load, not a report; give files"},
		{"trend " + tap, "it is a capture, not a report; give files"},
		{"replay " + dir + " --target " + url, "is a folder; name a file"},
	} {
		if _, errOut, code := commandLine(t, strings.Fields(tt.args)...); code != exitFailure || !strings.Contains(errOut, tt.want) {
			t.Errorf("%s: %d %s", tt.args, code, errOut)
		}
	}
	for _, tt := range []struct{ args, want string }{
		{"whatif x --ttl 5", `--ttl must be a duration, as 30s, 5m or 1h30m, not "5"`}, {"whatif x --workers y", `--workers must be a whole number, not "y"`},
		{"replay x --speed fast", `--speed must be a number, as 1.5, not "fast"`}, {"replay x --cold=maybe", `--cold must be true or false, not "maybe"`},
		{"replay x --rpc-port y", "--rpc-port must be a port from 1 to 65535"}, {"record x --for 3", "--for must be a duration"},
		{"trend x --min-change much", "--min-change must be a number"}, {"export x --max-calls 1e3", "--max-calls must be a whole number"},
		{"record", "record takes a file: OUT, the load that it writes (captures are named by --from)"},
		{"record x.load y.pcap", "record takes one file: OUT, the load that it writes (captures are named by --from); not also y.pcap"},
		{"replay", "replay takes a file: LOAD, which perfd record makes"}, {"export a b", "not also b"}, {"whatif", "takes a file: LOAD"},
		{"replay x --methods \"a", "--methods must be a text, or several with commas"},
	} {
		if _, errOut, code := commandLine(t, strings.Fields(tt.args)...); code != exitUsage || !strings.Contains(errOut, tt.want) {
			t.Errorf("%s: %d %s", tt.args, code, errOut)
		}
	}
	copied := filepath.Join(dir, "copy.pcap.gz")
	text, err := os.ReadFile(tap)
	if err != nil {
		t.Fatal(err)
	}
	write(t, copied, text)
	for _, tt := range []struct{ args, want string }{
		{"record " + copied, "which is a capture; to record from it, perfd record OUT --from"}, {"record " + runs + " --from " + tap, "which is a perfd store; name another"},
		{"export " + file + " --k6 " + copied, "--k6 would overwrite"}, {"replay " + file + " --target x --json " + runs, "--json would overwrite"},
	} {
		if _, errOut, code := commandLine(t, strings.Fields(tt.args)...); code != exitUsage || !strings.Contains(errOut, tt.want) {
			t.Errorf("%s: %d %s", tt.args, code, errOut)
		}
	}
	out, _, code := commandLine(t, "analyze", runs)
	if code != exitOK || !strings.Contains(out, "runs.perfd holds no calls, and 1 report of perfd replay.") || !strings.Contains(out, "perfd trend runs.perfd") {
		t.Errorf("a store of reports alone: %d %s", code, out)
	}
	if out, _, _ := commandLine(t, "whatif", file); strings.Count(out, "kept for") != 1 || !strings.Contains(out, "kept for 10 s to 4 h ") || !strings.Contains(out, "of 1 MiB to 256 MiB ") {
		t.Errorf("caches that do the same are told apart: %s", out)
	}
}

func TestTrend(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.json")
	var runs []string
	for i := range 12 {
		var text strings.Builder
		study := compare.New(compare.Config{})
		p := study.Begin(compare.A, 1)
		for call := range 200 {
			p.Add(compare.Sample{Seq: int64(call), Method: "res.partner.read", Seconds: 0.01 * float64(1+i/6) * (1 + 0.001*float64(i%3))})
		}
		made := time.Date(2026, 3, 1+i, 0, 0, 0, 0, time.UTC)
		if err := report.JSON(&text, &report.Report{A: "a", Made: made, Load: report.Load{Name: "day.load"}, Comparison: study.Result()}); err != nil {
			t.Fatal(err)
		}
		name := file + made.Format("02")
		if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, name)
	}
	if out, errOut, code := commandLine(t, append([]string{"trend"}, runs...)...); code != exitOK || !strings.Contains(out, "slower since 2026-03-07 00:00:00") {
		t.Errorf("%d\n%s\n%s", code, out, errOut)
	}
	var turns []struct{ Method string }
	out, _, code := commandLine(t, append([]string{"trend", "--json", "--min-change", "500"}, runs...)...)
	if err := json.Unmarshal([]byte(out), &turns); err != nil || code != exitOK || turns == nil || len(turns) > 0 {
		t.Errorf("%d %v %s", code, err, out)
	}
	if _, _, code := commandLine(t, "trend"); code != exitUsage {
		t.Errorf("without runs: %d", code)
	}
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errOut, code := commandLine(t, "trend", file); code != exitFailure || !strings.Contains(errOut, "perfd replay --json") {
		t.Errorf("no report: %d %s", code, errOut)
	}
}

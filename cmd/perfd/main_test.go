package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/perfd/perfd/fixtures"
)

const sequential = "odoo18-a" // one user, calls strictly one after the other

// perfd runs a command line to its end.
func perfd(t *testing.T, stdin io.Reader, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, stdin, &o, &e)
	return code, o.String(), e.String()
}

// mustAnalyze returns what a successful analysis prints.
func mustAnalyze(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errOut := perfd(t, nil, append([]string{"analyze"}, args...)...)
	if code != exitOK || errOut != "" {
		t.Fatalf("perfd analyze %v: exit %d, %s", args, code, errOut)
	}
	return out
}

func TestUsageErrors(t *testing.T) {
	tap := filepath.Join(t.TempDir(), "tap.pcap")
	for _, tt := range []struct{ args, want string }{
		{"frobnicate", `unknown command "frobnicate"`},
		{"analyse x", `unknown command "analyse", did you mean analyze?`},
		{"analyze", "analyze needs a FILE"},
		{"analyze --frm x " + tap, "unknown flag: --frm, did you mean --from?"},
		{"analyze --format yaml " + tap, `--format must be text, json or html, not "yaml"`},
		{"analyze --from noon " + tap, "--from must be a time such as 15:04:05"},
		{"analyze --from +5s --to +5s " + tap, "--to must be after --from"},
		{"analyze --rpc-port 0 " + tap, "--rpc-port must be a port from 1 to 65535"},
		{"analyze --pg-port 70000 " + tap, "--pg-port must be a port from 1 to 65535"},
		{"analyze --pg-port 8069 --rpc-port 8069 " + tap, "port 8069 is named by --rpc-port and --pg-port"},
		{"analyze --top -1 " + tap, "--top must not be negative"},
		{"analyze --listen 127.0.0.1:1 " + tap, "--listen needs --serve"},
		{"analyze - " + tap, "standard input cannot be read together"},
		{"demo --listen 0.0.0.0:7070", "--listen must be a loopback address"},
		{"demo --listen 7070", "--listen must be host:port"},
		{"analyze --top abc " + tap, `--top must be a whole number, not "abc"; see perfd analyze --help`},
		{"analyze --rpc-port abc " + tap, "--rpc-port must be a port from 1 to 65535"},
		{"analyze --serve --listen 127.0.0.1:http " + tap, "--listen must be host:port"},
		{"demo --listen 127.0.0.1:99999", "--listen must be host:port"},
		{"frobnicate --help", `unknown command "frobnicate"`},
		{"demo now", "takes no arguments"},
		{"version now", "takes no arguments"},
	} {
		code, out, errOut := perfd(t, nil, strings.Fields(tt.args)...)
		if code != exitUsage || out != "" || !strings.Contains(errOut, tt.want) || strings.Count(errOut, "\n") != 1 {
			t.Errorf("perfd %s: exit %d, stdout %q, stderr %q; want exit %d and one line with %q", tt.args, code, out, errOut, exitUsage, tt.want)
		}
	}
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	write(t, text, []byte("not a capture at all, but long enough to have a head\n"))
	tap := fixtures.Path(t, sequential)
	empty := filepath.Join(dir, "empty.pcap")
	write(t, empty, nil)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{empty}, "is empty; record again"},
		{[]string{dir}, "is a folder; name the files in it"},
		{[]string{filepath.Join(dir, "none.pcap")}, "check the path"},
		{[]string{text}, "give a pcap, pcapng or perfd store"},
		{[]string{"--output", filepath.Join(dir, "no", "folder"), tap}, "check the folder that it is to be in"},
		{[]string{"--store", filepath.Join(dir, "no", "folder"), tap}, "make the folder"},
		{[]string{"--store", text, tap}, "only a perfd store is replaced"},
	} {
		code, _, errOut := perfd(t, nil, append([]string{"analyze"}, tt.args...)...)
		if code != exitFailure || !strings.Contains(errOut, tt.want) || strings.Count(errOut, "\n") != 1 {
			t.Errorf("perfd analyze %v: exit %d, stderr %q; want exit %d and one line with %q", tt.args, code, errOut, exitFailure, tt.want)
		}
	}
}

func TestAnalyzeJSON(t *testing.T) {
	tap := fixtures.Path(t, sequential)
	out := mustAnalyze(t, "--format", "json", tap)
	types := map[string]int{}
	last := 0.0
	lines := bufio.NewScanner(strings.NewReader(out))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var r struct {
			Type       string
			Start, End float64
			Time       map[string]float64
			Calls      int
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		types[r.Type]++
		switch r.Type {
		case "call":
			sum := 0.0
			for _, d := range r.Time {
				sum += d
			}
			if d := sum - (r.End - r.Start); d > 1e-5 || d < -1e-5 {
				t.Errorf("parts %v do not add up to %v", r.Time, r.End-r.Start)
			}
			fallthrough
		case "background":
			if r.Start < last {
				t.Errorf("line at %f after one at %f", r.Start, last)
			}
			last = r.Start
		case "summary":
			if r.Calls != types["call"] {
				t.Errorf("the summary counts %d calls, the lines are %d", r.Calls, types["call"])
			}
		}
	}
	if types["call"] < 100 || types["summary"] != 1 {
		t.Errorf("lines by type: %v", types)
	}
	if again := mustAnalyze(t, "--format", "json", tap); again != out {
		t.Error("the same file gave other bytes")
	}
	code, piped, errOut := perfd(t, bytes.NewReader(nil), "analyze", "--format", "json", "--rpc-port", "8069,8072", "--pg-port", "5433", tap)
	if code != exitOK || piped != out {
		t.Errorf("naming the ports changed the answer: exit %d, %s", code, errOut)
	}
}

func TestAnalyzeText(t *testing.T) {
	first, details, _ := strings.Cut(mustAnalyze(t, fixtures.Path(t, sequential)), "\n\nIN DETAIL")
	for _, want := range []string{"tap.pcap.gz", "1 user waited", "METHODS", "USERS", "admin", "STATEMENTS", "FINDINGS", "lacks nothing"} {
		if !strings.Contains(first, want) {
			t.Errorf("the first screen lacks %q", want)
		}
	}
	if n := strings.Count(first, "\n") + 1; n > 23 || details == "" {
		t.Errorf("%d lines, details: %q", n, details)
	}
}

func TestAnalyzeHTMLToFile(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.html")
	if out := mustAnalyze(t, "--format", "html", "--output", page, fixtures.Path(t, sequential)); out != "" {
		t.Errorf("printed %q", out)
	}
	b, err := os.ReadFile(page)
	if err != nil || !bytes.HasPrefix(b, []byte("<!doctype html>")) || !bytes.Contains(b, []byte("</html>")) {
		t.Errorf("page of %d bytes, %v", len(b), err)
	}
}

// calls decodes the start times of the calls of a JSON report.
func calls(t *testing.T, out string) []float64 {
	t.Helper()
	var starts []float64
	for line := range strings.Lines(out) {
		var r struct {
			Type  string
			Start float64
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Type == "call" {
			starts = append(starts, r.Start)
		}
	}
	return starts
}

func TestAnalyzeWindow(t *testing.T) {
	tap := fixtures.Path(t, sequential)
	all := calls(t, mustAnalyze(t, "--format", "json", tap))
	part := calls(t, mustAnalyze(t, "--format", "json", "--from", "+2s", "--to", "+5s", tap))
	rest := len(calls(t, mustAnalyze(t, "--format", "json", "--to", "+2s", tap))) + len(calls(t, mustAnalyze(t, "--format", "json", "--from", "+5s", tap)))
	if len(part) == 0 || len(part)+rest != len(all) {
		t.Fatalf("%d calls within, %d outside, %d in all", len(part), rest, len(all))
	}
	if part[0] < all[0]+1.9 || part[len(part)-1]-part[0] > 3 {
		t.Errorf("the window holds %f to %f, the recording begins at %f", part[0], part[len(part)-1], all[0])
	}
}

func TestAnalyzeStore(t *testing.T) {
	tap, kept := fixtures.Path(t, sequential), filepath.Join(t.TempDir(), "kept.perfd")
	direct := mustAnalyze(t, "--format", "json", "--store", kept, tap)
	if d := cmp.Diff(direct, mustAnalyze(t, "--format", "json", kept)); d != "" {
		t.Errorf("the store gives another answer than the capture (-capture +store):\n%.3000s", d)
	}
	if d := cmp.Diff(mustAnalyze(t, tap), mustAnalyze(t, kept)); d != "" {
		t.Errorf("the store gives another report (-capture +store):\n%s", d)
	}
	window := []string{"--format", "json", "--from", "+2s", "--to", "+5s"}
	want, got := calls(t, mustAnalyze(t, append(window, tap)...)), calls(t, mustAnalyze(t, append(window, kept)...))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the store gives other calls in a window:\n%s", d)
	}
}

func TestAnalyzeTruncated(t *testing.T) {
	pcap := fixtures.Tap(t, sequential)
	cut := filepath.Join(t.TempDir(), "cut.pcap")
	write(t, cut, pcap[:len(pcap)/2+7])
	code, out, errOut := perfd(t, nil, "analyze", cut)
	if code != exitPartial || !strings.Contains(out, "METHODS") || !strings.Contains(out, "The recording ends early") || strings.Count(errOut, "\n") != 1 {
		t.Errorf("exit %d, stderr %q; want exit %d with a report that says so:\n%s", code, errOut, exitPartial, out)
	}
}

// Two halves of a recording, given in the wrong order, are the whole.
func TestAnalyzeSeveralFiles(t *testing.T) {
	pcap := fixtures.Tap(t, sequential)
	middle := 24
	for middle < len(pcap)/2 {
		middle += 16 + int(le32(pcap[middle+8:]))
	}
	dir := t.TempDir()
	first, second, whole := filepath.Join(dir, "b.pcap"), filepath.Join(dir, "a.pcap"), filepath.Join(dir, "c.pcap")
	write(t, first, pcap[:middle])
	write(t, second, append(pcap[:24:24], pcap[middle:]...))
	write(t, whole, pcap)
	if mustAnalyze(t, "--format", "json", second, first) != mustAnalyze(t, "--format", "json", whole) {
		t.Error("the halves give another answer than the whole")
	}
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errOut bytes.Buffer
	if code := run(ctx, []string{"analyze", fixtures.Path(t, sequential)}, nil, &out, &errOut); code != exitInterrupted || out.Len() > 0 {
		t.Errorf("exit %d, stdout %q; want %d and nothing", code, out.String(), exitInterrupted)
	}
}

func TestVersion(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		if code, out, _ := perfd(t, nil, arg); code != exitOK || !strings.HasPrefix(out, "perfd ") || !strings.Contains(out, "go1.") {
			t.Errorf("%s: exit %d, %q", arg, code, out)
		}
	}
}

func TestPortInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	code, out, errOut := perfd(t, nil, "demo", "--listen", ln.Addr().String())
	if code != exitFailure || out != "" || !strings.Contains(errOut, "the port is in use; choose another with --listen") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, out, errOut)
	}
}

// The demo prints its address once it can be asked, answers, and ends well when interrupted.
func TestDemo(t *testing.T) {
	served(t, "demo", "--listen", "127.0.0.1:0")
}

func TestServe(t *testing.T) {
	served(t, "analyze", "--serve", "--listen", "127.0.0.1:0", fixtures.Path(t, sequential))
}

func served(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	var errOut bytes.Buffer
	code := make(chan int)
	go func() {
		c := run(ctx, args, nil, w, &errOut)
		_ = w.Close()
		code <- c
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("no address: %v, exit %d, %s", err, <-code, errOut.String())
	}
	_, rest, _ := strings.Cut(line, "http://")
	address, _, _ := strings.Cut(rest, " ")
	answer, err := http.Get("http://" + address + "/api/v1/source")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !json.Valid(body) {
		t.Errorf("status %d, %v: %.200s", answer.StatusCode, err, body)
	}
	_ = answer.Body.Close()
	cancel()
	if c := <-code; c != exitOK {
		t.Errorf("exit %d: %s", c, errOut.String())
	}
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

package main

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/perfd/perfd/client/clienttest"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/lab"
)

// k6Summary is what k6 says at the end.
type k6Summary struct {
	Metrics map[string]struct {
		Count, Value  float64
		Passes, Fails int64
	}
}

// k6Program is where k6 is; empty if there is none here.
func k6Program(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("k6")
	if err != nil {
		t.Log("there is no k6 here (go install go.k6.io/k6@latest): exported scripts are not run")
		return ""
	}
	return program
}

// runK6 exports a load and has k6 run the script; nil if there is no k6 here. It returns the number of calls exported.
func runK6(t *testing.T, file string, flags []string, env ...string) (*k6Summary, int64) {
	t.Helper()
	program := k6Program(t)
	dir := t.TempDir()
	script, summary := filepath.Join(dir, "load.js"), filepath.Join(dir, "summary.json")
	_, said := execute(t, exitOK, append([]string{"export", file, "--k6", script}, flags...)...)
	word, _, _ := strings.Cut(strings.TrimPrefix(said, "perfd: "), " ")
	calls, err := strconv.ParseInt(word, 10, 64)
	if err != nil || calls == 0 {
		t.Fatalf("exported: %s", said)
	}
	if program == "" {
		return nil, calls
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args := []string{"run", "--quiet", "--no-color", "--no-usage-report", "--address", "127.0.0.1:0", "--summary-export", summary, "-e", "MODE=think", "-e", "SPEED=20"}
	for _, e := range env {
		args = append(args, "-e", e)
	}
	out, err := exec.CommandContext(ctx, program, append(args, script)...).CombinedOutput()
	t.Logf("k6: %v\n%s", err, out)
	if err != nil {
		t.Error("k6 is not content")
	}
	text, err := os.ReadFile(summary)
	if err != nil {
		t.Fatal(err)
	}
	s := &k6Summary{}
	if err := json.Unmarshal(text, s); err != nil {
		t.Fatal(err)
	}
	return s, calls
}

// k6Users is a file of --users as the scripts want it.
func k6Users(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	return "USERS=" + strings.TrimSpace(string(b))
}

// TestK6OfRealOdoo has k6 send loads of a real Odoo to a server that says what that one said: every session logs in, every
// call is sent, once, and answered without error where it was.
func TestK6OfRealOdoo(t *testing.T) {
	for name, strange := range map[string]int64{"odoo18-a": 0, "odoo18-h": 0, "odoo18-e": 1} { // where visitors had no cookies
		t.Run(name, func(t *testing.T) {
			exchanges := clienttest.Read(t, fixtures.Tap(t, name))
			server := clienttest.Serve(t, exchanges)
			users, database := logins(t, exchanges)
			file := record(t, name, "--keep-args", "*:*", "--keep-logins")
			s, calls := runK6(t, file, []string{"--allow-writes"}, "TARGET="+server.URL, "DATABASE="+database, k6Users(t, users))
			if s == nil {
				return
			}
			m := s.Metrics
			t.Logf("%d calls exported, %.0f sent, %d checks passed, %d not, %.0f requests", calls, m["rpc_calls"].Count, m["checks"].Passes, m["checks"].Fails, m["http_reqs"].Count)
			if int64(m["rpc_calls"].Count) != calls || m["checks"].Fails > strange || m["checks"].Passes < calls || int(m["http_reqs"].Count) != server.Requests() {
				t.Errorf("of %d calls: %+v", calls, m)
			}
			if u := server.Unknown(); int64(len(u)) > strange {
				t.Errorf("asked what the recording does not have: %.500q", u)
			}
		})
	}
}

// TestK6OfRealTryton has k6 send what users did with a real trytond to that trytond again.
func TestK6OfRealTryton(t *testing.T) {
	if k6Program(t) == "" {
		return
	}
	pg := lab.TrytonPostgreSQL(t, lab.PostgresConfig{})
	server := lab.RunTrytond(t, lab.TrytondConfig{Postgres: pg})
	w := newTapline(t, server.Addr.String())
	if _, err := (lab.Crowd{Host: w.listener.Addr().String(), Users: 3, Bursts: 2}).Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, users := filepath.Join(dir, "work.load"), filepath.Join(dir, "users.yaml")
	write(t, users, []byte(crowdUsers))
	execute(t, exitOK, "record", file, "--from", w.recording(t), "--rpc-port", "8069", "--keep-args", "*:*", "--keep-logins")
	s, calls := runK6(t, file, nil, "TARGET=http://"+server.Addr.String(), "DATABASE="+lab.Database, k6Users(t, users))
	m := s.Metrics
	t.Logf("%d calls exported, %.0f sent, %d checks passed, %d not, %.0f requests", calls, m["rpc_calls"].Count, m["checks"].Passes, m["checks"].Fails, m["http_reqs"].Count)
	if int64(m["rpc_calls"].Count) != calls || m["checks"].Passes < calls || int64(m["http_reqs"].Count) != calls+3 {
		t.Errorf("of %d calls: %+v", calls, m)
	}
}

// TestK6OfForms has k6 send pages, forms and JSON bodies: what was typed goes where it went, with the token of the session.
func TestK6OfForms(t *testing.T) {
	out := filepath.Join(t.TempDir(), "forms.load")
	execute(t, exitOK, "record", out, "--from", formsRecording(t), "--keep-args", "*:*", "--keep-args", "-hr.payslip", "--keep-logins")
	s, got := formsServer(t, capturedUUID)
	summary, calls := runK6(t, out, []string{"--allow-writes"}, "TARGET="+s.URL, "DATABASE=copy", "PASSWORD=x")
	if summary == nil {
		return
	}
	want := []string{
		"GET /web/image field=image_128&id=7&model=res.partner&unique=abc", "POST /my/account city=Rome&name=Bob+Smith",
		"POST /web/export/csv data=" + url.QueryEscape(`{"model":"res.partner","fields":[{"name":"name"}],"ids":[1,2],"domain":[["name","=","Bob Smith"]]}`) + "&token=perfd-replay",
		`POST /shop/webhook shop=7 {"order":{"id":7,"total":1.50},"note":"Bob"}`,
	}
	if all := got(); !slices.Equal(all, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(all, "\n"), strings.Join(want, "\n"))
	}
	// One log-in and one token stand beside the calls.
	if m := summary.Metrics; calls != 4 || m["rpc_calls"].Count != 4 || m["checks"].Fails > 0 || m["http_reqs"].Count != 6 {
		t.Errorf("%d calls: %+v", calls, m)
	}
}

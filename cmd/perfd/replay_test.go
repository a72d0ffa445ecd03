package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perfd/perfd/client/clienttest"
	"github.com/perfd/perfd/client/xmlrpc"
	"github.com/perfd/perfd/fixtures"
)

// execute runs a command line and returns what it wrote.
func execute(t *testing.T, want int, args ...string) (out, errOut string) {
	t.Helper()
	var o, e strings.Builder
	if code := run(t.Context(), args, strings.NewReader(""), &o, &e); code != want {
		t.Fatalf("perfd %s: exit %d, want %d\n%s\n%s", strings.Join(args, " "), code, want, o.String(), e.String())
	}
	return o.String(), e.String()
}

// logins are the users of a recording of Odoo with their passwords, as a file of --users, and the database.
func logins(t *testing.T, exchanges []clienttest.Exchange) (file, database string) {
	t.Helper()
	var users strings.Builder
	seen := map[string]bool{}
	for _, x := range exchanges {
		var m struct {
			Params struct {
				DB, Login, Password string
				Args                []any
			}
		}
		_ = json.Unmarshal(x.Body, &m)
		if _, params, err := xmlrpc.Call(x.Body); err == nil {
			m.Params.Args = params
		}
		if args := m.Params.Args; len(args) >= 3 && (strings.HasPrefix(x.Path, "/xmlrpc") && strings.HasSuffix(x.Path, "/common") || x.Path == "/jsonrpc") {
			m.Params.DB, _ = args[0].(string)
			m.Params.Login, _ = args[1].(string)
			m.Params.Password, _ = args[2].(string)
		}
		if m.Params.Login == "" || seen[m.Params.Login] {
			continue
		}
		seen[m.Params.Login], database = true, m.Params.DB
		var answer struct{ Result int64 }
		_ = json.Unmarshal(x.Result, &answer)
		if v, err := xmlrpc.Answer(x.Result); err == nil {
			answer.Result, _ = v.(int64)
		}
		if answer.Result > 0 {
			fmt.Fprintf(&users, "%d: {login: %s, password: %q}\n", answer.Result, m.Params.Login, m.Params.Password)
		}
		fmt.Fprintf(&users, "%s: {login: %s, password: %q}\n", m.Params.Login, m.Params.Login, m.Params.Password)
	}
	file = filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(file, []byte(users.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, database
}

// told is what perfd replay says as JSON.
type told struct {
	Verdict, Sentence string
	Stopped           bool
	Failed            string
	A, B              string
	Comparison        struct {
		Rounds  int
		Overall struct{ A, B struct{ Calls, Errors int64 } }
	}
	Passes []struct {
		Arm                      string
		Sent, Errors, Cached     int64
		Mapped                   int
		Matches, Left, Differing map[string]int64
	}
	Doubts     []string
	Thresholds []struct{ State string }
	Answers    struct{ Compared, Alike int64 }
	Statements []struct{ Text string }
	Observed   struct {
		Sentence string
		A, B     struct{ Sent, Seen, Others, Statements, Exact, Lost int64 }
		Overall  seenRow
		Methods  []seenRow
		Doubts   []string
	}
}

// seenRow is what a tap saw of calls.
type seenRow struct {
	Method string
	Parts  []struct {
		Name        string
		A, B, Delta float64
		Shown       bool
	}
	Statements []struct {
		Text string
		A, B struct{ Calls, Seconds float64 }
	}
}

// replayJSON runs perfd replay and reads what it says.
func replayJSON(t *testing.T, want int, args ...string) told {
	t.Helper()
	file := filepath.Join(t.TempDir(), "out.json")
	out, errOut := execute(t, want, append([]string{"replay", "--json", file}, args...)...)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, errOut)
	}
	var r told
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if t.Failed() || testing.Verbose() {
		t.Log(out)
	}
	return r
}

// asRecorded is the share of answers that are the recorded ones.
func asRecorded(m map[string]int64) float64 {
	return float64(m["same"]) / float64(max(1, m["same"]+m["different"]+m["failed"]+m["recovered"]))
}

// TestReplayOfRealOdoo records a load out of a recording of a real Odoo and replays it to a server that says what that
// one said: at least 99 % of the answers are the recorded ones, of cookie sessions and of services with keys.
func TestReplayOfRealOdoo(t *testing.T) {
	for name, calls := range map[string]int64{"odoo18-a": 140, "odoo18-h": 170, "odoo18-e": 200} {
		t.Run(name, func(t *testing.T) {
			sessions := "*"
			if name == "odoo18-e" { // but for those in which nobody logged in
				sessions = "admin,alice,chloe,ines"
			}
			exchanges := clienttest.Read(t, fixtures.Tap(t, name))
			server := clienttest.Serve(t, exchanges)
			users, database := logins(t, exchanges)
			file := record(t, name, "--keep-args", "*:*", "--keep-logins")
			r := replayJSON(t, exitOK, file, "--target", server.URL, "--database", database, "--users", users, "--mode", "think", "--speed", "20",
				"--keep-ids", "--target-is", database, "--allow-writes", "--sessions", sessions)
			p := r.Passes[0]
			if p.Sent < calls || asRecorded(p.Matches) < 0.99 {
				t.Errorf("%d sent, %.3f as recorded: %v %v %q", p.Sent, asRecorded(p.Matches), p.Differing, p.Left, r.Doubts)
			}
			if u := server.Unknown(); len(u) > 0 {
				t.Errorf("asked what the recording does not have: %.500q", u)
			}
		})
	}
}

// TestReplayMistakes has each mistake in the command line told with what to do.
func TestReplayMistakes(t *testing.T) {
	file := record(t, "odoo18-a")
	kept := record(t, "odoo18-a", "--keep-args", "*:*")
	users := filepath.Join(t.TempDir(), "users.yaml")
	write(t, users, []byte("a: {login: x, pasword: y}\n"))
	for args, want := range map[string]string{
		"":                 "no server is named; give --target",
		"--target ftp://x": `--target: read address ftp://x: scheme "ftp", want http or https; as http://`,
		"--target x --target-b http://u:canary@x":            "--target-b: read address http://u:xxxxx@x: a user stands in it",
		"--target x --rounds 0":                              "--rounds must be from 1 to 1000",
		"--target x --cache disk":                            "--cache must be off, memory, redis or tiered",
		"--target x --mode fast":                             `mode "fast": want timeline, think, rate or max`,
		"--target x --mode rate":                             "want calls a second",
		"--target x --rate 5":                                "give --mode rate",
		"--target x --speed -1":                              "--speed must be above 0, not -1",
		"--target x --sessions [":                            `pattern "["`,
		"--target x --before-a true":                         "give --before-b, --target-b or --cache too",
		"--target x --allow-dangerous post":                  "writes have to be allowed too",
		"--target x --allow-writes --allow-dangerous sale.*": "each has to be named in full",
		"--target x --fail-if p95(all)>5":                    "write as 'p95(res.partner.*) > +5%'",
		"--target x --cache redis":                           "give --redis, or set REDIS_URL",
		"--target x --pg-port 5432":                          "give --tap",
		"--target x --tap lo --pg-port 70000":                "a port must be from 1 to 65535",
		"--target x --tap lo --watched x.db":                 "two ways to the same",
		"--target x --pyroscope host:4040":                   "must begin with http:// or https://",
		"--target x --tap a-name-that-is-too-long":           "must be names of network interfaces",
		"--target x --json y --html y":                       "cannot both go to y",
	} {
		_, errOut := execute(t, exitUsage, append([]string{"replay", kept}, strings.Fields(args)...)...)
		if !strings.Contains(errOut, want) {
			t.Errorf("%s: %s, want %q", args, errOut, want)
		}
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{file, "--target", "http://127.0.0.1:1"}, "the load has no arguments: it can be counted, not sent; record it with --keep-args"},
		{[]string{kept, "--target", "http://127.0.0.1:1", "--users", users}, "want a login, or login with one of password"},
		{[]string{kept, "--target", "http://127.0.0.1:1", "--users", users + ".none"}, "check the path"},
		{[]string{users, "--target", "http://127.0.0.1:1"}, "not a perfd load"},
		{[]string{kept, "--target", "http://127.0.0.1:1", "--watched", users}, "--watched takes the store that a perfd watch"},
	} {
		if _, errOut := execute(t, exitFailure, append([]string{"replay"}, tt.args...)...); !strings.Contains(errOut, tt.want) {
			t.Errorf("%s: %s, want %q", tt.args, errOut, tt.want)
		}
	}
}

// TestReplayOfTwoArms compares a server with itself behind the caching client: what the cache answers is told apart, a
// threshold that is not kept is the exit status, and the page of HTML is written.
func TestReplayOfTwoArms(t *testing.T) {
	url := miniOdoo(t)
	exchanges := clienttest.Read(t, fixtures.Tap(t, "odoo18-h"))
	_, database := logins(t, exchanges)
	file, page := record(t, "odoo18-h", "--keep-args", "*:*"), filepath.Join(t.TempDir(), "x.html")
	t.Setenv("ODOO_PASSWORD", "right")
	r := replayJSON(t, exitThreshold, file, "--target", url, "--database", database, "--mode", "max", "--rounds", "3", "--cache", "memory", "--target-is", database,
		"--html", page, "--fail-if", "hits(all) >= 1%", "--fail-if", "errors(all) > 50%", "--sessions", "user1,user2")
	var hits int64
	for _, p := range r.Passes {
		if p.Cached > 0 && p.Arm != "B" {
			t.Errorf("%d answers of %s came from a cache", p.Cached, p.Arm)
		}
		hits += p.Cached
	}
	if hits == 0 || len(r.Passes) < 8 || len(r.Thresholds) != 2 || r.Thresholds[0].State != "broken" || r.Thresholds[1].State != "kept" {
		t.Errorf("%d hits in %d passes, %+v", hits, len(r.Passes), r.Thresholds)
	}
	if b, err := os.ReadFile(page); err != nil || !strings.Contains(string(b), "<html") {
		t.Errorf("the page: %v", err)
	}
}

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
	Passes            []struct {
		Arm                      string
		Sent, Errors, Cached     int64
		Mapped                   int
		Matches, Left, Differing map[string]int64
	}
	Doubts     []string
	Thresholds []struct{ State string }
	Answers    struct{ Compared, Alike int64 }
	Statements []struct{ Text string }
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
	for name, calls := range map[string]int64{"odoo18-a": 140, "odoo18-h": 170, "odoo18-e": 95} {
		t.Run(name, func(t *testing.T) {
			sessions := "*"
			if name == "odoo18-e" { // the others' calls are of forms that a load does not tell apart from these
				sessions = "admin,alice"
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

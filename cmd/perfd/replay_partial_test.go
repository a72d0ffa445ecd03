package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/perfd/perfd/client/clienttest"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/replay/compare"
)

// partial runs perfd replay of two sessions and returns what it wrote, with its report as JSON.
func partial(t *testing.T, ctx context.Context, args ...string) (code int, out, errOut string, r told) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "out.json")
	var o, e strings.Builder
	code = run(ctx, append([]string{"replay", "--json", file, "--mode", "max", "--sessions", "user1,user2"}, args...), strings.NewReader(""), &o, &e)
	if b, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
	}
	return code, o.String(), e.String(), r
}

// TestReplayThatIsEndedTellsWhatItMeasured ends benchmarks of two arms in their middle: by a command before a pass that fails,
// and by an interrupt at any time.
func TestReplayThatIsEndedTellsWhatItMeasured(t *testing.T) {
	server := miniOdoo(t)
	_, database := logins(t, clienttest.Read(t, fixtures.Tap(t, "odoo18-h")))
	file := record(t, "odoo18-h", "--keep-args", "*:*")
	t.Setenv("ODOO_PASSWORD", "right")
	flags := []string{file, "--target", server, "--database", database, "--target-is", database, "--rounds", "4"}
	times := filepath.Join(t.TempDir(), "times")

	// The fourth pass of B is its third that counts: two rounds are whole.
	fails := fmt.Sprintf("echo x >> %[1]s; test $(wc -l < %[1]s) -lt 4 || { echo no snapshot; exit 3; }", times)
	code, out, errOut, r := partial(t, t.Context(), append(flags, "--before-b", fails)...)
	if code != exitFailure || len(r.Passes) != 7 || !strings.HasPrefix(out, "No verdict after 2 of 4 rounds") || !strings.Contains(errOut, "no snapshot") || !strings.Contains(errOut, "pass 8 of 10 (B)") {
		t.Errorf("exit %d, %d passes\n%s\n%s", code, len(r.Passes), out, errOut)
	}
	if !strings.HasPrefix(errOut, "perfd sends the load 10 times, 2 of them to warm up\n1/10 A, to warm up: ") || strings.Count(errOut, " sent, 0 errors, in ") != 7 {
		t.Errorf("what is to come, and each pass, is not told:\n%s", errOut)
	}
	if doubts := strings.Join(r.Doubts, " "); !strings.Contains(doubts, "could not go on: pass 8 of 10 (B)") || r.Failed == "" {
		t.Errorf("failed %q, doubts %q", r.Failed, doubts)
	}
	if err := os.Remove(times); err != nil {
		t.Fatal(err)
	}
	if code, out, errOut, r := partial(t, t.Context(), append(flags, "--before-a", "exit 3", "--before-b", "true")...); code != exitFailure || out != "" ||
		!strings.Contains(errOut, "pass 1 of 10 (A)") || r.Verdict != "invalid" || !strings.Contains(r.Sentence, "Nothing was measured: pass 1 of 10 (A)") {
		t.Errorf("nothing was measured: exit %d\n%s\n%s", code, out, errOut)
	}

	at, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	for _, calls := range []int64{1, 20, 60, 90, 130} { // a pass has some thirty requests
		ctx, cancel := context.WithCancel(t.Context())
		var asked atomic.Int64
		through := httptest.NewServer(interrupting{httputil.NewSingleHostReverseProxy(at), func() {
			if asked.Add(1) == calls {
				cancel()
			}
		}})
		own := append([]string{}, flags...)
		own[2] = through.URL
		code, out, errOut, r := partial(t, ctx, append(own, "--database-b", database, "--target-b-is", database)...)
		through.Close()
		cancel()
		if code != exitInterrupted || !r.Stopped || out == "" {
			t.Errorf("interrupted after %d requests: exit %d, stopped %v\n%s\n%s", calls, code, r.Stopped, out, errOut)
		}
		c := r.Comparison
		if c.Overall.A.Calls != c.Overall.B.Calls && c.Rounds > 0 || c.Rounds == 0 && c.Overall.B.Calls > 0 {
			t.Errorf("interrupted after %d requests: %d rounds, %d calls of A, %d of B", calls, c.Rounds, c.Overall.A.Calls, c.Overall.B.Calls)
		}
		for _, line := range strings.Split(out, "\n") {
			if len([]rune(line)) > 100 {
				t.Errorf("%q", line)
			}
		}
	}
}

type interrupting struct {
	http.Handler
	asked func()
}

func (i interrupting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.asked()
	i.Handler.ServeHTTP(w, r)
}

// TestReplayOfNothing: a replay that sends nothing is no success, and says why.
func TestReplayOfNothing(t *testing.T) {
	server := miniOdoo(t)
	_, database := logins(t, clienttest.Read(t, fixtures.Tap(t, "odoo18-h")))
	file := record(t, "odoo18-h", "--keep-args", "*:*")
	t.Setenv("ODOO_PASSWORD", "right")
	code, out, errOut, r := partial(t, t.Context(), file, "--target", server, "--database", database, "--target-is", database, "--methods", "no.such.*")
	if code != exitFailure || !strings.HasPrefix(out, "No call was sent: ") || !strings.Contains(out, "not chosen by --sessions and --methods") || !strings.Contains(errOut, "no call was sent") || r.Verdict != "invalid" {
		t.Errorf("exit %d, %q\n%s\n%s", code, r.Verdict, out, errOut)
	}
}

// TestAnUndecidedThresholdIsSaid beside an exit status that does not tell of it.
func TestAnUndecidedThresholdIsSaid(t *testing.T) {
	var errOut strings.Builder
	tellUndecided(&errOut, []compare.Outcome{
		{Threshold: "p50(all) > 1s", State: compare.Kept}, {Threshold: "p95(all) > +5%", State: compare.Undecided, Reasons: []string{"all calls: may be chance"}},
	})
	if got := errOut.String(); got != "threshold undecided: p95(all) > +5% (all calls: may be chance)\n" {
		t.Errorf("%q", got)
	}
}

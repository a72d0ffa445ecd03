package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perfd/perfd/client/clienttest"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/replay/bench"
	"github.com/perfd/perfd/replay/compare"
)

// TestReplayPushesProfiles has a replay send its profiles, the last of them too, to a server that takes them.
func TestReplayPushesProfiles(t *testing.T) {
	var mu sync.Mutex
	var names []string
	var users = map[string]bool{}
	pyroscope := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		user, _, _ := r.BasicAuth()
		users[user] = true
		names = append(names, r.URL.Query().Get("name"))
	}))
	defer pyroscope.Close()
	url := miniOdoo(t)
	exchanges := clienttest.Read(t, fixtures.Tap(t, "odoo18-h"))
	_, database := logins(t, exchanges)
	file := record(t, "odoo18-h", "--keep-args", "*:*")
	t.Setenv("ODOO_PASSWORD", "right")
	t.Setenv("PERFD_PYROSCOPE_USER", "tenant")
	t.Setenv("PERFD_PYROSCOPE_PASSWORD", "x")
	execute(t, exitOK, "replay", file, "--target", url, "--database", database, "--mode", "max", "--rounds", "1", "--cold", "--target-is", database,
		"--sessions", "user1,user2", "--pyroscope", pyroscope.URL)
	mu.Lock()
	defer mu.Unlock()
	if len(names) == 0 || !users["tenant"] {
		t.Fatalf("pushed %q by %v", names, users)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "perfd") || !strings.Contains(name, "command=replay") || !strings.Contains(name, "mode=max") || !strings.Contains(name, "run=20") {
			t.Errorf("tags %s", name)
		}
	}
}

// TestPassesAreLabelled: samples of a pass carry its side and round.
func TestPassesAreLabelled(t *testing.T) {
	o := replayOptions{mode: "timeline"}
	made := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, c := range []struct {
		pass        bench.Pass
		side, round string
	}{{bench.Pass{Arm: compare.B, Round: 3}, "B", "3"}, {bench.Pass{Arm: compare.A}, "A", "warm-up"}} {
		got := map[string]string{}
		err := o.labelled(made)(t.Context(), c.pass, func(ctx context.Context) error {
			pprof.ForLabels(ctx, func(k, v string) bool { got[k] = v; return true })
			return nil
		})
		if err != nil || got["side"] != c.side || got["round"] != c.round || got["run"] != "20260304T050607Z" || got["mode"] != "timeline" {
			t.Errorf("%v, %v", got, err)
		}
	}
}

package main

import (
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/client/clienttest"
	"github.com/perfd/perfd/fixtures"
)

// TestReplayIsSeen has a tap of its own, or a perfd that watches, see the calls of a replay, each in its arm; what is not to
// be seen, the database or all of it, is said.
func TestReplayIsSeen(t *testing.T) {
	server := miniOdoo(t)
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	_, database := logins(t, clienttest.Read(t, fixtures.Tap(t, "odoo18-h")))
	file := record(t, "odoo18-h", "--keep-args", "*:*")
	t.Setenv("ODOO_PASSWORD", "right")
	flags := []string{
		file, "--target", server, "--database", database, "--mode", "max", "--target-is", database, "--sessions", "user1,user2", "--rounds", "2", "--cold", "--database-b", database,
	}
	if capture.LivePermitted() != nil {
		if _, errOut := execute(t, exitFailure, append([]string{"replay", "--tap", "lo"}, flags...)...); !strings.Contains(errOut, "open tap") {
			t.Errorf("a tap that is not permitted: %s", errOut)
		}
		return
	}
	w := startWatch(t, "--rpc-port", u.Port(), "--pg-port", "1")
	for name, c := range map[string]struct {
		flags []string
		sees  bool
		doubt string
	}{
		"tap":         {[]string{"--tap", "lo", "--pg-port", "1"}, true, "--pg-port has to name its port"},
		"blind":       {[]string{"--tap", "lo", "--pg-port", "1", "--rpc-port", "2"}, false, "The tap saw none of"},
		"watched":     {[]string{"--watched", w.store}, true, "--pg-port has to name its port"},
		"any is all":  {[]string{"--tap", "any", "--pg-port", "1"}, true, "--pg-port has to name its port"},
		"not at all.": {nil, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := replayJSON(t, exitOK, append(c.flags, flags...)...)
			o := &r.Observed
			if c.sees && (o.A.Sent < 20 || o.A.Seen != o.A.Sent || o.B.Sent != o.A.Sent || o.B.Seen != o.B.Sent || o.A.Others == 0 || len(o.Methods) < 3) || !c.sees && o.A.Seen+o.B.Seen > 0 {
				t.Errorf("A %+v, B %+v, %d methods", o.A, o.B, len(o.Methods))
			}
			if doubts := strings.Join(r.Doubts, "\n"); !strings.Contains(doubts, c.doubt) {
				t.Errorf("doubts %q, want %q", doubts, c.doubt)
			}
		})
	}
	if code := w.stop(syscall.SIGINT); code != exitOK {
		t.Errorf("perfd watch: exit %d, %s", code, w.stderr())
	}
	none := filepath.Join(t.TempDir(), "none.db")
	if _, errOut := execute(t, exitFailure, append([]string{"replay", "--watched", none}, flags...)...); !strings.Contains(errOut, "none.db") {
		t.Errorf("a store that is not there: %s", errOut)
	}
}

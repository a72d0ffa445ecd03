package analyzer

import (
	"testing"
	"time"
)

// The clock is set forward by a day while a server is watched: no call and no statement is lost, and what belonged
// together still does, but for what was under way at that moment.
func TestWatchedServerClockSetForward(t *testing.T) {
	for _, name := range []string{"odoo18-a", "tryton60-a", "odoo18-h"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, plain := watch(t, name, Config{})
			_, s := watchStepped(t, name, Config{}, 24*time.Hour)
			t.Logf("attributed %.2f %%, %.2f %% without", 100*s.Attributed.Rate(), 100*plain.Attributed.Rate())
			if s.Calls != plain.Calls || s.Found != plain.Found || s.Extra != plain.Extra {
				t.Errorf("calls %+v, statements %+v, %d made up; without %+v, %+v, %d", s.Calls, s.Found, s.Extra, plain.Calls, plain.Found, plain.Extra)
			}
			if s.Attributed.Rate() < plain.Attributed.Rate()-0.01 {
				t.Errorf("attributed %.2f %%, %.2f %% without", 100*s.Attributed.Rate(), 100*plain.Attributed.Rate())
			}
		})
	}
}

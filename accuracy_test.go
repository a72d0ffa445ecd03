package perfd_test

import (
	"testing"

	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/fixtures/truth"
)

func judge(t *testing.T, name string, c *collector) truth.Score {
	t.Helper()
	want, err := truth.Read(fixtures.Truth(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return truth.Judge(want, c.answers())
}

func atLeast(t *testing.T, what string, got truth.Share, percent float64) {
	t.Helper()
	if got.Of == 0 || got.Rate()*100 < percent {
		t.Errorf("%s: %d of %d, want %.1f %%", what, got.Right, got.Of, percent)
	}
}

// attributed is the least share of statements, in percent, that each fixture's answer must give to the
// right call: all where calls follow each other, and what the evidence allows where they overlap.
var attributed = map[string]float64{
	"odoo18-a":   100,
	"tryton60-a": 100,
	"odoo18-e":   97,
	"odoo18-h":   97,
	"tryton60-c": 97,
	"demo":       97,
}

func TestAccuracy(t *testing.T) {
	for _, name := range fixtures.Names() {
		t.Run(name, func(t *testing.T) {
			percent, ok := attributed[name]
			if !ok {
				t.Fatalf("no threshold for %s", name)
			}
			s := judge(t, name, run(t, fixtures.Tap(t, name)))
			atLeast(t, "calls found", s.Calls, 99.5)
			atLeast(t, "paths", s.Path, 99.5)
			atLeast(t, "models", s.Model, 99.5)
			atLeast(t, "methods", s.Method, 99.5)
			atLeast(t, "statuses", s.Status, 99.5)
			atLeast(t, "errors", s.Failed, 99.5)
			atLeast(t, "users", s.UID, 99.5)
			atLeast(t, "statements found", s.Found, 99.9)
			atLeast(t, "statements given to the right call", s.Attributed, percent)
			atLeast(t, "statements given to the right method", s.MethodRight, 97)
			if s.Sure.Of > 0 {
				atLeast(t, "sure statements", s.Sure, 99.9)
			}
			if b := s.BackgroundWrong; b.Right*50 > b.Of {
				t.Errorf("%d of %d background statements given to a call, want 2 %% or fewer", b.Right, b.Of)
			}
			t.Logf("attributed %.2f %%, method %.2f %%, sure %d of %d", 100*s.Attributed.Rate(), 100*s.MethodRight.Rate(), s.Sure.Right, s.Sure.Of)
		})
	}
}

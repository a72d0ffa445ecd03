package web

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSecondsRoundTrip writes any time and reads it back without loss.
func TestSecondsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 9e18).Draw(t, "ns")
		text := string(appendSeconds(nil, n))
		if got, ok := parseSeconds(text); !ok || got != n {
			t.Fatalf("%d becomes %q becomes %d", n, text, got)
		}
		if text := string(appendSeconds(nil, -n)); n != 0 && text[0] != '-' {
			t.Fatalf("-%d becomes %q", n, text)
		}
	})
}

func FuzzParameters(f *testing.F) {
	f.Add("from=1767603600.5&min=0.25&user=a&user=b&sort=wait&limit=5")
	f.Add("session=%00&class=all&shape=zz;q=1")
	f.Fuzz(func(t *testing.T, query string) {
		p := newParams(query)
		filter, page := p.filter(), p.page(100, callWords, callKeys...)
		if !p.done() {
			if p.problem == nil || p.problem.Message == "" {
				t.Fatal("a refusal without a word")
			}
			return
		}
		if filter.Min < 0 || filter.Max < 0 || page.Limit < 1 || page.Limit > 1000 || page.Offset < 0 || filter.From.Before(time.Time{}) {
			t.Fatalf("%q is taken as %+v, %+v", query, filter, page)
		}
	})
}

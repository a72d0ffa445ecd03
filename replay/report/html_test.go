package report

import (
	"bytes"
	"encoding/xml"
	"os"
	"strings"
	"testing"

	"github.com/perfd/perfd/replay/compare"
)

func html(t *testing.T, r *Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := HTML(&out, r, HTMLConfig{}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestHTMLIsOnePageWithoutHarm(t *testing.T) {
	got := html(t, full())
	if dir := os.Getenv("PERFD_PAGE"); dir != "" {
		if err := os.WriteFile(dir, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, harm := range []string{"<script", "alert(1)</script>", "http-equiv=\"refresh", "url(", "<link", "<img", "@import", "\x1b", "ZgotmplZ", "NaN", "Inf", "%!"} {
		if strings.Contains(got, harm) {
			t.Errorf("%q stands in the page", harm)
		}
	}
	if n := strings.Count(got, "src="); n > 0 {
		t.Errorf("%d things are loaded", n)
	}
	for _, want := range []string{"B is faster", "What could make this wrong", "&lt;script&gt;", "default-src 'none'", "errors differ", "geo"} {
		if want != "geo" && !strings.Contains(got, want) {
			t.Errorf("not in the page: %q", want)
		}
	}
	// Every drawing is well-formed.
	rest := got
	drawings := 0
	for {
		from := strings.Index(rest, "<svg")
		if from < 0 {
			break
		}
		to := strings.Index(rest[from:], "</svg>") + from + len("</svg>")
		if err := xml.Unmarshal([]byte(rest[from:to]), new(struct{})); err != nil {
			t.Errorf("%v in %.200s", err, rest[from:to])
		}
		drawings++
		rest = rest[to:]
	}
	if drawings < 8 {
		t.Errorf("%d drawings", drawings)
	}
}

func TestTheCacheStandsApart(t *testing.T) {
	r := full()
	r.Comparison.Overall.B.Hits, r.Comparison.Overall.B.HitP50 = 42000, 25e-6
	for name, got := range map[string]string{"HTML": html(t, r), "text": text(t, r, TextConfig{})} {
		if !strings.Contains(got, "cache answered 50 % of") {
			t.Errorf("%s does not tell of the cache", name)
		}
	}
}

func TestHTMLOfLittle(t *testing.T) {
	one := full()
	one.B = ""
	for name, r := range map[string]*Report{
		"nothing":   {},
		"one arm":   one,
		"no rounds": {B: "b", Comparison: compare.New(compare.Config{}).Result()},
		"one round": {B: "b", Comparison: oneRound()},
	} {
		got := html(t, r)
		if !strings.Contains(got, "</html>") || strings.Contains(got, "NaN") || strings.Contains(got, "Inf") {
			t.Errorf("%s: the page is not whole, or has what is no number", name)
		}
		text(t, r, TextConfig{})
	}
}

// oneRound is of one call on each side, in no time.
func oneRound() *compare.Comparison {
	s := compare.New(compare.Config{})
	for _, arm := range []compare.Arm{compare.A, compare.B} {
		s.Begin(arm, 1).Add(compare.Sample{Method: "m"})
	}
	return s.Result()
}

package report

import (
	"bytes"
	"fmt"
	"html"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/figures"
)

func testSummary(n int) analyzer.Summary {
	b := analyzer.Breakdown{Wait: 40 * time.Millisecond, Application: 400 * time.Millisecond, SQL: 1200 * time.Millisecond, Transfer: 9 * time.Millisecond}
	s := analyzer.Summary{
		From: at(0), To: at(12_000_000), Calls: 151, Errors: 2, Statements: 3305, Attributed: 3300, Exact: 3200,
		Packets: 10472, Total: b, Waited: b.Sum(),
	}
	for i := range n {
		d := time.Duration(n-i) * 100 * time.Millisecond
		g := analyzer.Group{Key: fmt.Sprintf("very.long.model.name.of.a.module_%d.web_search_read", i), Calls: int64(n - i), Errors: int64(i % 2),
			Statements: 1234, Total: d, P50: d / 3, P95: d / 2, Max: d, Time: analyzer.Breakdown{SQL: d / 2, Application: d - d/2}}
		s.Methods = append(s.Methods, g)
		g.Key = fmt.Sprintf("user%d", i)
		s.Users = append(s.Users, g)
		s.Shapes = append(s.Shapes, analyzer.ShapeGroup{Fingerprint: uint64(i), Statements: 99, Calls: 9, Total: d, P95: d / 9, Max: d,
			Text: `SELECT "a"."id", "a"."name", "a"."<b>other</b>" FROM "res_partner" AS "a" WHERE "a"."id" IN ( ? ) ORDER BY "a"."name"`})
		s.Findings = append(s.Findings, analyzer.FindingGroup{Rule: "n-plus-one", Method: g.Key, Calls: int64(i + 1), Cost: d,
			Title: "41 × SELECT res_partner took 0.38 s of 0.61 s", Fix: "Read the res_partner records together."})
	}
	return s
}

func text(t *testing.T, s analyzer.Summary, cfg TextConfig) string {
	t.Helper()
	var out bytes.Buffer
	if err := Text(&out, s, cfg); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// The first screen answers on a terminal of 24 rows, whatever there is to say.
func TestTextFitsTheScreen(t *testing.T) {
	for _, n := range []int{0, 1, 3, 10, 40} {
		for _, width := range []int{80, 100} {
			for notices := range 4 {
				for serious := range notices + 1 {
					s := testSummary(n)
					for i := range notices {
						s.Notices = append(s.Notices, analyzer.Notice{Title: fmt.Sprint("This is what was lacking, at some length, as notice ", i, "."), Fix: "Fix."})
					}
					s.Serious = serious
					cfg := TextConfig{Width: width, Names: []string{strings.Repeat("long", 40) + ".pcap.gz"}, Agreement: Agreement(812, 815)}
					whole := text(t, s, cfg)
					for l := range strings.Lines(whole) {
						if c := utf8.RuneCountInString(strings.TrimSuffix(l, "\n")); c > width {
							t.Errorf("%d columns: %q", c, l)
						}
					}
					first, _, _ := strings.Cut(whole, "\n\nIN DETAIL")
					cfg.Height = 24
					for _, screen := range []string{first + "\n", text(t, s, cfg)} {
						if lines := strings.Count(screen, "\n"); lines > 23 {
							t.Errorf("%d rows, %d notices, %d serious: %d lines\n%s", n, notices, serious, lines, screen)
						}
						for _, want := range []string{"In 12.0 s", "in 151 calls", "3,305 statements", "the background", "SQL 1.20 s", "METHODS", "user0", "STATEMENTS", "FINDINGS", "lack"} {
							if optional := want != strings.ToUpper(want) && want != "user0"; !strings.Contains(strings.ToLower(screen), strings.ToLower(want)) && (optional || n > 0) && (want != "lack" || serious == 0) {
								t.Errorf("%d rows, %d notices, %d serious: lacks %q\n%s", n, notices, serious, want, screen)
							}
						}
					}
				}
			}
		}
	}
}

// Details follow where they push nothing out of sight, and where they were asked for.
func TestTextDetails(t *testing.T) {
	s := testSummary(12)
	for _, tt := range []struct {
		cfg     TextConfig
		details bool
	}{
		{TextConfig{}, true}, {TextConfig{Height: 24}, false}, {TextConfig{Height: 400}, true}, {TextConfig{Height: 24, Top: 3}, true},
		{TextConfig{Height: 24, Gone: true}, true},
	} {
		got := text(t, s, tt.cfg)
		if strings.Contains(got, "IN DETAIL") != tt.details || strings.Contains(got, "More on each") == tt.details {
			t.Errorf("%+v:\n%s", tt.cfg, got)
		}
		if advised := strings.Contains(got, "--top"); advised == tt.cfg.Gone {
			t.Errorf("%+v: an option is advised: %v", tt.cfg, advised)
		}
		if n := strings.Count(got, "\n"); !tt.details && n != tt.cfg.Height-1 {
			t.Errorf("%+v: %d lines", tt.cfg, n)
		}
	}
}

// Transactions and resets are told of in one line, unless they take long.
func TestTextFrames(t *testing.T) {
	s := testSummary(2)
	for _, name := range []string{"BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN", "DISCARD ALL", "commit;"} {
		s.Shapes = append(s.Shapes, analyzer.ShapeGroup{Text: name, Statements: 500, Total: time.Millisecond})
	}
	got := text(t, s, TextConfig{})
	if !strings.Contains(got, "\naround them: BEGIN ×1,000 2.00 ms, DISCARD ×500 1.00 ms, COMMIT ×500 1.00 ms\n") || strings.Contains(got, "\nDISCARD ALL") || !strings.Contains(got, "STATEMENTS ") {
		t.Errorf("got\n%s", got)
	}
	s.Shapes[len(s.Shapes)-1].Total = time.Second
	if got := text(t, s, TextConfig{}); strings.Count(got, "\nCOMMIT  ") != 2 || strings.Contains(got, "COMMIT ×") {
		t.Errorf("a slow commit is no row of its own:\n%s", got)
	}
}

func TestTextAnswers(t *testing.T) {
	s := testSummary(3)
	s.Notices = []analyzer.Notice{{Title: "The recording holds no PostgreSQL traffic.", Fix: "Set db_host."}}
	got := text(t, s, TextConfig{Names: []string{"odoo.pcap"}})
	for _, want := range []string{
		"odoo.pcap  2026-11-22", "10,472 packets", "In 12.0 s, 3 users waited 1.65 s in 151 calls, 2 of which failed; 73 % of it in SQL.",
		"3,305 statements: 99.8 % in calls (97 % beyond doubt), 0.2 % in the background.", "SQL 1.20 s 73 %", "METHODS", "USERS", "user0",
		"SELECT res_partner by id  ", "300 ms   user0: 41 × SELECT", "300 ms   41 × SELECT", "In user0: Read", "Lacking: The recording holds no", "WHAT THE RECORDING LACKED", "Set db_host.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q", want)
		}
	}
	if strings.Contains(got, "\x1b") {
		t.Error("escape sequences without colours")
	}
	if t.Failed() {
		t.Log("\n" + got)
	}
}

// Colours change nothing but the style.
func TestTextColours(t *testing.T) {
	s := testSummary(4)
	got := text(t, s, TextConfig{Color: true})
	if !strings.Contains(got, "\x1b[38;5;37m█") {
		t.Error("the bar has no colour")
	}
	for i, l := range strings.Split(got, "\n") {
		if c := utf8.RuneCountInString(stripStyles(l)); c > textWidth {
			t.Errorf("line %d has %d columns", i+1, c)
		}
	}
}

func stripStyles(s string) string {
	var out strings.Builder
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			out.WriteString(s)
			return out.String()
		}
		out.WriteString(s[:i])
		_, s, _ = strings.Cut(s[i:], "m")
	}
}

func TestTextIsInertOnATerminal(t *testing.T) {
	s := testSummary(1)
	s.Methods[0].Key, s.Users[0].Key = "evil\x1b[2Jmethod", "a\nb"
	if got := text(t, s, TextConfig{}); strings.Contains(got, "\x1b") || strings.Contains(got, "a\nb") {
		t.Errorf("control characters came through: %q", got)
	}
}

func TestWrap(t *testing.T) {
	for _, in := range []string{"", "one", strings.Repeat("some words ", 40), strings.Repeat("x", 130) + " end"} {
		lines := figures.Wrap(in, 98)
		for _, l := range lines {
			if utf8.RuneCountInString(l) > 98 {
				t.Errorf("line too long: %q", l)
			}
		}
		if got := strings.Join(lines, " "); len(in) < 100 && got != strings.TrimSpace(in) {
			t.Errorf("got %q, want %q", got, in)
		}
	}
}

func TestPercent(t *testing.T) {
	for want, n := range map[string]int64{"0 %": 0, "<0.1 %": 1, "5.0 %": 5000, "73 %": 73000, "99.9 %": 99_999, "100 %": 100_000} {
		if got := percent(n, 100_000); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHTML(t *testing.T) {
	var out bytes.Buffer
	s := testSummary(3)
	s.Notices = []analyzer.Notice{{Title: "No <PostgreSQL>.", Fix: "Set db_host."}}
	if err := HTML(&out, s, HTMLConfig{Names: []string{"<script>.pcap"}, Version: "v1"}); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	for tag, want := range map[string]int{"<table": 3, "<script": 0, "<link": 0, "<img": 0, "<svg": 1 + 3 + 3, "<b>other": 0, "url(": 0, "src=": 0, "href=": 0} {
		if got := strings.Count(page, tag); got != want {
			t.Errorf("%d × %s, want %d", got, tag, want)
		}
	}
	shown := html.UnescapeString(page)
	for _, w := range []string{"In 12.0 s, 3 users waited 1.65 s", "<script>.pcap", "No <PostgreSQL>.", "user2"} {
		if !strings.Contains(shown, w) {
			t.Errorf("the page does not show %q", w)
		}
	}
}

// What the server's own log says stands beside how surely statements were attributed.
func TestTextAgreement(t *testing.T) {
	cfg := TextConfig{Agreement: Agreement(812, 815)}
	if got := text(t, testSummary(3), cfg); !strings.Contains(got, "in the background.\nOdoo's log counts the same statements in 812 of 815 calls (99.6 %).\n\n") {
		t.Errorf("the agreement is not told:\n%s", got)
	}
	if got := text(t, testSummary(3), TextConfig{}); strings.Contains(got, "Odoo's log") {
		t.Errorf("an agreement is told that nobody knows:\n%s", got)
	}
}

package report

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/perfd/perfd/analyzer"
)

func TestTextNarrow(t *testing.T) {
	for _, width := range []int{1, 60, 73, 79, 86, 95, 100, 400} {
		s := testSummary(12)
		s.Findings[0].Title = strings.TrimSpace(strings.Repeat("a long title ", 14))
		s.Notices = []analyzer.Notice{{Title: strings.TrimSpace(strings.Repeat("grave words ", 20)), Fix: "Mend it."}, {Title: "Little.", Fix: "Leave it."}}
		s.Serious = 1
		got := text(t, s, TextConfig{Width: width, Names: []string{strings.Repeat("long", 20)}})
		for l := range strings.Lines(got) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(l, "\n")); n > min(max(width, narrowWidth), textWidth) {
				t.Errorf("width %d: %d columns: %q", width, n, l)
			}
		}
		first, details, _ := strings.Cut(got, "\n\nIN DETAIL")
		if n := strings.Count(first, "\n") + 1; width >= 80 && n > 23 {
			t.Errorf("width %d: %d lines on the first screen", width, n)
		}
		for _, part := range []string{first, details} {
			if strings.Count(part, "grave words") != 20-strings.Count(part, "grave\n") {
				t.Errorf("width %d: a serious notice is cut:\n%s", width, part)
			}
		}
		if strings.Count(details, "a long title")+strings.Count(details, "long title\n") < 13 {
			t.Errorf("width %d: a title is cut:\n%s", width, got)
		}
		if serious, statements, little := strings.Index(got, "! grave"), strings.Index(got, "statements:"), strings.Index(got, "Little."); serious < 0 || serious > statements || little < statements {
			t.Errorf("width %d: serious notice at %d, statements at %d, the other at %d", width, serious, statements, little)
		}
	}
}

func TestAttribution(t *testing.T) {
	for _, tt := range []struct {
		all, in, exact int64
		sure           float64
		want           string
	}{
		{100, 92, 21, 0.98, "100 statements: 92.0 % in calls (21 % beyond doubt, the others 98 % sure on average), 8.0 % in the background."},
		{1000, 876, 210, 0.999, "1,000 statements: 88 % in calls (21 % beyond doubt, the others 99.9 % sure on average), 12 % in the background."},
		{5, 5, 5, 0, "5 statements: 100 % in calls (all beyond doubt)."},
		{1, 0, 0, 0, "1 statement, all in the background."},
	} {
		if got := Attribution(analyzer.Summary{Statements: tt.all, Attributed: tt.in, Exact: tt.exact, Sure: tt.sure}); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	framed := analyzer.Summary{Statements: 8, Attributed: 8, Exact: 8, Shapes: []analyzer.ShapeGroup{{Text: "BEGIN", Statements: 1}, {Text: "SELECT ?", Statements: 6}, {Text: "COMMIT", Statements: 1}}}
	if got, want := Attribution(framed), "8 statements (25 % transaction control): 100 % in calls (all beyond doubt)."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLabels(t *testing.T) {
	const head = `SELECT COUNT(*) FROM "res_partner" WHERE (("res_partner"."active" = ?) AND `
	texts := []string{
		head + `("res_partner"."comment" ILIKE ?))`, head + `("res_partner"."city" IS NULL))`, "DISCARD ALL", "DISCARD ALL",
		head + `("res_partner"."city" IS NULL)) ORDER BY name`, "SELECT id FROM t",
	}
	list := make([]analyzer.ShapeGroup, 0, len(texts))
	for _, text := range texts {
		list = append(list, analyzer.ShapeGroup{Text: text})
	}
	got := labels(list, 50)
	want := []string{
		"SELECT res_partner count by comment, active", "SELECT res_partner count by city, active … NULL))", "DISCARD ALL", "DISCARD ALL",
		"SELECT res_partner count by city … ORDER BY name", "SELECT t",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// What a statement is called does not depend on the others shown, unless one of them is called the same.
	for i := range list[:4] {
		if alone := labels(list[i:i+1], 50); i != 1 && alone[0] != got[i] {
			t.Errorf("%q is called %q alone and %q beside others", texts[i], alone[0], got[i])
		}
	}
	evil := []analyzer.ShapeGroup{{Text: "SELECT x FROM \"a\x1b[2J\"", Tables: []string{"a\x1b[2J"}}}
	if got := labels(evil, 50)[0]; strings.Contains(got, "\x1b") {
		t.Errorf("a control character came through: %q", got)
	}
}

// A list that is cut says how much there is besides.
func TestTextTellsOfMore(t *testing.T) {
	for _, n := range []int{1, 2, 3, 9, 10, 11, 40} {
		s := analyzer.Summary{Calls: 1, Statements: 1}
		for i := range n {
			s.Methods = append(s.Methods, analyzer.Group{Key: fmt.Sprintf("method%d", i), Calls: 1})
			s.Users = append(s.Users, analyzer.Group{Key: fmt.Sprintf("user%d", i), Calls: 1})
			s.Shapes = append(s.Shapes, analyzer.ShapeGroup{Text: fmt.Sprintf("SELECT a%d FROM t%d", i, i), Statements: 1})
		}
		_, out, _ := strings.Cut(text(t, s, TextConfig{}), "IN DETAIL")
		shown, told := strings.Count(out, "\nmethod")+strings.Count(out, "\nuser")+strings.Count(out, "\nSELECT"), 0
		for _, m := range regexp.MustCompile(`(?m)^and (\d+) more: --top (\d+), or --serve$`).FindAllStringSubmatch(out, -1) {
			more, _ := strconv.Atoi(m[1])
			if told += more; m[2] != strconv.Itoa(n) {
				t.Errorf("%q of %d", m[0], n)
			}
		}
		if shown+told != 3*n {
			t.Errorf("%d rows are shown and %d told of, want %d in all:\n%s", shown, told, 3*n, out)
		}
	}
}

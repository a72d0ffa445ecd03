package report

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/replay/compare"
)

// past are runs of a load whose one method is 20 % slower from the twentieth on.
func past(t *testing.T, n int) []*Past {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var out []*Past
	for i := range n {
		slow := 1.0
		if i >= 20 {
			slow = 1.2
		}
		s := compare.New(compare.Config{})
		p := s.Begin(compare.A, 1)
		mood := 1 + 0.01*r.NormFloat64()
		for call := range 300 {
			x := compare.Sample{Seq: int64(call), Session: "s", Method: fmt.Sprintf("m%d", call%2), Seconds: 0.02 * mood * (1 + float64(call)/300)}
			if call%2 == 1 {
				x.Seconds *= slow
			}
			p.Add(x)
		}
		var text bytes.Buffer
		made := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC).AddDate(0, 0, i)
		if err := JSON(&text, &Report{A: "http://a", Made: made, Load: Load{Name: "day.load"}, Comparison: s.Result()}); err != nil {
			t.Fatal(err)
		}
		run, err := Read(&text, fmt.Sprintf("run%d%s.json", i, evil))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, run)
	}
	return out
}

func TestTurns(t *testing.T) {
	runs := past(t, 40)
	runs[0], runs[30] = runs[30], runs[0] // in whatever order they are given
	turns := Turns(runs, compare.TrendConfig{})
	found := map[string]bool{}
	for _, x := range turns {
		found[x.Method+" "+x.Quantile] = true
		if day := x.Made.YearDay() - 60; day < 19 || day > 22 || x.Delta < 0 {
			t.Errorf("%+v", x)
		}
	}
	if !found["m1 p50"] || !found["m1 p95"] || found["m0 p50"] || found["m0 p95"] {
		t.Errorf("turns of %v", found)
	}
	var out bytes.Buffer
	if err := History(&out, runs, turns); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if len([]rune(line)) > columns || strings.Contains(line, "\x1b") {
			t.Errorf("%q", line)
		}
	}
	if !strings.Contains(out.String(), "40 runs, from 2026-03-01 02:00 to 2026-04-09 02:00") || !strings.Contains(out.String(), "slower") {
		t.Error(out.String())
	}
}

// TestRunsHaveNames: two runs of one minute, in folders of their own, are told apart, and one that was ended early takes no part.
func TestRunsHaveNames(t *testing.T) {
	runs := past(t, 4)
	made := runs[0].Made
	for i, name := range []string{"/runs/monday/a.json", "/runs/tuesday/a.json", "/runs/tuesday/" + strings.Repeat("long-", 20) + "one.json", "/runs/tuesday/" + strings.Repeat("long-", 20) + "two.json"} {
		runs[i].Name, runs[i].Made = name, made.Add(time.Duration(i)*7*time.Second)
	}
	runs[3].Partial = true
	var out bytes.Buffer
	if err := History(&out, runs, nil); err != nil {
		t.Fatal(err)
	}
	_, rows, _ := strings.Cut(out.String(), "RUNS")
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(rows), "\n")[1:] {
		if name := line[:58]; seen[name] || seen[name[20:]] {
			t.Errorf("two runs are called %q", name)
		} else {
			seen[name], seen[name[20:]] = true, true
		}
	}
	for _, want := range []string{"2026-03-01 02:00:07  tuesday/a.json ", "2026-03-01 02:00:00  monday/a.json ", "1 run ended early", "ended early"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if got := whole(runs); len(got) != 3 {
		t.Errorf("%d runs take part", len(got))
	}
}

// TestAnEndedReportIsPartial: of one arm the rest of the load is missing; of two, whole rounds are compared.
func TestAnEndedReportIsPartial(t *testing.T) {
	for _, c := range []struct {
		b    string
		want bool
	}{{"", true}, {"http://b", false}} {
		r := full()
		r.B, r.Stopped = c.b, true
		var out bytes.Buffer
		if err := JSON(&out, r); err != nil {
			t.Fatal(err)
		}
		if p, err := Read(&out, "x.json"); err != nil || p.Partial != c.want {
			t.Errorf("with B %q: partial %v, %v", c.b, p.Partial, err)
		}
	}
}

func TestFewRunsAndOtherLoads(t *testing.T) {
	runs := past(t, 2)
	runs[1].Series = "night.load"
	var out bytes.Buffer
	if err := History(&out, runs, Turns(runs, compare.TrendConfig{})); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.Contains(s, "2 series") || !strings.Contains(s, "takes 6 runs") || !strings.Contains(s, "nowhere") {
		t.Error(s)
	}
}

func TestReadRefusesOtherFiles(t *testing.T) {
	for text, want := range map[string]string{
		"":              "no report",
		"{}":            "no report",
		`{"version":1}`: "no report",
		`[1]`:           "no report",
		`{"version":2,"made":"2026-03-01T02:00:00Z","comparison":{}}`: "newer perfd",
	} {
		if _, err := Read(strings.NewReader(text), "x.json"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "x.json") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestUnlikeRunsAreSeries: what a run is of, and how it was sent, makes a series of its own, in which nothing changes here.
func TestUnlikeRunsAreSeries(t *testing.T) {
	base := Report{A: "http://a", Mode: "timeline", Load: Load{Name: "day.load"}}
	seen := map[string]bool{}
	for _, change := range []func(*Report){
		func(*Report) {}, func(r *Report) { r.A = "http://b" }, func(r *Report) { r.B = "http://b" }, func(r *Report) { r.B = "cache memory" },
		func(r *Report) { r.Mode = "max" }, func(r *Report) { r.Mode = "timeline, 2 times the speed" }, func(r *Report) { r.Load.Name = "night.load" },
	} {
		r := base
		r.Made, r.Comparison = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC), &compare.Comparison{}
		change(&r)
		var out bytes.Buffer
		if err := JSON(&out, &r); err != nil {
			t.Fatal(err)
		}
		p, err := Read(&out, "x.json")
		if err != nil || seen[p.Series] {
			t.Errorf("%q is not a series of its own: %v", p.Series, err)
			continue
		}
		seen[p.Series] = true
	}

	runs := past(t, 40)
	if len(Turns(runs, compare.TrendConfig{})) == 0 {
		t.Fatal("no turn in one series")
	}
	for _, r := range runs[20:] {
		r.Series = "day.load · http://other · max"
	}
	if got := Turns(runs, compare.TrendConfig{}); len(got) > 0 {
		t.Errorf("turns between unlike runs: %+v", got)
	}
}

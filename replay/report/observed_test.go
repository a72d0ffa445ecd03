package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/observe"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

type evilTexts struct{}

func (evilTexts) Shape(f sqltrace.Fingerprint) sqltrace.Shape {
	return sqltrace.Shape{Fingerprint: f, Text: fmt.Sprintf("SELECT a\n FROM t%d WHERE x = %s", f, evil)}
}

// observed is what a tap saw of calls whose SQL takes so long in each arm.
func observed(t *testing.T, arms int, sql [2]time.Duration) *observe.Result {
	t.Helper()
	s := observe.New(observe.Config{}, evilTexts{})
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for round := 1; round <= 5; round++ {
		for arm := range arms {
			now = now.Add(time.Minute)
			s.Begin(compare.Arm(arm), round, now)
			for i := range 24 {
				now = now.Add(time.Second)
				method := fmt.Sprint("m", i%12) + evil
				application := 10*time.Millisecond + time.Duration(i*(round*3+arm)%7)*100*time.Microsecond
				s.Sent("res.partner." + method)
				x := &analyzer.Trace{
					Call: &rpclog.Call{Start: now, End: now.Add(sql[arm] + application + time.Millisecond), Model: "res.partner", Method: method, Status: 200, Transport: rpclog.JSONRPC},
					Time: analyzer.Breakdown{SQL: sql[arm], Application: application},
				}
				if i < 3 {
					x.Time.Lock = time.Millisecond
				}
				for j := range 3 {
					st := &sqltrace.Statement{Start: now, End: now.Add(sql[arm] / 3), Fingerprint: sqltrace.Fingerprint(1 + j/2*i), Rows: 1}
					x.Spans = append(x.Spans, analyzer.Span{Statement: st, By: analyzer.Exclusive})
				}
				if err := s.Trace(x); err != nil {
					t.Fatal(err)
				}
			}
			s.End(now.Add(time.Second), 3, true)
		}
	}
	return s.Result(observe.Sight{})
}

// TestObserved tells what a tap saw in all three forms, within the page and without harm.
func TestObserved(t *testing.T) {
	r := full()
	r.Observed = observed(t, 2, [2]time.Duration{30 * time.Millisecond, 3 * time.Millisecond})
	got := text(t, r, TextConfig{})
	for _, line := range strings.Split(got, "\n") {
		if len([]rune(line)) > columns || strings.Contains(line, "\x1b") {
			t.Errorf("%q", line)
		}
	}
	joined := strings.Join(strings.Fields(got), " ")
	for _, want := range []string{
		"At the server a call takes 27", "of it in SQL. Most", "SELECT t1 by x", "−27.0 ms", "WHY: EACH METHOD", "… and 4 methods more", "30.0 ms → 3.00 ms",
		"Without these A's slowest", "15 of A's calls and 15 of B's most likely waited for a lock.", "The tap lost 15 packets while A was sent.", "A times",
	} {
		if !strings.Contains(joined, want) {
			t.Errorf("the text lacks %q:\n%s", want, got)
		}
	}
	var out bytes.Buffer
	if err := JSON(&out, r); err != nil {
		t.Fatal(err)
	}
	var d struct {
		Observed struct {
			Sentence string
			A        struct{ Sent, Seen, Lost int64 }
			Overall  struct {
				Parts []struct {
					Name  string
					Delta float64
					Shown bool
				}
				Statements []struct{ Text, Fingerprint string }
			}
			Methods []struct{ Method string }
		}
	}
	if err := json.Unmarshal(out.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	o := &d.Observed
	if o.A.Seen != 120 || o.A.Lost != 15 || len(o.Methods) != 12 || !o.Overall.Parts[1].Shown || o.Overall.Parts[1].Name != "sql" || len(o.Overall.Statements) == 0 || !strings.HasPrefix(o.Sentence, "At the server") {
		t.Errorf("%+v", o)
	}
	page := html(t, r)
	for _, harm := range []string{"<script", "\x1b", "ZgotmplZ", "NaN", "%!"} {
		if strings.Contains(page, harm) {
			t.Errorf("%q stands in the page", harm)
		}
	}
	for _, want := range []string{"Why: where the time of a call goes", "27.0<i>ms</i>", "Why: statements of a call", "most likely waited"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// TestObservedAlone tells of one arm where its time goes, and explains nothing.
func TestObservedAlone(t *testing.T) {
	r := full()
	r.B, r.Observed = "", observed(t, 1, [2]time.Duration{30 * time.Millisecond})
	got := text(t, r, TextConfig{})
	for _, line := range strings.Split(got, "\n") {
		if len([]rune(line)) > columns {
			t.Errorf("%q", line)
		}
	}
	if !strings.Contains(got, "WHERE THE TIME GOES") || !strings.Contains(got, "OF EACH METHOD") || strings.Contains(got, "At the server a call") || !strings.Contains(got, "15 calls most likely waited") {
		t.Error(got)
	}
	if page := html(t, r); !strings.Contains(page, "Where the time of a call goes") || strings.Contains(page, "A times") {
		t.Error("the page is of two arms")
	}
}

// TestNoCauseWithoutChange: where nothing is claimed nothing is explained, and where the server is as it was it is said so.
func TestNoCauseWithoutChange(t *testing.T) {
	r := full()
	r.Observed = observed(t, 2, [2]time.Duration{3 * time.Millisecond, 3 * time.Millisecond})
	if why := r.why(); !strings.Contains(why, "no cause at the server") {
		t.Errorf("%q", why)
	}
	r.Observed = observed(t, 2, [2]time.Duration{3 * time.Millisecond, 30 * time.Millisecond})
	o := &r.Comparison.Overall
	o.Verdict, o.Tail = compare.Unchanged, compare.Unchanged
	if why := r.why(); why != "" {
		t.Errorf("%q", why)
	}
	r.Observed = &observe.Result{}
	if got := text(t, r, TextConfig{}); strings.Contains(got, "WHERE THE TIME GOES") {
		t.Error("a tap that saw nothing tells something")
	}
}

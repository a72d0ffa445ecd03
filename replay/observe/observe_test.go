package observe

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

type dictionary struct{}

func (dictionary) Shape(f sqltrace.Fingerprint) sqltrace.Shape {
	return sqltrace.Shape{Fingerprint: f, Text: fmt.Sprintf("SELECT %d", f)}
}

var base = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// trace is a call at a time, with n statements of a shape that take so long together, and as much in the application.
func trace(at time.Time, method string, shape sqltrace.Fingerprint, n int, sql, application time.Duration) *analyzer.Trace {
	c := &rpclog.Call{Start: at, End: at.Add(sql + application), Transport: rpclog.JSONRPC, Model: "res.partner", Method: method, Status: 200}
	t := &analyzer.Trace{Call: c, Time: analyzer.Breakdown{SQL: sql, Application: application}}
	for i := range n {
		st := &sqltrace.Statement{Start: at.Add(time.Duration(i) * sql / time.Duration(n)), Fingerprint: shape, Rows: 2}
		st.End = st.Start.Add(sql / time.Duration(n))
		t.Spans = append(t.Spans, analyzer.Span{Statement: st, By: analyzer.Exclusive, Probability: 1})
	}
	return t
}

func give(t interface{ Fatal(...any) }, s *Study, x *analyzer.Trace) {
	if err := s.Trace(x); err != nil {
		t.Fatal(err)
	}
}

// bench runs rounds of both arms in turn, each of so many calls that make makes.
func bench(t *testing.T, s *Study, rounds, calls int, makeCall func(arm compare.Arm, at time.Time) *analyzer.Trace) {
	t.Helper()
	now := base
	for round := 1; round <= rounds; round++ {
		arms := []compare.Arm{compare.A, compare.B}
		if round%2 == 0 {
			arms[0], arms[1] = arms[1], arms[0]
		}
		for _, arm := range arms {
			now = now.Add(time.Minute)
			s.Begin(arm, round, now)
			for range calls {
				now = now.Add(100 * time.Millisecond)
				x := makeCall(arm, now)
				s.Sent(nameOf(x.Call))
				give(t, s, x)
			}
			s.End(now.Add(time.Second), 0, true)
		}
	}
}

// TestWhatChangedIsShown has B's calls run ten times as many statements, of which one shape is to blame.
func TestWhatChangedIsShown(t *testing.T) {
	s := New(Config{}, dictionary{})
	r := rand.New(rand.NewPCG(1, 2))
	noisy := func(d time.Duration) time.Duration { return time.Duration(float64(d) * (1 + 0.1*r.NormFloat64())) }
	bench(t, s, 5, 20, func(arm compare.Arm, at time.Time) *analyzer.Trace {
		if arm == compare.B {
			return trace(at, "read", 9, 30, noisy(20*time.Millisecond), noisy(8*time.Millisecond))
		}
		return trace(at, "read", 9, 3, noisy(2*time.Millisecond), noisy(8*time.Millisecond))
	})
	got := s.Result(Sight{})
	all := &got.Overall
	shown := map[string]bool{}
	for _, p := range all.Parts {
		shown[p.Name] = p.Shown
	}
	if !shown["duration"] || !shown["sql"] || !shown["statements"] || !shown["rows"] || shown["application"] || shown["lock"] {
		t.Errorf("shown: %v", shown)
	}
	if d := all.Part("sql").Delta; d < 0.016 || d > 0.02 || all.Part("statements").B != 30 {
		t.Errorf("%+v", all.Parts)
	}
	if st := all.Statements[0]; st.Text != "SELECT 9" || st.A.Calls != 3 || st.B.Calls != 30 || st.B.Rows != 60 || st.B.Seconds < 0.018 {
		t.Errorf("%+v", st)
	}
	if got.A.Sent != 100 || got.B.Seen != 100 || got.A.Statements != 300 || got.A.Exact != 300 || len(got.Doubts) > 0 || len(got.Methods) != 1 || got.Methods[0].Method != "res.partner.read" {
		t.Errorf("%+v %+v %q", got.A, got.B, got.Doubts)
	}
}

// TestNothingIsShownOfNothing: where nothing changed but the mood of each pass, something is shown in few reports.
func TestNothingIsShownOfNothing(t *testing.T) {
	const reports = 300
	alarms := 0
	for seed := range uint64(reports) {
		r := rand.New(rand.NewPCG(seed, 7))
		s := New(Config{}, dictionary{})
		mood, last := 1.0, time.Time{}
		bench(t, s, 5, 6, func(_ compare.Arm, at time.Time) *analyzer.Trace {
			if at.Sub(last) > time.Second {
				mood = 1 + 0.05*r.NormFloat64()
			}
			last = at
			part := func(d time.Duration) time.Duration {
				return max(0, time.Duration(float64(d)*mood*(1+0.2*r.NormFloat64())))
			}
			return trace(at, "read", 9, 3, part(5*time.Millisecond), part(9*time.Millisecond))
		})
		for _, p := range s.Result(Sight{}).Overall.Parts {
			if p.Shown {
				alarms++
				break
			}
		}
	}
	if alarms > reports*8/100 {
		t.Errorf("%d of %d reports show a change that is not there", alarms, reports)
	}
}

// TestCallsBelongToTheirPass holds for any passes and calls: what is seen of an arm are the calls that began in its counted
// passes, and the parts of their time add up to it.
func TestCallsBelongToTheirPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(Config{MaxRounds: rapid.IntRange(1, 50).Draw(t, "rounds kept")}, dictionary{})
		now, end := base, base
		type span struct {
			arm      compare.Arm
			from, to time.Time
		}
		var spans []span
		want := [3]int64{}
		total := [3]float64{}
		for i := range rapid.IntRange(0, 8).Draw(t, "passes") {
			now = now.Add(time.Duration(rapid.IntRange(1, 1000).Draw(t, "pause")) * time.Millisecond)
			p := span{compare.Arm(rapid.IntRange(0, 2).Draw(t, "arm")), now, now.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "takes")) * time.Millisecond)}
			s.Begin(p.arm, i/2+1, p.from)
			s.Sent("res.partner.read")
			early := rapid.IntRange(0, 3).Draw(t, "seen while it is sent")
			x := trace(p.from, "read", 3, 2, 3*time.Millisecond, 0)
			for range early {
				give(t, s, x)
			}
			whole := rapid.Bool().Draw(t, "whole")
			s.End(p.to, 0, whole)
			now, end = p.to, p.to
			if whole { // else nothing of it counts
				spans = append(spans, p)
				want[p.arm] += int64(early)
				total[p.arm] += float64(early) * x.Call.End.Sub(x.Call.Start).Seconds()
			}
		}
		for range rapid.IntRange(0, 60).Draw(t, "calls") {
			at := base.Add(time.Duration(rapid.Int64Range(-1000, int64(end.Sub(base)/time.Millisecond)+2000).Draw(t, "at")) * time.Millisecond)
			x := trace(at, "read", 3, 2, 3*time.Millisecond, time.Duration(rapid.IntRange(0, 50).Draw(t, "application"))*time.Millisecond)
			give(t, s, x)
			for _, p := range spans {
				if !at.Before(p.from) && !at.After(p.to) {
					want[p.arm]++
					total[p.arm] += x.Call.End.Sub(x.Call.Start).Seconds()
				}
			}
		}
		got := s.Result(Sight{})
		counted := len(spans) > 0 && got.A.Sent+got.B.Sent > 0
		for arm, side := range []Side{got.A, got.B} {
			if n := side.Seen + side.Others; n != want[arm] || counted && side.Others > 0 {
				t.Fatalf("%s: %+v, want %d calls", compare.Arm(arm), side, want[arm])
			}
		}
		if !counted {
			return
		}
		sum := 0.0
		for _, p := range got.Overall.Parts[inSQL : inUnknown+1] {
			sum += p.A * float64(want[0])
		}
		if d := got.Overall.Part("duration").A * float64(want[0]); d < total[0]-1e-9 || d > total[0]+1e-9 || sum < d-1e-9 || sum > d+1e-9 {
			t.Fatalf("duration %v, parts %v, want %v", d, sum, total[0])
		}
	})
}

// TestWhatTheTapLackedIsSaid has a doubt for each thing that a tap can lack, and none where it lacks nothing.
func TestWhatTheTapLackedIsSaid(t *testing.T) {
	sees := func(n int) func(*Study) {
		return func(s *Study) {
			for i := range n {
				give(t, s, trace(base.Add(time.Duration(i)*time.Millisecond), "read", 1, 2, time.Millisecond, time.Millisecond))
			}
		}
	}
	for want, c := range map[string]struct {
		of   Sight
		lost int64
		look func(*Study)
	}{
		"":                               {look: sees(100)},
		"saw none of 100 calls":          {},
		"encrypted: name the port":       {of: Sight{EncryptedHTTP: 1}},
		"saw 50 of 100 calls":            {look: sees(50)},
		"others called the same methods": {look: sees(150)},
		"lost 7 packets":                 {lost: 7, look: sees(100)},
		"12 bytes did not reach":         {of: Sight{LostBytes: 12}, look: sees(100)},
		"--pg-port has to name its port": {look: func(s *Study) {
			for range 100 {
				give(t, s, trace(base, "read", 1, 0, 0, time.Millisecond))
			}
		}},
		"to PostgreSQL are encrypted": {of: Sight{EncryptedSQL: 3}, look: func(s *Study) {
			for range 100 {
				give(t, s, trace(base, "read", 1, 0, 0, time.Millisecond))
			}
		}},
		"100 % are given to calls by inference": {look: func(s *Study) {
			for range 100 {
				x := trace(base, "read", 1, 2, time.Millisecond, 0)
				for i := range x.Spans {
					x.Spans[i].By = analyzer.Timing
				}
				give(t, s, x)
			}
		}},
		"Of 100 calls of A the tap did not see all": {look: func(s *Study) {
			for range 100 {
				x := trace(base, "read", 1, 2, time.Millisecond, 0)
				x.Call.Gaps = rpclog.GapResponse
				give(t, s, x)
			}
		}},
		"50 statements of A may belong": {look: func(s *Study) {
			sees(100)(s)
			x := trace(base, "read", 1, 50, time.Millisecond, 0)
			if err := s.Background(&analyzer.Background{Group: "unattributed", Spans: x.Spans}); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		s := New(Config{}, dictionary{})
		s.Begin(compare.A, 1, base)
		for range 100 {
			s.Sent("res.partner.read")
		}
		s.End(base.Add(time.Minute), c.lost, true)
		if c.look != nil {
			c.look(s)
		}
		got := s.Result(c.of).Doubts
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.Contains(got[0], want)) {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}

// TestBoundsAndOthers: methods and shapes beyond the bounds are known as a whole, methods that were not sent are others',
// errors are counted alone, and jobs are told apart.
func TestBoundsAndOthers(t *testing.T) {
	s := New(Config{MaxMethods: 3, MaxStatements: 4}, dictionary{})
	s.Begin(compare.A, 1, base)
	for i := range 10 {
		x := trace(base, fmt.Sprint("m", i), sqltrace.Fingerprint(i+1), 1, time.Millisecond, time.Millisecond)
		if i > 0 {
			s.Sent(nameOf(x.Call))
		}
		give(t, s, x)
	}
	failed := trace(base, "m1", 1, 1, time.Hour, 0)
	failed.Call.Error = "odoo.exceptions.UserError"
	again := trace(base, "m1", 2, 1, time.Millisecond, 0)
	again.Spans[0].Statement.SQLState, again.Time.Lock = "40001", time.Millisecond
	for _, x := range []*analyzer.Trace{failed, again} {
		give(t, s, x)
	}
	if err := s.Background(&analyzer.Background{Group: "cron", Spans: trace(base, "", 5, 1, time.Second, 0).Spans}); err != nil {
		t.Fatal(err)
	}
	got := s.Result(Sight{})
	if len(got.Methods) != 3 || got.A.Seen != 11 || got.A.Others != 1 || got.A.Elsewhere != 1 || got.Overall.A != (Calls{Seen: 11, Errors: 1, Retried: 1, Locked: 1, Exact: 10}) {
		t.Errorf("%d methods, %+v, %+v", len(got.Methods), got.A, got.Overall.A)
	}
	if d := got.Overall.Part("duration").A; d > 0.003 {
		t.Errorf("a call takes %v s: errors take part", d)
	}
	if n := len(got.Doubts); n == 0 || !strings.Contains(got.Doubts[n-1], "more shapes than are told apart") {
		t.Errorf("%q", got.Doubts)
	}
	if p := got.Overall.Part("none"); p.Name != "none" || p.A != 0 {
		t.Errorf("%+v", p)
	}
}

// TestTailWithoutRetries: 60 of 1,200 calls wait for a second, for a lock or another try, and the tail is told with and
// without them.
func TestTailWithoutRetries(t *testing.T) {
	s := New(Config{}, dictionary{})
	s.Begin(compare.B, 1, base)
	for i := range 1200 {
		s.Sent("res.partner.read")
		x := trace(base, "read", 1, 1, 9*time.Millisecond, time.Millisecond)
		switch i % 40 {
		case 0:
			x.Call.End, x.Time.Lock = base.Add(time.Second), time.Second
		case 1:
			x.Call.End, x.Spans[0].Statement.SQLState = base.Add(time.Second), "40001"
		}
		give(t, s, x)
	}
	got := s.Result(Sight{})
	if b := got.B.Tail; b.P99 < 0.99 || b.P99Once > 0.0101 || b.P95Once < 0.0099 || got.A.Tail != (Tail{}) || got.Overall.B.Retried != 30 || got.Overall.B.Locked != 30 {
		t.Errorf("%+v, %+v, %+v", b, got.A.Tail, got.Overall.B)
	}
}

// TestPathsAreFolded: the same route with other numbers is one method, seen or sent.
func TestPathsAreFolded(t *testing.T) {
	s := New(Config{}, dictionary{})
	s.Begin(compare.A, 1, base)
	s.Sent("/web/image/12")
	x := trace(base, "", 1, 1, time.Millisecond, 0)
	x.Call.Model, x.Call.Path, x.Call.Transport = "", "/web/image/13", rpclog.HTTP
	give(t, s, x)
	if got := s.Result(Sight{}); got.A.Seen != 1 || got.Methods[0].Method != "/web/image/#" {
		t.Errorf("%+v", got)
	}
}

// TestTogether has passes told while traces come; the race detector looks on.
func TestTogether(t *testing.T) {
	s := New(Config{}, dictionary{})
	var both sync.WaitGroup
	both.Go(func() {
		for i := range 200 {
			s.Begin(compare.Arm(i%2), i/2+1, base.Add(time.Duration(i)*time.Second))
			s.Sent("res.partner.read")
			s.End(base.Add(time.Duration(i)*time.Second+time.Millisecond), 0, true)
		}
	})
	both.Go(func() {
		for i := range 200 {
			give(t, s, trace(base.Add(time.Duration(i)*time.Second), "read", 1, 1, time.Millisecond, 0))
		}
	})
	both.Wait()
	if got := s.Result(Sight{}); got.A.Sent != 100 || got.B.Sent != 100 {
		t.Errorf("%+v", got)
	}
}

func BenchmarkTrace(b *testing.B) {
	s := New(Config{}, dictionary{})
	s.Begin(compare.A, 1, base)
	s.Sent("res.partner.read")
	x := trace(base, "read", 1, 20, time.Millisecond, time.Millisecond)
	b.ReportAllocs()
	for b.Loop() {
		give(b, s, x)
	}
}

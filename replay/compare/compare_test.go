package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// bench runs passes A B, B A … of calls made by make.
func bench(s *Study, rounds, calls int, call func(arm Arm, round, pass, i int) Sample) *Comparison {
	n := 0
	pass := func(arm Arm, round int) {
		p := s.Begin(arm, round)
		for i := range calls {
			x := call(arm, round, n, i)
			x.Seq = int64(i)
			p.Add(x)
		}
		p.End()
		n++
	}
	for r := 1; r <= rounds; r++ {
		if r%2 == 1 {
			pass(A, r)
			pass(B, r)
		} else {
			pass(B, r)
			pass(A, r)
		}
	}
	return s.Result()
}

// steady is a call whose duration depends on the call alone, from 1 ms to 100 ms.
func steady(i int) Sample {
	return Sample{
		Session: fmt.Sprintf("s%d", i%17), Method: fmt.Sprintf("res.partner.m%d", i%3), At: float64(i) / 10,
		Seconds: 0.001 * math.Exp(4.6*float64(i*7919%1000)/1000),
	}
}

func doubted(c *Comparison, words string) bool {
	return slices.ContainsFunc(c.Doubts, func(s string) bool { return strings.Contains(s, words) })
}

func TestPairedCallsShowTheChangeExactly(t *testing.T) {
	c := bench(New(Config{}), 5, 1000, func(arm Arm, _, _, i int) Sample {
		x := steady(i)
		if arm == B {
			x.Seconds *= 0.9
		}
		return x
	})
	for _, r := range append(c.Methods, c.Overall) {
		if math.Abs(r.Typical.Delta+0.1) > 1e-6 || r.Verdict != Faster {
			t.Errorf("%s: %s by %v, want faster by 10 %%", r.Method, r.Verdict, r.Typical.Delta)
		}
		if math.Abs(r.P50.Delta+0.1) > 0.01 {
			t.Errorf("%s: median changed by %v", r.Method, r.P50.Delta)
		}
	}
	if math.Abs(c.GeoMean+0.1) > 1e-6 || c.Unpaired != 0 || c.Rounds != 5 || len(c.Passes) != 10 {
		t.Errorf("geomean %v, %d unpaired, %d rounds, %d passes", c.GeoMean, c.Unpaired, c.Rounds, len(c.Passes))
	}
	if !doubted(c, "p99 needs") == (c.Overall.P99.PerRound == nil) {
		t.Errorf("p99 of %d rounds; doubts %q", len(c.Overall.P99.PerRound), c.Doubts)
	}
}

func TestNothingIsSaidOfTooFewRounds(t *testing.T) {
	for rounds, want := range map[int]Verdict{1: Unchanged, 3: Unchanged, 4: Slower} {
		c := bench(New(Config{}), rounds, 200, func(arm Arm, _, pass, i int) Sample {
			x := steady(i)
			x.Seconds *= 1 + 0.3*float64(arm) + 0.001*float64(pass)
			return x
		})
		if c.Overall.Verdict != want {
			t.Errorf("%d rounds: %s, want %s", rounds, c.Overall.Verdict, want)
		}
		if want == Unchanged && (!doubted(c, "rounds that a verdict needs") || c.Overall.Reason == "") {
			t.Errorf("%d rounds: %q %q", rounds, c.Overall.Reason, c.Doubts)
		}
	}
}

func TestASmallChangeIsNoVerdict(t *testing.T) {
	// 1 % in every round, without any noise: significant, and below what counts.
	c := bench(New(Config{}), 6, 200, func(arm Arm, round, _, i int) Sample {
		x := steady(i)
		x.Seconds *= 1 + float64(arm)*(0.01+0.0001*float64(round%2))
		return x
	})
	if c.Overall.Verdict != Unchanged || c.Overall.Typical.P > 0.001 || !strings.Contains(c.Overall.Reason, "less than") {
		t.Errorf("%s, p %v, %q", c.Overall.Verdict, c.Overall.Typical.P, c.Overall.Reason)
	}
}

func TestQuantilesNeedCalls(t *testing.T) {
	for calls, want := range map[int][2]bool{99: {}, 100: {true, false}, 999: {true, false}, 1000: {true, true}} {
		c := bench(New(Config{}), 2, calls, func(_ Arm, _, _, i int) Sample { return steady(i) })
		got := [2]bool{c.Overall.A.P95.Seconds > 0, c.Overall.A.P99.Seconds > 0}
		if got != want || got[0] != (c.Overall.P95.PerRound != nil) || got[1] != (c.Overall.P99.PerRound != nil) {
			t.Errorf("%d calls a pass: p95 and p99 shown %v, want %v", calls, got, want)
		}
	}
}

func TestErrorsAreErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		failed func(arm Arm, round, i int) bool
		want   Verdict
	}{
		{"none", func(Arm, int, int) bool { return false }, Slower},
		{"the same on both sides", func(_ Arm, _, i int) bool { return i%10 == 0 }, Slower},
		{"one more call in B", func(arm Arm, round, i int) bool { return arm == B && round == 1 && i == 3 }, Slower},
		{"one in fifty of B", func(arm Arm, _, i int) bool { return arm == B && i%50 == 0 }, NotCompared},
		{"all of B", func(arm Arm, _, _ int) bool { return arm == B }, NotCompared},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := bench(New(Config{}), 5, 500, func(arm Arm, round, pass, i int) Sample {
				x := steady(i)
				x.Seconds *= 1 + 0.2*float64(arm)
				if x.Error = c.failed(arm, round, i); x.Error {
					x.Seconds = 0.0001 // failing is quick, and no gain
				}
				return x
			})
			if got.Overall.Verdict != c.want {
				t.Errorf("%s %q, want %s", got.Overall.Verdict, got.Overall.Reason, c.want)
			}
			if (c.want == NotCompared) != doubted(got, "not compared: errors differ") {
				t.Errorf("doubts %q", got.Doubts)
			}
			if got.Overall.A.Calls > 0 && got.Overall.A.P50.Seconds < 0.001 {
				t.Errorf("failed calls stand in the quantiles: p50 %v", got.Overall.A.P50)
			}
		})
	}
}

func TestHitsAreApart(t *testing.T) {
	c := bench(New(Config{}), 5, 2000, func(arm Arm, _, _, i int) Sample {
		x := steady(i)
		if arm == B && i%2 == 0 {
			x.Cached, x.Seconds = true, 20e-6
		}
		return x
	})
	b := c.Overall.B
	if b.Hits != 5000 || b.Calls != 5000 || math.Abs(b.HitP50-20e-6) > 1e-6 || b.P50.Seconds < 0.001 {
		t.Errorf("B: %+v", b)
	}
	if c.Overall.Verdict != Unchanged || math.Abs(c.Overall.Typical.Delta) > 1e-6 {
		t.Errorf("a hit counts as a faster server: %s by %v", c.Overall.Verdict, c.Overall.Typical.Delta)
	}
	if c.Unpaired != 5000 {
		t.Errorf("%d unpaired, want 5000", c.Unpaired)
	}
}

func TestTailsWithoutRetries(t *testing.T) {
	c := bench(New(Config{}), 4, 2000, func(_ Arm, _, _, i int) Sample {
		x := Sample{Session: "s", Method: "m", Seconds: 0.010}
		if i%50 == 0 {
			x.Seconds, x.Retried = 1, true
		}
		return x
	})
	if a := c.Overall.A; a.Retried != 160 || a.P99.Seconds < 0.9 || a.P99Once > 0.011 || a.P99Once < 0.0099 {
		t.Errorf("%d retried, p99 %v, without retries %v", a.Retried, a.P99.Seconds, a.P99Once)
	}
}

// TestDriftIsNoDifference: each pass is 2 % slower than the one before, and B is A.
func TestDriftIsNoDifference(t *testing.T) {
	drifting := func(_ Arm, _, pass, i int) Sample {
		x := steady(i)
		x.Seconds *= math.Pow(1.02, float64(pass)) * (1 + 0.001*float64((i*31+pass*17)%7))
		return x
	}
	c := bench(New(Config{}), 10, 300, drifting)
	if e := c.Overall.Typical; c.Overall.Verdict != Unchanged || math.Abs(e.Delta) > 0.002 || e.High-e.Low > 0.01 {
		t.Errorf("%s by %v (%v to %v)", c.Overall.Verdict, e.Delta, e.Low, e.High)
	}
	if !doubted(c, "slower or faster from the first to the last") {
		t.Errorf("doubts %q", c.Doubts)
	}
	if c := bench(New(Config{}), 5, 300, drifting); c.Overall.Verdict != Unchanged {
		t.Errorf("5 rounds: %s by %v", c.Overall.Verdict, c.Overall.Typical.Delta)
	}
}

func TestRoundsThatAreNotAlternatedAreDoubted(t *testing.T) {
	s := New(Config{})
	for r := 1; r <= 5; r++ {
		for _, arm := range []Arm{A, B} {
			p := s.Begin(arm, r)
			for i := range 100 {
				x := steady(i)
				x.Seq = int64(i)
				p.Add(x)
			}
			p.End()
		}
	}
	if c := s.Result(); !doubted(c, "Alternate A B, B A") || !doubted(c, "noise is not known") {
		t.Errorf("doubts %q", c.Doubts)
	}
}

// TestAllOfAThenAllOfBIsNotCompared: whatever changed with time would be B's doing.
func TestAllOfAThenAllOfBIsNotCompared(t *testing.T) {
	s := New(Config{})
	for _, arm := range []Arm{A, B} {
		for r := 1; r <= 5; r++ {
			p := s.Begin(arm, r)
			for i := range 100 {
				x := steady(i)
				x.Seq, x.Seconds = int64(i), x.Seconds*(1+0.2*float64(arm)+0.01*float64(r))
				p.Add(x)
			}
		}
	}
	c := s.Result()
	for _, r := range append(c.Methods, c.Overall) {
		if r.Verdict != NotCompared || r.Tail != NotCompared || !strings.Contains(r.Reason, "before") || r.Typical.Delta < 0.1 {
			t.Errorf("%s: %s by %v, %q", r.Method, r.Verdict, r.Typical.Delta, r.Reason)
		}
	}
	if !doubted(c, "not compared: ") {
		t.Errorf("doubts %q", c.Doubts)
	}
}

// TestNoiseOfAIsDemanded: A differs from itself by 30 %, so 10 % of B is nothing.
func TestNoiseOfAIsDemanded(t *testing.T) {
	for noise, want := range map[float64]Verdict{0: Faster, 0.3: Unchanged} {
		s := New(Config{})
		p := s.Begin(Again, 1)
		for i := range 100 {
			x := steady(i)
			x.Seq, x.Seconds = int64(i), x.Seconds*(1+noise)
			p.Add(x)
		}
		p.End()
		c := bench(s, 5, 100, func(arm Arm, round, _, i int) Sample {
			x := steady(i)
			x.Seconds *= 1 - float64(arm)*(0.1+0.001*float64(round))
			return x
		})
		if c.Overall.Verdict != want || noise > 0 && !doubted(c, "differs from itself") {
			t.Errorf("noise %v: %s, minimum %v, %q", noise, c.Overall.Verdict, c.Overall.Typical.Minimum, c.Doubts)
		}
	}
}

// TestSessionsAreResampled: one session of twenty is slow. Drawing 20,000 calls would put p95 within a per cent.
func TestSessionsAreResampled(t *testing.T) {
	c := bench(New(Config{}), 1, 20000, func(_ Arm, _, _, i int) Sample {
		x := Sample{Session: fmt.Sprint(i % 20), Method: "m", Seconds: 0.01}
		if i%20 == 7 {
			x.Seconds = 1
		}
		return x
	})
	if q := c.Overall.A.P95; q.Low > 0.011 || q.High < 0.9 {
		t.Errorf("p95 %v from %v to %v, want from 10 ms to 1 s", q.Seconds, q.Low, q.High)
	}
}

func TestTheSameSamplesGiveTheSameResult(t *testing.T) {
	run := func() *Comparison {
		r := rand.New(rand.NewPCG(5, 6))
		return bench(New(Config{}), 4, 300, func(_ Arm, _, _, i int) Sample {
			x := steady(i)
			x.Seconds *= 1 + 0.1*r.Float64()
			return x
		})
	}
	if a, b := run(), run(); !reflect.DeepEqual(a, b) {
		t.Error("two results of the same samples differ")
	}
}

// TestMemoryDoesNotGrowWithCalls: a pass of a million calls costs the 4 bytes a call of the pass that waits.
func TestMemoryDoesNotGrowWithCalls(t *testing.T) {
	const calls = 1_000_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := New(Config{})
	names := make([]Sample, 1000)
	for i := range names {
		names[i] = steady(i)
	}
	for _, arm := range []Arm{A, B} {
		p := s.Begin(arm, 1)
		for i := range calls {
			x := names[i%1000]
			x.Seq = int64(i)
			p.Add(x)
		}
		p.End()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if s.held > calls+pageSize {
		t.Errorf("%d calls are held, more than those of the pass that may have a neighbour", s.held)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 12<<20 {
		t.Errorf("2 million calls hold %d bytes", grown)
	}
	if c := s.Result(); c.Unpaired != 0 {
		t.Errorf("%d unpaired", c.Unpaired)
	}
	s = New(Config{MaxCalls: 1000})
	c := bench(s, 2, 5000, func(_ Arm, _, _, i int) Sample { return steady(i) })
	if c.Unpaired == 0 || !doubted(c, "no partner") || c.Overall.A.Calls != 10000 {
		t.Errorf("beyond the bound: %d unpaired, %d calls, %q", c.Unpaired, c.Overall.A.Calls, c.Doubts)
	}
}

func TestStudyTakesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(Config{Resamples: 5, MaxMethods: 3, MaxCalls: 2000})
		for range rapid.IntRange(0, 12).Draw(t, "passes") {
			p := s.Begin(Arm(rapid.IntRange(0, 2).Draw(t, "arm")), rapid.IntRange(-1, 3).Draw(t, "round"))
			for range rapid.IntRange(0, 20).Draw(t, "calls") {
				p.Add(Sample{
					Seq: rapid.Int64().Draw(t, "seq"), Method: rapid.StringN(0, 2, 4).Draw(t, "method"), Session: rapid.StringN(0, 2, 4).Draw(t, "session"),
					Seconds: rapid.Float64().Draw(t, "seconds"), At: rapid.Float64().Draw(t, "at"),
					Error: rapid.Bool().Draw(t, "error"), Cached: rapid.Bool().Draw(t, "cached"), Retried: rapid.Bool().Draw(t, "retried"),
				})
			}
			if rapid.Bool().Draw(t, "end") {
				p.End()
			}
		}
		c := s.Result()
		if len(c.Methods) > 4 {
			t.Fatalf("%d methods", len(c.Methods))
		}
		for _, r := range append(c.Methods, c.Overall) {
			for _, x := range []float64{r.Typical.Delta, r.Typical.P, r.P50.Delta, r.A.Mean, r.B.Mean, c.GeoMean, c.Noise} {
				if math.IsNaN(x) || math.IsInf(x, 0) {
					t.Fatalf("%v in %+v", x, r)
				}
			}
		}
	})
}

func TestAdjusted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ps := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 30).Draw(t, "p")
		var family []*Effect
		for _, p := range ps {
			family = append(family, &Effect{P: p})
		}
		adjust(family)
		for i, e := range family {
			if e.Adjusted < e.P-1e-12 || e.Adjusted > 1 || e.Adjusted > e.P*float64(len(ps))+1e-12 {
				t.Fatalf("p %v became %v of %d", e.P, e.Adjusted, len(ps))
			}
			if i > 0 && e.Adjusted < family[i-1].Adjusted {
				t.Fatal("the order changed")
			}
		}
	})
}

func TestQuantileOfHistogram(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(2e-6, 5000), 1, 200).Draw(t, "seconds")
		var a, b histogram
		for i, x := range xs {
			if i%2 == 0 {
				a.add(x)
			} else {
				b.add(x)
			}
		}
		a.merge(&b)
		slices.Sort(xs)
		for _, q := range []float64{0.01, 0.5, 0.95, 1} {
			want := xs[max(0, int(math.Ceil(q*float64(len(xs))))-1)]
			if got := a.quantile(q); math.Abs(got/want-1) > 0.011 {
				t.Fatalf("quantile %v is %v, want %v", q, got, want)
			}
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	s := New(Config{})
	names := make([]Sample, 1000)
	for i := range names {
		names[i] = steady(i)
	}
	p, arm, i := s.Begin(A, 1), A, 0
	b.ReportAllocs()
	for b.Loop() {
		x := names[i%1000]
		x.Seq = int64(i)
		p.Add(x)
		if i++; i == 100_000 {
			p.End()
			arm, i = 1-arm, 0
			p = s.Begin(arm, len(s.passes)/2+1)
		}
	}
}

package compare

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestAStoppedPassLeavesNoTrace ends B of the last round in its middle: nothing of that round stands in the result, which is
// the same as without it.
func TestAStoppedPassLeavesNoTrace(t *testing.T) {
	call := func(arm Arm, i int) Sample {
		x := steady(i)
		x.Seq = int64(i)
		if x.Seconds *= float64(1 + i/100); arm == B { // the end of a session is slower than its beginning
			x.Seconds *= 0.9
		}
		return x
	}
	run := func(rounds int, stopped bool) *Comparison {
		s := New(Config{})
		pass := func(arm Arm, round, calls int) *Pass {
			p := s.Begin(arm, round)
			for i := range calls {
				p.Add(call(arm, i))
			}
			return p
		}
		for r := 1; r <= rounds; r++ {
			first, second := A, B
			if r%2 == 0 {
				first, second = B, A
			}
			pass(first, r, 1000).End()
			pass(second, r, 1000).End()
		}
		if stopped {
			pass(A, rounds+1, 1000).End()
			pass(B, rounds+1, 40).Drop()
		}
		return s.Result()
	}
	want, got := run(4, false), run(4, true)
	if got.Rounds != 4 || got.Overall.A != want.Overall.A || got.Overall.B != want.Overall.B || len(got.Overall.P50.PerRound) != 4 || got.Unpaired != 0 {
		t.Errorf("%d rounds, %d unpaired:\nA %+v\nB %+v\nwant\nA %+v\nB %+v", got.Rounds, got.Unpaired, got.Overall.A, got.Overall.B, want.Overall.A, want.Overall.B)
	}
	if d := got.Overall.P95.Delta; math.Abs(d+0.1) > 0.01 {
		t.Errorf("p95 changed by %v, want −10 %%", d)
	}
	if slots := got.Timeline[B]; len(slots) != len(want.Timeline[B]) || slots[0].Calls != want.Timeline[B][0].Calls {
		t.Errorf("the timeline has %d slots, want %d", len(slots), len(want.Timeline[B]))
	}
	if first := run(0, true); first.Rounds != 0 || first.Overall.A.Calls != 1000 || first.Overall.A.P50.Seconds == 0 || first.Overall.B.Calls != 0 || first.Overall.Verdict != NotCompared {
		t.Errorf("of a benchmark that was ended in its first round: %+v", first.Overall)
	}
}

// TestQuantilesAreOfWhatBothAnswered lets B drop, or its cache answer, the fast half of the calls: the other half did not change.
func TestQuantilesAreOfWhatBothAnswered(t *testing.T) {
	for name, without := range map[string]func(*Sample) bool{
		"dropped": func(*Sample) bool { return false },
		"hits":    func(x *Sample) bool { x.Cached, x.Seconds = true, 1e-5; return true },
	} {
		t.Run(name, func(t *testing.T) {
			s := New(Config{})
			for r := 1; r <= 5; r++ {
				for _, arm := range []Arm{A, B} {
					p := s.Begin(arm, r)
					for i := range 3000 {
						x := steady(i)
						x.Seq = int64(i)
						if arm == B && x.Seconds < 0.01 && !without(&x) {
							continue
						}
						p.Add(x)
					}
					p.End()
				}
			}
			c := s.Result()
			o := &c.Overall
			if math.Abs(o.P50.Delta) > 1e-9 || math.Abs(o.P95.Delta) > 1e-9 || o.A.P50.Seconds != o.B.P50.Seconds || o.P50.Verdict != Unchanged || o.P95.Verdict != Unchanged {
				t.Errorf("A %+v, B %+v, p50 %+v, p95 %+v", o.A, o.B, o.P50, o.P95)
			}
			if o.A.Own == nil || o.A.Own.P50 >= o.A.P50.Seconds || o.B.Own != nil || c.Unpaired == 0 {
				t.Errorf("A by itself: %+v, B %+v, %d unpaired", o.A.Own, o.B.Own, c.Unpaired)
			}
		})
	}
}

// TestBoundsAreOfAllThatAnArmAnswered: calls that A did not answer are in no comparison, and in what B is held to.
func TestBoundsAreOfAllThatAnArmAnswered(t *testing.T) {
	s := New(Config{ErrorDifference: 1})
	for _, arm := range []Arm{A, B} {
		p := s.Begin(arm, 1)
		for i := range 1000 {
			x := Sample{Seq: int64(i), Session: "s", Method: "m", Seconds: 0.01}
			if i < 300 {
				x.Seconds, x.Error = 2, arm == A
			}
			p.Add(x)
		}
		p.End()
	}
	c := s.Result()
	th, err := ParseThreshold("p95(all) > 1s")
	if err != nil {
		t.Fatal(err)
	}
	if o := th.Check(c); o.State != Broken || c.Overall.B.P95.Seconds > 0.02 {
		t.Errorf("%+v with %+v", o, c.Overall.B)
	}
}

// TestDropsAnywhere drops passes at random: rounds are those of which both were sent to their end, and sums are theirs.
func TestDropsAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(Config{Resamples: 1})
		rounds := rapid.IntRange(1, 6).Draw(t, "rounds")
		want := 0
		for r := 1; r <= rounds; r++ {
			whole := 0
			for _, arm := range []Arm{A, B} {
				p := s.Begin(arm, r)
				for i := range 20 {
					p.Add(Sample{Seq: int64(i), Method: "m", Session: "s", Seconds: 0.01})
				}
				if rapid.Bool().Draw(t, "dropped") {
					p.Drop()
				} else {
					p.End()
					whole++
				}
				p.Add(Sample{Seq: 99, Method: "late", Seconds: 1})
			}
			if whole == 2 {
				want++
			}
		}
		c := s.Result()
		if again := s.Result(); c.Rounds != want || again.Overall.A.Calls != c.Overall.A.Calls {
			t.Fatalf("%d rounds, want %d", c.Rounds, want)
		}
		if want > 0 && (c.Overall.A.Calls != int64(20*want) || c.Overall.B.Calls != int64(20*want) || c.Unpaired != 0) {
			t.Fatalf("%d and %d calls of %d rounds", c.Overall.A.Calls, c.Overall.B.Calls, want)
		}
		if s.held > 6*2*pageSize {
			t.Fatalf("%d are held", s.held)
		}
	})
}

package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/aclements/go-moremath/stats"

	"github.com/perfd/perfd/replay/compare"
)

// world is a simulated server and what differs between A and B.
type world struct {
	name    string
	calls   int // in a pass
	rounds  int
	noise   float64 // from one pass to the next, standard deviation of the logarithm of their ratio
	change  float64 // of every call in B, as -0.05
	method  float64 // of the calls of one method in B
	tail    float64 // of the slowest 2 % of the calls in B
	drift   float64 // from one pass to the next, both arms
	noisy   float64 // share of passes in which a neighbour makes a stretch of calls slower by 30 %
	blocked bool    // all of A, then all of B
	alike   bool    // every call costs the same
}

const (
	kinds    = 12         // methods
	users    = 40         // sessions
	changed  = "model.m4" // the method that world.method changes
	ofCall   = 0.6
	ofRepeat = 0.15 // what differs when one call is repeated
)

// load are the calls: what each costs a server in its everyday mood.
type call struct {
	method, session string
	log             float64
	slow            bool
}

func newLoad(r *rand.Rand, n int) []call {
	var names [kinds]string
	for m := range names {
		names[m] = fmt.Sprintf("model.m%d", m)
	}
	out := make([]call, n)
	for i := range out {
		m := int(math.Pow(r.Float64(), 2) * kinds) // some methods are called more than others
		out[i] = call{
			method: names[m], session: fmt.Sprintf("s%d", r.IntN(users)),
			log: math.Log(0.02) + 0.2*float64(m-kinds/2) + ofCall*r.NormFloat64(), slow: r.Float64() < 0.02,
		}
		if out[i].slow {
			out[i].log += 2 // a report, a cold cache, a full table scan
		}
	}
	return out
}

// run replays a load of its own against the server and compares.
func (w world) run(seed uint64) *compare.Comparison {
	study := compare.New(compare.Config{Resamples: 1})
	w.play(seed, study.Begin, nil)
	return study.Result()
}

// play makes the samples of a benchmark: each pass is begun, filled and ended. also gets them too.
func (w world) play(seed uint64, begin func(compare.Arm, int) *compare.Pass, also func(compare.Arm, compare.Sample)) {
	r := rand.New(rand.NewPCG(seed, 4))
	load := newLoad(r, w.calls)
	for i := range load {
		if w.alike {
			load[i].log = math.Log(0.02)
		}
	}
	at := 0.0
	pass := func(arm compare.Arm, round int) {
		mood := w.noise/math.Sqrt2*r.NormFloat64() + w.drift*at
		at++
		from, to := 0, 0
		if r.Float64() < w.noisy {
			from = r.IntN(w.calls)
			to = from + int((0.2+0.3*r.Float64())*float64(w.calls))
		}
		p := begin(arm, round)
		for i, c := range load {
			log := c.log + mood + ofRepeat*r.NormFloat64()
			if i >= from && i < to {
				log += math.Log(1.3)
			}
			if arm == compare.B {
				log += math.Log1p(w.change)
				if c.slow {
					log += math.Log1p(w.tail)
				}
				if c.method == changed {
					log += math.Log1p(w.method)
				}
			}
			x := compare.Sample{Seq: int64(i), Session: c.session, Method: c.method, Seconds: math.Exp(log), At: float64(i)}
			p.Add(x)
			if also != nil {
				also(arm, x)
			}
		}
		p.End()
	}
	if w.blocked {
		for round := range w.rounds {
			pass(compare.A, round+1)
		}
		for round := range w.rounds {
			pass(compare.B, round+1)
		}
		return
	}
	pass(compare.Again, 1)
	for round := range w.rounds {
		first, second := compare.A, compare.B
		if round%2 == 1 {
			first, second = second, first
		}
		pass(first, round+1)
		pass(second, round+1)
	}
}

// pooled returns the shares, in %, of runs in which a Mann-Whitney test over all calls and the paired rounds find a change.
func (w world) pooled(runs int, seed uint64) (mannWhitney, paired float64) {
	for i := range runs {
		var seconds [2][]float64
		study := compare.New(compare.Config{Resamples: 1})
		w.play(seed+uint64(i), study.Begin, func(arm compare.Arm, x compare.Sample) {
			if arm != compare.Again {
				seconds[arm] = append(seconds[arm], x.Seconds)
			}
		})
		if u, err := stats.MannWhitneyUTest(seconds[compare.A], seconds[compare.B], stats.LocationDiffers); err == nil && u.P < 0.05 {
			mannWhitney += 100 / float64(runs)
		}
		if v := study.Result().Overall.Verdict; v == compare.Faster || v == compare.Slower {
			paired += 100 / float64(runs)
		}
	}
	return mannWhitney, paired
}

// tally counts what the comparisons of many runs said.
type tally struct {
	runs                         int
	faster, slower               int // of all calls
	tailFaster, tailSlower       int
	method, methodWrong, methods int // the changed method; another, though nothing of it changed; any
	anything                     int // of all calls or of a method
}

func (w world) tally(runs int, seed uint64) tally {
	t := tally{runs: runs}
	for i := range runs {
		c := w.run(seed + uint64(i))
		t.faster += one(c.Overall.Verdict == compare.Faster)
		t.slower += one(c.Overall.Verdict == compare.Slower)
		t.tailFaster += one(c.Overall.Tail == compare.Faster)
		t.tailSlower += one(c.Overall.Tail == compare.Slower)
		some, wrong := false, false
		for _, m := range c.Methods {
			some = some || said(m)
			if m.Method == changed {
				t.method += one(m.Verdict == compare.Faster || m.Verdict == compare.Slower)
			} else if said(m) {
				wrong = true
			}
		}
		t.methodWrong += one(wrong)
		t.methods += one(some)
		t.anything += one(some || said(c.Overall))
	}
	return t
}

func said(r compare.Row) bool {
	return r.Verdict == compare.Faster || r.Verdict == compare.Slower || r.Tail == compare.Faster || r.Tail == compare.Slower
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

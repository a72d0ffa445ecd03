package sidecar

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestShedderLevels(t *testing.T) {
	for _, tt := range []struct {
		load Load
		want Level
	}{
		{Load{}, Nothing},
		{Load{Lag: 200 * time.Millisecond, Queue: 0.4, Memory: 0.8, CPU: 0.8}, Nothing},
		{Load{Lag: 250 * time.Millisecond}, Texts},
		{Load{Queue: 0.5}, Texts}, {Load{Memory: 0.85}, Texts}, {Load{CPU: 0.9}, Texts},
		{Load{Lag: 500 * time.Millisecond}, Statements},
		{Load{Queue: 0.75}, Statements}, {Load{Memory: 0.92}, Statements}, {Load{CPU: 1}, Statements},
		{Load{Lag: 1500 * time.Millisecond}, Calls},
		{Load{Queue: 1}, Calls}, {Load{Memory: 1}, Calls},
		{Load{Lag: time.Second}, Singles}, {Load{Queue: 0.9}, Singles}, {Load{Memory: 0.96}, Singles},
		{Load{CPU: 1.2}, Statements}, {Load{CPU: 7}, Singles}, // more than that much processor time does not ask for blindness
	} {
		s := NewShedder(ShedConfig{})
		now := time.Unix(1_700_000_000, 0)
		for range 40 {
			s.Observe(now, tt.load)
			now = now.Add(250 * time.Millisecond)
		}
		if got := s.Level(); got != tt.want {
			t.Errorf("%+v: %v is left out, want %v", tt.load, got, tt.want)
		}
	}
}

// Whatever the load does, levels go by one, not faster than they may, and down after calm alone.
func TestShedderLaws(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 14))
	for run := range 200 {
		s := NewShedder(ShedConfig{})
		cfg := s.cfg
		now := time.Unix(1_700_000_000, 0)
		// Loads come in stretches, as they do, and each stretch is noisy or is not.
		var base Load
		noise := 0.0
		level, changed, busy := Nothing, time.Time{}, now
		for range 2000 {
			if rng.IntN(30) == 0 {
				base = Load{
					Lag:   time.Duration(rng.IntN(2500)) * time.Millisecond * time.Duration(rng.IntN(2)),
					Queue: rng.Float64() * float64(rng.IntN(2)), Memory: rng.Float64() * 1.1, CPU: rng.Float64() * float64(rng.IntN(2)),
				}
				noise = rng.Float64() * float64(rng.IntN(2))
			}
			now = now.Add(time.Duration(1+rng.IntN(500)) * time.Millisecond)
			l := base
			l.Lag += time.Duration(noise * rng.Float64() * float64(time.Second))
			l.Memory += noise * rng.Float64() * 0.3
			want := s.wanted(l)
			if want >= level && level > Nothing {
				busy = now
			}
			got := s.Observe(now, l)
			switch {
			case got == level:
				if want > level && (changed.IsZero() || now.Sub(changed) >= cfg.Climb) {
					t.Fatalf("run %d: %v stays though %v is wanted", run, level, want)
				}
			case got == level+1:
				if want < got {
					t.Fatalf("run %d: up to %v, wanted was %v", run, got, want)
				}
				if !changed.IsZero() && now.Sub(changed) < cfg.Climb {
					t.Fatalf("run %d: up to %v after %v", run, got, now.Sub(changed))
				}
			case got+1 == level:
				if want >= level {
					t.Fatalf("run %d: down to %v, wanted was %v", run, got, want)
				}
				if d := now.Sub(busy); d < cfg.Calm {
					t.Fatalf("run %d: down to %v after %v of calm", run, got, d)
				}
				if d := now.Sub(changed); d < cfg.Calm {
					t.Fatalf("run %d: down to %v, %v after the change before", run, got, d)
				}
			default:
				t.Fatalf("run %d: from %v to %v at once", run, level, got)
			}
			if got != level {
				level, changed = got, now
			}
		}
		for range 100 { // at rest it always comes back to leaving out nothing
			now = now.Add(time.Second)
			s.Observe(now, Load{})
		}
		if s.Level() != Nothing {
			t.Fatalf("run %d: %v is left out at rest", run, s.Level())
		}
	}
}

// A load that just touches a bound must not make the level go up and down.
func TestShedderDoesNotFlap(t *testing.T) {
	s := NewShedder(ShedConfig{})
	now := time.Unix(1_700_000_000, 0)
	changes, before := 0, Nothing
	for i := range 400 { // 100 s, a peak every 2.5 s
		l := Load{Memory: 0.5}
		if i%10 == 0 {
			l.Memory = 0.95
		}
		if s.Observe(now, l) != before {
			changes++
			before = s.Level()
		}
		now = now.Add(250 * time.Millisecond)
	}
	if changes > 2 {
		t.Errorf("%d changes in 100 s", changes)
	}
}

func TestLevelNames(t *testing.T) {
	for l, want := range map[Level]string{Nothing: "nothing", Texts: "texts", Statements: "statements", Singles: "single calls", Calls: "calls"} {
		if l.String() != want {
			t.Errorf("level %d is %q", l, l)
		}
	}
	_ = Level(9).String() // must not panic
}

package sidecar

import "time"

// Level is how much is left out. Each level leaves out what those below it do.
type Level uint8

// Levels, the least harmful first. What is shown stays right at every level; it becomes less.
const (
	Nothing    Level = iota
	Texts            // new statements are shown as their folded text
	Statements       // calls are seen without their statements, and marked
	Singles          // calls are added up, and not kept one by one
	Calls            // nothing new is decoded
)

var levelNames = [...]string{"nothing", "texts", "statements", "single calls", "calls"}

// String says what is left out.
func (l Level) String() string { return levelNames[min(l, Calls)] }

// Load is what a Shedder judges by. Shares are of what is allowed, 1 is the bound.
type Load struct {
	Lag    time.Duration // how far decoding is behind the packets
	Queue  float64       // share of the queue that is full
	Memory float64       // share of the memory budget in use
	CPU    float64       // share of the processor budget in use; 0 where there is none
}

// ShedConfig tunes a Shedder. The zero value works.
type ShedConfig struct {
	// Lag from which statements are left out; single calls are at twice, calls at three times as much. Defaults to 500 ms.
	Lag time.Duration
	// Calm is how long the load has to be low before a level is left. Defaults to 5 s.
	Calm time.Duration
	// Climb is how long a level is tried before the next one. Defaults to 250 ms.
	Climb time.Duration
}

// Shedder decides what is left out. It is not safe for concurrent use.
type Shedder struct {
	cfg     ShedConfig
	level   Level
	changed time.Time
	calm    time.Time // since when the load is low; zero if it is not
}

// NewShedder returns one that leaves out nothing yet.
func NewShedder(cfg ShedConfig) *Shedder {
	def := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	def(&cfg.Lag, 500*time.Millisecond)
	def(&cfg.Calm, 5*time.Second)
	def(&cfg.Climb, 250*time.Millisecond)
	return &Shedder{cfg: cfg}
}

// Level is what was decided last.
func (s *Shedder) Level() Level { return s.level }

// Observe takes the load of a moment and returns what to leave out from now on. It goes up one level at a time, at
// once where time for the level before it is up, and down one at a time after a while of calm: what comes and
// goes would be worth less than either.
func (s *Shedder) Observe(now time.Time, l Load) Level {
	want := s.wanted(l)
	switch {
	case want > s.level:
		s.calm = time.Time{}
		if s.changed.IsZero() || now.Sub(s.changed) >= s.cfg.Climb {
			s.level++
			s.changed = now
		}
	case want == s.level:
		s.calm = time.Time{}
	case s.calm.IsZero():
		s.calm = now
	case now.Sub(s.calm) >= s.cfg.Calm:
		s.level--
		s.changed, s.calm = now, now
	}
	return s.level
}

// wanted is the level that a load asks for by itself.
func (s *Shedder) wanted(l Load) Level {
	switch {
	case l.Lag >= 3*s.cfg.Lag || l.Memory >= 1 || l.Queue >= 1:
		return Calls
	case l.Lag >= 2*s.cfg.Lag || l.Memory >= 0.96 || l.CPU >= 1.25 || l.Queue >= 0.9:
		return Singles
	case l.Lag >= s.cfg.Lag || l.Memory >= 0.92 || l.CPU >= 1 || l.Queue >= 0.75:
		return Statements
	case l.Lag >= s.cfg.Lag/2 || l.Memory >= 0.85 || l.CPU >= 0.9 || l.Queue >= 0.5:
		return Texts
	}
	return Nothing
}

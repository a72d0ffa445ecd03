// Package compare says whether calls got faster, and how sure that is.
//
// A benchmark sends the same calls several times to A and to B, one pass after the other: A B, B A, A B …. The unit of
// evidence is the round, one pass of each, not the call: calls of one pass share the machine's mood, and a test that
// takes them as independent finds changes that are not there. So each round yields one number for each method, the
// mean over the calls of log(B/A), each call beside itself, and what is tested is whether those numbers differ from
// nothing. docs/statistics.md has the reasons, and figures of how often the answer is right.
package compare

import (
	"cmp"
	"slices"
)

// Arm is one of the things compared.
type Arm uint8

// The arms. Again is A once more: what differs between A and Again is noise.
const (
	A Arm = iota
	B
	Again
)

func (a Arm) String() string { return [...]string{"A", "B", "A′"}[min(a, Again)] }

// Sample is one call of one pass.
type Sample struct {
	// Seq is the call's number in the load: what pairs it with itself in other passes. Not below 0.
	Seq     int64
	Session string
	Method  string  // model.method
	At      float64 // seconds from the begin of the pass at which it was due; for the timeline alone
	Seconds float64 // from the moment it was due to the last byte of the answer
	Error   bool    // the call failed, HTTP 200 or not
	Cached  bool    // answered by the client's cache: kept apart
	Retried bool    // the server or the client tried more than once: tails are shown with and without
}

// Config tunes a study. Its zero value works.
type Config struct {
	// Alpha is the share of false alarms that is accepted of all calls; of all methods together (Benjamini and Hochberg)
	// it is half of it. Defaults to 0.05.
	Alpha float64
	// MinEffect is the least change that is called one, as 0.05. What A showed against itself is demanded in any case.
	// Defaults to 0.02 where A ran beside itself at least once, and to 0.05 where it did not and for quantiles.
	MinEffect float64
	// MinRounds below which nothing is called a change. Defaults to 4, and is at least 3.
	MinRounds int
	// MinTail is the number of calls in each pass from which p99 is told; p95 needs a tenth of it. Defaults to 1,000.
	MinTail int64
	// ErrorDifference between the rates of A and B from which they are not compared. Defaults to 0.005.
	ErrorDifference float64
	// Resamples of the sessions for the intervals of quantiles. Defaults to 200.
	Resamples int
	// Seed of that resampling. The same samples and seed give the same result. Defaults to 1.
	Seed uint64
	// MaxMethods told apart; the calls of the rest are of the method "other". Defaults to 1,000.
	MaxMethods int
	// MaxCalls whose durations are held at once to be paired, over all passes that wait for their partner. Those above
	// it are not compared, and are counted. Defaults to 16 million, which are 64 MB.
	MaxCalls int
}

func (c Config) defaults() Config {
	c.Alpha = cmp.Or(c.Alpha, 0.05)
	c.MinRounds = max(cmp.Or(c.MinRounds, 4), 3)
	c.MinTail = cmp.Or(c.MinTail, 1000)
	c.ErrorDifference = cmp.Or(c.ErrorDifference, 0.005)
	c.Resamples = cmp.Or(c.Resamples, 200)
	c.Seed = cmp.Or(c.Seed, 1)
	c.MaxMethods = cmp.Or(c.MaxMethods, 1000)
	c.MaxCalls = cmp.Or(c.MaxCalls, 16<<20)
	return c
}

// Study takes samples and compares. It is not safe for concurrent use.
type Study struct {
	cfg      Config
	methods  map[string]*method
	overall  *method
	sessions map[string]int // to their group, as long as there are groups
	passes   []*Pass
	held     int  // calls held by all passes
	two      bool // a pass of B began
	alone    bool // no round has both arms, and what ran is counted by itself
	lines    [2]line
}

// New returns a study without samples.
func New(c Config) *Study {
	s := &Study{cfg: c.defaults(), methods: map[string]*method{}, sessions: map[string]int{}}
	s.overall = newMethod("all calls")
	return s
}

// Begin begins a pass of an arm in a round, counted from 1. Passes begin in the order in which they are run; that of A
// and that of B of one round are compared, by the calls that both answered, and two passes of A with none of B between them
// tell the noise. A warm-up is not told at all.
func (s *Study) Begin(arm Arm, round int) *Pass {
	p := &Pass{study: s, info: PassInfo{Arm: arm, Round: round}, order: len(s.passes), cells: map[*method]*cell{}}
	if n := len(s.passes); n > 0 && arm != B && s.passes[n-1].info.Arm != B {
		p.noise = s.passes[n-1]
	}
	s.two = s.two || arm == B
	if arm != Again {
		for _, o := range slices.Backward(s.passes) {
			if o.info.Round == round && o.info.Arm != arm && o.info.Arm != Again && o.partner == nil && !o.dropped {
				p.partner, o.partner = o, p
				p.both = &pair{methods: map[*method]*shared{}}
				o.both = p.both
				break
			}
		}
	}
	s.passes = append(s.passes, p)
	s.release()
	return p
}

// release frees what no pass can ask for any more.
func (s *Study) release() {
	for i, p := range s.passes {
		last := i == len(s.passes)-1
		waiting := p.info.Arm != Again && (p.partner == nil || !p.partner.ended)
		before := i == len(s.passes)-2 && s.passes[i+1].noise == p && !s.passes[i+1].ended
		if p.dropped || p.ended && !last && !waiting && !before {
			s.held -= p.calls.free()
		}
	}
}

// method returns what is known of a method.
func (s *Study) method(name string) *method {
	m := s.methods[name]
	if m == nil {
		if len(s.methods) >= s.cfg.MaxMethods {
			name = "other"
			if m = s.methods[name]; m != nil {
				return m
			}
		}
		m = newMethod(name)
		s.methods[name] = m
	}
	return m
}

// group returns which of the groups a session is resampled with: one of its own for the first sessions, then by hash.
func (s *Study) group(session string) int {
	if g, ok := s.sessions[session]; ok {
		return g
	}
	if len(s.sessions) < groups {
		s.sessions[session] = len(s.sessions)
		return len(s.sessions) - 1
	}
	h := uint32(2166136261) // FNV-1a
	for i := range len(session) {
		h = (h ^ uint32(session[i])) * 16777619
	}
	return int(h % groups)
}

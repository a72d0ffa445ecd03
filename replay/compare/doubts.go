package compare

import (
	"fmt"
	"math"

	"github.com/perfd/perfd/figures"
)

// doubts lists what could make the result wrong, the gravest first.
func (s *Study) doubts(c *Comparison) []string {
	var out []string
	say := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	if s.overall.side[B].count == 0 {
		return nil // nothing was to be compared
	}
	if c.Overall.Verdict == NotCompared {
		say("A and B are not compared: %s.", c.Overall.Reason)
	}
	if n := count(c.Methods, func(r Row) bool { return r.Verdict == NotCompared }); n > 0 && c.Overall.Reason != blocked {
		say("%s not compared: errors differ, or one side has no calls of it.", methods(n))
	}
	if c.Rounds < s.cfg.MinRounds {
		say("%d of the %d rounds that a verdict needs: run %d or more (--rounds).", c.Rounds, s.cfg.MinRounds, s.cfg.MinRounds+1)
	}
	first, second := 0, 0
	for _, p := range s.passes {
		if p.info.Arm == B && p.counts() {
			if p.order < p.partner.order {
				first++
			} else {
				second++
			}
		}
	}
	if c.Rounds > 1 && (first == 0 || second == 0) && c.Overall.Reason != blocked {
		say("B ran on the same side of A in every round: what changes with time looks like a difference. Alternate A B, B A.")
	}
	switch noise := values(s.overall.noise); {
	case len(noise) == 0:
		say("A never ran beside itself, so the noise is not known; changes under %.0f %% are not told.", 100*s.cfg.minimum(nil, 0))
	case c.Noise > 0.05:
		say("A differs from itself by %.0f %%: the machine is noisy. More rounds, or a quieter one.", 100*c.Noise)
	}
	if d := s.drift(); d > 0.05 {
		say("The passes got %.0f %% slower or faster from the first to the last, whichever arm ran.", 100*d)
	}
	if all := s.overall.side[A].calls + s.overall.side[B].calls; c.Unpaired*100 > all {
		say("%.0f %% of the calls have no partner in the other pass (errors, drops, hits of the cache) and are not compared.",
			100*float64(c.Unpaired)/float64(max(all, 1)))
	}
	if n := len(s.sessions); n < minSessions {
		say("%s: intervals of quantiles, which resample sessions, need %d.", figures.Plural(int64(n), "session"), minSessions)
	}
	if small := s.smallest(s.overall); small < s.cfg.MinTail {
		say("%s that both arms answered in a pass: p99 needs %s.", figures.Plural(small, "call"), figures.Thousands(s.cfg.MinTail))
	}
	return out
}

// drift is how much the line through the passes' medians changes from the first to the last, relative, if that is more
// than their scatter about it.
func (s *Study) drift() float64 {
	var xs, ys []float64
	level := [2]float64{}
	counts := [2]float64{}
	for _, p := range s.passes {
		if p.info.P50 > 0 && p.info.Arm != Again && !p.dropped {
			level[p.info.Arm] += math.Log(p.info.P50)
			counts[p.info.Arm]++
		}
	}
	for _, p := range s.passes {
		if p.info.P50 > 0 && p.info.Arm != Again && !p.dropped {
			xs = append(xs, float64(p.order))
			ys = append(ys, math.Log(p.info.P50)-level[p.info.Arm]/counts[p.info.Arm])
		}
	}
	n := float64(len(xs))
	if n < 6 {
		return 0
	}
	var sx, sy, sxx, sxy float64
	for i := range xs {
		sx += xs[i]
		sy += ys[i]
		sxx += xs[i] * xs[i]
		sxy += xs[i] * ys[i]
	}
	spread := sxx - sx*sx/n
	slope := (sxy - sx*sy/n) / spread
	rest := 0.0
	for i := range xs {
		d := ys[i] - sy/n - slope*(xs[i]-sx/n)
		rest += d * d
	}
	if math.Abs(slope) < 3*math.Sqrt(rest/(n-2)/spread) {
		return 0
	}
	return math.Expm1(math.Abs(slope) * (xs[len(xs)-1] - xs[0]))
}

func count(rows []Row, is func(Row) bool) int {
	n := 0
	for _, r := range rows {
		if is(r) {
			n++
		}
	}
	return n
}

func methods(n int) string {
	if n == 1 {
		return "1 method is"
	}
	return fmt.Sprintf("%d methods are", n)
}

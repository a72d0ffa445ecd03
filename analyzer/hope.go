package analyzer

import (
	"math"
	"slices"
)

// hopes computes for each of w.pieces how likely it and what follows could be at best, whichever way what comes before is
// divided, and after them what the ends of both calls add. Most pairs of calls are divided well already: then there is no
// hope from the first on.
func (w *window) hopes(owners [2]*owner) {
	n := len(w.pieces)
	w.hope = slices.Grow(w.hope[:0], n+1)[:n+1]
	latest := int64(math.MinInt64)
	var begun [2]bool // a piece before can only be this one's
	for i := range w.pieces {
		c := &w.pieces[i]
		l := &w.briefs[c.lease]
		var before prior
		for j := range i {
			before.note(&w.briefs[w.pieces[j].lease], l)
		}
		best := math.Inf(-1)
		for side, o := range owners {
			if !c.can[side] {
				continue
			}
			s := math.Inf(-1)
			if !begun[side] {
				s = w.timing.gaps[o.route][gapHead].score(l.start - o.head)
			}
			s = max(s, w.timing.atBest(o.route, l, &before))
			if int(c.first) == i {
				s += c.weight[side]
			}
			best = max(best, s)
		}
		w.hope[i] = best
		latest = max(latest, l.end)
		begun[0], begun[1] = begun[0] || !c.can[1], begun[1] || !c.can[0]
	}
	w.hope[n] = 0
	for _, o := range owners {
		end := w.timing.best[o.route]
		if o.answer {
			end += w.timing.gaps[o.route][gapLast].score(o.until - latest)
		}
		w.hope[n] += max(end, w.timing.pattern(o.route, 0, 0))
	}
	for i := n - 1; i >= 0; i-- {
		w.hope[i] += w.hope[i+1]
	}
}

// prior is what counts of the leases before one.
type prior struct {
	over, open, same bool  // there are some that are over, that are not, and on the same connection
	end              int64 // the latest of those that are over
}

func (p *prior) note(b, l *brief) {
	p.same = p.same || b.conn == l.conn
	if b.end > l.start+slack {
		p.open = true
		return
	}
	if !p.over || b.end > p.end {
		p.over, p.end = true, b.end
	}
}

// atBest bounds what follow says of a lease that is not a call's first.
func (t *timing) atBest(r route, l *brief, before *prior) float64 {
	best := math.Inf(-1)
	if before.over {
		gap := l.start - before.end
		best = t.other + t.gaps[r][gapOther].score(gap)
		if before.same {
			best = max(best, t.same+t.gaps[r][gapSame].score(gap))
		}
	}
	if before.open {
		link := max(0, t.other)
		if before.same {
			link = max(link, t.same)
		}
		best = max(best, meetUsual+link)
	}
	return best
}

package analyzer

import "math"

// timing holds what is learned of how a call's leases follow one another: the delays between them, the
// patterns of kinds, and how the connection pool hands out connections.
type timing struct {
	gaps     [routes][gapKinds]gapModel
	patterns [routes]patternBook
	unseen   [routes]float64 // log probability of a pattern never seen
	best     [routes]float64 // the greatest log probability of any
	usual    [routes]float64 // mean number of leases
	spread   [routes]float64 // its variance
	same     float64         // log odds that the next lease is on the same connection
	other    float64         // … that it is on another one
}

type gapKind uint8

const (
	gapHead  gapKind = iota // request head to first lease
	gapSame                 // lease to lease on the same connection
	gapOther                // lease to lease on another one
	gapLast                 // last lease to the response's first byte
	gapKinds
)

// gapModel is an exponential density, slightly stiffened so that first come, first served wins ties (a
// sum of exponentials does not care which of two crossing pairs is which), and capped so that one late
// lease does not outweigh everything else. Heavier tails fit single delays better and assign worse: they
// prefer one tiny delay and one huge one to two middling ones.
type gapModel struct {
	mean, scale float64 // nanoseconds, and their inverse
	base        float64 // log density at 0, per millisecond
}

const (
	gapStiffness = 0.08
	gapCap       = 12
	gapKnee      = 7.5 // where the cap is reached: x(1 + stiffness·x) = cap
)

func newGapModel(mean float64) gapModel {
	return gapModel{mean: mean, scale: 1 / mean, base: -math.Log(mean / 1e6)}
}

// score is the log density of a delay.
func (g *gapModel) score(gap int64) float64 {
	if gap <= 0 {
		return g.base
	}
	x := float64(gap) * g.scale
	if x >= gapKnee {
		return g.base - gapCap
	}
	return g.base - x*(1+gapStiffness*x)
}

// delays adds up what was seen of a delay.
type delays struct{ n, sum float64 }

// model estimates the density, with the prior counting as a few observations.
func (d *delays) model(prior gapModel) gapModel {
	const weight = 4
	return newGapModel(max((d.sum+weight*prior.mean)/(d.n+weight), 1e5))
}

// pattern accumulates the kinds of a call's leases in order; nested leases count apart.
type pattern uint64

func (p pattern) with(k leaseKind, nested bool) pattern {
	v := pattern(k) + 1
	if nested {
		v += pattern(len(symbols))
	}
	return p*29 + v // wraps for very long calls: then it is a hash
}

func newTiming() *timing {
	t := &timing{same: math.Log(4), other: math.Log(0.4)}
	for r := range t.gaps {
		t.gaps[r] = [gapKinds]gapModel{newGapModel(8e6), newGapModel(4e6), newGapModel(4e6), newGapModel(6e6)}
		t.unseen[r] = -7
	}
	t.spread = priorSpread
	t.usual = [routes]float64{routeWeb: 2, routeLogin: 7, routeAPI: 5, routeAPISession: 4, routeTryton: 3, routeTrytonLogin: 2, routeSocket: 2}
	for r := range t.patterns {
		known := map[pattern]float64{}
		for text, logP := range priorPatterns[route(r)] {
			known[patternOf(text)] = logP
		}
		t.patterns[r] = newPatternBook(known)
		t.best[r] = max(t.patterns[r].best, t.unseen[r])
	}
	return t
}

// priorSpread is the variance of the number of leases a call takes, by route; what is learned never exceeds it.
var priorSpread = [routes]float64{
	routeWeb: 0.4, routeLogin: 2, routeAPI: 1, routeAPISession: 1, routeTryton: 0.5, routeTrytonLogin: 1, routeSocket: 1, routeCron: 1,
}

// priorPatterns are the patterns servers of known versions show, with log probabilities to begin with. That a call of
// Odoo's runs nothing is all but impossible, and has to be: no delay or pause then counts against it, as they do where
// statements are given to it on a busy server.
// Capitals are nested leases; the letters are symbols.
var priorPatterns = map[route]map[string]float64{
	routeWeb:         {"sm": -0.1, "se": -3, "sb": -3.2, "sc": -4, "s": -5, "": -25, "dse": -5, "smm": -6},
	routeLogin:       {"smMMMMM": -1, "smMMMM": -1, "dseM": -2, "dsmMMMMM": -3, "dsmMMMM": -3, "sm": -5, "": -25},
	routeAPI:         {"smsm": -2.5, "dsesm": -1, "dse": -2.5, "dseme": -2.5, "dsese": -4, "dsemsm": -4.5, "smmsm": -4.5, "sm": -3, "": -17},
	routeAPISession:  {"smsm": -0.5, "dsesm": -3, "smmsm": -4.5, "sm": -3, "": -17},
	routeTryton:      {"kmr": -0.5, "kmmr": -2, "km": -3, "": -5, "k": -4},
	routeTrytonLogin: {"m": -2, "mm": -2, "mmm": -2.5, "": -7},
	routeSocket:      {"smb": -1.5, "smbb": -3, "sm": -2, "smm": -2, "s": -3, "sp": -1.5, "spd": -2, "smbd": -3, "": -3},
	routeCron:        {"": -1},
}

func patternOf(text string) pattern {
	var p pattern
	for _, c := range text {
		nested := c < 'a'
		if nested {
			c += 'a' - 'A'
		}
		for k, s := range symbols {
			if s == c {
				p = p.with(leaseKind(k), nested)
			}
		}
	}
	return p
}

// patternBook holds log probabilities by pattern: an open-addressing table, because the search looks one up for each score.
type patternBook struct {
	keys []pattern // plus one; zero where nothing is
	logs []float64
	best float64 // the greatest of them
}

func newPatternBook(known map[pattern]float64) patternBook {
	size := 16
	for size < 4*len(known) {
		size *= 2
	}
	b := patternBook{keys: make([]pattern, size), logs: make([]float64, size), best: math.Inf(-1)}
	for p, logP := range known {
		b.best = max(b.best, logP)
		i := b.slot(p)
		for b.keys[i] != 0 {
			i = (i + 1) & (size - 1)
		}
		b.keys[i], b.logs[i] = p+1, logP
	}
	return b
}

func (b *patternBook) slot(p pattern) int {
	return int(uint64(p) * 0x9E3779B97F4A7C15 >> 40 & uint64(len(b.keys)-1))
}

// find returns what is held of a pattern.
func (b *patternBook) find(p pattern) (logP float64, ok bool) {
	for i := b.slot(p); b.keys[i] != 0; i = (i + 1) & (len(b.keys) - 1) {
		if b.keys[i] == p+1 {
			return b.logs[i], true
		}
	}
	return 0, false
}

// pattern is the log probability of a pattern of n leases. One never seen is the less likely the more its
// length differs from the usual.
func (t *timing) pattern(r route, p pattern, n int) float64 {
	if v, ok := t.patterns[r].find(p); ok {
		return v
	}
	d := float64(n) - t.usual[r]
	return t.unseen[r] - d*d/(2*t.spread[r])
}

// knows reports whether a pattern is one servers are known to show, or has shown often.
func (t *timing) knows(r route, p pattern) bool {
	v, ok := t.patterns[r].find(p)
	return ok && v > -5.5
}

// learn re-estimates everything from the window's current assignment.
func (t *timing) learn(w *window) {
	var seen [routes][gapKinds]delays
	var counts [routes]map[pattern]float64
	var totals, lengths, squares [routes]float64
	var same, pairs float64
	for r := range counts {
		counts[r] = map[pattern]float64{}
	}
	note := func(r route, k gapKind, gap int64) {
		seen[r][k].n++
		seen[r][k].sum += min(max(float64(gap), 0), 20*t.gaps[r][k].mean)
	}
	for i := range w.owners[:w.none] {
		o := &w.owners[i]
		if o.open || o.call == nil && (o.route != routeSocket || len(o.units) > 5) {
			continue
		}
		w.collect(o)
		var p pattern
		end := o.head
		for n, id := range w.buf {
			l := &w.leases[id]
			nested := n > 0 && l.start < end-slack
			p = p.with(l.kind, nested)
			if n == 0 {
				note(o.route, gapHead, l.start-o.head)
			} else if !nested {
				pairs++
				if l.conn() == w.leases[w.buf[n-1]].conn() {
					same++
					note(o.route, gapSame, l.start-end)
				} else {
					note(o.route, gapOther, l.start-end)
				}
			}
			end = max(end, l.end)
		}
		if len(w.buf) > 0 && o.answer {
			note(o.route, gapLast, o.until-end)
		}
		counts[o.route][p]++
		lengths[o.route] += float64(len(w.buf))
		squares[o.route] += float64(len(w.buf) * len(w.buf))
		totals[o.route]++
	}
	for r := range seen {
		for k := range seen[r] {
			t.gaps[r][k] = seen[r][k].model(t.gaps[r][k])
		}
		prior := priorPatterns[route(r)]
		const weight = 20 // of the prior, in calls
		learned := make(map[pattern]float64, len(counts[r])+len(prior))
		for text, logP := range prior {
			key := patternOf(text)
			learned[key] = math.Log((counts[r][key] + weight*math.Exp(logP)) / (totals[r] + weight))
		}
		for key, n := range counts[r] {
			if _, ok := learned[key]; !ok && n >= 4 && n >= 0.02*totals[r] { // rarer ones may be mistakes
				learned[key] = math.Log((n*0.5 + weight*0.0002) / (totals[r] + weight))
			}
		}
		t.patterns[r] = newPatternBook(learned)
		squares[r] += weight * (t.spread[r] + t.usual[r]*t.usual[r])
		t.usual[r] = (lengths[r] + weight*t.usual[r]) / (totals[r] + weight)
		t.spread[r] = min(max(0.2, squares[r]/(totals[r]+weight)-t.usual[r]*t.usual[r]), priorSpread[r])
		t.unseen[r] = math.Log(weight * 0.0002 / (totals[r] + weight))
		t.best[r] = max(t.patterns[r].best, t.unseen[r])
	}
	chance := w.sameChance()
	p := (same + 2) / (pairs + 4)
	t.same = math.Log(p / chance)
	t.other = math.Log((1 - p) / (1 - chance))
}

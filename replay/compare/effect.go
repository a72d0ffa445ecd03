package compare

import (
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

// drifts is the number of rounds from which the order within a round is taken out of its number: what grows with time
// makes B worse where it ran second and better where it ran first. With fewer rounds that costs more than it gives.
const drifts = 8

// beyondNoise standard deviations of A against itself are the least that a change has to be: A itself goes beyond them in
// 1 % of cases. With this few rounds the t-test alone is now and then deceived by rounds that agree by luck.
const beyondNoise = 2.576

// effect tests whether the logarithms of B/A, one for each round, differ from nothing. second is 1 for a round in which
// B ran second and -1 for one in which it ran first.
func (c Config) effect(rounds, second, noise []float64) Effect {
	n := len(rounds)
	e := Effect{Verdict: Unchanged, P: 1, Adjusted: 1}
	if n == 0 {
		return e
	}
	mid, sum := 0.0, 0.0
	for _, x := range rounds {
		e.PerRound = append(e.PerRound, math.Expm1(x))
		mid += x / float64(n)
	}
	free := n - 1
	tilt, balance := 0.0, 0.0
	if n >= drifts {
		// Least squares with the order as the second column.
		var sx, sy, sxy float64
		for i, x := range rounds {
			sx += second[i]
			sy += x
			sxy += second[i] * x
		}
		balance = sx / float64(n)
		if spread := 1 - balance*balance; spread > 0.5 {
			tilt = (sxy/float64(n) - balance*sy/float64(n)) / spread
			mid -= tilt * balance
			free--
		} else {
			balance = 0
		}
	}
	for i, x := range rounds {
		d := x - mid
		if tilt != 0 {
			d -= tilt * second[i]
		}
		sum += d * d
	}
	e.Delta = math.Expm1(mid)
	e.Noise = math.Expm1(beyondNoise * rms(noise) / math.Sqrt(float64(n)))
	e.Minimum = c.minimum(noise, e.Noise)
	if free < 1 {
		return e
	}
	se := math.Sqrt(sum / float64(free) / float64(n) / (1 - balance*balance))
	t := stats.TDist{V: float64(free)}
	reach := se * critical(t, c.Alpha)
	e.Low, e.High = math.Expm1(mid-reach), math.Expm1(mid+reach)
	switch {
	case se > 0:
		e.P = min(1, 2*t.CDF(-math.Abs(mid)/se))
	case mid != 0:
		e.P = 0 // rounds that agree to the last bit
	}
	e.Adjusted = e.P
	return e
}

// Interval is the mean of numbers of which each is a round's, and how far the interval of 1−alpha reaches to both sides of
// it: infinitely with fewer than two rounds.
func Interval(rounds []float64, alpha float64) (mean, reach float64) {
	n := float64(len(rounds))
	for _, x := range rounds {
		mean += x / n
	}
	if n < 2 {
		return mean, math.Inf(1)
	}
	sum := 0.0
	for _, x := range rounds {
		sum += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(sum/(n-1)/n) * critical(stats.TDist{V: n - 1}, alpha)
}

// minimum is the least change that may be called one.
func (c Config) minimum(noise []float64, spread float64) float64 {
	least := c.MinEffect
	switch {
	case least > 0:
	case len(noise) > 0:
		least = 0.02
	default:
		least = 0.05
	}
	return max(least, spread)
}

// decide gives e its verdict once it was adjusted.
func (c Config) decide(e *Effect) {
	e.Verdict = Unchanged
	if len(e.PerRound) < c.MinRounds || e.Adjusted >= c.Alpha || math.Abs(math.Log1p(e.Delta)) < math.Log1p(e.Minimum)-1e-12 {
		return
	}
	if e.Delta < 0 {
		e.Verdict = Faster
	} else {
		e.Verdict = Slower
	}
}

// critical is the t beyond which the share alpha of both tails lies.
func critical(t stats.TDist, alpha float64) float64 { return stats.InvCDF(t)(1 - alpha/2) }

func rms(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	sum := 0.0
	for _, x := range xs {
		sum += x * x
	}
	return math.Sqrt(sum / float64(len(xs)))
}

// adjust makes the probabilities of a family of questions those of false discoveries (Benjamini and Hochberg).
func adjust(family []*Effect) {
	slices.SortStableFunc(family, func(x, y *Effect) int {
		switch {
		case x.P < y.P:
			return -1
		case x.P > y.P:
			return 1
		}
		return 0
	})
	least := 1.0
	for i, e := range slices.Backward(family) {
		least = min(least, e.P*float64(len(family))/float64(i+1))
		e.Adjusted = least
	}
}

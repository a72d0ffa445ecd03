package compare

import (
	"math/rand/v2"
	"slices"
)

// groups of sessions that are resampled. Sessions beyond that many share groups: it is still whole sessions that are
// drawn, and memory does not grow with their number.
const groups = 64

// minSessions below which resampling them says nothing.
const minSessions = 5

// quantiles returns the side's quantiles with the interval of 95 % that drawing its sessions anew gives. Calls of one
// session are alike; drawing calls would make the interval too narrow.
func (s *side) quantiles(c Config, stream uint64, qs ...float64) []Quantile {
	all := s.hists.sum()
	var hists []*histogram
	for _, h := range s.hists {
		if h != nil {
			hists = append(hists, h)
		}
	}
	out := make([]Quantile, len(qs))
	for i, q := range qs {
		out[i].Seconds = all.quantile(q)
	}
	if len(hists) < minSessions {
		return out
	}
	draws := make([][]float64, len(qs))
	random := rand.New(rand.NewPCG(c.Seed, stream))
	sum := make([]float64, len(all.counts))
	times := make([]uint32, len(hists))
	for range c.Resamples {
		clear(sum)
		clear(times)
		for range hists {
			times[random.IntN(len(hists))]++
		}
		n := 0.0
		for g, h := range hists {
			if times[g] == 0 {
				continue
			}
			n += float64(h.n) * float64(times[g])
			from := sum[h.base-all.base:]
			for i, count := range h.counts {
				from[i] += float64(count * times[g])
			}
		}
		for i, q := range qs {
			draws[i] = append(draws[i], quantile(all.base, sum, n, q))
		}
	}
	for i := range qs {
		slices.Sort(draws[i])
		k := len(draws[i])
		out[i].Low, out[i].High = draws[i][int(0.025*float64(k))], draws[i][min(k-1, int(0.975*float64(k)))]
	}
	return out
}

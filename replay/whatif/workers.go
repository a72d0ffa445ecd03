package whatif

import (
	"container/heap"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/perfd/perfd/replay/load"
)

// Workers is what the recorded calls, arriving when they did and each taking as long as it did, would have waited for that
// number of workers, first come, first served.
type Workers struct {
	Workers int `json:"workers"`
	// Busy is the share of their time in which they work.
	Busy    float64       `json:"busy"`
	WaitP50 time.Duration `json:"wait_p50"`
	WaitP95 time.Duration `json:"wait_p95"`
	WaitMax time.Duration `json:"wait_max"`
	// Waiting is the share of calls that waited at all.
	Waiting float64 `json:"waiting"`
	// Total is what all calls waited together.
	Total time.Duration `json:"total"`
}

// workers simulates 1, 2, 3… workers side by side, call by call.
type workers struct {
	pools []*pool
	busy  time.Duration
	calls int64
}

type pool struct {
	free    moments
	waits   *hdrhistogram.Histogram
	waiting int64
	total   time.Duration
	longest time.Duration
}

// moments at which workers are free, as a heap.
type moments []time.Duration

var _ heap.Interface = (*moments)(nil)

func (m moments) Len() int           { return len(m) }
func (m moments) Less(i, j int) bool { return m[i] < m[j] }
func (m moments) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *moments) Push(any)          {}
func (m *moments) Pop() any          { return nil }

// longestWait that is told apart in quantiles.
const longestWait = int64(24 * time.Hour / time.Microsecond)

func newWorkers(c Config) *workers {
	var w workers
	for n := 1; n <= c.MaxWorkers; n++ {
		w.pools = append(w.pools, &pool{free: make(moments, n), waits: hdrhistogram.New(1, longestWait, 2)})
	}
	return &w
}

func (w *workers) add(c *load.Call) {
	w.calls++
	w.busy += c.Duration
	for _, p := range w.pools {
		begin := max(c.At, p.free[0])
		p.free[0] = begin + c.Duration
		heap.Fix(&p.free, 0)
		wait := begin - c.At
		_ = p.waits.RecordValue(min(wait.Microseconds(), longestWait)) // which it cannot refuse
		p.total += wait
		p.longest = max(p.longest, wait)
		if wait > 0 {
			p.waiting++
		}
	}
}

// answer tells of the numbers of workers up to the first with which no call waits.
func (w *workers) answer(span time.Duration) []Workers {
	out := []Workers{}
	for i, p := range w.pools {
		if w.calls == 0 || span <= 0 {
			break
		}
		out = append(out, Workers{
			Workers: i + 1, Busy: min(1, float64(w.busy)/float64(span)/float64(i+1)),
			WaitP50: microseconds(p.waits.ValueAtPercentile(50)), WaitP95: microseconds(p.waits.ValueAtPercentile(95)), WaitMax: p.longest,
			Waiting: float64(p.waiting) / float64(w.calls), Total: p.total,
		})
		if p.waiting == 0 {
			break
		}
	}
	return out
}

func microseconds(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

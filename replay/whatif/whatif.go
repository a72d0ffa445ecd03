// Package whatif answers questions about a load without a server: what a cache would have spared, what reading records
// together instead of one by one would have, and how long calls would have waited for fewer or more workers. The answers
// are of the recorded traffic and its recorded durations; a server that is asked less is also quicker, which nothing here
// takes into account.
package whatif

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/replay/safety"
)

// Config tunes a study. Its zero value works.
type Config struct {
	// TTLs of caches without a bound on size. Defaults to 10 s, 1 min, 5 min, 30 min and 4 h.
	TTLs []time.Duration
	// Sizes, in bytes, of caches with the TTL of Client. Defaults to 1, 4, 16, 64 and 256 MiB.
	Sizes []int64
	// TTL of the caches of Sizes and of the list of methods. Defaults to 5 min.
	TTL time.Duration
	// MaxEntries of each simulated cache. Defaults to 100,000.
	MaxEntries int
	// MaxWorkers up to which workers are simulated. Defaults to 32.
	MaxWorkers int
	// Pause within a session that ends a run of reads of single records. Defaults to 1 s.
	Pause time.Duration
	// MinRun is the number of such reads that makes a run. Defaults to 3.
	MinRun int
	// MaxMethods told apart. Defaults to 1,000.
	MaxMethods int
}

func (c Config) defaults() Config {
	if len(c.TTLs) == 0 {
		c.TTLs = []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 4 * time.Hour}
	}
	if len(c.Sizes) == 0 {
		c.Sizes = []int64{1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20}
	}
	c.TTL = cmp.Or(c.TTL, 5*time.Minute)
	c.MaxEntries = cmp.Or(c.MaxEntries, 100_000)
	c.MaxWorkers = min(cmp.Or(c.MaxWorkers, 32), 256)
	c.Pause = cmp.Or(c.Pause, time.Second)
	c.MinRun = max(cmp.Or(c.MinRun, 3), 2)
	c.MaxMethods = cmp.Or(c.MaxMethods, 1000)
	return c
}

// Study takes calls and answers. It is not safe for concurrent use.
type Study struct {
	cfg     Config
	product string
	calls   int64
	unknown int64
	span    span
	caches  *caches
	runs    *runs
	workers *workers
}

type span struct{ from, to time.Duration }

// New returns a study of a load with that header.
func New(h load.Header, c Config) *Study {
	c = c.defaults()
	return &Study{cfg: c, product: h.Product, caches: newCaches(c), runs: newRuns(c), workers: newWorkers(c)}
}

// Add takes a call and its session. Calls come in the order of At, as a load.Reader gives them.
func (s *Study) Add(c *load.Call, of load.Session) {
	s.calls++
	if s.calls == 1 {
		s.span.from = c.At
	}
	s.span.to = max(s.span.to, c.At+c.Duration)
	if waits(c.Path) {
		return
	}
	if c.Duration > 0 {
		s.workers.add(c)
	}
	if c.Model == "" || c.Method == "" {
		if safety.Of(s.product, c) > safety.Effective { // what a form or a route changed is not known
			s.caches.change([]string{"*"}, c)
			s.runs.interrupt(c.Session)
		}
		return
	}
	if c.Args == nil {
		s.unknown++
		s.caches.change([]string{"*"}, c) // what it changed is not known
		return
	}
	var args []any
	var kwargs map[string]any
	if json.Unmarshal(c.Args, &args) != nil || len(c.Kwargs) > 0 && json.Unmarshal(c.Kwargs, &kwargs) != nil {
		s.unknown++
		s.caches.change([]string{"*"}, c)
		return
	}
	protocol := client.Odoo
	if s.product == "tryton" || c.Transport == "tryton" {
		protocol = client.Tryton
	}
	keeps, forgets := client.Foresee(protocol, c.Model, c.Method, args, kwargs)
	switch {
	case len(forgets) > 0:
		s.caches.change(forgets, c)
		s.runs.interrupt(c.Session)
	case c.Error != "":
	default:
		if keeps {
			s.caches.read(c, of)
		}
		s.runs.read(c, args)
	}
}

// waits reports whether a path is one on which the server's answer waits for news: no worker is busy with it.
func waits(path string) bool {
	return strings.HasPrefix(path, "/websocket") || strings.HasPrefix(path, "/longpolling") || strings.HasPrefix(path, "/bus/") ||
		strings.HasSuffix(path, "/bus")
}

// name is the method's as reports show it.
func name(c *load.Call) string { return c.Model + "." + c.Method }

// Answers are those of a study.
type Answers struct {
	Calls int64 `json:"calls"`
	// Unknown are calls of methods whose arguments the load does not have: nothing is known of what they read or changed.
	Unknown int64 `json:"unknown"`
	// Span is from the first call's begin to the last one's end.
	Span    time.Duration `json:"span"`
	Cache   CacheAnswer   `json:"cache"`
	Reads   ReadsAnswer   `json:"reads"`
	Workers []Workers     `json:"workers"`
	// Doubts are sentences on what the answers do not take into account.
	Doubts []string `json:"doubts"`
}

// Answer ends the study.
func (s *Study) Answer() *Answers {
	a := &Answers{
		Calls: s.calls, Unknown: s.unknown, Span: max(0, s.span.to-s.span.from),
		Cache: s.caches.answer(), Reads: s.runs.answer(), Doubts: []string{},
	}
	a.Workers = s.workers.answer(a.Span)
	if s.unknown > 0 {
		a.Doubts = append(a.Doubts, "Calls without their arguments are not cached, and forget all that is: record with --keep-args for the answer about a cache.")
	}
	if len(a.Workers) > 0 {
		a.Doubts = append(a.Doubts, "Durations hold what calls waited for a worker when they were recorded: workers are told too many where the server was busy.")
	}
	return a
}

// top sorts rows by what they save and keeps the first n.
func top[R any](rows []R, saved func(R) time.Duration, name func(R) string, n int) []R {
	slices.SortFunc(rows, func(a, b R) int { return cmp.Or(cmp.Compare(saved(b), saved(a)), cmp.Compare(name(a), name(b))) })
	return rows[:min(n, len(rows))]
}

package whatif

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/perfd/perfd/replay/load"
)

// ReadsAnswer says what reading records together would have spared.
type ReadsAnswer struct {
	// Runs of reads of single records, one after the other in a session and alike but for the record.
	Runs  int64 `json:"runs"`
	Calls int64 `json:"calls"`
	// Spared calls, if each run were one.
	Spared int64 `json:"spared"`
	// Saved is at most their time: all of each run but its longest call.
	Saved   time.Duration `json:"saved"`
	Methods []ReadsMethod `json:"methods"` // those that save most first; at most 20
}

// ReadsMethod is one method's part.
type ReadsMethod struct {
	Method  string        `json:"method"`
	Runs    int64         `json:"runs"`
	Calls   int64         `json:"calls"`
	Longest int           `json:"longest"` // in calls
	Saved   time.Duration `json:"saved"`
}

// single are the methods that read records by their ids, which are their first argument.
var single = map[string]bool{"read": true, "web_read": true, "name_get": true}

// maxOpen runs in a session, and maxSessions with open runs; beyond them the oldest ends.
const (
	maxOpen     = 16
	maxSessions = 10_000
)

type runs struct {
	cfg     Config
	open    map[string][]*run // by session
	methods map[string]*ReadsMethod
}

// run is a run of reads that may go on.
type run struct {
	key          cacheKey
	method       string
	ids          map[string]bool
	calls        int
	end          time.Duration
	sum, longest time.Duration
}

func newRuns(c Config) *runs {
	return &runs{cfg: c, open: map[string][]*run{}, methods: map[string]*ReadsMethod{}}
}

// read takes a call that changes nothing.
func (x *runs) read(c *load.Call, args []any) {
	if !single[c.Method] || len(args) == 0 {
		return
	}
	id, ok := one(args[0])
	if !ok {
		return
	}
	rest, err := json.Marshal(args[1:])
	if err != nil {
		return
	}
	k := keyOf(&load.Call{Session: c.Session, Model: c.Model, Method: c.Method, Args: rest, Kwargs: c.Kwargs}, load.Session{})
	list := x.open[c.Session]
	list = slices.DeleteFunc(list, func(r *run) bool {
		over := c.At > r.end+x.cfg.Pause
		if over {
			x.finish(r)
		}
		return over
	})
	i := slices.IndexFunc(list, func(r *run) bool { return r.key == k })
	if i < 0 {
		if len(list) >= maxOpen {
			x.finish(list[0])
			list = list[1:]
		}
		if len(list) == 0 && len(x.open) >= maxSessions {
			x.all()
		}
		list = append(list, &run{key: k, method: name(c), ids: map[string]bool{}})
		i = len(list) - 1
	}
	r := list[i]
	if !r.ids[id] { // the same record again is a matter for the cache
		r.ids[id] = true
		r.calls++
		r.sum += c.Duration
		r.longest = max(r.longest, c.Duration)
	}
	r.end = max(r.end, c.At+c.Duration)
	x.open[c.Session] = list
}

// one is the id that an argument names, if it is one.
func one(v any) (string, bool) {
	if list, ok := v.([]any); ok {
		if len(list) != 1 {
			return "", false
		}
		v = list[0]
	}
	switch v.(type) {
	case float64, string: // ids stand as aliases in some loads
		text, err := json.Marshal(v)
		return string(text), err == nil
	}
	return "", false
}

// interrupt ends a session's runs: what changed in between could not be read before.
func (x *runs) interrupt(session string) {
	for _, r := range x.open[session] {
		x.finish(r)
	}
	delete(x.open, session)
}

func (x *runs) all() {
	for session := range x.open {
		x.interrupt(session)
	}
}

func (x *runs) finish(r *run) {
	if r.calls < x.cfg.MinRun {
		return
	}
	m := x.methods[r.method]
	if m == nil {
		if len(x.methods) >= x.cfg.MaxMethods {
			return
		}
		m = &ReadsMethod{Method: r.method}
		x.methods[r.method] = m
	}
	m.Runs++
	m.Calls += int64(r.calls)
	m.Longest = max(m.Longest, r.calls)
	m.Saved += r.sum - r.longest
}

func (x *runs) answer() ReadsAnswer {
	x.all()
	a := ReadsAnswer{Methods: []ReadsMethod{}}
	for _, m := range x.methods {
		a.Runs += m.Runs
		a.Calls += m.Calls
		a.Saved += m.Saved
		a.Methods = append(a.Methods, *m)
	}
	a.Spared = a.Calls - a.Runs
	a.Methods = top(a.Methods, func(m ReadsMethod) time.Duration { return m.Saved }, func(m ReadsMethod) string { return m.Method }, 20)
	return a
}

package replay

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/perfd/perfd/figures"
)

// Bounds of what histograms count, in microseconds, at three digits.
const (
	longest    = int64(time.Hour / time.Microsecond)
	digits     = 3
	maxReasons = 1000 // methods and errors told apart
)

// DroppedNote is the note of a run that dropped calls.
const DroppedNote = "calls were dropped, because more were under way or waiting than is allowed: the server was not asked all"

// worstLateness is the part of the median above which the generator's lateness makes a run worthless.
const worstLateness = 0.05

// worstUsage is the part of all processors above which the generator has none to spare, and is late without knowing it.
const worstUsage = 0.8

// Report is what came of a run.
type Report struct {
	// Sent calls, those of them that failed, and those that the cache answered.
	Sent   int64 `json:"sent"`
	Errors int64 `json:"errors"`
	Cached int64 `json:"cached,omitempty"`
	// Retried are those that were tried more than once.
	Retried int64 `json:"retried,omitempty"`
	// Aliased are those that were asked with aliases in the place of recorded values.
	Aliased int64 `json:"aliased,omitempty"`
	// Matches are the sent calls by how their answers compare with the recorded ones.
	Matches map[string]int64 `json:"matches"`
	// Unjudged are those that there was nothing to compare with, by why.
	Unjudged map[string]int64 `json:"unjudged,omitempty"`
	// Left are the calls that were not sent, by why.
	Left map[Left]int64 `json:"left"`
	// Failures are the errors by their names, Differing the methods whose answers differ, Unsent the calls not sent by
	// reason and method.
	Failures  map[string]int64 `json:"failures"`
	Differing map[string]int64 `json:"differing"`
	Unsent    map[string]int64 `json:"unsent"`
	// Duration of the run. Sessions of the load, and those nobody could log in for, with the first of their errors.
	Duration   time.Duration `json:"duration"`
	Sessions   int           `json:"sessions"`
	LoggedOut  int           `json:"logged_out,omitempty"`
	LoginError string        `json:"login_error,omitempty"`
	LogIns     int64         `json:"log_ins,omitempty"` // made again, because a session had expired
	// Latency, Service, First, Wait and Late as in Result, without what the cache answered. The first three are of calls that
	// succeeded, Wait and Late of all; Late is the generator's own.
	Latency Durations `json:"latency"`
	Service Durations `json:"service"`
	First   Durations `json:"first"`
	Wait    Durations `json:"wait"`
	Late    Durations `json:"late"`
	// Cut is how much time without calls was left out of the timeline.
	Cut time.Duration `json:"cut,omitempty"`
	// CPU is the generator's processor time, in seconds per second of the run.
	CPU float64 `json:"cpu"`
	// Mapped and Shared are the records whose ids were mapped, and those that sessions named which did not make them.
	Mapped int `json:"mapped"`
	Shared int `json:"shared"`
	// Notes are sentences on what was not as it should be; Invalid says why the run is worthless, if it is.
	Notes   []string `json:"notes,omitempty"`
	Invalid string   `json:"invalid,omitempty"`
	// Stopped says that the run was ended early: what is told of is right, but not all.
	Stopped bool `json:"stopped,omitempty"`
}

// Durations of many calls.
type Durations struct {
	Calls int64         `json:"calls"`
	Mean  time.Duration `json:"mean"`
	P50   time.Duration `json:"p50"`
	P95   time.Duration `json:"p95"`
	P99   time.Duration `json:"p99"`
	Max   time.Duration `json:"max"`
}

// Live is what is known of a run while it goes on.
type Live struct {
	Sent, Errors, Left, Dropped int64
	P50, P95, LateP99           time.Duration
	Waiting                     int64
}

// tally counts. It is safe for concurrent use.
type tally struct {
	mu                                  sync.Mutex
	rep                                 Report
	latency, service, first, wait, late *hdrhistogram.Histogram
	left                                int64
	dropped                             int64
	notes                               map[string]bool
}

func (t *tally) init() {
	for _, h := range []**hdrhistogram.Histogram{&t.latency, &t.service, &t.first, &t.wait, &t.late} {
		*h = hdrhistogram.New(1, longest, digits)
	}
	t.notes = map[string]bool{}
	t.rep = Report{
		Matches: map[string]int64{}, Left: map[Left]int64{}, Failures: map[string]int64{}, Differing: map[string]int64{}, Unsent: map[string]int64{},
		Unjudged: map[string]int64{},
	}
}

func count(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(d.Microseconds(), 0), longest)) // which it cannot refuse
}

func increment(m map[string]int64, name string) {
	if _, ok := m[name]; !ok && len(m) >= maxReasons {
		name = "other"
	}
	m[name]++
}

func (t *tally) add(res *Result, sink func(*Result)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rep.Sent++
	if res.Error != "" {
		t.rep.Errors++
		increment(t.rep.Failures, res.Error)
	}
	if res.Retried {
		t.rep.Retried++
	}
	if res.Aliased {
		t.rep.Aliased++
	}
	if res.Cached {
		t.rep.Cached++
	} else {
		count(t.late, res.Late)
	}
	if !res.Cached && res.Error == "" {
		count(t.latency, res.Latency)
		count(t.service, res.Service)
		if res.First > 0 {
			count(t.first, res.First)
		}
	}
	if res.Wait > 0 {
		count(t.wait, res.Wait)
	}
	t.rep.Matches[res.Match.String()]++
	if res.Match == Unknown && res.Unjudged != "" {
		increment(t.rep.Unjudged, res.Unjudged)
	}
	if res.Match != Same && res.Match != Unknown {
		increment(t.rep.Differing, res.Name+" ("+res.Match.String()+")")
	}
	if sink != nil {
		sink(res)
	}
}

func (t *tally) leave(why Left, it *item) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left++
	if why.Dropped() {
		t.dropped++
	}
	t.rep.Left[why]++
	increment(t.rep.Unsent, string(why)+": "+Name(&it.call))
}

func (t *tally) failedLogIn(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rep.LoggedOut++; t.rep.LoginError == "" {
		t.rep.LoginError = err.Error()
	}
}

func (t *tally) again() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rep.LogIns++
}

func (t *tally) cut(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rep.Cut += d
}

func (t *tally) note(sentence string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.notes[sentence] && len(t.notes) < maxReasons {
		t.notes[sentence] = true
		t.rep.Notes = append(t.rep.Notes, sentence)
	}
}

// brief is a duration with three digits.
func brief(d time.Duration) string {
	unit, name := time.Microsecond, "µs"
	switch {
	case d >= time.Second:
		unit, name = time.Second, "s"
	case d >= time.Millisecond:
		unit, name = time.Millisecond, "ms"
	}
	return fmt.Sprintf("%.3g %s", float64(d)/float64(unit), name)
}

func at(h *hdrhistogram.Histogram, percent float64) time.Duration {
	return time.Duration(h.ValueAtPercentile(percent)) * time.Microsecond
}

func durations(h *hdrhistogram.Histogram) Durations {
	return Durations{
		Calls: h.TotalCount(), Mean: time.Duration(h.Mean() * float64(time.Microsecond)), P50: at(h, 50), P95: at(h, 95), P99: at(h, 99),
		Max: time.Duration(h.Max()) * time.Microsecond,
	}
}

// Live is how the run does.
func (r *Runner) Live() Live {
	t := &r.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	return Live{
		Sent: t.rep.Sent, Errors: t.rep.Errors, Left: t.left, Dropped: t.dropped, P50: at(t.latency, 50), P95: at(t.latency, 95),
		LateP99: at(t.late, 99), Waiting: r.waiting.Load(),
	}
}

func (t *tally) report(r *Runner, took, cpu time.Duration) Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	rep := t.rep
	rep.Duration, rep.Sessions = took, len(r.sessions)
	rep.Latency, rep.Service, rep.First = durations(t.latency), durations(t.service), durations(t.first)
	rep.Wait, rep.Late = durations(t.wait), durations(t.late)
	rep.Mapped, rep.Shared = r.ids.Len(), r.ids.Shared()
	if took > 0 {
		rep.CPU = cpu.Seconds() / took.Seconds()
	}
	rep.Invalid = t.invalid(r, &rep)
	if r.cfg.Mode == Max && rep.Sent > 0 && rep.CPU == 0 {
		rep.Notes = append(rep.Notes, unknownUsage)
	}
	if t.dropped > 0 {
		rep.Notes = append(rep.Notes, DroppedNote)
	}
	if rep.Cut > 0 {
		rep.Notes = append(rep.Notes, fmt.Sprintf("%s without calls was left out", rep.Cut.Round(time.Second)))
	}
	if rep.LoggedOut > 0 {
		rep.Notes = append(rep.Notes, fmt.Sprintf("%s could not log in: %s", figures.Plural(int64(rep.LoggedOut), "session"), rep.LoginError))
	}
	slices.SortFunc(rep.Notes, strings.Compare)
	return rep
}

func (t *tally) invalid(r *Runner, rep *Report) string {
	switch late := rep.Late.P99; {
	case rep.Sent == 0:
		return "no call was sent"
	case r.cfg.Mode == Max:
		return starved(rep)
	case r.cfg.Mode == Think && late <= wakening: // by which every session's timers are late, in both arms
	case rep.Service.Calls > 0 && float64(late) > worstLateness*float64(rep.Service.P50):
		return fmt.Sprintf("perfd sent calls late by %s (p99), more than %.0f %% of the median of %s that the server took", brief(late), worstLateness*100, brief(rep.Service.P50))
	}
	return ""
}

// wakening is how late a sleeping session may be woken on a machine that is not busy: Go's timers on Linux take up to a
// millisecond more.
const wakening = 2 * time.Millisecond

// unknownUsage is the note of a run with Max, which nothing else judges.
const unknownUsage = "perfd's own processor time cannot be measured here, so nobody knows whether it kept up with the server"

// judgeable is how long a run has to be for its processor time to tell something: what is shorter is beginning and end.
const judgeable = time.Second

// starved says why a run with Max, in which calls are due when they are sent, is worthless; empty if it is not.
func starved(rep *Report) string {
	if all := float64(runtime.GOMAXPROCS(0)); rep.Duration >= judgeable && rep.CPU > worstUsage*all {
		return fmt.Sprintf("perfd itself took %.0f %% of the %s of this machine, so that calls waited for it", 100*rep.CPU/all, figures.Plural(int64(all), "processor"))
	}
	return ""
}

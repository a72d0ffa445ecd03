package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/metrics"
	"github.com/perfd/perfd/odoolog"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sidecar"
	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/web"
)

const (
	flushEvery    = 250 * time.Millisecond
	describeEvery = 2 * time.Second
	complainEvery = 30 * time.Second // of one trouble
)

// writer is everything behind the queue, on one goroutine: the store, the metrics, the comparison with the
// server's own log.
type writer struct {
	w         *watcher
	recorder  *store.Recorder
	summary   *analyzer.Summarizer
	metrics   *metrics.Metrics
	agreement *odoolog.Agreement // nil where no log is followed
	commits   web.Commits

	retention   config.Retention // that the recorder keeps to
	described   time.Time
	complained  time.Time
	spared      atomic.Int64 // statements not kept under load
	sparedCalls atomic.Int64 // calls added up alone under load
	flushing    atomic.Int64 // nanoseconds spent on writing
	failures    atomic.Int64
	failing     atomic.Pointer[string] // what the last write said; nil while all is well
}

var _ sidecar.Writer = (*writer)(nil)

func openWriter(w *watcher) (*writer, error) {
	c := w.settings.Load()
	if err := spareAnalysis(c.Store, c.Retention.Age); err != nil {
		return nil, err
	}
	recorder, err := store.Append(c.Store, w.front.parts().pg.Dictionary(), storeConfig(c.Retention))
	if err != nil {
		return nil, err
	}
	o := &writer{w: w, recorder: recorder, retention: c.Retention, summary: analyzer.NewSummarizer(analyzer.SummaryConfig{Totals: true}, w.front.parts().pg.Dictionary())}
	if c.OdooLog.Path != "" {
		o.agreement = odoolog.NewAgreement(odoolog.AgreementConfig{})
	}
	o.metrics, err = metrics.New(metrics.Config{MaxMethods: c.Metrics.MaxMethods, Version: version(false), Self: w.self()})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make metrics: %w", err), recorder.Close())
	}
	return o, nil
}

// spareAnalysis keeps the retention, which deletes what is older than age, from the result of an analysis. What
// else is wrong with a store is told when it is opened for writing.
func spareAnalysis(path string, age time.Duration) error {
	if age == 0 || !store.IsStore(path) {
		return nil
	}
	old, err := store.Open(path, store.Config{})
	if err != nil {
		return nil //nolint:nilerr // Append says it better
	}
	kept, err := old.Recording(context.Background())
	if err = errors.Join(err, old.Close()); err == nil && kept.Complete && !kept.Live && kept.Counts.Calls > 0 && time.Since(kept.Summary.From) > age {
		return &store.Error{Op: "open store", Path: path, Hint: "choose another name, or remove the file first", Err: errAnalysis}
	}
	return nil
}

var errAnalysis = errors.New("it holds an analysis of calls that retention.age would delete at once")

func storeConfig(r config.Retention) store.Config {
	return store.Config{
		FlushEvery: flushEvery, MaxAge: orForever(r.Age), MaxTrendAge: orForever(r.Aggregates), MaxBytes: orNone(int64(r.Size)),
	}
}

// orForever and orNone turn a setting's 0, no bound, into the store's.
func orForever(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

func orNone(n int64) int64 {
	if n == 0 {
		return -1
	}
	return n
}

// Write implements sidecar.Writer.
func (o *writer) Write(t *analyzer.Trace, b *analyzer.Background) {
	begin := time.Now()
	var err error
	if t != nil {
		o.w.front.parts().pseudonyms.hide(t)
		err = errors.Join(o.summary.Trace(t), o.metrics.Trace(t))
		if o.agreement != nil {
			err = errors.Join(err, o.agreement.Trace(t))
		}
		chosen, level := keeps(o.w.settings.Load().Keep, t), o.w.health.level()
		switch {
		case level >= sidecar.Singles:
			o.recorder.Tally(t)
			o.sparedCalls.Add(1)
			o.spared.Add(int64(len(t.Spans)))
		case chosen && level < sidecar.Statements:
			err = errors.Join(err, o.recorder.Trace(t))
		default:
			err = errors.Join(err, o.recorder.Count(t))
			if chosen {
				o.spared.Add(int64(len(t.Spans)))
			}
		}
	} else {
		err = errors.Join(o.summary.Background(b), o.metrics.Background(b))
		if o.w.health.level() < sidecar.Statements {
			err = errors.Join(err, o.recorder.Background(b))
		} else {
			o.spared.Add(int64(len(b.Spans)))
		}
	}
	o.flushing.Add(int64(time.Since(begin)))
	o.report(err)
}

// Tick implements sidecar.Writer.
func (o *writer) Tick(now time.Time) {
	begin := time.Now()
	if now.Sub(o.described) >= describeEvery {
		o.described = now
		o.recorder.Describe(o.source(), o.summary.Summary(o.w.front.recording()))
		if o.agreement != nil {
			o.agreement.Advance(now)
		}
	}
	if r := o.w.settings.Load().Retention; r != o.retention {
		o.retention = r
		o.recorder.Retain(storeConfig(r))
	}
	before := o.recorder.Stats().Commits
	err := o.recorder.Tick(now)
	if o.recorder.Stats().Commits != before {
		o.commits.Add()
		if err == nil {
			o.failing.Store(nil)
		}
	}
	o.flushing.Add(int64(time.Since(begin)))
	o.report(err)
}

// report tells of what could not be written; the watch goes on, since the room may come back.
func (o *writer) report(err error) {
	if err == nil {
		return
	}
	o.failures.Add(1)
	text := err.Error()
	o.failing.Store(&text)
	if now := time.Now(); now.Sub(o.complained) >= complainEvery {
		o.complained = now
		o.w.log.Error("calls cannot be stored", "why", err, "lost", o.recorder.Stats().Lost)
	}
}

// keeps reports whether a call is kept whole.
func keeps(k config.Keep, t *analyzer.Trace) bool {
	c := t.Call
	return k.Users.Match(c.Login) && k.Methods.Match(analyzer.MethodOf(c)) && k.Models.Match(c.Model) &&
		(k.Slow == 0 || duration(c) >= k.Slow)
}

func duration(c *rpclog.Call) time.Duration {
	if c.End.IsZero() {
		return 0
	}
	return c.End.Sub(c.Start)
}

// close ends the store: what was watched stands in it.
func (o *writer) close() error {
	if o.agreement != nil {
		o.agreement.Flush()
	}
	err := o.recorder.Finish(o.source(), o.summary.Summary(o.w.front.recording()))
	return errors.Join(err, o.recorder.Close())
}

// source says where the store's calls come from, and how far the server's own log agrees with them.
func (o *writer) source() store.Source {
	src := store.Source{Version: version(false), Files: []string{"live"}}
	if o.agreement != nil {
		if f := o.agreement.Figures(); f.Compared > 0 {
			src.Agreement = &store.Agreement{Compared: f.Compared, Equal: f.Equal}
		}
	}
	return src
}

package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/doctor"
	"github.com/perfd/perfd/metrics"
	"github.com/perfd/perfd/privilege"
	"github.com/perfd/perfd/process"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sidecar"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/sqltrace/pglog"
	"github.com/perfd/perfd/web"
)

// front is everything before the queue: what finds calls and statements. Its methods may be called from any
// goroutine.
type front interface {
	// run decodes until ctx is done, and delivers what is left.
	run(ctx context.Context) error
	close() error
	// describe says what is watched, a line each.
	describe() []string
	// needed lists the capabilities that it goes on needing.
	needed() []privilege.Capability
	// rediscover asks for the server to be looked for again.
	rediscover()
	// recording is what was seen, as the summary of a recording wants it.
	recording() analyzer.Recording
	// links are what came, and the interfaces by which it did if it was tapped.
	links() capture.LiveStats
	// taps are the same, for the pages.
	taps() []web.Tap
	// examine adds what an examination has to know of it.
	examine(*doctor.Config)
	// relays are the ways through a proxy.
	relays() []metrics.Proxy
	// unready says why nothing can be seen; it is empty if all is well.
	unready() string
	// parts are the stages that it feeds.
	parts() *stages
}

var _ front = (*tap)(nil)

// stages are what a tap and proxies feed: the decoders and the analyzer, which belong to the goroutine of
// front.run, and the observer of processes.
type stages struct {
	w          *watcher
	observer   *process.Observer // nil where there is no process evidence
	observed   chan error        // how it ended
	inbox      *sidecar.Inbox
	lag        atomic.Int64 // nanoseconds that decoding is behind
	pseudonyms *pseudonyms  // nil where logins are kept as they are
	counts     atomic.Pointer[counts]

	relay *relay
	rpc   *rpclog.Decoder
	pg    *sqltrace.Decoder
	log   *pglog.Decoder // nil where no log is followed
	// logged is up to when it was read. It is of the decoders' goroutine.
	logged time.Time
}

// counts are what the stages of the decoding goroutine counted, copied for others to read.
type counts struct {
	capture capture.Stats // of a tap
	rpc     rpclog.Stats
	sql     sqltrace.Stats

	httpShed, sqlShed int64 // bytes not decoded
}

// stagesConfig is what fronts differ in.
type stagesConfig struct {
	pgPorts []uint16 // where application servers reach PostgreSQL; none if that is to be found
	look    bool     // give the observer time for a first look
	// witness is asked in the observer's place, and asks it. Defaults to the observer.
	witness func(*process.Observer) analyzer.Witness
	// sink is for results that are wanted when all has passed, in order of start. Defaults to the watcher's
	// queue, as soon as they are ready.
	sink func(sqltrace.Dictionary) (analyzer.Sink, error)
	keep keeping
}

func newStages(ctx context.Context, w *watcher, o stagesConfig) (*stages, error) {
	c := w.settings.Load()
	s := &stages{w: w, inbox: sidecar.NewInbox(inboxBytes), relay: &relay{ended: o.keep.ended}}
	s.counts.Store(&counts{})
	key, err := sessionKey(c.Privacy)
	if err != nil {
		return nil, err
	}
	if c.Privacy.Users == "pseudonym" {
		s.pseudonyms = &pseudonyms{key}
	}
	if err := s.observe(ctx, c, o); err != nil {
		return nil, err
	}
	rpc := o.keep.rpc
	rpc.SessionSecret = string(key)
	s.rpc = rpclog.New(rpc, s.relay)
	s.pg = sqltrace.New(sqltrace.Config{Known: w.connections(ctx, string(c.Database.DSN))}, s.relay)
	if err := s.openLog(c.PGLog); err != nil {
		return nil, err
	}
	cfg := analyzer.Config{Live: o.sink == nil, Disordered: s.relay.disordered}
	if s.observer != nil {
		cfg.Witness = witness{s.observer, s.observer}
		if o.witness != nil {
			cfg.Witness = witness{s.observer, o.witness(s.observer)}
		}
	}
	cfg.Late = c.PGLog.Path != ""
	sink := analyzer.Sink(w.queue)
	if o.sink != nil {
		if sink, err = o.sink(s.pg.Dictionary()); err != nil {
			return nil, err
		}
		sink = hiding{sink, s.pseudonyms}
	}
	s.relay.Analyzer = analyzer.New(cfg, s.pg.Dictionary(), s.rpc.Identify, sink)
	return s, nil
}

// hiding is a sink that never learns of logins that are not to be kept.
type hiding struct {
	analyzer.Sink
	pseudonyms *pseudonyms
}

// Trace implements analyzer.Sink.
func (h hiding) Trace(t *analyzer.Trace) error {
	h.pseudonyms.hide(t)
	return h.Sink.Trace(t)
}

// observe makes the observer of processes and gives it time for a first look.
func (s *stages) observe(ctx context.Context, c *config.Config, o stagesConfig) error {
	if c.Evidence.Process == config.Off {
		return nil
	}
	cfg := process.Config{Memory: int(c.Memory / evidenceShare), DatabasePorts: o.pgPorts}
	if c.Evidence.Threads == config.Off {
		cfg.Threads = process.ThreadsOff
	}
	observer, err := process.New(cfg)
	switch {
	case err != nil && c.Evidence.Process == config.On:
		return hinted{fmt.Errorf("watch processes: %w", err), "set evidence.process to auto to go on without"}
	case err != nil:
		s.w.log.Warn("no process evidence", "why", err)
		return nil
	}
	if threads := observer.Stats().Threads; threads.Err != nil && c.Evidence.Threads == config.On {
		return hinted{fmt.Errorf("watch threads: %w", threads.Err), "set evidence.threads to auto to go on without"}
	}
	s.observer, s.observed = observer, make(chan error, 1)
	go func() { s.observed <- observer.Run(ctx) }()
	if o.look {
		look(ctx, observer)
	}
	return nil
}

// look gives an observer time to find a server.
func look(ctx context.Context, o *process.Observer) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		for _, s := range o.Servers() {
			if len(s.Listen) > 0 && len(s.Databases) > 0 {
				return
			}
		}
	}
}

func (s *stages) parts() *stages { return s }

// needed lists the capabilities that the observer and the followers of logs go on needing.
func (s *stages) needed() (keep []privilege.Capability) {
	if s.observer != nil {
		keep = append(keep, privilege.SysPtrace, privilege.BPF, privilege.Perfmon)
	}
	if c := s.w.settings.Load(); s.observer != nil || c.PGLog.Path != "" || c.OdooLog.Path != "" {
		keep = append(keep, privilege.DACReadSearch)
	}
	return keep
}

// describe says whom the observer watches and by what statements are attributed.
func (s *stages) describe() (lines []string) {
	if s.observer == nil {
		return []string{"perfd attributes statements by packets alone"}
	}
	for _, server := range s.observer.Servers() {
		lines = append(lines, fmt.Sprintf("perfd watches %s, process %d: %s", serverName(server.Kind), server.Pid, server.Command))
	}
	evidence := "perfd attributes statements by processes and threads"
	if threads := s.observer.Stats().Threads; threads.Source == process.ThreadsOff {
		evidence = "perfd attributes statements by processes, not by threads"
		if threads.Err != nil {
			evidence += ": " + threads.Err.Error()
		}
	}
	return append(lines, evidence)
}

// endLog reads what the followers of logs have brought, and no more.
func (s *stages) endLog() {
	s.inbox.Close()
	s.inbox.Do()
	if s.log != nil {
		s.log.Flush()
	}
}

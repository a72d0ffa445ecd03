package process

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"
)

// Observer watches the application servers of this host. Its methods may be called from any goroutine.
type Observer struct {
	cfg   Config
	table *table
	hints chan hint
	view  atomic.Pointer[view]
	count counters
	machine
}

// hint is a connection whose owners are wanted.
type hint struct {
	a, b netip.AddrPort
	at   int64
}

// view is what was last found of this host; it is never changed once published.
type view struct {
	servers   []Server
	databases []Database
	pids      []int32 // of all servers
	roles     map[int32]Role
	listen    map[uint16]bool
	database  map[uint16]bool
	denied    int
}

type counters struct {
	hints, dropped, lookups, found, foreign, gone, unresolved, ambiguous atomic.Uint64
	pending                                                              atomic.Int64
}

// New opens what needs permission, so that the caller may give up its privileges between New and Run as far as
// the evidence allows: reading /proc/PID/fd of processes of other users needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH all along. What is not
// permitted is no error; Stats tells.
func New(cfg Config) (*Observer, error) {
	cfg = cfg.withDefaults()
	o := &Observer{cfg: cfg, table: newTable(cfg), hints: make(chan hint, cfg.Queue)}
	o.view.Store(&view{})
	if err := o.open(); err != nil {
		return nil, err
	}
	return o, nil
}

// Run observes until ctx ends, and closes the Observer then. It may be called once.
func (o *Observer) Run(ctx context.Context) error { return o.run(ctx) }

// Worker says which thread used its own end (local) of a TCP connection between two moments. Pid 0: not known, or
// no process of an application server. Tid 0 with a pid: the thread is not known, or several used it.
func (o *Observer) Worker(local, remote netip.AddrPort, from, to time.Time) (pid, tid int32) {
	return o.table.worker(endOf(local, remote), from.UnixNano(), to.UnixNano())
}

// Seen tells of a connection that begins, or that is met for the first time, at a moment. It never blocks. The
// order of its ends does not matter.
func (o *Observer) Seen(a, b netip.AddrPort, at time.Time) {
	o.count.hints.Add(1)
	select {
	case o.hints <- hint{a, b, at.UnixNano()}:
	default:
		o.count.dropped.Add(1)
	}
}

// Servers returns the application servers found last. The caller must not change them.
func (o *Observer) Servers() []Server { return o.view.Load().servers }

// Role says what a process of an application server is there for; empty if it is none of one.
func (o *Observer) Role(pid int32) Role { return o.view.Load().roles[pid] }

// Databases returns the PostgreSQL servers and poolers found last. The caller must not change them.
func (o *Observer) Databases() []Database { return o.view.Load().databases }

// Stats returns what has happened so far.
func (o *Observer) Stats() Stats {
	c := &o.count
	s := Stats{
		Hints: c.hints.Load(), Dropped: c.dropped.Load(), Lookups: c.lookups.Load(), Found: c.found.Load(),
		Foreign: c.foreign.Load(), Gone: c.gone.Load(), Unresolved: c.unresolved.Load(), Ambiguous: c.ambiguous.Load(),
		Pending: int(c.pending.Load()) + len(o.hints), Forgotten: o.table.forgotten.Load(), Overrun: o.table.overrun.Load(),
		Denied: o.view.Load().denied,
	}
	o.report(&s)
	return s
}

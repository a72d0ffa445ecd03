package analyzer

import (
	"math"
	"net/netip"
	"time"

	"github.com/perfd/perfd/rpclog"
)

// Witness tells which thread of an application server used a connection, as the operating system saw it.
// Its method is called from one goroutine of the analyzer's and should take microseconds.
type Witness interface {
	// Worker names the process and the thread that used its own end, local, of the connection to remote
	// between two moments. 0 means not known; a thread of 0 with a process says that several threads of it
	// did, or that threads are not watched.
	Worker(local, remote netip.AddrPort, from, to time.Time) (pid, tid int32)
}

// worker is a process, or a thread of it. The zero worker is unknown.
type worker struct{ pid, tid int32 }

// may reports whether two workers may be one.
func (a worker) may(b worker) bool {
	switch {
	case a.pid == 0 || b.pid == 0:
		return true
	case a.pid != b.pid:
		return false
	}
	return a.tid == 0 || b.tid == 0 || a.tid == b.tid
}

// ofCall asks who served a call.
func (s *solver) ofCall(c *rpclog.Call, now time.Time) worker {
	if s.cfg.Witness == nil {
		return worker{}
	}
	// What is before and after on a connection that is kept open may be other threads' work.
	from, to := c.Sent, c.First
	if from.IsZero() {
		from = c.Start
	}
	if to.IsZero() {
		to = c.End
	}
	if to.IsZero() {
		to = now
	}
	pid, tid := s.cfg.Witness.Worker(c.Server, c.Client, from, to)
	return worker{pid, tid}
}

// ofLease asks who ran a lease.
func (s *solver) ofLease(l *lease) worker {
	if s.cfg.Witness == nil || len(l.statements) == 0 {
		return worker{}
	}
	first, last := l.statements[0], l.statements[len(l.statements)-1]
	pid, tid := s.cfg.Witness.Worker(l.session.Client, l.session.Server, first.Start, last.Start)
	return worker{pid, tid}
}

// witnessed returns the candidate that the operating system names as a unit's owner: one that the thread served
// which ran the unit. A thread serves one call at a time, so others that nobody has begun to serve do not matter; and of
// several that waited for it, it served the one that it answered next.
func (w *window) witnessed(u *unit) (owner int32, ok bool) {
	owner = w.none
	if u.worker.tid == 0 {
		return owner, false
	}
	best := int64(math.MaxInt64)
	for _, c := range u.cands {
		o := &w.owners[c.owner]
		if o.call != nil && o.answer && o.worker.pid == 0 {
			return w.none, false // who served it is not known: it may have been this thread
		}
		if o.call == nil || o.worker != u.worker {
			continue
		}
		wait := o.until - u.start // until the answer
		if wait <= 0 {            // it was given, if the times are exact
			wait = math.MaxInt64
		}
		switch {
		case owner == w.none || wait < best:
			best, owner, ok = wait, c.owner, true
		case wait == best:
			ok = false
		}
	}
	if !ok {
		owner = w.none
	}
	return owner, ok
}

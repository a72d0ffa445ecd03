package analyzer

import (
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

// witnessed returns the candidate that the operating system names as a unit's owner: the only one that is known to
// be of the thread that ran it. A thread serves one call at a time, so others of which that is not known do not
// matter.
func (w *window) witnessed(u *unit) (owner int32, ok bool) {
	owner = w.none
	if u.worker.tid == 0 {
		return owner, false
	}
	for _, c := range u.cands {
		if o := &w.owners[c.owner]; o.call != nil && o.worker == u.worker {
			if owner != w.none {
				return w.none, false
			}
			owner = c.owner
		}
	}
	return owner, owner != w.none
}

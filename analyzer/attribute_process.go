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
	end := c.End
	if end.IsZero() {
		end = now
	}
	pid, tid := s.cfg.Witness.Worker(c.Server, c.Client, c.Start, end)
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

// witnessed reports whether the operating system names a unit's owner: one call alone remains that its worker
// may have served, and it is known to be that worker's.
func (w *window) witnessed(u *unit) bool {
	if u.worker.tid == 0 {
		return false
	}
	found := false
	for _, c := range u.cands {
		if o := &w.owners[c.owner]; o.call != nil {
			if found || o.worker.tid == 0 || o.worker != u.worker {
				return false
			}
			found = true
		}
	}
	return found
}

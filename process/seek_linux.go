package process

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

const (
	firstPause  = time.Millisecond
	lastPause   = 500 * time.Millisecond
	threadPause = 100 * time.Millisecond // for thread evidence to come first
	restShare   = 4                      // pause of a seeker as a multiple of its work: one fifth of a processor at most
	batch       = 256
)

// seeker finds the owners of the connections that it is hinted at.
type seeker struct {
	*Observer
	pending []wanted
	owners  map[uint32]int32 // of the last look at open files
	proc    procs
}

// wanted is an end whose owner is sought.
type wanted struct {
	local, remote netip.AddrPort
	since         int64
	pause         time.Duration
	due, until    time.Time
	inode         uint32
}

func newSeeker(o *Observer) *seeker {
	return &seeker{Observer: o, owners: map[uint32]int32{}, proc: procs{o.cfg.Root}}
}

func (s *seeker) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		// While there is no room the hints wait in the channel, which counts what does not fit.
		hints := s.hints
		if len(s.pending) >= s.cfg.Queue {
			hints = nil
		}
		select {
		case <-ctx.Done():
			return
		case h := <-hints:
			s.take(h)
			for n := len(s.hints); n > 0 && len(s.pending) < s.cfg.Queue; n-- {
				s.take(<-s.hints)
			}
		case <-timer.C:
		}
		begun := time.Now()
		s.step(begun)
		s.count.pending.Store(int64(len(s.pending)))
		worked := time.Since(begun)
		if next, ok := s.nextDue(); ok {
			timer.Reset(max(next.Sub(begun)-worked, restShare*worked))
		} else {
			timer.Stop()
		}
	}
}

func (s *seeker) nextDue() (time.Time, bool) {
	if len(s.pending) == 0 {
		return time.Time{}, false
	}
	next := s.pending[0].due
	for _, w := range s.pending[1:] {
		if w.due.Before(next) {
			next = w.due
		}
	}
	return next, true
}

// take queues the ends of a connection that may be an application server's.
func (s *seeker) take(h hint) {
	v := s.view.Load()
	fromA := v.listen[h.a.Port()] || v.database[h.b.Port()]
	fromB := v.listen[h.b.Port()] || v.database[h.a.Port()]
	either := !fromA && !fromB
	if fromA || either {
		s.want(h.a, h.b, h.at)
	}
	if fromB || either {
		s.want(h.b, h.a, h.at)
	}
}

func (s *seeker) want(local, remote netip.AddrPort, at int64) {
	if !s.table.open(endOf(local, remote), at) {
		return
	}
	now := time.Now()
	w := wanted{local: local, remote: remote, since: at, pause: firstPause, due: now, until: now.Add(s.cfg.Patience)}
	if s.threads.on() {
		w.due = now.Add(threadPause)
	}
	s.pending = append(s.pending, w)
}

// step looks for all that is due. What no process has taken yet is looked for again, after ever longer pauses.
func (s *seeker) step(now time.Time) {
	keep, due := s.pending[:0], 0
	var found []wanted
	for _, w := range s.pending {
		if w.due.After(now) || due == batch {
			keep = append(keep, w)
			continue
		}
		if s.table.known(endOf(w.local, w.remote), w.since) {
			continue
		}
		due++
		s.count.lookups.Add(1)
		sock, err := s.finder.find(w.local, w.remote)
		switch {
		case errors.Is(err, errGone), err == nil && closed(sock):
			s.count.gone.Add(1)
		case err == nil && sock.state != stateListen && sock.inode != 0:
			w.inode = sock.inode
			found = append(found, w)
		case now.After(w.until):
			s.count.unresolved.Add(1)
		default:
			w.due = now.Add(w.pause)
			w.pause = min(2*w.pause, lastPause)
			keep = append(keep, w)
		}
	}
	s.pending = keep
	if len(found) > 0 {
		s.attribute(found)
	}
}

// closed reports whether a socket has no process any more and will never have one again.
func closed(s socket) bool {
	const finWait1, finWait2, timeWait, gone, lastACK, closing = 4, 5, 6, 7, 9, 11
	switch s.state {
	case finWait1, finWait2, lastACK, closing:
		return s.inode == 0
	case timeWait, gone:
		return true
	}
	return false
}

// attribute finds the processes that have the sockets open.
func (s *seeker) attribute(found []wanted) {
	for _, w := range found {
		if _, ok := s.owners[w.inode]; !ok {
			s.look()
			break
		}
	}
	for _, w := range found {
		switch pid, ok := s.owners[w.inode]; {
		case !ok:
			s.count.foreign.Add(1)
		case pid == several:
			s.count.ambiguous.Add(1)
		default:
			s.count.found.Add(1)
			s.table.belongs(endOf(w.local, w.remote), pid, w.since)
		}
	}
}

// several stands for an owner that is more than one process.
const several int32 = -1

// look reads the open files of all application servers.
func (s *seeker) look() {
	clear(s.owners)
	for _, pid := range s.view.Load().pids {
		_ = s.proc.sockets(pid, func(inode uint32) { claim(s.owners, inode, pid) })
	}
}

func claim(owners map[uint32]int32, inode uint32, pid int32) {
	if other, ok := owners[inode]; ok && other != pid {
		pid = several
	}
	owners[inode] = pid
}

package main

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/process"
)

// witness asks an observer of processes. In a process that serves one call at a time the process says it all; in
// one that serves many on one thread, the thread says nothing.
type witness struct {
	observer *process.Observer
	asked    analyzer.Witness // the observer, or what stands before it
}

var _ analyzer.Witness = witness{}

// Worker implements analyzer.Witness.
func (w witness) Worker(local, remote netip.AddrPort, from, to time.Time) (pid, tid int32) {
	pid, tid = w.asked.Worker(local, remote, from, to)
	if pid == 0 {
		return 0, 0
	}
	switch w.observer.Role(pid) {
	case process.HTTP, process.Cron: // Odoo's prefork workers: the main thread does it all
		return pid, cmp.Or(tid, pid)
	case process.Gevent:
		return pid, 0
	}
	return pid, tid
}

// protocol tells the observer of each connection that a decoder claims, as early as that.
func (t *tap) protocol(p capture.Protocol) capture.Protocol {
	if t.observer == nil {
		return p
	}
	return telling{p, t.observer}
}

type telling struct {
	capture.Protocol
	observer *process.Observer
}

// NewStream implements capture.Protocol.
func (t telling) NewStream(c capture.Conn) capture.Stream {
	t.observer.Seen(c.Client, c.Server, c.Opened)
	return t.Protocol.NewStream(c)
}

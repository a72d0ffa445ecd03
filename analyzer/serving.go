package analyzer

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// crew learns how the processes of application servers serve calls, from the statements that they run. A process
// that has two statements under way at once has threads. One that never has, and works in turns with another, is
// one of several workers.
//
// The process is told by the operating system, or by the name that Odoo gives its connections: odoo-<pid>.
type crew struct {
	members map[int32]*member
	last    int32            // that worked last
	order   []int32          // room for observe: leases by start
	seen    [servings]int    // windows that found the server to serve so
	pids    map[string]int32 // by application_name
}

// member is one process.
type member struct {
	threads bool // had two statements under way at once
	turns   bool // worked before and after another process
}

const (
	crewMost = 4096                 // processes, and names, that are remembered; all are forgotten beyond
	atOnce   = 2 * time.Millisecond // by which statements must overlap: what clocks and a log's milliseconds may blur
)

// judge learns how a solved window found the server to serve.
func (c *crew) judge(w *window) {
	if w.serving != ServingUnknown {
		c.seen[w.serving]++
	}
}

// observe learns from leases of one window.
func (c *crew) observe(leases []lease) {
	if c.members == nil || len(c.members) > crewMost || len(c.pids) > crewMost {
		c.members, c.pids, c.last = map[int32]*member{}, map[string]int32{}, 0
	}
	c.order = c.order[:0]
	for i := range leases {
		if leases[i].kind == leaseWork && len(leases[i].statements) > 0 && c.process(&leases[i]) != 0 {
			c.order = append(c.order, int32(i))
		}
	}
	slices.SortFunc(c.order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(leases[a].start, leases[b].start), cmp.Compare(a, b))
	})
	longest := map[int32]int32{} // of a process, the lease so far that lasts longest
	for _, i := range c.order {
		l := &leases[i]
		pid := c.process(l)
		m := c.members[pid]
		switch {
		case m == nil:
			m = &member{}
			c.members[pid] = m
		case c.last != pid:
			m.turns = true
		}
		c.last = pid
		before, known := longest[pid]
		if known && !m.threads {
			m.threads = leases[before].session != l.session && together(leases[before].statements, l.statements)
		}
		if !known || l.end > leases[before].end {
			longest[pid] = i
		}
	}
}

// process is the one that ran a lease; 0 if that is not known.
func (c *crew) process(l *lease) int32 {
	if l.worker.pid != 0 {
		return l.worker.pid
	}
	return c.named(l.session.Application)
}

// named is the process that an application_name tells of.
func (c *crew) named(name string) int32 {
	pid, ok := c.pids[name]
	if !ok {
		if digits, found := strings.CutPrefix(name, "odoo-"); found {
			if n, err := strconv.ParseInt(digits, 10, 32); err == nil {
				pid = int32(max(0, n))
			}
		}
		c.pids[name] = pid
	}
	return pid
}

// together reports whether a statement of one list was under way while one of the other was. The lists are in order.
func together(a, b []*sqltrace.Statement) bool {
	for len(a) > 0 && len(b) > 0 {
		x, y := a[0], b[0]
		from, to := x.Start, x.End
		if y.Start.After(from) {
			from = y.Start
		}
		if y.End.Before(to) {
			to = y.End
		}
		if to.Sub(from) >= atOnce && (x.Gaps|y.Gaps)&sqltrace.GapUnanswered == 0 {
			return true
		}
		if x.End.Before(y.End) {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return false
}

// serving says how the process of a call that w has collected serves calls, as far as was seen by now.
func (c *crew) serving(w *window, o *owner) Serving {
	pid := o.worker.pid
	for _, li := range w.buf {
		pid = cmp.Or(pid, w.leases[li].worker.pid)
	}
	named := pid == 0
	for _, li := range w.buf {
		pid = cmp.Or(pid, c.process(&w.leases[li]))
	}
	var threads, turns bool
	if m := c.members[pid]; m != nil {
		threads, turns = m.threads, m.turns
	}
	if named { // the workers of a prefork server may all bear their master's name
		threads = threads && c.seen[ServingThreads] >= c.seen[ServingWorkers] && c.seen[ServingThreads] != 1 // one may be mistaken
		turns = turns || c.seen[ServingWorkers] > c.seen[ServingThreads]
	}
	switch {
	case threads:
		return ServingThreads
	case turns:
		return ServingWorkers
	}
	return ServingUnknown
}

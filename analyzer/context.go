package analyzer

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/perfd/perfd/rpclog"
)

// context is what a server that is being watched did lately: calls and leases that were delivered. The windows
// of such a server are short; with their past they are long enough to learn delays, habits and how rare a
// value is from, and a lease that comes late is not taken for that of the only call still open.
type context struct {
	owners []owner
	leases []lease
}

// add puts the past in front of a window's calls and leases.
func (c *context) add(owners []owner, leases []lease) ([]owner, []lease) {
	if len(c.leases)+len(c.owners) == 0 {
		return owners, leases
	}
	return slices.Concat(c.owners, owners), slices.Concat(c.leases, leases)
}

// abandoned is how long a server is expected to go on with a call whose client has left, in nanoseconds.
const abandoned = int64(time.Minute)

// pastCalls bounds the calls of the past by a multiple of its leases.
const pastCalls = 8

// keep takes over what a solved window delivered, the latest leases up to a number, and the calls of their time.
func (c *context) keep(w *window, most int) {
	given := make(map[int32]*rpclog.Call, len(w.leases))
	done := make([]int32, 0, len(w.leases))
	for i := range w.units {
		u := &w.units[i]
		o := &w.owners[u.owner]
		if o.open && o.call != nil {
			continue
		}
		for _, l := range u.leases {
			if w.leases[l].under {
				continue
			}
			given[l] = o.call
			done = append(done, l)
		}
	}
	slices.SortFunc(done, func(a, b int32) int { return cmp.Compare(a, b) })
	done = done[max(0, len(done)-most):]
	c.leases = make([]lease, 0, len(done))
	for _, id := range done {
		l := w.leases[id]
		if !l.decided {
			l.decided, l.call = true, given[id]
		}
		c.leases = append(c.leases, l)
	}
	c.owners = c.owners[:0]
	if len(c.leases) == 0 {
		return
	}
	since := c.leases[0].start
	for i := range w.owners[:w.none] {
		o := &w.owners[i]
		if o.open || o.group == "cron" || o.until < since {
			continue
		}
		if o.until == math.MaxInt64 && o.head < since-abandoned {
			continue // it never had an answer
		}
		if len(c.owners) >= most && o.call == nil {
			continue
		}
		c.owners = append(c.owners, owner{
			call: o.call, group: o.group, route: o.route, profile: o.profile, table: o.table, head: o.head, until: o.until,
			answer: o.answer, requestLimit: o.requestLimit, responseLimit: o.responseLimit, worker: o.worker, past: true,
		})
	}
	c.owners = c.owners[max(0, len(c.owners)-pastCalls*most):] // where calls run few statements, they are many
}

// awaited reports whether a unit that no call owns may yet turn out to be that of a call still open.
func (w *window) awaited(u *unit) bool {
	const most = int64(time.Minute) // after its end; a call may stay open for ever where its end was lost
	if len(w.leases) == 0 || u.end < w.leases[len(w.leases)-1].start-most {
		return false
	}
	for _, c := range u.cands {
		if o := &w.owners[c.owner]; o.call != nil && o.open {
			return true
		}
	}
	return false
}

// recall gives a unit of the past to the call that it was given to then.
func (w *window) recall(id int32, call *rpclog.Call) {
	u := &w.units[id]
	u.fixed = true
	if call == nil {
		return
	}
	for _, c := range u.cands {
		if o := &w.owners[c.owner]; o.call == call {
			u.owner = c.owner
			o.units = append(o.units, id)
			return
		}
	}
}

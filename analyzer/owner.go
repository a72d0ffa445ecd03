package analyzer

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/rpclog"
)

// route groups calls whose leases follow one pattern.
type route uint8

const (
	routeWeb route = iota
	routeLogin
	routeAPI        // stateless services: /jsonrpc, XML-RPC, /json/2, and JSON-RPC without a session
	routeAPISession // the same with a session cookie
	routeTryton
	routeTrytonLogin
	routeSocket // frames of a websocket
	routeCron
	routes
)

// slack is how much capture times of two sockets may disagree with the order of events, in nanoseconds.
const slack = 300_000

// loose is the same where packets were lost or recorded out of order.
const loose = 25_000_000

// owner is what leases are given to: a call, or a source of background work.
type owner struct {
	// What the search reads comes first, close together.
	route   route
	answer  bool  // until is the first byte of a response, so the gap before it means something
	traced  bool  // leases and steps are of the current assignment
	changed int32 // tick of the last change
	head    int64 // Unix nanoseconds: no lease begins before
	until   int64 // no lease ends after
	score   float64
	key     uint64
	set     uint64  // key of the current assignment
	units   []int32 // current assignment
	leases  []int32 // its leases, by start
	steps   []step  // by the number of leases followed

	call    *rpclog.Call // nil for a source of background work
	group   string       // of a background source
	profile int32        // of the profile index; -1 if none
	table   int32        // the model's table in the table index; -1 if none
	past    bool         // delivered by a window before
	open    bool         // the call had not ended when the window was cut

	requestLimit, responseLimit uint32
	worker                      worker // that served the call
}

// halfTime is how long after its header section a request that has not arrived whole may have a worker run statements.
const halfTime = int64(time.Second)

func ownerOf(c *rpclog.Call, ended bool) owner {
	o := owner{call: c, profile: -1, table: -1, head: c.Head.UnixNano(), until: math.MaxInt64, open: !ended}
	if c.Head.IsZero() {
		o.head = c.Start.UnixNano()
	}
	switch {
	case !c.First.IsZero():
		o.until, o.answer = c.First.UnixNano(), true
	case !c.End.IsZero():
		o.until = c.End.UnixNano()
	case ended && c.Sent.IsZero() && c.Gaps&rpclog.GapRequest != 0:
		o.until = o.head // its request never arrived whole: no worker began with it
	case !ended && c.Sent.IsZero() && !c.Head.IsZero() && c.Gaps&rpclog.GapRequest == 0:
		o.until = o.head + halfTime // what a worker does before it waits for the rest of a request, it does at once
	}
	o.route = routeOf(c)
	return o
}

func routeOf(c *rpclog.Call) route {
	switch {
	case c.Transport == rpclog.Tryton && strings.HasPrefix(c.Method, "login"):
		return routeTrytonLogin
	case c.Transport == rpclog.Tryton:
		return routeTryton
	case c.Transport == rpclog.XMLRPC, c.Transport == rpclog.JSON2, strings.TrimRight(c.Path, "/") == "/jsonrpc":
		if c.Session != 0 {
			return routeAPISession
		}
		return routeAPI
	case c.Session == 0 && c.Transport == rpclog.JSONRPC: // a page without a cookie is a page
		return routeAPI
	case strings.HasPrefix(c.Path, "/web/session/authenticate"), c.Path == "/web/login" && c.Verb == "POST":
		return routeLogin
	}
	return routeWeb
}

// unit is what the search moves: a lease, or the leases of a worker between two signaling reads.
type unit struct {
	// What the search reads comes first, close together.
	owner   int32 // current; none is the window's last owner
	kind    leaseKind
	fixed   bool // the search leaves it alone
	key     uint64
	start   int64
	first   int32       // of the candidates
	weights []float64   // of the candidates, by owner from the first one on; not a number where one is none
	cands   []candidate // by owner, ascending; the last is always none
	leases  []int32     // by start
	offers  []offer     // by candidate
	moved   int32       // tick of the last change of owner
	left    int32       // tick at which without was computed
	without float64     // score of its owner without it
	judged  int32       // tick at which the search last weighed its options

	end       int64
	before    int64 // a single-threaded worker's next unit starts here: its call has answered by then
	after     int64 // the same, of the unit after the next
	worker    worker
	witnessed bool // the operating system named its owner
	loose     bool // it fits its candidates only with loose times
}

// candidate is an owner a unit could have, with the evidence that does not depend on other units.
type candidate struct {
	owner  int32
	weight float64
}

// offer is what it comes to that a candidate is given the unit.
type offer struct {
	judged  int32    // tick at which options were computed
	options []option // ways to give it the unit
	best    float64  // the greatest gain of them
}

// weight returns the weight of an owner among the unit's candidates; ok is false if it is none of them.
func (u *unit) weight(owner int32) (w float64, ok bool) {
	if i := int(owner - u.first); uint(i) < uint(len(u.weights)) {
		if w = u.weights[i]; w == w {
			return w, true
		}
		return 0, false
	}
	at, ok := slices.BinarySearchFunc(u.cands, owner, func(c candidate, owner int32) int { return cmp.Compare(c.owner, owner) })
	if !ok {
		return 0, false
	}
	return u.cands[at].weight, true
}

// weigh sets the weight of one of the unit's candidates.
func (u *unit) weigh(at int32, weight float64) {
	c := &u.cands[at]
	c.weight = weight
	if i := int(c.owner - u.first); uint(i) < uint(len(u.weights)) {
		u.weights[i] = weight
	}
}

// spread makes room for weights by owner, unless the candidates are so far apart that it would be much. None is found apart.
func (u *unit) spread() {
	const most = 256
	u.first = u.cands[0].owner
	if n := len(u.cands) - 1; n > 0 {
		if span := int(u.cands[n-1].owner-u.first) + 1; span <= max(most, 4*n) {
			u.weights = make([]float64, span)
			for i := range u.weights {
				u.weights[i] = math.NaN()
			}
		}
	}
}

// bound is when a call of a route has answered at the latest: stateless services read the signals twice a call.
func (u *unit) bound(r route) int64 {
	if r == routeAPI || r == routeAPISession {
		return u.after
	}
	return u.before
}

// groupOf names the source of a lease that no call owns.
func groupOf(l *lease, o *owner) string {
	switch {
	case l.foreign:
		return l.group
	case o.group != "":
		return o.group
	case l.kind == leaseListen:
		return "listen"
	case l.kind == leaseCron:
		return "cron"
	case l.kind == leaseBus:
		return "bus"
	}
	return "unattributed"
}

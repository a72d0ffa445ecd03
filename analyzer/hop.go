package analyzer

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/rpclog"
)

// fronts remembers, from one window to the next, what hops found of calls that were still open on one side.
type fronts struct {
	outer map[rpclog.CallID]bool  // outer sides of calls whose inner side is known
	front map[rpclog.CallID]front // by inner side
}

type front struct {
	hop     *Hop
	session rpclog.SessionKey
}

func newFronts() fronts {
	return fronts{outer: map[rpclog.CallID]bool{}, front: map[rpclog.CallID]front{}}
}

// join returns the calls without the outer sides of those that crossed a recorded reverse proxy.
func (f *fronts) join(ended, open []*rpclog.Call) (innerEnded, innerOpen []*rpclog.Call) {
	if len(open) == 0 && len(f.outer) == 0 && len(f.front) == 0 {
		inner, found := hops(ended)
		for c, hop := range found {
			f.front[c.ID] = front{hop: hop}
		}
		return inner, nil
	}
	isOpen := make(map[*rpclog.Call]bool, len(open))
	for _, c := range open {
		isOpen[c] = true
	}
	all := make([]*rpclog.Call, 0, len(ended)+len(open))
	for _, c := range slices.Concat(ended, open) {
		if isOpen[c] && c.Sent.IsZero() && c.First.IsZero() {
			innerOpen = append(innerOpen, c) // too little of it is known
		} else if !f.outer[c.ID] {
			all = append(all, c)
		} else if !isOpen[c] {
			delete(f.outer, c.ID)
		}
		if known, ok := f.front[c.ID]; ok && c.Session == 0 {
			c.Session = known.session
		}
	}
	slices.SortFunc(all, func(x, y *rpclog.Call) int { return cmp.Or(x.Start.Compare(y.Start), cmp.Compare(x.ID, y.ID)) })
	inner, found := hops(all)
	for c, hop := range found {
		f.front[c.ID] = front{hop, c.Session}
	}
	stays := make(map[*rpclog.Call]bool, len(inner))
	for _, c := range inner {
		stays[c] = true
		if isOpen[c] {
			innerOpen = append(innerOpen, c)
		} else {
			innerEnded = append(innerEnded, c)
		}
	}
	for _, c := range all {
		if !stays[c] && isOpen[c] {
			f.outer[c.ID] = true
		}
	}
	return innerEnded, innerOpen
}

// of returns the outer side of a call that is delivered now.
func (f *fronts) of(c *rpclog.Call) *Hop {
	known, ok := f.front[c.ID]
	if !ok {
		return nil
	}
	delete(f.front, c.ID)
	if known.hop.End.IsZero() { // still open, or never answered
		known.hop.End = c.End
	}
	return known.hop
}

// hops joins the two sides of calls that crossed a recorded reverse proxy: the exchange next to the server
// stays, the outer one becomes its front. calls must be sorted by start; outer calls are removed.
//
// Two exchanges are one call if their requests are equal in verb, target and body (or, where bytes were
// lost, in path and session, the inner one saying that it was forwarded), they have different servers, and
// the inner one lies within the outer one.
func hops(calls []*rpclog.Call) (inner []*rpclog.Call, fronts map[*rpclog.Call]*Hop) {
	servers := map[uint16]bool{}
	for _, c := range calls {
		servers[c.Server.Port()] = true
	}
	if len(servers) < 2 {
		return calls, nil
	}
	fronts = map[*rpclog.Call]*Hop{}
	matched := map[*rpclog.Call]bool{}
	byBody := map[uint64][]*rpclog.Call{}
	for _, c := range calls {
		if c.BodyHash != 0 {
			byBody[c.BodyHash] = append(byBody[c.BodyHash], c)
		}
	}
	join := func(candidates []*rpclog.Call, equal func(outer, inner *rpclog.Call) bool) {
		for i, outer := range candidates {
			if matched[outer] || fronts[outer] != nil {
				continue
			}
			for _, c := range candidates[i+1:] {
				if !outer.End.IsZero() && c.Start.After(outer.End) {
					break
				}
				if !matched[c] && fronts[c] == nil && c.Server != outer.Server && within(c, outer) && equal(outer, c) {
					matched[outer] = true
					fronts[c] = &Hop{Client: outer.Client, Server: outer.Server, Start: outer.Start, End: outer.End}
					if c.Session == 0 {
						c.Session = outer.Session
					}
					break
				}
			}
		}
	}
	bodies := make([]uint64, 0, len(byBody))
	for h, cs := range byBody {
		if len(cs) > 1 {
			bodies = append(bodies, h)
		}
	}
	slices.SortFunc(bodies, func(a, b uint64) int { return cmp.Compare(a, b) })
	for _, h := range bodies {
		join(byBody[h], func(outer, inner *rpclog.Call) bool { return outer.Session == inner.Session })
	}
	join(calls, func(outer, inner *rpclog.Call) bool {
		return inner.Forwarded && !outer.Forwarded && (outer.BodyHash == 0 || inner.BodyHash == 0) &&
			outer.Path == inner.Path && outer.Session == inner.Session
	})
	joinHarmed(calls, fronts, matched)
	inner = make([]*rpclog.Call, 0, len(calls))
	for _, c := range calls {
		if !matched[c] {
			inner = append(inner, c)
		}
	}
	return inner, fronts
}

// joinHarmed joins what is left where bytes were lost, between servers already known to be a proxy and the
// server behind it: an outer exchange and the one within it that answered last before it did, whose paths
// and sessions do not disagree.
func joinHarmed(calls []*rpclog.Call, fronts map[*rpclog.Call]*Hop, matched map[*rpclog.Call]bool) {
	behind := map[[2]uint16]bool{}
	for c, f := range fronts {
		behind[[2]uint16{f.Server.Port(), c.Server.Port()}] = true
	}
	for i, outer := range calls {
		if matched[outer] || fronts[outer] != nil || outer.End.IsZero() || outer.Status == 101 {
			continue
		}
		var best *rpclog.Call
		for i > 0 && calls[i-1].Start.After(outer.Start.Add(-joined)) {
			i--
		}
		for _, c := range calls[i:] {
			if c.Start.After(outer.End) {
				break
			}
			if c == outer || matched[c] || fronts[c] != nil || outer.Gaps|c.Gaps == 0 || !within(c, outer) ||
				!behind[[2]uint16{outer.Server.Port(), c.Server.Port()}] ||
				outer.BodyHash != c.BodyHash && outer.BodyHash != 0 && c.BodyHash != 0 ||
				!samePath(outer, c) ||
				outer.Session != c.Session && outer.Session != 0 && c.Session != 0 {
				continue
			}
			if best == nil || c.First.After(best.First) {
				best = c
			}
		}
		if best != nil {
			matched[outer] = true
			fronts[best] = &Hop{Client: outer.Client, Server: outer.Server, Start: outer.Start, End: outer.End}
			complete(best, outer)
		}
	}
}

// samePath reports whether two exchanges may have had one path. Of one whose header was lost the route alone may
// be known, or nothing.
func samePath(a, b *rpclog.Call) bool {
	cut := func(harmed, whole *rpclog.Call) bool {
		return harmed.Gaps&rpclog.GapRequest != 0 && strings.HasPrefix(whole.Path, harmed.Path) &&
			harmed.Model == whole.Model && harmed.Method == whole.Method
	}
	return a.Path == b.Path || a.Path == "" || b.Path == "" || cut(a, b) || cut(b, a)
}

// complete fills what was lost of the inner exchange from the outer one.
func complete(inner, outer *rpclog.Call) {
	if len(inner.Path) < len(outer.Path) {
		inner.Path, inner.Verb, inner.Transport = outer.Path, outer.Verb, outer.Transport
	}
	if inner.Model == "" && inner.Method == "" {
		inner.Service, inner.Model, inner.Method, inner.IDs = outer.Service, outer.Model, outer.Method, outer.IDs
	}
	if inner.Session == 0 {
		inner.Session = outer.Session
	}
	if inner.UID == 0 {
		inner.UID, inner.Login = outer.UID, outer.Login
	}
	if inner.Status == 0 {
		inner.Status, inner.Error = outer.Status, outer.Error
	}
}

// joined is how much later than its first byte a request may seem to start whose first segments are missing.
const joined = 50 * time.Millisecond

// within reports whether the inner exchange lies within the outer one, give or take capture order.
func within(inner, outer *rpclog.Call) bool {
	start, first := outer.Start, outer.First
	if outer.Gaps&(rpclog.GapJoined|rpclog.GapRequest|rpclog.GapOrder) != 0 {
		start = start.Add(-joined)
	}
	if outer.Gaps&rpclog.GapOrder != 0 {
		first = first.Add(joined)
	}
	if inner.Start.Before(start) {
		return false
	}
	if inner.First.IsZero() || outer.First.IsZero() {
		return outer.End.IsZero() || inner.Start.Before(outer.End)
	}
	return !inner.First.After(first)
}

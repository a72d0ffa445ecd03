package analyzer

import (
	"slices"

	"github.com/perfd/perfd/capture"
)

// chain cuts the leases into units.
//
// A prefork worker serves one call at a time, so the leases of one worker between two signaling reads
// belong to one call. Which connections are one worker's is not on the wire (application_name carries the
// master's process id), but shows: the lease after a signaling read begins on a connection of the same
// worker within milliseconds. Where the workers found this way would have to do two things at once, the
// server is threaded, and every lease is a unit of its own.
func (w *window) chain() {
	workers, ok := w.workers()
	w.served(workers, ok)
	w.units = make([]unit, 0, len(w.leases))
	if !ok {
		for i := range w.leases {
			w.units = append(w.units, w.single(int32(i)))
		}
		return
	}
	last := map[int]int{} // worker to its current unit
	prev := map[int]int{} // and the one before
	for i := range w.leases {
		l := &w.leases[i]
		worker, known := workers[l.conn()]
		if l.decided || l.worker.tid != 0 || !known || l.kind == leaseFilter || l.kind == leaseListen || l.foreign {
			w.units = append(w.units, w.single(int32(i)))
			continue
		}
		current, begun := last[worker]
		if begun {
			u := &w.units[current]
			if l.kind != leaseSignaling {
				u.leases = append(u.leases, int32(i))
				u.end = max(u.end, l.end)
				if u.kind == leaseSignaling {
					u.kind = l.kind
				}
				continue
			}
			u.before = l.start
			if p, ok := prev[worker]; ok {
				w.units[p].after = l.start
			}
			prev[worker] = current
		}
		last[worker] = len(w.units)
		w.units = append(w.units, w.single(int32(i)))
	}
	units := w.units
	w.units = make([]unit, 0, len(units))
	for _, u := range units {
		if len(u.leases) == 1 || w.usual(&u) {
			w.units = append(w.units, u)
			continue
		}
		for _, l := range u.leases { // a signaling read was lost, or this is something new
			s := w.single(l)
			s.before, s.after = u.before, u.after
			w.units = append(w.units, s)
		}
	}
}

// served notes how the server was seen to serve: by several workers that take no part in each other's leases, or by
// connections that would have made one worker do two things at once.
func (w *window) served(workers map[capture.ConnID]int, ok bool) {
	if !ok {
		w.serving = ServingThreads
		return
	}
	for _, worker := range workers {
		if worker > 0 { // they are numbered from 0, so there are several
			w.serving = ServingWorkers
		}
	}
}

// usual reports whether the leases of a unit follow a pattern that a call is known to show.
func (w *window) usual(u *unit) bool {
	p := w.patternOf(u.leases)
	for _, r := range []route{routeWeb, routeLogin, routeAPI, routeAPISession} {
		if w.timing.knows(r, p) {
			return true
		}
	}
	return false
}

// workers groups connections by the single-threaded process that uses them; ok is false where the
// recording does not look like one of prefork workers.
func (w *window) workers() (of map[capture.ConnID]int, ok bool) {
	const within = 6e6 // nanoseconds from a signaling read to the lease that follows it
	type pair struct{ a, b capture.ConnID }
	links := map[pair]float64{}
	reads := map[capture.ConnID]float64{}
	for i := range w.leases {
		a := &w.leases[i]
		if a.kind != leaseSignaling || a.foreign {
			continue
		}
		reads[a.conn()]++
		for j := i + 1; j < len(w.leases); j++ {
			b := &w.leases[j]
			if b.start > a.end+within {
				break
			}
			if b.start >= a.end-slack && b.kind != leaseSignaling && b.kind != leaseFilter && !b.foreign {
				links[pair{a.conn(), b.conn()}]++
				break
			}
		}
	}
	parent := map[capture.ConnID]capture.ConnID{}
	var find func(c capture.ConnID) capture.ConnID
	find = func(c capture.ConnID) capture.ConnID {
		if p, ok := parent[c]; ok && p != c {
			r := find(p)
			parent[c] = r
			return r
		}
		return c
	}
	for c := range reads {
		parent[c] = c
	}
	for p, n := range links {
		if p.a != p.b && n >= 5 && n >= 0.3*reads[p.a] {
			a, b := find(p.a), find(p.b)
			if a != b {
				parent[max(a, b)] = min(a, b)
			}
		}
	}
	of = map[capture.ConnID]int{}
	roots := map[capture.ConnID]int{}
	conns := make([]capture.ConnID, 0, len(parent))
	for c := range parent {
		conns = append(conns, c)
	}
	slices.Sort(conns)
	for _, c := range conns {
		r := find(c)
		if _, ok := roots[r]; !ok {
			roots[r] = len(roots)
		}
		of[c] = roots[r]
	}
	w.adopt(of)
	scheduled := w.scheduled(of)
	if !w.serial(of) {
		return of, false
	}
	for _, l := range scheduled {
		l.foreign, l.group = true, "cron"
	}
	return of, true
}

// adopt gives connections without signaling reads (a login's second cursor) to the worker whose leases
// contain theirs.
func (w *window) adopt(of map[capture.ConnID]int) {
	type vote struct {
		conn   capture.ConnID
		worker int
	}
	votes, total := map[vote]float64{}, map[capture.ConnID]float64{}
	for i := range w.leases {
		l := &w.leases[i]
		if _, ok := of[l.conn()]; ok || l.foreign || l.kind == leaseFilter || l.kind == leaseListen {
			continue
		}
		total[l.conn()]++
		for j := i - 1; j >= 0 && j > i-200; j-- {
			o := &w.leases[j]
			if worker, ok := of[o.conn()]; ok && o.end >= l.end && o.kind != leaseSignaling {
				votes[vote{l.conn(), worker}]++
			}
		}
	}
	best := map[capture.ConnID]float64{}
	adopted := map[capture.ConnID]int{}
	for v, n := range votes {
		if n >= 0.5*total[v.conn] && (n > best[v.conn] || n == best[v.conn] && v.worker < adopted[v.conn]) {
			best[v.conn], adopted[v.conn] = n, v.worker
		}
	}
	for c, worker := range adopted {
		of[c] = worker
	}
}

// scheduled takes out the workers that run scheduled actions, nearly all of whose leases lie within one
// that reads ir_cron, and returns those leases: they are no call's.
func (w *window) scheduled(of map[capture.ConnID]int) (leases []*lease) {
	within, total := map[int]float64{}, map[int]float64{}
	var until, covered int64
	for i := range w.leases {
		l := &w.leases[i]
		worker, known := of[l.conn()]
		if l.kind == leaseCron {
			covered += max(0, l.end-max(l.start, until))
		}
		inside := l.end <= until+slack
		if l.kind == leaseCron && l.end > until {
			until = l.end
			inside = true // the scheduler itself
		}
		if known {
			total[worker]++
			if inside {
				within[worker]++
			}
		}
	}
	if n := len(w.leases); n == 0 || float64(covered) > 0.6*float64(w.leases[n-1].end-w.leases[0].start) {
		return nil // whatever ran, ran while a scheduler did
	}
	for i := range w.leases {
		l := &w.leases[i]
		if worker, ok := of[l.conn()]; ok && within[worker] >= 0.9*total[worker] {
			leases = append(leases, l)
		}
	}
	for c, worker := range of {
		if within[worker] >= 0.9*total[worker] {
			delete(of, c)
		}
	}
	return leases
}

// serial reports whether the workers behave like processes that serve one call at a time: each signaling
// read begins while nothing else of its worker is under way, and is followed on its worker by the work it
// was made for.
func (w *window) serial(of map[capture.ConnID]int) bool {
	type state struct {
		until   int64
		reading bool // the last lease was a signaling read
	}
	workers := map[int]*state{}
	reads, overlaps, barren := 0.0, 0.0, 0.0
	for i := range w.leases {
		l := &w.leases[i]
		worker, ok := of[l.conn()]
		if !ok || l.foreign || l.kind == leaseFilter || l.kind == leaseListen {
			continue
		}
		s := workers[worker]
		if s == nil {
			s = &state{}
			workers[worker] = s
		}
		if l.kind == leaseSignaling {
			reads++
			if l.start < s.until-slack {
				overlaps++
			}
			if s.reading {
				barren++
			}
		}
		s.reading = l.kind == leaseSignaling
		s.until = max(s.until, l.end)
	}
	return reads >= 10 && overlaps <= 0.01*reads && barren <= 0.02*reads
}

package process

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
)

// end is one end of a connection: the socket that has local as its own address. IPv4 addresses are written as
// IPv6 does (::ffff:a.b.c.d), so both families of socket give the same end; a Unix socket's are those that
// Observer.SeenUnix gave it.
type end struct {
	local, remote         [16]byte
	localPort, remotePort uint16
}

func endOf(local, remote netip.AddrPort) end {
	return end{local.Addr().As16(), remote.Addr().As16(), local.Port(), remote.Port()}
}

func (e end) shard() uint32 {
	h := uint32(e.localPort)<<16 | uint32(e.remotePort)
	h ^= binary.BigEndian.Uint32(e.local[12:]) ^ binary.BigEndian.Uint32(e.remote[12:])
	return h * 2654435761 >> (32 - shardBits)
}

const (
	shardBits = 6
	runBytes  = 24
	firstRuns = 4
)

// run is a time during which one thread and no other used a connection: its first and its last use, in
// nanoseconds since 1970.
type run struct {
	from, to int64
	pid, tid int32
}

// ownership says to whom a socket belonged from a moment on; pid 0: not known (yet).
type ownership struct {
	since int64
	pid   int32
}

// history is what is known of one end.
type history struct {
	key           end
	newer, older  *history
	owner, before ownership
	runs          []run // a ring once it is full
	next          int   // where the next run goes
	full          bool
}

// table remembers ends: bounded in their number and in the size of all histories. It is safe for concurrent use.
type table struct {
	shards    [1 << shardBits]shard
	perShard  int
	maxRuns   int
	late      int64
	slots     atomic.Int64 // runs allocated
	maxSlots  int64
	forgotten atomic.Uint64 // ends evicted
	overrun   atomic.Uint64 // runs overwritten
	gaps      gaps
}

type shard struct {
	mu             sync.Mutex
	ends           map[end]*history
	newest, oldest *history
}

func newTable(c Config) *table {
	t := &table{
		perShard: max(1, c.Connections>>shardBits),
		maxRuns:  c.Runs,
		maxSlots: int64(c.Memory / runBytes),
		late:     c.Late.Nanoseconds(),
	}
	for i := range t.shards {
		t.shards[i].ends = map[end]*history{}
	}
	return t
}

// get returns the history of e, a new one if need be, as the most recently used. The shard must be locked.
func (t *table) get(s *shard, e end) *history {
	h := s.ends[e]
	switch {
	case h == nil:
		h = &history{key: e}
		if len(s.ends) >= t.perShard {
			old := s.oldest
			s.unlink(old)
			delete(s.ends, old.key)
			t.slots.Add(-int64(cap(old.runs)))
			t.forgotten.Add(1)
		}
		s.ends[e] = h
	case s.newest == h:
		return h
	default:
		s.unlink(h)
	}
	h.older, h.newer = s.newest, nil
	if s.newest != nil {
		s.newest.newer = h
	} else {
		s.oldest = h
	}
	s.newest = h
	return h
}

func (s *shard) unlink(h *history) {
	if h.newer != nil {
		h.newer.older = h.older
	} else {
		s.newest = h.older
	}
	if h.older != nil {
		h.older.newer = h.newer
	} else {
		s.oldest = h.newer
	}
}

// open notes that a new connection with this end begins at a moment: what was known of its owner is of the one
// before. It reports false if the owner is known already, from a use after that moment.
func (t *table) open(e end, at int64) bool {
	s := &t.shards[e.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	h := t.get(s, e)
	if h.owner.since >= at && h.owner.pid != 0 {
		return false
	}
	h.own(ownership{since: at})
	return true
}

// own changes hands unless the owner is the same.
func (h *history) own(o ownership) {
	if h.owner.pid != 0 || h.before.pid == 0 {
		h.before = h.owner
	}
	h.owner = o
}

// known reports whether the owner since a moment is known.
func (t *table) known(e end, since int64) bool {
	s := &t.shards[e.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.ends[e]
	return h != nil && h.owner.pid != 0 && h.owner.since >= since
}

// belongs notes that the socket belongs to a process since a moment; a use that was seen since then knows better.
func (t *table) belongs(e end, pid int32, since int64) {
	s := &t.shards[e.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	h := t.get(s, e)
	if h.owner.pid != 0 && h.owner.since >= since {
		return
	}
	if h.owner.pid == 0 || h.owner.pid == pid {
		h.owner = ownership{since: min(since, orNow(h.owner.since, since)), pid: pid}
		return
	}
	h.own(ownership{since: since, pid: pid})
}

func orNow(v, now int64) int64 {
	if v == 0 {
		return now
	}
	return v
}

// use notes that a thread used the connection at a moment.
func (t *table) use(e end, pid, tid int32, at int64) {
	s := &t.shards[e.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	h := t.get(s, e)
	switch {
	case h.owner.pid == pid:
	case h.owner.pid == 0 && h.owner.since != 0 && h.owner.since <= at:
		h.owner.pid = pid
	case h.owner.since > at:
		h.before = ownership{since: at, pid: pid}
	default:
		h.own(ownership{since: at, pid: pid})
	}
	if last := h.last(); last != nil && last.tid == tid && last.pid == pid {
		last.to = max(last.to, at)
		return
	}
	t.push(h, run{from: at, to: at, pid: pid, tid: tid})
}

func (h *history) last() *run {
	if h.next > 0 {
		return &h.runs[h.next-1]
	}
	if h.full {
		return &h.runs[len(h.runs)-1]
	}
	return nil
}

// push adds a run; the history grows while it may and overwrites its oldest run then.
func (t *table) push(h *history, r run) {
	if h.next == len(h.runs) {
		if grown := min(max(2*len(h.runs), firstRuns), t.maxRuns); grown > len(h.runs) && !h.full && t.slots.Load()+int64(grown-len(h.runs)) <= t.maxSlots {
			t.slots.Add(int64(grown - len(h.runs)))
			runs := make([]run, grown)
			copy(runs, h.runs)
			h.runs = runs
		} else if len(h.runs) == 0 {
			t.overrun.Add(1)
			return
		} else {
			h.next, h.full = 0, true
		}
	}
	if h.full {
		t.overrun.Add(1)
	}
	h.runs[h.next] = r
	h.next++
}

// at returns the i-th newest run; nil if there is none.
func (h *history) at(i int) *run {
	switch {
	case i < h.next:
		return &h.runs[h.next-1-i]
	case h.full && i < len(h.runs):
		return &h.runs[h.next-1-i+len(h.runs)]
	}
	return nil
}

// worker answers Observer.Worker.
func (t *table) worker(e end, from, to int64) (pid, tid int32) {
	s := &t.shards[e.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.ends[e]
	if h == nil {
		return 0, 0
	}
	if pid, tid = h.user(from, to, t.late); pid != 0 {
		if t.gaps.within(pid, from, to+t.late) {
			tid = 0
		}
		return pid, tid
	}
	switch {
	case h.owner.since <= to:
		return h.owner.pid, 0
	case h.before.since <= to:
		return h.before.pid, 0
	}
	return 0, 0
}

// tail is how far into the next use the return of the last system call of the use before may fall.
const tail = 5_000_000

// user is the thread that used the connection between two moments; tid 0 if several did, or if it cannot be told.
//
// A use is stamped when its system call returns, hence after its packet if that was sent and after the packet if
// it was received. So within [from, to] stand the uses of the thread in question, before them possibly a late one
// of the thread before, and if there is none at all, the next to come is the one, since nobody else
// can have had the connection before that call returned.
func (h *history) user(from, to, late int64) (pid, tid int32) {
	var after *run // the earliest that begins after to
	var in [4]*run // those within, newest first
	n := 0
	r := h.at(0)
	for i := 0; r != nil && r.to >= from; i, r = i+1, h.at(i+1) {
		if r.from > to {
			after = r
			continue
		}
		if n == len(in) {
			// More changes of hands than any exclusive use has.
			return in[0].pid, 0
		}
		in[n] = r
		n++
	}
	// The uses before the oldest run are known to be none only if none was overwritten.
	cut := r == nil && h.full
	if n == 0 {
		if after == nil || after.from > to+late || cut {
			return 0, 0
		}
		return after.pid, after.tid
	}
	if n > 1 && in[n-1].from < from && in[n-1].to < from+tail {
		n-- // the thread before
	}
	pid, tid = in[0].pid, in[0].tid
	for _, r := range in[1:n] {
		if r.tid != tid {
			tid = 0
		}
		if r.pid != pid {
			return 0, 0
		}
	}
	if cut && in[n-1].from > from {
		tid = 0
	}
	return pid, tid
}

package process

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	appEnd  = netip.MustParseAddrPort("127.0.0.1:8069")
	peerEnd = netip.MustParseAddrPort("127.0.0.1:40000")
)

const ms = int64(time.Millisecond)

func testTable(cfg Config) (*table, end) { return newTable(cfg.withDefaults()), endOf(appEnd, peerEnd) }

func TestWorkerOfMoments(t *testing.T) {
	type moment struct {
		at       int64
		pid, tid int32
	}
	for _, c := range []struct {
		name     string
		uses     []moment
		from, to int64
		pid, tid int32
	}{
		{"nothing known", nil, 10 * ms, 20 * ms, 0, 0},
		{"one thread", []moment{{11 * ms, 1, 2}, {19 * ms, 1, 2}}, 10 * ms, 20 * ms, 1, 2},
		{"before and after it too", []moment{{1 * ms, 1, 2}, {90 * ms, 1, 2}}, 10 * ms, 20 * ms, 1, 2},
		{"stamps come late", []moment{{1 * ms, 1, 3}, {21 * ms, 1, 2}, {22 * ms, 1, 2}, {60 * ms, 1, 3}}, 10 * ms, 20 * ms, 1, 2},
		{"much too late", []moment{{1 * ms, 1, 3}, {200 * ms, 1, 2}}, 10 * ms, 20 * ms, 1, 0},
		{"the thread before returns late", []moment{{1 * ms, 1, 3}, {11 * ms, 1, 3}, {12 * ms, 1, 2}, {19 * ms, 1, 2}}, 10 * ms, 20 * ms, 1, 2},
		{"two threads", []moment{{11 * ms, 1, 3}, {12 * ms, 1, 2}, {19 * ms, 1, 2}}, 10 * ms, 20 * ms, 1, 0},
		{"two threads in turn", []moment{{11 * ms, 1, 3}, {12 * ms, 1, 2}, {13 * ms, 1, 3}, {14 * ms, 1, 2}, {15 * ms, 1, 3}, {16 * ms, 1, 2}}, 10 * ms, 20 * ms, 1, 0},
		{"two processes", []moment{{11 * ms, 1, 3}, {12 * ms, 2, 2}, {19 * ms, 2, 2}}, 10 * ms, 20 * ms, 2, 0},
		{"before anything was seen", []moment{{200 * ms, 1, 3}}, 10 * ms, 20 * ms, 0, 0},
	} {
		tab, e := testTable(Config{})
		for _, m := range c.uses {
			tab.use(e, m.pid, m.tid, m.at)
		}
		if pid, tid := tab.worker(e, c.from, c.to); pid != c.pid || tid != c.tid {
			t.Errorf("%s: %d, %d, want %d, %d", c.name, pid, tid, c.pid, c.tid)
		}
	}
}

// TestReusedPorts has the same addresses serve one connection after the other, of different processes.
func TestReusedPorts(t *testing.T) {
	tab, e := testTable(Config{})
	check := func(what string, from, to int64, want int32) {
		t.Helper()
		if pid, _ := tab.worker(e, from, to); pid != want {
			t.Errorf("%s: process %d, want %d", what, pid, want)
		}
	}
	if !tab.open(e, 10*ms) {
		t.Error("a new connection needs no look-up")
	}
	check("nobody yet", 10*ms, 20*ms, 0)
	tab.belongs(e, 1, 10*ms)
	check("first", 10*ms, 20*ms, 1)
	if !tab.open(e, 1000*ms) {
		t.Error("a new connection with old ports needs no look-up")
	}
	check("second, not known yet", 1000*ms, 1010*ms, 0)
	check("first, asked late", 10*ms, 20*ms, 1)
	tab.belongs(e, 2, 1000*ms)
	check("second", 1000*ms, 1010*ms, 2)
	check("first, asked later", 10*ms, 20*ms, 1)
	tab.use(e, 3, 33, 2000*ms)
	if tab.open(e, 1999*ms) {
		t.Error("a connection whose owner was seen using it needs a look-up")
	}
	tab.belongs(e, 9, 1500*ms)
	check("a use knows better than a look-up", 2000*ms, 2001*ms, 3)
	tab.open(e, 3000*ms)
	tab.use(e, 3, 33, 2500*ms)
	check("a use of the old connection, heard of late", 3000*ms, 3001*ms, 0)
	check("the old connection", 2500*ms, 2501*ms, 3)
	tab.use(e, 4, 44, 3002*ms)
	check("the new connection", 3000*ms, 3003*ms, 4)
}

func TestTableIsBounded(t *testing.T) {
	tab, _ := testTable(Config{Connections: 64 * 4, Runs: 16, Memory: 600 * runBytes})
	for i := range 10_000 {
		e := endOf(appEnd, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 4), byte(i)}), uint16(i)))
		for j := range int64(40) {
			tab.use(e, 1, int32(j), j*ms)
		}
		if pid, tid := tab.worker(e, 39*ms, 39*ms); pid != 1 || (tid != 39 && tid != 0) {
			t.Fatalf("the newest use of the newest connection: %d, %d", pid, tid)
		}
	}
	ends, slots := 0, int64(0)
	for i := range tab.shards {
		s := &tab.shards[i]
		ends += len(s.ends)
		n := 0
		for h := s.newest; h != nil; h = h.older {
			n++
			slots += int64(len(h.runs))
			if len(h.runs) > 16 {
				t.Errorf("%d runs of one connection, want at most 16", len(h.runs))
			}
		}
		if n != len(s.ends) {
			t.Errorf("%d ends in order, %d in all", n, len(s.ends))
		}
	}
	if ends > 256 || slots > 600 || slots != tab.slots.Load() {
		t.Errorf("%d ends, %d runs, %d counted", ends, slots, tab.slots.Load())
	}
	if tab.forgotten.Load() != uint64(10_000-ends) || tab.overrun.Load() == 0 {
		t.Errorf("forgotten %d, overrun %d", tab.forgotten.Load(), tab.overrun.Load())
	}
}

// TestExclusiveUses is the law that Worker rests on: threads that use a connection one after the other are told
// apart, however late the stamps within one's turn are.
func TestExclusiveUses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tab, e := testTable(Config{Runs: 8192})
		type turn struct {
			from, to int64
			tid      int32
		}
		var turns []turn
		at := int64(0)
		for range rapid.IntRange(1, 60).Draw(t, "turns") {
			u := turn{tid: int32(rapid.IntRange(1, 4).Draw(t, "thread"))}
			at += int64(rapid.IntRange(1, 1000).Draw(t, "pause"))
			u.from = at // the query's packet; send returns then, sooner or later than the answer's packet
			sent := at + int64(rapid.IntRange(0, 400).Draw(t, "send"))
			u.to = at + int64(rapid.IntRange(1, 300).Draw(t, "answer"))
			at = max(u.to, sent) + int64(rapid.IntRange(1, 300).Draw(t, "receive"))
			tab.use(e, 7, u.tid, sent)
			tab.use(e, 7, u.tid, at)
			turns = append(turns, u)
		}
		for _, u := range turns {
			if pid, tid := tab.worker(e, u.from, u.to); pid != 7 || tid != u.tid {
				t.Fatalf("turn %+v: %d, %d", u, pid, tid)
			}
		}
	})
}

// TestSilenceProvesNothingInGaps has threads not be concluded where uses may have gone unnoticed.
func TestSilenceProvesNothingInGaps(t *testing.T) {
	tab, e := testTable(Config{Runs: 8})
	tab.use(e, 1, 2, 10*ms)
	tab.use(e, 1, 2, 100*ms)
	check := func(what string, from, to int64, want int32) {
		t.Helper()
		if pid, tid := tab.worker(e, from, to); pid != 1 || tid != want {
			t.Errorf("%s: %d, %d, want 1, %d", what, pid, tid, want)
		}
	}
	check("no gaps", 50*ms, 60*ms, 2)
	tab.gaps.lost(200*ms, 210*ms)
	tab.gaps.lost(205*ms, 220*ms)
	check("losses later", 50*ms, 60*ms, 2)
	tab.use(e, 1, 2, 300*ms)
	check("losses then", 218*ms, 230*ms, 0)
	check("losses earlier", 221*ms, 230*ms, 2)
	for i := range int64(200) {
		tab.gaps.lost((1000+10*i)*ms, (1001+10*i)*ms)
	}
	if n := len(*tab.gaps.losses.Load()); n != maxGaps {
		t.Errorf("%d losses remembered, want %d", n, maxGaps)
	}
	check("the oldest losses", 202*ms, 203*ms, 0)
	check("before the losses", 110*ms, 120*ms, 2)
	tab.gaps.started(map[int32]int64{1: 50 * ms})
	check("tapped since", 50*ms, 60*ms, 2)
	check("tapped only then", 49*ms, 60*ms, 0)

	tab, e = testTable(Config{Runs: 8})
	for i := range int64(20) {
		tab.use(e, 1, int32(i+1), 1000*ms+10*i*ms)
	}
	if pid, tid := tab.worker(e, 1110*ms, 1115*ms); pid != 1 || tid != 0 {
		t.Errorf("before what is remembered: %d, %d", pid, tid)
	}
	check("remembered", 1139*ms, 1141*ms, 15)
}

func TestHistoryWraps(t *testing.T) {
	tab, e := testTable(Config{Runs: 5})
	for i := range int64(23) {
		tab.use(e, 1, int32(i+1), i*ms)
	}
	h := tab.shards[e.shard()].ends[e]
	var got []int32
	for i := 0; h.at(i) != nil; i++ {
		got = append(got, h.at(i).tid)
	}
	if fmt.Sprint(got) != "[23 22 21 20 19]" {
		t.Errorf("newest first: %v", got)
	}
}

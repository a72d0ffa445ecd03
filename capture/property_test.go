package capture

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// conversation draws a dialogue of random turns, in segments of random size, with handshake and end.
// It returns the packets and what each side sent.
func conversation(t *rapid.T) (packets []packet, sent [2][]byte) {
	seq := [2]uint32{rapid.Uint32().Draw(t, "client isn"), rapid.Uint32().Draw(t, "server isn")}
	at := time.Duration(0)
	add := func(from, flags uint8, data []byte) {
		at += 10 * time.Microsecond
		packets = append(packets, packet{at: at, from: from, seq: seq[from], ack: seq[1-from], flags: flags, data: data})
		seq[from] += uint32(len(data))
		if flags&(flagSYN|flagFIN) != 0 {
			seq[from]++
		}
		sent[from] = append(sent[from], data...)
	}
	add(client, flagSYN, nil)
	packets[0].ack = 0
	add(server, flagSYN|flagACK, nil)
	add(client, flagACK, nil)
	from := client
	for range rapid.IntRange(1, 8).Draw(t, "turns") {
		for range rapid.IntRange(1, 6).Draw(t, "segments") {
			n := rapid.IntRange(1, 40).Draw(t, "size")
			data := make([]byte, n)
			for i := range data {
				data[i] = 1 + byte((len(sent[from])+i)*7+int(from)*13)%251 // never 0, which stands for lost
			}
			add(from, flagACK, data)
		}
		from = 1 - from
	}
	add(client, flagACK|flagFIN, nil)
	add(server, flagACK|flagFIN, nil)
	add(client, flagACK, nil)
	return packets, sent
}

func result(t *rapid.T, r *recorder) *recorded {
	t.Helper()
	if len(r.streams) != 1 {
		t.Fatalf("%d streams", len(r.streams))
	}
	return r.streams[0]
}

// TestAnyOrder: moved within a window, repeated and sent again with overlap, a conversation is the same.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		packets, sent := conversation(rt)
		var out []packet
		for i, p := range packets {
			out = append(out, p)
			if rapid.Bool().Draw(rt, "double") {
				out = append(out, p)
			}
			if n := len(p.data); n > 0 && i > 0 && rapid.Bool().Draw(rt, "overlap") {
				from := rapid.IntRange(0, n-1).Draw(rt, "from")
				q := p
				q.seq += uint32(from)
				q.data = p.data[from:]
				out = append(out, q)
			}
		}
		window := rapid.IntRange(1, 12).Draw(rt, "window")
		order := make([]int, len(out))
		for i := range order {
			order[i] = i + rapid.IntRange(0, window).Draw(rt, "shift")
			if out[i].flags&flagFIN != 0 {
				order[i] = max(order[i], order[0]+1) // an end before anything else of the connection tells nothing
			}
		}
		index := make([]int, len(out))
		for i := range index {
			index[i] = i
		}
		slices.SortStableFunc(index, func(a, b int) int { return order[a] - order[b] })
		r := &recorder{t: t}
		e := NewEngine(Config{OrderPackets: 64}, r)
		for i, from := range index {
			p := out[from]
			p.at = time.Duration(i) * 10 * time.Microsecond
			feed(e, p)
		}
		e.Flush()
		checkLaws(rt, e.Stats())
		s := result(rt, r)
		for d := range s.data {
			if !bytes.Equal(s.data[d], sent[d]) || s.lost[d] != 0 || !s.fin[d] {
				rt.Fatalf("%s: got %d bytes, lost %d, fin %v; want %d bytes\n%v", Dir(d), len(s.data[d]), s.lost[d], s.fin[d], len(sent[d]), r.log)
			}
		}
		if st := e.Stats(); st.Lost != 0 || st.Connections != 1 || st.Joined != 0 {
			rt.Fatalf("stats %+v", st)
		}
	})
}

// TestAnyLoss: with data packets left out, exactly their bytes are lost, the rest is in place, nothing
// stalls for longer than the hold time.
func TestAnyLoss(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		packets, sent := conversation(rt)
		isn := [2]uint32{packets[0].seq, packets[1].seq}
		want := [2][]byte{bytes.Clone(sent[0]), bytes.Clone(sent[1])}
		hold := time.Duration(rapid.IntRange(2, 50).Draw(rt, "hold")) * time.Millisecond
		r := &recorder{t: t}
		e := NewEngine(Config{HoldTime: hold}, r)
		first := true
		var now, before time.Duration
		r.watch = func(c Chunk) {
			if due := c.Time.Add(hold); len(c.Data) > 0 && epoch.Add(before).After(due) {
				rt.Fatalf("chunk of %v was due at %v and came after %v", c.Time.Sub(epoch), due.Sub(epoch), before)
			}
		}
		for _, p := range packets {
			before = now
			now += time.Duration(rapid.IntRange(0, 3000).Draw(rt, "gap")) * time.Microsecond
			p.at = now
			// The first data packet stays, so that the connection is claimed from its start.
			if len(p.data) > 0 && !first && rapid.IntRange(0, 3).Draw(rt, "drop") == 0 {
				clear(want[p.from][p.seq-isn[p.from]-1:][:len(p.data)])
				now = before
				continue
			}
			first = first && len(p.data) == 0
			feed(e, p)
		}
		r.watch = nil
		e.Flush()
		st := e.Stats()
		checkLaws(rt, st)
		s := result(rt, r)
		var lost int64
		for d := range s.data {
			if !bytes.Equal(s.data[d], want[d]) || !s.fin[d] {
				rt.Fatalf("%s: got % x\nwant % x\nfin %v", Dir(d), s.data[d], want[d], s.fin[d])
			}
			n := int64(bytes.Count(want[d], []byte{0}))
			if s.lost[d] != n {
				rt.Fatalf("%s: lost %d, want %d", Dir(d), s.lost[d], n)
			}
			lost += n
		}
		if st.Lost != lost {
			rt.Fatalf("stats count %d lost, want %d", st.Lost, lost)
		}
	})
}

// TestCausalOrder: whatever was lost or moved, a chunk never precedes bytes that its sender had acknowledged,
// but for a single one, whose acknowledgement may be that of a FIN.
func TestCausalOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		packets, _ := conversation(rt)
		needs := map[[2]int]int{} // by direction and offset of a segment: bytes of the other side before it
		isn := [2]uint32{packets[0].seq, packets[1].seq}
		for _, p := range packets {
			if len(p.data) > 0 {
				needs[[2]int{int(p.from), int(p.seq - isn[p.from] - 1)}] = int(p.ack - isn[1-p.from] - 1)
			}
		}
		var out []packet
		for i, p := range packets {
			if i < 4 || rapid.IntRange(0, 4).Draw(rt, "drop") > 0 {
				out = append(out, p)
			}
		}
		for i := 4; i+1 < len(out); i++ {
			if rapid.Bool().Draw(rt, "swap") {
				out[i].at, out[i+1].at = out[i+1].at, out[i].at
				out[i], out[i+1] = out[i+1], out[i]
			}
		}
		var passed [2]int
		p := &watcher{chunk: func(c Chunk) {
			passed[c.Dir] += int(c.Lost)
			if need := needs[[2]int{int(c.Dir), passed[c.Dir]}]; len(c.Data) > 0 && passed[1-c.Dir] < need-1 {
				rt.Fatalf("%s at %d delivered after %d bytes of the other side, answers %d", c.Dir, passed[c.Dir], passed[1-c.Dir], need)
			}
			passed[c.Dir] += len(c.Data)
		}}
		e := NewEngine(Config{}, p)
		feed(e, out...)
		e.Flush()
		checkLaws(rt, e.Stats())
	})
}

// watcher claims all for the client and calls chunk.
type watcher struct{ chunk func(Chunk) }

func (w *watcher) Claims(c Conn, _ []byte) Verdict {
	if c.Server.Port() == 8069 {
		return FromClient
	}
	return FromServer
}
func (w *watcher) NewStream(Conn) Stream { return w }
func (w *watcher) Chunk(c Chunk)         { w.chunk(c) }
func (w *watcher) Fin(Dir, time.Time)    {}
func (w *watcher) Close(time.Time)       {}

package capture

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// tape is a protocol that notes what its streams are given.
type tape struct {
	streams []*tapeStream
	panicAt string // data that a stream cannot bear
	closed  []ConnID
}

type tapeStream struct {
	tape   *tape
	conn   Conn
	data   [2][]byte
	lost   [2]int64
	events []string
	times  []time.Time
}

func (p *tape) Claims(Conn, []byte) Verdict { return Reject }

func (p *tape) NewStream(c Conn) Stream {
	s := &tapeStream{tape: p, conn: c}
	p.streams = append(p.streams, s)
	return s
}

func (s *tapeStream) Chunk(c Chunk) {
	if s.tape.panicAt != "" && string(c.Data) == s.tape.panicAt {
		panic("as ordered")
	}
	if c.Lost > 0 {
		s.events = append(s.events, "lost "+c.Dir.String())
	}
	if len(c.Data) > 0 {
		s.events = append(s.events, "data "+c.Dir.String())
	}
	s.lost[c.Dir] += c.Lost
	s.data[c.Dir] = append(s.data[c.Dir], c.Data...)
	s.times = append(s.times, c.Time)
}

func (s *tapeStream) Fin(dir Dir, _ time.Time) { s.events = append(s.events, "fin "+dir.String()) }

func (s *tapeStream) Close(time.Time) {
	s.events = append(s.events, "close")
	s.tape.closed = append(s.tape.closed, s.conn.ID)
}

// finish runs a feed over what is queued, to its end.
func finish(t *testing.T, f *Feed) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

var feedTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Many relays write at once; each connection's bytes come whole and in order.
func TestFeedOrder(t *testing.T) {
	p := &tape{}
	f := NewFeed(FeedConfig{Delay: time.Microsecond}, p)
	ctx, cancel := context.WithCancel(t.Context())
	var run, relays sync.WaitGroup
	run.Go(func() {
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	const conns, writes = 8, 2000
	for i := range conns {
		c := f.Open(Conn{Client: netip.AddrPortFrom(netip.IPv6Loopback(), uint16(i))}, 0)
		relays.Go(func() {
			buf := make([]byte, 4*(1+i*37))
			for n := range writes {
				for k := 0; k < len(buf); k += 4 {
					binary.LittleEndian.PutUint32(buf[k:], uint32(n))
				}
				c.Write(Dir(n%2), time.Now(), buf)
				clear(buf) // the feed has a copy
			}
			c.Fin(ToServer, time.Now())
			c.Close(time.Now())
			c.Close(time.Now())
			c.Write(ToServer, time.Now(), buf)
		})
	}
	relays.Wait()
	cancel()
	run.Wait()
	if len(p.streams) != conns {
		t.Fatalf("%d streams", len(p.streams))
	}
	for _, s := range p.streams {
		width := 4 * (1 + int(s.conn.Client.Port())*37)
		for dir := range s.data {
			want := []byte(nil)
			for n := dir; n < writes; n += 2 {
				for range width / 4 {
					want = binary.LittleEndian.AppendUint32(want, uint32(n))
				}
			}
			if !slices.Equal(s.data[dir], want) || s.lost[dir] != 0 {
				t.Errorf("connection %d, %s: %d bytes, %d lost, want %d", s.conn.ID, Dir(dir), len(s.data[dir]), s.lost[dir], len(want))
			}
		}
		if end := s.events[len(s.events)-2:]; !slices.Equal(end, []string{"fin to server", "close"}) {
			t.Errorf("connection %d ends with %v", s.conn.ID, end)
		}
		if !slices.IsSortedFunc(s.times, time.Time.Compare) {
			t.Errorf("connection %d: times go back", s.conn.ID)
		}
	}
	if s := f.Stats(); s.Connections != conns || s.Open != 0 || s.Queued != 0 || s.Dropped != 0 || s.Failed != 0 {
		t.Errorf("stats %+v", s)
	}
}

// A queue that is full loses bytes, never the count of them.
func TestFeedIsBounded(t *testing.T) {
	const limit = 1 << 20
	p := &tape{}
	f := NewFeed(FeedConfig{QueueBytes: limit, FirstID: 100}, p)
	c := f.Open(Conn{}, 0)
	rng := rand.New(rand.NewPCG(1, 2))
	var written [2]int64
	for range 3 {
		for range 4000 {
			dir := Dir(rng.IntN(2))
			n := rng.IntN(3000)
			c.Write(dir, feedTime, make([]byte, n))
			written[dir] += int64(n)
		}
		if s := f.Stats(); s.Queued > limit || s.Queued < limit-4000 {
			t.Fatalf("%d bytes queued, limit %d", s.Queued, limit)
		}
		f.drain()
	}
	c.Write(ToServer, feedTime, []byte("end"))
	written[ToServer] += 3
	finish(t, f)
	s := p.streams[0]
	for dir, n := range written {
		if got := int64(len(s.data[dir])) + s.lost[dir]; got != n || s.lost[dir] == 0 {
			t.Errorf("%s: %d delivered and %d lost of %d", Dir(dir), len(s.data[dir]), s.lost[dir], n)
		}
	}
	st := f.Stats()
	if st.Dropped != s.lost[0]+s.lost[1] || st.Bytes != written[0]+written[1] || st.Gaps == 0 || s.conn.ID != 100 {
		t.Errorf("stats %+v", st)
	}
}

// What was lost of a request is told before the response that follows it, and an end before it tells.
func TestFeedTellsLossInOrder(t *testing.T) {
	p := &tape{}
	f := NewFeed(FeedConfig{QueueBytes: 1000}, p)
	c := f.Open(Conn{}, 0)
	c.Write(ToServer, feedTime, make([]byte, 800))
	c.Write(ToServer, feedTime, make([]byte, 800)) // lost
	f.drain()
	c.Write(ToClient, feedTime, make([]byte, 100))
	c.Write(ToClient, feedTime, make([]byte, 900)) // lost
	c.Skip(ToClient, feedTime, 5000)               // there is room: it takes none
	c.Write(ToServer, feedTime, make([]byte, 900)) // lost
	c.Fin(ToClient, feedTime)
	c.Close(feedTime)
	finish(t, f)
	want := []string{"data to server", "lost to server", "data to client", "lost to client", "data to client", "lost to server", "fin to client", "close"}
	if got := p.streams[0].events; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
	if n := len(p.streams[0].data[ToClient]); n != 5100 {
		t.Errorf("%d bytes to the client, want 5100", n)
	}
}

// A full queue does not grow by what is told of losses, and is not without bound in ends either.
func TestFeedFullStaysFull(t *testing.T) {
	f := NewFeed(FeedConfig{QueueBytes: 1000, MaxConns: 5}, &tape{})
	var conns []*FeedConn
	for range 7 {
		conns = append(conns, f.Open(Conn{}, 0))
	}
	for n := range 10_000 {
		conns[n%7].Write(Dir(n/7%2), feedTime, make([]byte, 100))
		conns[n%7].Skip(Dir(n/7%2), feedTime, 10)
	}
	if s := f.Stats(); s.Queued > 1000 || s.Refused != 2 || conns[5] != nil || conns[6].Conn().ID != 0 {
		t.Errorf("stats %+v", s)
	}
	for range 100 {
		for _, c := range conns {
			c.Fin(ToServer, feedTime)
			c.Fin(ToClient, feedTime)
			c.Close(feedTime)
		}
	}
	if s := f.Stats(); s.Queued > 1000+5*5*feedOverhead || s.Open != 5 {
		t.Errorf("stats %+v", s)
	}
	finish(t, f)
	if s := f.Stats(); s.Queued != 0 || s.Open != 0 {
		t.Errorf("stats %+v", s)
	}
}

// A decoder that fails takes its own connection with it and nothing else.
func TestFeedSurvivesPanic(t *testing.T) {
	p := &tape{panicAt: "bang"}
	f := NewFeed(FeedConfig{}, p)
	a, b := f.Open(Conn{}, 0), f.Open(Conn{}, 0)
	a.Write(ToServer, feedTime, []byte("bang"))
	b.Write(ToServer, feedTime, []byte("fine"))
	a.Write(ToServer, feedTime, []byte("more"))
	a.Close(feedTime)
	unknown := f.Open(Conn{}, 7)
	unknown.Write(ToServer, feedTime, []byte("nobody's"))
	finish(t, f)
	if len(p.streams) != 2 || len(p.streams[0].data[ToServer]) != 0 || string(p.streams[1].data[ToServer]) != "fine" || !slices.Equal(p.closed, []ConnID{2}) {
		t.Errorf("streams %+v, closed %v", p.streams, p.closed)
	}
	if s := f.Stats(); s.Failed != 1 || s.Open != 2 {
		t.Errorf("stats %+v", s)
	}
}

func TestFeedEndsStreams(t *testing.T) {
	p := &tape{}
	f := NewFeed(FeedConfig{}, p)
	var conns []*FeedConn
	for range 20 {
		c := f.Open(Conn{}, 0)
		c.Write(ToServer, feedTime, []byte("x"))
		conns = append(conns, c)
	}
	finish(t, f)
	if len(p.closed) != 20 || !slices.IsSorted(p.closed) {
		t.Errorf("closed %v", p.closed)
	}
	conns[0].Write(ToServer, feedTime, []byte("late"))
	conns[0].Close(feedTime)
	if s := f.Stats(); s.Queued != 0 || f.Open(Conn{}, 0) != nil {
		t.Errorf("stats %+v", s)
	}
}

// Small steps back are held, so that order and times agree; a clock that was set is followed.
func TestFeedClock(t *testing.T) {
	p := &tape{}
	f := NewFeed(FeedConfig{}, p)
	c := f.Open(Conn{}, 0)
	for _, after := range []time.Duration{0, -time.Millisecond, time.Second, -time.Hour} {
		c.Write(ToServer, feedTime.Add(after), []byte("x"))
	}
	finish(t, f)
	want := []time.Time{feedTime, feedTime, feedTime.Add(time.Second), feedTime.Add(-time.Hour)}
	if got := p.streams[0].times; !slices.Equal(got, want) {
		t.Errorf("times %v, want %v", got, want)
	}
}

// What is shed counts as lost to its stream, and the other protocol does not notice.
func TestFeedSheds(t *testing.T) {
	p, other := &tape{}, &tape{}
	f := NewFeed(FeedConfig{}, p, other)
	a, b, unknown := f.Open(Conn{}, 0), f.Open(Conn{}, 1), f.Open(Conn{}, 2)
	a.Write(ToServer, feedTime, []byte("one"))
	f.Shed(0, true)
	a.Write(ToServer, feedTime, []byte("two"))
	a.Skip(ToServer, feedTime, 10)
	b.Write(ToServer, feedTime, []byte("all"))
	unknown.Write(ToServer, feedTime, []byte("nobody's"))
	f.Shed(0, false)
	a.Write(ToServer, feedTime, []byte("three"))
	finish(t, f)
	if s := p.streams[0]; string(s.data[ToServer]) != "onethree" || s.lost[ToServer] != 13 {
		t.Errorf("stream has %q and lacks %d", s.data[ToServer], s.lost[ToServer])
	}
	if s := other.streams[0]; string(s.data[ToServer]) != "all" || s.lost[ToServer] != 0 {
		t.Errorf("the other protocol's stream has %q and lacks %d", s.data[ToServer], s.lost[ToServer])
	}
	if s := f.Stats(); s.Dropped != 13 || s.Gaps != 1 || f.ShedBytes(0) != 13 || f.ShedBytes(1) != 0 {
		t.Errorf("stats %+v, shed %d and %d bytes", s, f.ShedBytes(0), f.ShedBytes(1))
	}
}

// What waited long shows, until nothing waits any more.
func TestFeedLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f *Feed
		var lags []time.Duration
		f = NewFeed(FeedConfig{Between: func(time.Time) { lags = append(lags, f.Stats().Lag) }}, &tape{})
		f.Open(Conn{}, 0).Write(ToServer, time.Now(), []byte("x"))
		time.Sleep(3 * time.Second) // nobody runs it
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = f.Run(ctx) }()
		time.Sleep(200 * time.Millisecond)
		cancel()
		synctest.Wait()
		if len(lags) < 2 || lags[0] < 3*time.Second || lags[len(lags)-1] != 0 {
			t.Errorf("lags %v", lags)
		}
	})
}

// The hook is called while nothing comes, and soon after something did.
func TestFeedBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &tape{}
		var calls int
		f := NewFeed(FeedConfig{Between: func(time.Time) { calls++ }}, p)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = f.Run(ctx) }()
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		if calls != 10 {
			t.Errorf("%d calls in a silent second, want 10", calls)
		}
		c := f.Open(Conn{}, 0)
		c.Write(ToServer, time.Now(), []byte("x"))
		time.Sleep(5 * time.Millisecond)
		synctest.Wait()
		if calls != 11 || len(p.streams) != 1 {
			t.Errorf("%d calls, %d streams", calls, len(p.streams))
		}
		cancel()
		synctest.Wait()
	})
}

func BenchmarkFeed(b *testing.B) {
	for _, size := range []int{200, 16 << 10} {
		b.Run(map[int]string{200: "small", 16 << 10: "large"}[size], func(b *testing.B) {
			f := NewFeed(FeedConfig{}, &idle{})
			ctx, cancel := context.WithCancel(b.Context())
			var run sync.WaitGroup
			run.Go(func() { _ = f.Run(ctx) })
			c := f.Open(Conn{}, 0)
			data := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				c.Write(ToServer, feedTime, data)
			}
			cancel()
			run.Wait()
			b.ReportMetric(float64(f.Stats().Dropped)/float64(f.Stats().Bytes), "dropped")
		})
	}
}

// idle is a protocol that reads nothing.
type idle struct{}

func (idle) Claims(Conn, []byte) Verdict { return Reject }
func (idle) NewStream(Conn) Stream       { return idle{} }
func (idle) Chunk(Chunk)                 {}
func (idle) Fin(Dir, time.Time)          {}
func (idle) Close(time.Time)             {}

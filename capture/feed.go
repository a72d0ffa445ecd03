package capture

import (
	"context"
	"slices"
	"sync"
	"time"
)

// FeedConfig bounds a Feed. The zero value works.
type FeedConfig struct {
	// QueueBytes bounds what waits for Run: bytes, and what it takes to keep their order. Bytes beyond it are
	// dropped and told to their stream as Chunk.Lost. Defaults to 16 MiB.
	QueueBytes int
	// MaxConns bounds the connections known at a time; the bytes of further ones go nowhere.
	// Defaults to 16,384.
	MaxConns int
	// Delay is how long the first bytes of an empty queue wait for company, so that a busy relay wakes Run
	// seldom. A queue that is a quarter full is taken at once. Defaults to 5 ms.
	Delay time.Duration
	// Between is called on Run's goroutine after bytes were delivered and at least every 100 ms.
	// Defaults to nothing.
	Between func(now time.Time)
	// FirstID is the first connection's; later ones count up. Set it where an Engine feeds the same
	// protocols. Defaults to 1.
	FirstID ConnID
}

const (
	feedBlock    = 64 << 10         // most bytes of one chunk
	feedOverhead = 64               // bytes counted for an event besides its data
	feedReserve  = 3 * feedOverhead // for an event and the losses told before it
	feedKept     = 16               // blocks kept for reuse
	feedEvents   = 16 << 10         // events for which room is kept
	feedBetween  = 100 * time.Millisecond
	feedStep     = time.Second // a clock that goes back by less is held, by more is followed
)

func (c FeedConfig) withDefaults() FeedConfig {
	if c.QueueBytes <= 0 {
		c.QueueBytes = 16 << 20
	}
	if c.MaxConns <= 0 {
		c.MaxConns = 16384
	}
	if c.Delay <= 0 {
		c.Delay = 5 * time.Millisecond
	}
	if c.FirstID == 0 {
		c.FirstID = 1
	}
	return c
}

// Feed brings the bytes of connections that perfd relays itself to protocols. Relays write from any number
// of goroutines and are never made to wait; one bounded queue keeps the order in which they wrote, and Run
// empties it. A stream that panics is given up and counted: whatever decoders do, the relay goes on.
type Feed struct {
	cfg    FeedConfig
	protos []Protocol
	wake   chan struct{}

	mu      sync.Mutex
	filling feedBatch
	free    [][]byte
	queued  int // bytes counted of the batch that fills and of the one that Run empties
	kicked  bool
	stopped bool
	clock   int64 // time of the latest event, Unix nanoseconds
	nextID  ConnID
	conns   int
	shed    []bool  // by protocol
	letGo   []int64 // bytes, by protocol
	stats   FeedStats

	// Run's goroutine alone.
	emptying feedBatch
	streams  map[*FeedConn]struct{} // open ones
	lastHook time.Time
}

// FeedStats counts what a Feed was given.
type FeedStats struct {
	Connections int64 // connections opened
	Refused     int64 // connections beyond MaxConns
	Chunks      int64 // runs of bytes queued
	Bytes       int64 // bytes given, those of refused connections aside
	Dropped     int64 // of these, bytes that found the queue full
	Gaps        int64 // runs of dropped bytes
	Failed      int64 // streams given up because their decoder panicked
	Open        int64 // connections open, or closed and not yet seen to be by Run
	Queued      int64 // bytes counted in the queue now
	First, Last time.Time
	Lag         time.Duration // how long the first of what is being delivered had waited; 0 where nothing is
}

type eventKind uint8

const (
	feedChunk eventKind = iota
	feedSkip
	feedFin
	feedClose
)

type event struct {
	conn *FeedConn
	data []byte
	lost int64 // bytes dropped before data; of feedSkip, the bytes skipped
	at   int64
	kind eventKind
	dir  Dir
}

type feedBatch struct {
	events []event
	blocks [][]byte // what events' data lies in
	size   int
}

// NewFeed returns a feed of the protocols given.
func NewFeed(cfg FeedConfig, protocols ...Protocol) *Feed {
	cfg = cfg.withDefaults()
	return &Feed{
		cfg: cfg, protos: protocols, wake: make(chan struct{}, 1), nextID: cfg.FirstID,
		streams: make(map[*FeedConn]struct{}), shed: make([]bool, len(protocols)), letGo: make([]int64, len(protocols)),
	}
}

// Shed lets go of the bytes of one protocol's connections, by its index in NewFeed's list, until told otherwise:
// they count as dropped, so that its streams mark what they lack and begin anew afterwards. It is for whoever
// cannot keep up with a busy relay, and safe for concurrent use.
func (f *Feed) Shed(protocol int, on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shed[protocol] = on
}

// ShedBytes is how much was let go of one protocol's connections so far, which is in FeedStats.Dropped. It is safe for
// concurrent use.
func (f *Feed) ShedBytes(protocol int) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.letGo[protocol]
}

// Stats returns the counts so far. It is safe for concurrent use.
func (f *Feed) Stats() FeedStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Open, s.Queued = int64(f.conns), int64(f.queued)
	return s
}

// Open announces a connection whose bytes are of one of the protocols, by index in NewFeed's list. Its ID is
// assigned here. The result is nil, which takes all bytes and keeps none, where the feed has ended or knows
// too many connections.
func (f *Feed) Open(conn Conn, protocol int) *FeedConn {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped || f.conns >= f.cfg.MaxConns {
		f.stats.Refused++
		return nil
	}
	f.conns++
	f.stats.Connections++
	conn.ID = f.nextID
	f.nextID++
	return &FeedConn{feed: f, conn: conn, protocol: protocol}
}

// Run delivers to the protocols until ctx is done, then what is still queued, and closes every stream. Relays
// should have closed their connections by then; what they write later is ignored.
func (f *Feed) Run(ctx context.Context) error {
	var tick <-chan time.Time
	if f.cfg.Between != nil {
		ticker := time.NewTicker(feedBetween)
		defer ticker.Stop()
		tick = ticker.C
	}
	gather := time.NewTimer(f.cfg.Delay)
	defer gather.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-tick:
		case <-f.wake:
			gather.Reset(f.cfg.Delay)
			select {
			case <-gather.C:
			case <-f.wake: // enough has gathered
			case <-ctx.Done():
			}
		}
		f.drain()
		f.between(true)
	}
	f.mu.Lock()
	f.stopped = true
	f.mu.Unlock()
	f.drain()
	f.closeAll()
	return nil
}

// closeAll ends the streams whose relays have not.
func (f *Feed) closeAll() {
	left := make([]*FeedConn, 0, len(f.streams))
	for c := range f.streams {
		left = append(left, c)
	}
	slices.SortFunc(left, func(a, b *FeedConn) int { return int(a.conn.ID) - int(b.conn.ID) })
	for _, c := range left {
		f.mu.Lock()
		at := f.clock
		f.mu.Unlock()
		f.deliver(&event{conn: c, kind: feedClose, at: at})
	}
}

// drain delivers all that is queued.
func (f *Feed) drain() {
	f.mu.Lock()
	f.filling, f.emptying = f.emptying, f.filling
	f.kicked, f.stats.Lag = false, 0
	b := &f.emptying
	if len(b.events) > 0 {
		f.stats.Lag = time.Since(unixNano(b.events[0].at))
	}
	f.mu.Unlock()
	if len(b.events) == 0 {
		return
	}
	closed := 0
	for i := range b.events {
		e := &b.events[i]
		f.deliver(e)
		if e.kind == feedClose {
			closed++
		}
		if i&0xff == 0xff {
			f.between(false)
		}
	}
	clear(b.events)
	if b.events = b.events[:0]; cap(b.events) > feedEvents {
		b.events = nil
	}
	f.mu.Lock()
	f.queued -= b.size
	f.conns -= closed
	for i, block := range b.blocks {
		if len(f.free) < feedKept {
			f.free = append(f.free, block[:0])
		}
		b.blocks[i] = nil
	}
	f.mu.Unlock()
	b.blocks, b.size = b.blocks[:0], 0
}

// between calls the hook if it is due, or if now.
func (f *Feed) between(now bool) {
	if f.cfg.Between == nil {
		return
	}
	if at := time.Now(); now || at.Sub(f.lastHook) >= feedBetween {
		f.lastHook = at
		f.cfg.Between(at)
	}
}

// deliver gives one event to its stream.
func (f *Feed) deliver(e *event) {
	c := e.conn
	defer func() {
		if recover() != nil { // fail open: this connection is no longer decoded, and that is counted
			c.given, c.stream = true, nil
			delete(f.streams, c)
			f.mu.Lock()
			f.stats.Failed++
			f.mu.Unlock()
		}
	}()
	if c.stream == nil {
		if c.given || e.kind >= feedFin || c.protocol < 0 || c.protocol >= len(f.protos) {
			return
		}
		c.given = true
		c.stream = f.protos[c.protocol].NewStream(c.conn)
		f.streams[c] = struct{}{}
	}
	at := unixNano(e.at)
	switch e.kind {
	case feedChunk:
		c.stream.Chunk(Chunk{Dir: e.dir, Time: at, Data: e.data, Lost: e.lost})
	case feedSkip:
		for left := e.lost; left > 0; {
			n := min(left, int64(len(zeros)))
			c.stream.Chunk(Chunk{Dir: e.dir, Time: at, Data: zeros[:n]})
			left -= n
		}
	case feedFin:
		c.stream.Fin(e.dir, at)
	case feedClose:
		delete(f.streams, c)
		stream := c.stream
		c.stream = nil
		stream.Close(at)
	}
}

var zeros [feedBlock]byte

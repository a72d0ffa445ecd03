package sidecar

import "sync"

// Inbox takes work to the goroutine that owns the decoders: log lines, for one, have to get there between two
// packets. It is bounded by bytes; who puts in more waits, which is right for a file that can wait as well.
type Inbox struct {
	mu    sync.Mutex
	room  sync.Cond
	work  []errand
	bytes int
	bound int
	shut  bool
}

type errand struct {
	bytes int
	do    func()
}

// NewInbox returns one that holds work for so many bytes.
func NewInbox(bound int) *Inbox {
	b := &Inbox{bound: bound}
	b.room.L = &b.mu
	return b
}

// Put adds work that holds so many bytes, and waits while there is no room for it. It reports whether the work will
// be done: not after Close.
func (b *Inbox) Put(bytes int, do func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.bytes > 0 && b.bytes+bytes > b.bound && !b.shut {
		b.room.Wait()
	}
	if b.shut {
		return false
	}
	b.work = append(b.work, errand{bytes, do})
	b.bytes += bytes
	return true
}

// Do does what was put in, in order.
func (b *Inbox) Do() {
	b.mu.Lock()
	work := b.work
	b.work, b.bytes = nil, 0
	b.room.Broadcast()
	b.mu.Unlock()
	for _, e := range work {
		e.do()
	}
}

// Close lets go whoever waits in Put. What was put in before can still be done.
func (b *Inbox) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shut = true
	b.room.Broadcast()
}

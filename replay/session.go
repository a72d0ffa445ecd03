package replay

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/replay/rewrite"
	"github.com/perfd/perfd/replay/safety"
)

// item is a call on its way.
type item struct {
	call    load.Call
	session *session
	tier    safety.Tier
	bytes   int64
	mapped  bool // it may name records that the load made

	due   time.Duration // since the run began
	begin time.Duration // of Think: when it is due if nothing comes before it in its session
	ready time.Duration // when nothing held it up any more

	// Guarded by session.mu.
	dueKnown bool
	written  bool
	refs     []rewrite.Key
	refState refState
	blocked  time.Duration // when it began to wait for ids or the log-in; 0 if it does not
	wait     time.Duration
	lost     bool
	end      time.Duration
}

type refState uint8

const (
	refsUnknown refState = iota
	refsSought
	refsKnown
)

// session is a captured session with a session of its own at the target. Its calls are sent in their order: the next
// one as soon as all those are answered that had been answered before it began in the recording.
type session struct {
	r      *Runner
	info   load.Session
	public bool // nobody logs in
	once   sync.Once

	loggedIn chan struct{} // closed after client and failure are set
	client   *client.Client
	failure  error
	failed   atomic.Bool // the log-in

	mu     sync.Mutex
	queue  []*item
	flying []*item
	before *item // the one that was sent last
	csrf   string
	logged bool
	left   bool          // nothing is sent any more
	free   time.Duration // when something last stopped holding its calls up
}

// take queues an item, which is due now or has no time of its own.
func (s *session) take(it *item) {
	s.mu.Lock()
	if s.left {
		s.mu.Unlock()
		s.r.gone(it)
		s.r.leave(it, s.reason())
		return
	}
	s.queue = append(s.queue, it)
	next := s.next()
	s.mu.Unlock()
	s.start(next)
}

// kick looks whether the next call can go, because something happened at that time.
func (s *session) kick(at time.Duration) {
	s.mu.Lock()
	s.free = max(s.free, at)
	next := s.next()
	s.mu.Unlock()
	s.start(next)
}

func (s *session) start(it *item) {
	if it != nil {
		go s.work(it)
	}
}

// next takes the first item of the queue if it may be sent. Whatever it waits for kicks the session when it happens.
func (s *session) next() *item {
	for len(s.queue) > 0 && !s.left {
		it := s.queue[0]
		if !s.inTurn(it) || !s.inTime(it) {
			return nil
		}
		if known := s.known(it); it.lost {
			s.pop()
			s.r.gone(it)
			s.r.leave(it, LeftDependency)
			continue
		} else if !known {
			return nil
		}
		it.ready = max(it.due, s.free)
		s.pop()
		s.flying = append(s.flying, it)
		s.before = it
		return it
	}
	return nil
}

func (s *session) pop() {
	s.queue[0] = nil
	s.queue = s.queue[1:]
	if len(s.queue) == 0 {
		s.queue = nil
	}
}

// inTurn tells whether all has been answered that had been answered before, and all is under way that went before.
func (s *session) inTurn(it *item) bool {
	if len(s.flying) >= s.r.cfg.PerSession {
		return false
	}
	for _, f := range s.flying {
		if !f.written || f.call.At+f.call.Duration <= it.call.At || f.call.Duration == 0 {
			return false
		}
	}
	return true
}

// inTime tells whether an item's time has come. With Think it is known when those before it are under way.
func (s *session) inTime(it *item) bool {
	switch {
	case s.r.cfg.Mode == Max && !it.dueKnown:
		it.dueKnown, it.due = true, max(s.free, s.r.now())
	case s.r.cfg.Mode == Think && !it.dueKnown:
		it.dueKnown = true
		if it.due = it.begin; s.before != nil {
			it.due = s.thought(it)
		}
		fallthrough
	case s.r.cfg.Mode == Think:
		if d := it.due - s.r.now(); d > 0 {
			time.AfterFunc(d, func() { s.kick(it.due) })
			return false
		}
	}
	return true
}

// thought is when an item is due after the one before it: so long after its answer as in the recording, or after it was
// sent if nobody waited for the answer.
func (s *session) thought(it *item) time.Duration {
	b := s.before
	gap, from := it.call.At-b.call.At, b.ready
	if pause := gap - b.call.Duration; pause >= 0 && b.end > 0 {
		gap, from = pause, b.end
	}
	return from + time.Duration(float64(min(max(gap, 0), s.r.cfg.MaxGap))/s.r.cfg.Speed)
}

// known tells whether the session is logged in and all ids that an item needs are there.
func (s *session) known(it *item) bool {
	if s.logged && s.resolved(it) {
		if it.blocked > 0 {
			it.wait += max(0, s.free-it.blocked)
			it.blocked = 0
		}
		return true
	}
	if it.blocked == 0 && !it.lost {
		it.blocked = max(it.due, s.free, 1)
	}
	return false
}

// abandon drops what is not sent yet.
func (s *session) abandon() {
	s.mu.Lock()
	s.left = true
	queue := s.queue
	s.queue = nil
	s.mu.Unlock()
	for _, it := range queue {
		s.r.gone(it)
		s.r.leave(it, s.reason())
	}
}

func (s *session) reason() Left {
	if s.failed.Load() {
		return LeftLogin
	}
	return LeftStopped
}

// landed takes an item from those under way and tells whether another can go.
func (s *session) landed(it *item, end time.Duration) *item {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.flying {
		if f == it {
			s.flying = append(s.flying[:i], s.flying[i+1:]...)
			break
		}
	}
	it.end = end
	s.free = max(s.free, end)
	return s.next()
}

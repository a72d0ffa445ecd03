package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/store"
)

// Live tells of a recording that goes on. It is asked from many goroutines.
type Live interface {
	// Wait blocks until the number of commits to the store is another than after, and returns it. An error
	// that is not the context's ends the streams.
	Wait(ctx context.Context, after uint64) (commits uint64, err error)
	// State is asked for once a second while anybody looks.
	State() State
}

// Commits counts commits and wakes those who wait for the next one: the Wait of a Live. The zero value works.
type Commits struct {
	mu   sync.Mutex
	n    uint64
	next chan struct{} // closed by the next commit; nil while nobody waits
}

// Add tells of a commit. It never blocks.
func (c *Commits) Add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	if c.next != nil {
		close(c.next)
		c.next = nil
	}
}

// Wait implements Live.
func (c *Commits) Wait(ctx context.Context, after uint64) (uint64, error) {
	for {
		c.mu.Lock()
		if c.n != after {
			defer c.mu.Unlock()
			return c.n, nil
		}
		if c.next == nil {
			c.next = make(chan struct{})
		}
		next := c.next
		c.mu.Unlock()
		select {
		case <-next:
		case <-ctx.Done():
			return after, ctx.Err()
		}
	}
}

const (
	// liveGap is the least time between two events of calls, so that a busy server's are sent in bunches.
	liveGap = 200 * time.Millisecond
	// heartbeat keeps what is between perfd and the browser from closing a silent stream.
	heartbeat = 15 * time.Second
	// liveWrite bounds how long a client may take to read an event.
	liveWrite = 10 * time.Second
	// maxMissed is the most calls, of any kind, that a stream catches up with; beyond, the page starts anew.
	maxMissed = 50000
)

func notLive() *problem {
	return &problem{Status: http.StatusNotFound, Code: "not_live", Message: "this perfd shows a recording and watches nothing", Hint: "perfd watch watches a server"}
}

// stream is one client of GET /live.
type stream struct {
	s      *Server
	w      http.ResponseWriter
	rc     *http.ResponseController
	filter store.Filter
	limit  int
	last   rpclog.CallID // sent, or seen not to match
	state  uint64        // number of the state sent
	sent   time.Time
	buf    []byte
}

// live answers GET /live: server-sent events with the calls that were added, and the state when it changes.
func (s *Server) live(c *gin.Context) {
	p := newParams(c.Request.URL.RawQuery)
	st := &stream{s: s, w: c.Writer, rc: http.NewResponseController(c.Writer), filter: p.filter(), limit: p.int("limit", 200, 0, 1000)}
	after, resumed := p.callID("after")
	if id := c.GetHeader("Last-Event-ID"); id != "" { // a browser that reconnects knows better than its address
		if n, err := strconv.ParseUint(id, 10, 63); err == nil {
			after, resumed = rpclog.CallID(n), true
		}
	}
	switch {
	case !p.done():
		fail(c, p.problem)
		return
	case s.cfg.Live == nil:
		fail(c, notLive())
		return
	case !s.streams.enter(s.cfg.Subscribers):
		c.Header("Retry-After", "10")
		fail(c, &problem{Status: http.StatusServiceUnavailable, Code: "too_many", Message: "as many as may look already do, or perfd is ending",
			Hint: "close a page of perfd elsewhere"})
		return
	}
	defer s.streams.leave()
	ctx, cancel := context.WithCancel(c.Request.Context())
	defer cancel()
	defer context.AfterFunc(s.streams.ctx, cancel)()
	last, err := s.store.LastCall(ctx)
	if err != nil {
		fail(c, explain(err))
		return
	}
	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	c.Status(http.StatusOK)
	st.last = last
	if resumed {
		st.last = after
	}
	_ = st.run(ctx, last) // the client left, or perfd ends: nobody is there to be told
	_ = st.rc.SetWriteDeadline(time.Time{})
}

// run sends events until the client leaves, ctx is done, or the recording ends.
func (st *stream) run(ctx context.Context, last rpclog.CallID) error {
	live, commits := st.s.cfg.Live, ^uint64(0)
	st.buf = append(st.buf, "retry: 1000\n"...)
	if err := st.hello(last); err != nil {
		return err
	}
	for {
		told := time.Now()
		if err := st.tell(ctx); err != nil {
			return err
		}
		if err := st.tellState(); err != nil {
			return err
		}
		if time.Since(st.sent) >= heartbeat {
			if err := st.heartbeat(); err != nil {
				return err
			}
		}
		wait, cancel := context.WithTimeout(ctx, stateEvery)
		n, err := live.Wait(wait, commits)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		commits = n
		pause := time.NewTimer(liveGap - time.Since(told))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}

// hello tells where the stream begins: the page asks for the calls up to there, and hears of those after it. A
// stream that has missed too much, or goes on with what is another store, begins anew.
func (st *stream) hello(last rpclog.CallID) error {
	anew := st.last > last || last-st.last > maxMissed
	if anew {
		st.last = last
	}
	v := struct {
		Now  stamp         `json:"now"`
		Last rpclog.CallID `json:"last"`
		Anew bool          `json:"anew"`
	}{stamp(time.Now()), st.last, anew}
	return st.event("hello", st.last, v)
}

// tell sends the calls that were added since the last time.
func (st *stream) tell(ctx context.Context) error {
	last, err := st.s.store.LastCall(ctx)
	if err != nil || last == st.last {
		return err
	}
	if last < st.last || last-st.last > maxMissed {
		return st.hello(last)
	}
	f := st.filter
	f.After, f.Until = st.last, last
	calls, total, err := st.s.store.Calls(ctx, f, store.Page{Sort: "start", Desc: true, Limit: st.limit})
	if err != nil {
		return err
	}
	st.last = last
	if total == 0 {
		return nil
	}
	return st.event("calls", last, struct {
		Now     stamp         `json:"now"`
		Last    rpclog.CallID `json:"last"`
		Total   int64         `json:"total"`
		Skipped int64         `json:"skipped"`
		Rows    []callView    `json:"rows"`
	}{stamp(time.Now()), last, total, total - int64(len(calls)), viewCalls(calls)})
}

func (st *stream) tellState() error {
	body, n, err := st.s.stateNow()
	if err != nil || n == st.state {
		return err
	}
	st.state = n
	st.buf = append(st.buf, "event: state\ndata: "...)
	st.buf = append(appendState(st.buf, time.Now(), body), "\n\n"...)
	return st.flush()
}

// heartbeat tells the browser alone how far it is, for when it has to reconnect.
func (st *stream) heartbeat() error {
	st.buf = append(strconv.AppendUint(append(st.buf, "id: "...), uint64(st.last), 10), "\n:\n\n"...)
	return st.flush()
}

// event sends one event. JSON holds no line breaks.
func (st *stream) event(name string, id rpclog.CallID, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	b := append(st.buf, "id: "...)
	b = strconv.AppendUint(b, uint64(id), 10)
	b = append(b, "\nevent: "...)
	b = append(b, name...)
	b = append(b, "\ndata: "...)
	b = append(b, body...)
	st.buf = append(b, '\n')
	return st.flush()
}

func (st *stream) flush() error {
	if err := st.rc.SetWriteDeadline(time.Now().Add(liveWrite)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	_, err := st.w.Write(st.buf)
	st.buf = st.buf[:0]
	st.sent = time.Now()
	if err == nil {
		err = st.rc.Flush()
	}
	return err
}

// streams counts those who listen, and ends them all.
type streams struct {
	ctx    context.Context
	cancel context.CancelFunc
	mu     sync.Mutex
	n      int
	group  sync.WaitGroup
}

func (g *streams) enter(limit int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n >= limit || g.ctx.Err() != nil {
		return false
	}
	g.n++
	g.group.Add(1)
	return true
}

func (g *streams) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	g.group.Done()
}

// Stop ends the streams of /live, for good, and waits for them. Other requests are served as before.
func (s *Server) Stop() {
	s.streams.mu.Lock()
	s.streams.cancel()
	s.streams.mu.Unlock()
	s.streams.group.Wait()
}

// Streams returns how many are listening to /live.
func (s *Server) Streams() int {
	s.streams.mu.Lock()
	defer s.streams.mu.Unlock()
	return s.streams.n
}

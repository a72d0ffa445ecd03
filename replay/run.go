package replay

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/replay/rewrite"
	"github.com/perfd/perfd/replay/safety"
)

const (
	ahead = 1024                   // calls that are made ready before they are due
	lead  = 100 * time.Millisecond // between the last of the first log-ins and the first call
)

// Runner sends one load once.
type Runner struct {
	cfg     Config
	header  load.Header
	product string
	http    http.RoundTripper

	ids      *rewrite.Table
	rewriter *rewrite.Rewriter
	sessions map[string]*session // of the goroutine that feeds
	logins   chan struct{}
	slots    chan struct{}
	room     chan struct{} // told when something that waited is gone

	begun time.Time // when the run's clock started
	ctx   context.Context
	stop  context.CancelFunc // of requests under way

	asked      bool          // whose database the target is, as a user; of the goroutine that feeds
	named      bool          // likewise, since a session's database had the target's name
	judging    bool          // nothing is to be sent, and nobody logs in for it
	readyBytes atomic.Int64  // of calls that are made ready and not due
	taken      chan struct{} // told when one of these is

	waiting      atomic.Int64
	waitingBytes atomic.Int64
	open         sync.WaitGroup // items that are not done
	logIns       sync.WaitGroup // under way
	tally        tally
}

// New makes a runner. It asks the target nothing yet.
func New(c Config) (*Runner, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	r := &Runner{
		cfg: c, http: c.HTTP, ids: rewrite.NewTable(c.MaxIDs), sessions: map[string]*session{},
		logins: make(chan struct{}, c.Logins), slots: make(chan struct{}, c.MaxInFlight), room: make(chan struct{}, 1), taken: make(chan struct{}, 1),
	}
	if r.http == nil {
		r.http = &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second, MaxIdleConnsPerHost: c.MaxInFlight, IdleConnTimeout: 15 * time.Second,
		}
	}
	r.tally.init()
	return r, nil
}

// Run sends the load until its end or until ctx is done, and reports either way. The error is for what keeps a run
// from beginning, and for a load that cannot be read.
func (r *Runner) Run(ctx context.Context, src Source) (Report, error) {
	r.header = src.Header()
	r.product = r.header.Product
	r.prepareRewriter()
	if !r.header.Arguments {
		return Report{}, &Refusal{Message: "the load has no arguments: it can be counted, not sent", Hint: "record it with --keep-args"}
	}
	// Requests outlive ctx for a while, so that what is under way ends as it would.
	r.ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	defer r.closeSessions()
	first, err := r.fill(ctx, src)
	if err != nil && !errors.Is(err, io.EOF) {
		r.discard(first)
		return Report{}, err
	}
	whole := errors.Is(err, io.EOF) // the load was read to its end
	over := whole
	if err := r.prepare(ctx, first); err != nil {
		r.discard(first)
		return Report{}, err
	}
	use := startUsage()
	r.begun = time.Now().Add(lead)
	ready := make(chan *item, ahead)
	var failure error
	go func() {
		defer close(ready)
		for _, it := range first {
			if !r.give(ctx, ready, it) {
				r.leave(it, LeftStopped)
			}
		}
		for !over && ctx.Err() == nil {
			it, err := r.read(ctx, src)
			switch {
			case errors.Is(err, io.EOF):
				whole = true
				return
			case err != nil:
				failure = err
				return
			case it != nil && !r.give(ctx, ready, it):
				r.leave(it, LeftStopped)
			}
		}
	}()
	r.clock(ctx, ready)
	r.finish(ctx)
	rep := r.tally.report(r, time.Since(r.begun), use())
	rep.Stopped = ctx.Err() != nil && (!whole || rep.Left[LeftStopped] > 0)
	return rep, failure
}

// readyShare is how much of MaxQueuedBytes calls may take that are made ready.
const readyShare = 4

// give hands over a call that is ready, when there is room for it.
func (r *Runner) give(ctx context.Context, to chan<- *item, it *item) bool {
	for n := r.readyBytes.Load(); n > 0 && n+it.bytes > r.cfg.MaxQueuedBytes/readyShare; n = r.readyBytes.Load() {
		select {
		case <-r.taken:
		case <-ctx.Done():
			return false
		}
	}
	r.readyBytes.Add(it.bytes)
	select {
	case to <- it:
		return true
	case <-ctx.Done():
		return false
	}
}

// take says that a call that was ready is due.
func (r *Runner) take(it *item) {
	r.readyBytes.Add(-it.bytes)
	select {
	case r.taken <- struct{}{}:
	default:
	}
}

// fill reads the first calls, whose log-ins are made before the clock starts.
func (r *Runner) fill(ctx context.Context, src Source) ([]*item, error) {
	var first []*item
	var size int64
	for len(first) < ahead && size < r.cfg.MaxQueuedBytes/readyShare && ctx.Err() == nil {
		it, err := r.read(ctx, src)
		if err != nil {
			return first, err
		}
		if it != nil {
			first = append(first, it)
			size += it.bytes
		}
	}
	return first, nil
}

func (r *Runner) discard(items []*item) {
	for _, it := range items {
		r.leave(it, LeftStopped)
	}
}

// read makes the next call of the load ready; nil if it is not sent.
func (r *Runner) read(ctx context.Context, src Source) (*item, error) {
	call, err := src.Next()
	if err != nil {
		return nil, err //nolint:wrapcheck // the source words it
	}
	c := &call
	c.Settle() // a source need not be a file
	c.Minted = load.Fresh(c)
	_, known := r.sessions[c.Session]
	if !known && len(r.sessions) < r.cfg.MaxSessions {
		if info, ok := src.Session(c.Session); ok {
			r.sessions[c.Session] = &session{r: r, info: info, loggedIn: make(chan struct{})}
		}
	}
	it := &item{call: call, session: r.sessions[c.Session], tier: safety.Of(r.product, c), bytes: int64(len(c.Args) + len(c.Kwargs) + len(c.Params) + len(c.Query) + len(c.Fields) + len(c.Answer) + 512)}
	if why := r.judge(it); why != "" {
		r.tally.leave(why, it)
		r.lose(c)
		return nil, nil //nolint:nilnil // it is not sent
	}
	if !r.cfg.KeepIDs && len(c.Minted) > 0 && !r.ids.Expect(c.Session, c.Minted) {
		r.tally.note("more records were made than ids are mapped for")
	}
	it.mapped = !r.cfg.KeepIDs && r.ids.Mentions(c.Args, c.Kwargs, c.Params, c.Query, c.Fields, []byte(c.Path))
	r.open.Add(1)
	if !r.judging {
		it.session.logIn(c)
	}
	if known {
		return it, nil
	}
	if err := r.judgeLate(ctx, it.session); err != nil {
		r.leave(it, LeftStopped)
		return nil, err
	}
	return it, nil
}

// judge says why a call is not sent; empty if it is.
func (r *Runner) judge(it *item) Left {
	c := &it.call
	switch {
	case it.session == nil:
		return LeftQueue
	case !wanted(r.cfg.Sessions, c.Session, it.session.info.Login), !wanted(r.cfg.Methods, Name(c), c.Path):
		return LeftOut
	case it.tier == safety.Excluded:
		return LeftExcluded
	case !r.cfg.Safety.Allows(it.tier, c):
		if it.tier == safety.Dangerous {
			return LeftDangerous
		}
		return LeftWrite
	case !sendable(c):
		return LeftArguments
	}
	return ""
}

// Name is what a call is called in results: "model.method", or the path of a call without a model.
func Name(c *load.Call) string {
	switch {
	case c.Model != "" && c.Transport == "tryton" && c.Service != "model":
		return c.Service + "." + c.Model + "." + c.Method
	case c.Model != "":
		return c.Model + "." + c.Method
	case c.Service != "":
		return c.Service + "." + c.Method
	case c.About != "":
		return c.About
	}
	return c.Path
}

// leave ends an item that is not sent.
func (r *Runner) leave(it *item, why Left) {
	r.tally.leave(why, it)
	r.lose(&it.call)
	r.open.Done()
}

// minted says what a call made here in place of what it made when it was recorded. A record that an action opened there and
// not here may have been there before, as for lose.
func (r *Runner) minted(c *load.Call, made []load.Minted) {
	recorded := c.Minted
	if !load.Creates(c) {
		recorded = nil
		for _, was := range c.Minted {
			n := 0
			if i := slices.IndexFunc(made, func(m load.Minted) bool { return m.Model == was.Model }); i >= 0 {
				n = min(len(was.IDs), len(made[i].IDs))
			}
			recorded = append(recorded, load.Minted{Model: was.Model, IDs: was.IDs[:n]})
			r.ids.Forget([]load.Minted{{Model: was.Model, IDs: was.IDs[n:]}})
		}
	}
	r.ids.Resolve(recorded, made)
}

// lose says that what a call made will not be made. A record that an action opened may have been there before, so its id
// stays what it was.
func (r *Runner) lose(c *load.Call) {
	if load.Creates(c) {
		r.ids.Lose(c.Minted)
	} else {
		r.ids.Forget(c.Minted)
	}
}

// finish waits until all is answered; after ctx is done only for what was sent, and for so long.
func (r *Runner) finish(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		r.open.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	for _, s := range r.sessions {
		s.abandon()
	}
	late := time.NewTimer(r.cfg.Grace)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		r.stop()
		<-done
	}
}

// closeSessions ends the sessions, also those whose log-ins are still under way.
func (r *Runner) closeSessions() {
	r.stop()
	r.logIns.Wait()
	for _, s := range r.sessions {
		if s.client != nil {
			_ = s.client.Close()
		}
	}
	if t, ok := r.http.(*http.Transport); ok && r.cfg.HTTP == nil {
		t.CloseIdleConnections()
	}
}

// now is the time since the run began.
func (r *Runner) now() time.Duration { return time.Since(r.begun) }

// Refusal is a run that is not made, and what a person can do about it.
type Refusal struct{ Message, Hint string }

var _ error = (*Refusal)(nil)

func (e *Refusal) Error() string { return e.Message }

// secretOf is the user of a session at the target.
func (c *Config) secretOf(s *load.Session) (login string, password client.Secret) {
	login, password = s.Login, c.Password
	for _, key := range []string{s.ID, s.Login, strconv.FormatInt(s.UID, 10), Anyone} {
		if u, ok := c.Users[key]; ok && key != "" {
			if u.Login != "" {
				login = u.Login
			}
			if u.Password != "" {
				password = u.Password
			}
			break
		}
	}
	return login, password
}

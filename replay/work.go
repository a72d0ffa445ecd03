package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/replay/rewrite"
)

// logIn begins the session at the target, once, in the way that its first call asks for.
func (s *session) logIn(first *load.Call) {
	s.once.Do(func() {
		way := transportOf(s.r.product, &s.info, first.Path)
		s.r.logIns.Go(func() {
			defer close(s.loggedIn) // last: the clock may start then
			if s.client, s.failure = s.begin(way); s.failure != nil {
				if s.r.ctx.Err() == nil { // else whoever ended the run did not let it log in
					s.r.tally.failedLogIn(s.failure)
					s.failed.Store(true)
				}
				s.abandon()
				return
			}
			s.mu.Lock()
			s.logged = true
			s.mu.Unlock()
			s.kick(s.r.sinceBegun())
		})
	})
}

// nobody tells whether a session is of visitors, who do not log in.
func (s *session) nobody() bool {
	return s.info.Anonymous && s.info.Login == "" && s.info.UID == 0 && s.info.Transport == "http"
}

func (s *session) begin(way client.Transport) (*client.Client, error) {
	r := s.r
	login, password := r.cfg.secretOf(&s.info)
	s.public = s.nobody()
	c := client.Config{
		Servers: []string{r.cfg.Target}, Transport: way, Database: r.cfg.Database, Login: login, Password: password,
		BareLogin: true, Timeout: r.cfg.Timeout, HTTP: r.http, Retry: client.RetryNone, Cache: r.cfg.Cache, MaxConnections: r.cfg.PerSession,
		HealthInterval: -1, UserAgent: "perfd-replay",
		Hooks: []client.Hook{{Before: noteAsked}},
	}
	if s.public && login == "" { // whoever's password there is, it is not that of nobody
		c.Login, c.Password = "public", "public"
	}
	if c.Login == "" && c.Transport != client.TransportJSON2 {
		return nil, &Refusal{
			Message: fmt.Sprintf("nobody knows as whom to replay session %s", s.info.ID),
			Hint:    "name a user for it in the file of --users, or one for all as " + Anyone,
		}
	}
	if c.Password == "" {
		return nil, &Refusal{
			Message: fmt.Sprintf("there is no password for %s, as whom session %s is to be replayed", cmp.Or(login, "the key"), s.info.ID),
			Hint:    "set ODOO_PASSWORD, give --password-file, or put passwords into the file of --users",
		}
	}
	k, err := client.New(c)
	if err != nil {
		return nil, fmt.Errorf("log in session %s: %w", s.info.ID, err)
	}
	if s.public {
		return k, nil
	}
	if err := r.logIn(k); err != nil {
		_ = k.Close()
		return nil, fmt.Errorf("log in session %s as %s: %w", s.info.ID, login, err)
	}
	return k, nil
}

// seek finds out which records a call names that the load makes.
func (s *session) seek(it *item) {
	refs, err := s.r.rewriter.Refs(s.r.ctx, s.client, &it.call)
	if err != nil {
		refs = nil // it goes out as it was recorded
	}
	s.mu.Lock()
	it.refs, it.refState = refs, refsKnown
	s.mu.Unlock()
	s.kick(s.r.sinceBegun())
}

// resolved tells whether all records that an item names are there. It is called with the lock held.
func (s *session) resolved(it *item) bool {
	switch {
	case !it.mapped:
		return true
	case it.refState == refsUnknown:
		it.refState = refsSought
		go s.seek(it)
		return false
	case it.refState == refsSought:
		return false
	}
	for _, k := range it.refs {
		switch _, state := s.r.ids.Look(it.call.Session, k); state {
		case rewrite.Pending:
			if s.r.ids.Wait(k, func() { s.kick(s.r.sinceBegun()) }) {
				return false
			}
			return s.resolved(it) // settled meanwhile
		case rewrite.Lost:
			it.lost = true
			return false
		case rewrite.Old, rewrite.Known:
		}
	}
	return true
}

// work sends an item and what follows it.
func (s *session) work(it *item) {
	for it != nil {
		next, after := s.send(it)
		if after != nil {
			if next != nil { // the next one does not wait for what is to be found out about this one
				go s.work(next)
				next = nil
			}
			after()
		}
		it = next
	}
}

// send makes the request. It returns what can go next, and what remains to be done.
func (s *session) send(it *item) (next *item, after func()) {
	r := s.r
	if !r.slot() {
		r.gone(it)
		next = s.landed(it, it.ready)
		why := LeftInFlight
		if r.ctx.Err() != nil {
			why = LeftStopped
		}
		r.leave(it, why)
		return next, nil
	}
	call := it.call
	if it.mapped || r.rewriter.Changes() || r.rewriter.Stamped(&it.call) {
		if rewritten, err := r.rewriter.Apply(&it.call); err == nil {
			call = rewritten
		}
	}
	began := r.now()
	x, err := s.ask(it, &call)
	if errors.Is(err, client.KindSessionExpired) && !s.public {
		// Who is logged out logs in again, which is no part of what the call took.
		if again := r.logIn(s.client); again == nil {
			s.mu.Lock()
			it.wait += r.now() - began
			it.ready = max(it.ready, r.now())
			s.csrf = ""
			s.mu.Unlock()
			r.tally.again()
			x, err = s.ask(it, &call)
			x.retried = true
		}
	}
	<-r.slots
	end := x.end
	if err != nil && r.ctx.Err() != nil { // it was cut off when the run was ended, which is no fault of the server
		next = s.landed(it, end)
		r.gone(it)
		r.leave(it, LeftStopped)
		return next, nil
	}
	if len(it.call.Minted) > 0 && !r.cfg.KeepIDs {
		if err == nil {
			r.minted(&it.call, load.Mints(&it.call, x.result))
		} else {
			r.lose(&it.call)
		}
	}
	if err == nil {
		r.rewriter.Note(&it.call, x.result)
	}
	if err == nil && len(it.call.Answer) > 0 && !r.cfg.KeepIDs && r.ids.Mentions(it.call.Answer) {
		r.rewriter.Learn(r.ctx, s.client, &it.call, it.call.Answer, x.result)
	}
	next = s.landed(it, end)
	r.gone(it)
	return next, func() {
		r.record(s, it, &x, err)
		r.open.Done()
	}
}

// slot takes one of the requests at once. In an open loop nobody waits for it.
func (r *Runner) slot() bool {
	if r.openLoop() {
		select {
		case r.slots <- struct{}{}:
			return true
		default:
			return false
		}
	}
	select {
	case r.slots <- struct{}{}:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// outcome is what came of a request, in times since the run began.
type outcome struct {
	sent, first, end time.Duration
	status           int
	bytes            int64
	result           []byte
	cached           bool
	retried          bool // it was sent more than once
}

type askedKey struct{}

// requests are those that were made for a call that goes through the cache.
type requests struct {
	made  atomic.Int32
	wrote func() // what sends the call is under way
}

// noteAsked counts, in the context of a call, the requests that were made for it; a log-in is none.
func noteAsked(ctx context.Context, q *client.Request) context.Context {
	if asked, ok := ctx.Value(askedKey{}).(*requests); ok && q.Model != "" {
		asked.made.Add(1)
		asked.wrote()
	}
	return nil //nolint:nilnil // it goes on with the same
}

// ask makes the request, or has the cache answer.
func (s *session) ask(it *item, call *load.Call) (outcome, error) {
	r := s.r
	if r.cfg.Cache != nil && !s.public && cacheable(call) {
		return s.askCache(it, call)
	}
	token, err := s.tokenFor(it, call)
	var m client.Message
	if err == nil {
		m, err = r.message(call, token)
	}
	if err != nil {
		now := r.now()
		return outcome{sent: now, end: now}, err
	}
	m.Safe = it.tier < 2
	m.Public = m.Public || s.public
	if m.Safe {
		m.Header = idempotent
	}
	var writes atomic.Int32 // by the connection's goroutine; net/http repeats what the server may not have seen
	m.Wrote = func() {
		writes.Add(1)
		s.wrote(it)
	}
	reply, err := s.client.Send(r.ctx, m)
	x := outcome{
		sent: reply.Sent.Sub(r.begun), end: reply.End.Sub(r.begun), status: reply.Status, bytes: int64(len(reply.Body)), result: reply.Result,
		retried: writes.Load() > 1,
	}
	if reply.Sent.IsZero() { // nothing was
		x.sent, x.end = r.now(), r.now()
	}
	if !reply.First.IsZero() {
		x.first = reply.First.Sub(reply.Sent)
	}
	switch {
	case token != "" && refusedToken(&reply):
		err = &client.Error{Kind: client.KindSessionExpired, Server: r.cfg.Target, Status: reply.Status, Sent: true}
	case m.Page && err == nil && strings.HasPrefix(reply.Header.Get("Content-Type"), jsonKind):
		x.result = reply.Body
	}
	return x, err //nolint:wrapcheck // it is looked at, not shown
}

// wrote says that an item's request is under way, so that what was sent beside it may follow.
func (s *session) wrote(it *item) {
	s.mu.Lock()
	it.written = true
	waits := len(s.queue) > 0
	s.mu.Unlock()
	if waits {
		s.kick(0)
	}
}

// sinceBegun is the time of the run, 0 before it.
func (r *Runner) sinceBegun() time.Duration {
	if r.begun.IsZero() {
		return 0
	}
	return max(0, r.now())
}

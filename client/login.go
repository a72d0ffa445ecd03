package client

import (
	"context"
	"errors"
	"strings"
	"time"
)

// denialFor is how long a refused log-in is not repeated by calls: servers lock out those who try too often.
const denialFor = 10 * time.Second

// Login logs in, or again if the client is, and returns who the user is. Calls log in by themselves when a server
// first needs it; Login is for those who want to know at once. By the transport: web is one request; jsonrpc, xmlrpc
// and tryton send one for the log-in and then, unless BareLogin is set, two (tryton one) that ask for the user's
// context and companies; json2 has no log-in and sends these two alone.
func (c *Client) Login(ctx context.Context) (User, error) {
	r := &request{method: "login"}
	if c.closed.Load() {
		return User{}, cannot("", r.method, errClosed)
	}
	before := map[*endpoint]*session{}
	for _, e := range c.endpoints {
		e.denied.Store(nil)
		before[e] = e.session.Load()
	}
	var user User
	err := c.try(ctx, r, &options{}, func(ctx context.Context, e *endpoint, s *session, _ int) (err error) {
		if s == before[e] {
			if s, err = c.sessionOf(ctx, e, s); err != nil {
				return notSent(err)
			}
		}
		user = s.user
		return nil
	})
	return user, err
}

// who is a session that tells who the user is; it logs in if there is none yet.
func (c *Client) who(ctx context.Context, r *request, o *options) (*session, error) {
	if s := c.session.Load(); s != nil {
		return s, nil
	}
	login := &request{model: r.model, method: r.method, safe: true}
	var s *session
	err := c.try(ctx, login, o, func(_ context.Context, _ *endpoint, now *session, _ int) error {
		s = now
		return nil
	})
	return s, err
}

// sessionOf is the session at a server, a new one if there is none other than old.
func (c *Client) sessionOf(ctx context.Context, e *endpoint, old *session) (*session, error) {
	if s := e.session.Load(); s != nil && s != old {
		return s, nil
	}
	select {
	case e.login <- struct{}{}:
		defer func() { <-e.login }()
	case <-ctx.Done():
		return nil, c.gaveUp(ctx, e)
	}
	if s := e.session.Load(); s != nil && s != old {
		return s, nil
	}
	if d := e.denied.Load(); d != nil && time.Since(d.at) < denialFor {
		return nil, d.err
	}
	secret, err := c.credential(ctx)
	if err != nil {
		return nil, &Error{Kind: KindAccessDenied, Server: e.wire.name, Method: "login", cause: err}
	}
	defer wipe(secret)
	language, _ := c.config.Context["language"].(string)
	if language == "" {
		language = "en"
	}
	s, err := c.rpc.login(ctx, e.wire, credential{c.config.Database, c.config.Login, secret, language, c.config.BareLogin})
	if err != nil {
		if errors.Is(err, KindAccessDenied) || errors.Is(err, KindMultiFactor) {
			e.denied.Store(&denial{notSent(c.scrub(err)), time.Now()})
		}
		return nil, err
	}
	if known := c.session.Load(); known != nil && known.user.UID != s.user.UID {
		s.wipe()
		return nil, &Error{
			Kind: KindProtocol, Server: e.wire.name, Method: "login", Message: "the user has another id than before",
			Hint: "do all servers serve the same database?",
		}
	}
	e.denied.Store(nil)
	e.session.Store(s)
	c.session.Store(s)
	if c.closed.Load() {
		s.wipe()
	}
	return s, nil
}

func (c *Client) gaveUp(ctx context.Context, e *endpoint) error {
	kind := KindTimeout
	if errors.Is(ctx.Err(), context.Canceled) {
		kind = KindCanceled
	}
	return &Error{Kind: kind, Server: e.wire.name, Method: "login", cause: ctx.Err()}
}

// credential is a copy of the password or key, for the caller to overwrite.
func (c *Client) credential(ctx context.Context) ([]byte, error) {
	if c.config.Credential != nil {
		return c.config.Credential(ctx)
	}
	c.secret.RLock()
	defer c.secret.RUnlock()
	return append([]byte(nil), c.pass...), nil
}

// scrub takes the password out of what a server says.
func (c *Client) scrub(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	c.secret.RLock()
	secret := string(c.pass)
	c.secret.RUnlock()
	if len(secret) < 4 {
		return err
	}
	for _, text := range []*string{&e.Message, &e.Debug} { // an error that others have too is clean already
		if strings.Contains(*text, secret) {
			*text = strings.ReplaceAll(*text, secret, hidden)
		}
	}
	return err
}

// Logout ends the sessions at the servers. The next call logs in again.
func (c *Client) Logout(ctx context.Context) error {
	var problems []error
	for _, e := range c.endpoints {
		if s := e.session.Swap(nil); s != nil {
			problems = append(problems, c.rpc.logout(ctx, e.wire, s))
			s.wipe()
		}
	}
	c.session.Store(nil)
	return errors.Join(problems...)
}

// Databases lists the databases of the first server that answers, if it tells.
func (c *Client) Databases(ctx context.Context) ([]string, error) {
	var list []string
	err := c.outside(ctx, func(w *wire) (err error) {
		list, err = c.rpc.databases(ctx, w)
		return err
	})
	return list, err
}

// Version asks the first server that answers for its version. It needs no log-in.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var v Version
	err := c.outside(ctx, func(w *wire) (err error) {
		v, err = c.rpc.version(ctx, w)
		return err
	})
	return v, err
}

// outside asks the servers one after the other something for which nobody has to be logged in.
func (c *Client) outside(ctx context.Context, ask func(*wire) error) error {
	var err error
	for _, e := range c.endpoints {
		if err = ask(e.wire); !errors.Is(err, KindConnection) && !errors.Is(err, KindUnavailable) {
			break
		}
	}
	return err
}

// Close overwrites the secrets and gives up the connections. Calls under way end as they would; later ones fail. It
// does not end the sessions at the servers: that is Logout. The caches belong to whoever made them.
func (c *Client) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.stop()
	c.working.Wait()
	c.secret.Lock()
	wipe(c.pass)
	c.pass = nil
	c.secret.Unlock()
	for _, e := range c.endpoints {
		if s := e.session.Swap(nil); s != nil {
			s.wipe()
		}
	}
	c.session.Store(nil)
	if c.config.HTTP == nil && len(c.endpoints) > 0 {
		if t, ok := c.endpoints[0].wire.transport.(interface{ CloseIdleConnections() }); ok {
			t.CloseIdleConnections()
		}
	}
	return nil
}

package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/perfd/perfd/cache"
)

// Protocol is the family of servers that a client speaks with: their methods, domains and values differ.
type Protocol uint8

// The protocols.
const (
	Odoo Protocol = iota
	Tryton
)

// Client calls methods of one database, as one user, on one server or several. It is safe for concurrent use.
type Client struct {
	config      Config
	protocol    Protocol
	rpc         rpc
	endpoints   []*endpoint
	turn        atomic.Uint64 // for round robin
	database    string        // in the cache's keys
	relations   *relations
	never       map[string]bool
	neverFields []string
	loaders     []*cache.Loader
	doubt       doubts

	secret  sync.RWMutex // guards password
	pass    []byte
	session atomic.Pointer[session] // the last one, for who the user is

	visit  sync.Once // guards nobody
	nobody *session

	closed  atomic.Bool
	stop    context.CancelFunc
	working sync.WaitGroup
}

var errClosed = errors.New("the client is closed")

// New makes a client. It asks no server anything yet.
func New(config Config) (*Client, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	c := &Client{config: config.withDefaults(), never: map[string]bool{}}
	c.protocol, c.rpc = c.config.Transport.protocol(), transports[c.config.Transport]
	c.relations = newRelations(c.config.Related)
	for _, m := range slices.Concat(DefaultNeverModels, config.NeverModels) {
		c.never[m] = true
	}
	c.neverFields = slices.DeleteFunc(slices.Concat(DefaultNeverFields, config.NeverFields), func(f string) bool { return f == "" })
	if c.pass = []byte(config.Password); len(c.pass) == 0 {
		c.pass = nil
	}
	c.config.Password = ""
	for _, l := range c.config.Caches {
		c.loaders = append(c.loaders, l)
	}
	if l := c.config.Cache; l != nil && !slices.Contains(c.loaders, l) {
		c.loaders = append(c.loaders, l)
	}
	transport := c.config.HTTP
	if transport == nil {
		transport = newTransport(&c.config)
	}
	for _, address := range c.config.Servers {
		base, err := ParseAddress(address, c.protocol)
		if err != nil {
			return nil, err
		}
		w := &wire{
			base: base, name: base.String(), database: c.config.Database, transport: transport,
			userAgent: c.config.UserAgent, most: c.config.MaxResponse, hooks: c.config.Hooks,
		}
		c.endpoints = append(c.endpoints, newEndpoint(w, &c.config))
	}
	c.database = cmp.Or(config.DatabaseID, c.databaseID(hostname()))
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	if len(c.endpoints) > 1 && c.config.HealthInterval > 0 {
		for _, e := range c.endpoints {
			c.working.Go(func() { c.watch(ctx, e) })
		}
	}
	return c, nil
}

// newTransport pools the connections of one client.
func newTransport(c *Config) http.RoundTripper {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: c.DialTimeout}).DialContext,
		TLSClientConfig:     c.TLS,
		TLSHandshakeTimeout: c.DialTimeout,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: c.MaxConnections,
		IdleConnTimeout:     c.IdleTimeout,
	}
}

// Protocol tells with which family of servers the client speaks.
func (c *Client) Protocol() Protocol { return c.protocol }

// Servers tells how each server does, in the order of Config.Servers.
func (c *Client) Servers() []ServerState {
	out := make([]ServerState, len(c.endpoints))
	for i, e := range c.endpoints {
		out[i] = e.state()
	}
	return out
}

// Call calls a method of a model and returns its result, from the cache if the method is safe and the answer is there.
func (c *Client) Call(ctx context.Context, model, method string, args []any, kwargs map[string]any, opts ...CallOption) (json.RawMessage, error) {
	o := gather(opts)
	r, err := c.request(model, method, args, kwargs, &o)
	if err != nil {
		return nil, err
	}
	s, err := c.who(ctx, r, &o)
	if err != nil {
		return nil, err
	}
	if err := c.surround(s, r, &o); err != nil {
		return nil, err
	}
	if !r.safe {
		result, err := c.ask(ctx, r, &o)
		var e *Error
		if err == nil || !errors.As(err, &e) || e.Sent {
			c.forget(ctx, r, &o, err == nil || !e.doubtful())
		}
		return result, err
	}
	l, err := c.loader(r, &o)
	if err != nil {
		return nil, err
	}
	if l == nil {
		return c.ask(ctx, r, &o)
	}
	key, err := c.key(r, &o)
	if err != nil {
		return nil, err
	}
	return c.load(ctx, l, key, r, &o)
}

// doubtful tells that nobody knows whether the call was done, or whether it is going on.
func (e *Error) doubtful() bool {
	switch e.Kind { //nolint:exhaustive // the others are what the server said
	case KindConnection, KindTimeout, KindCanceled, KindUnavailable, KindProtocol:
		return true
	}
	return false
}

// ask calls the server.
func (c *Client) ask(ctx context.Context, r *request, o *options) (json.RawMessage, error) {
	var result json.RawMessage
	err := c.try(ctx, r, o, func(ctx context.Context, e *endpoint, s *session, attempt int) error {
		once := *r
		once.attempt = attempt
		var err error
		result, err = c.rpc.call(ctx, e.wire, s, &once)
		return err
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// request makes a request of a call, without the context.
func (c *Client) request(model, method string, args []any, kwargs map[string]any, o *options) (*request, error) {
	if c.closed.Load() {
		return nil, cannot(model, method, errClosed)
	}
	if model == "" || method == "" {
		return nil, cannot(model, method, errors.New("a call needs a model and a method"))
	}
	r := &request{model: model, method: method}
	r.safe = effectOf(c.protocol, model, method) >= reads
	if o.safe != nil {
		r.safe = *o.safe
	}
	if len(args) > 0 {
		v, err := wireList(c.protocol, args, 0)
		if err != nil {
			return nil, cannot(model, method, fmt.Errorf("marshal arguments: %w", err))
		}
		r.args, _ = v.([]any)
	}
	if len(kwargs) == 0 {
		return r, nil
	}
	if in, ok := kwargs["context"]; ok {
		more, ok := in.(map[string]any)
		if !ok && in != nil {
			text, err := json.Marshal(in)
			if err == nil {
				err = json.Unmarshal(text, &more)
			}
			if err != nil {
				return nil, cannot(model, method, fmt.Errorf("read context: %w", err))
			}
		}
		InContext(more)(o)
		without := make(map[string]any, len(kwargs))
		for k, v := range kwargs {
			if k != "context" {
				without[k] = v
			}
		}
		kwargs = without
	}
	v, err := wireMap(c.protocol, kwargs, 0)
	if err != nil {
		return nil, cannot(model, method, fmt.Errorf("marshal arguments: %w", err))
	}
	r.kwargs, _ = v.(map[string]any)
	return r, nil
}

// ambience is the context of a session's calls that have none of their own, and the scope that it makes.
type ambience struct {
	context map[string]any // which nobody changes
	scope   cache.Scope
	text    json.RawMessage // of the context
}

// surround gives a request its context and its scope.
func (c *Client) surround(s *session, r *request, o *options) error {
	if o.context == nil {
		if a := s.ambience.Load(); a != nil {
			r.context, r.scope, r.text = a.context, a.scope, a.text
			return nil
		}
	}
	r.context = c.contextOf(s, o)
	var err error
	if r.context, err = wireContext(c.protocol, r); err != nil {
		return err
	}
	if r.scope, err = cache.NewScope(s.user.UID, r.context); err != nil {
		return cannot(r.model, r.method, err)
	}
	if o.context == nil {
		if r.text, err = json.Marshal(r.context); err != nil {
			return cannot(r.model, r.method, fmt.Errorf("marshal context: %w", err))
		}
		s.ambience.Store(&ambience{r.context, r.scope, r.text})
	}
	return nil
}

// contextOf is the context of a call: the user's, over it the configuration's, over it the call's.
func (c *Client) contextOf(s *session, o *options) map[string]any {
	m := make(map[string]any, len(s.user.Context)+len(c.config.Context)+len(o.context)+1)
	for k, v := range s.user.Context {
		m[k] = v
	}
	if c.protocol == Odoo && len(s.user.Companies) > 0 {
		m["allowed_company_ids"] = s.user.Companies
	}
	for _, more := range []map[string]any{c.config.Context, o.context} {
		for k, v := range more {
			if v == nil {
				delete(m, k)
			} else {
				m[k] = v
			}
		}
	}
	return m
}

func wireContext(p Protocol, r *request) (map[string]any, error) {
	v, err := wireMap(p, r.context, 0)
	if err != nil {
		return nil, cannot(r.model, r.method, fmt.Errorf("marshal context: %w", err))
	}
	m, _ := v.(map[string]any)
	return m, nil
}

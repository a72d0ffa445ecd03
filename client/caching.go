package client

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/cache"
)

// doubtFor is how long nothing of a model is cached after a change to it of which nobody knows whether and when it
// happened. Odoo ends what takes longer than 120 s.
const doubtFor = 150 * time.Second

// loader is the cache that a call is to use: nil if none.
func (c *Client) loader(r *request, o *options) (*cache.Loader, error) {
	l := c.config.Cache
	if o.cache != "" {
		named, ok := c.config.Caches[o.cache]
		if !ok {
			return nil, &Error{Kind: KindArgument, Model: r.model, Method: r.method, Message: "no cache is named " + o.cache}
		}
		l = named
	}
	wanted := o.key != "" || o.ttl != nil
	switch e := effectOf(c.protocol, r.model, r.method); {
	case l == nil, o.noCache, !r.safe, e != readable && !wanted, e == reads:
		return nil, nil //nolint:nilnil // no cache
	case c.never[r.model], c.names(r), c.doubt.has(r.model):
		return nil, nil //nolint:nilnil // no cache
	}
	return l, nil
}

// describes are methods that tell of fields, not of their values.
var describes = map[string]bool{"fields_get": true, "get_views": true, "fields_view_get": true, "view_toolbar_get": true}

// names tells whether a call names a field that is never cached.
func (c *Client) names(r *request) bool {
	if describes[r.method] {
		return false
	}
	var in func(v any, depth int) bool
	in = func(v any, depth int) bool {
		switch v := v.(type) {
		case nil, bool, int, int64, float64:
			return false
		case string:
			return c.secretField(v)
		case []string:
			return slices.ContainsFunc(v, c.secretField)
		case []any:
			for _, item := range v {
				if in(item, depth+1) {
					return true
				}
			}
			return false
		case map[string]any:
			for k, item := range v {
				if c.secretField(k) || in(item, depth+1) {
					return true
				}
			}
			return false
		}
		text, err := json.Marshal(v)
		return err != nil || slices.ContainsFunc(c.neverFields, func(f string) bool { return bytes.Contains(text, []byte(f)) })
	}
	return in(r.args, 0) || in(r.kwargs, 0)
}

// secretField tells whether a text names such a field, alone or in a path as "user_id.password" and "password:max".
func (c *Client) secretField(s string) bool {
	for _, f := range c.neverFields {
		if len(s) >= len(f) && bytes.Contains([]byte(s), []byte(f)) {
			return true
		}
	}
	return false
}

// shows tells whether an answer has such a field: its name in quotes before a colon.
func (c *Client) shows(result []byte) bool {
	for _, f := range c.neverFields {
		name := []byte(`"` + f + `"`)
		for rest := result; ; {
			i := bytes.Index(rest, name)
			if i < 0 {
				break
			}
			rest = rest[i+len(name):]
			if after := bytes.TrimLeft(rest, " \t\r\n"); len(after) > 0 && after[0] == ':' {
				return true
			}
		}
	}
	return false
}

// key is what a call's answer is kept under.
func (c *Client) key(r *request, o *options) (cache.Key, error) {
	if o.key != "" {
		k, err := cache.NewKey(c.database, r.model, r.method, r.scope, nil)
		if err != nil {
			return cache.Key{}, cannot(r.model, r.method, err)
		}
		k.Op = "named"
		return k.Named(o.key), nil
	}
	args := []any{unordered(c.protocol, r), nil}
	if len(r.kwargs) > 0 {
		args[1] = unorderedIn(r.kwargs)
	}
	if c.config.Transport == TransportXMLRPC { // whose numbers and dates may be written otherwise
		args = append(args, "xmlrpc")
	}
	k, err := cache.NewKey(c.database, r.model, r.method, r.scope, args)
	if err != nil {
		return k, cannot(r.model, r.method, err)
	}
	return k, nil
}

// sets are the parameters whose order has no meaning: what is asked for by name comes back by name.
var sets = map[string]bool{"fields": true, "allfields": true, "attributes": true}

// unordered is the positional arguments with the lists of fields marked as sets.
func unordered(p Protocol, r *request) []any {
	args, copied := r.args, false
	for i, v := range r.args {
		name := ""
		if p == Tryton {
			if list := trytonPositional[r.method]; i < len(list) && r.method != "export_data" {
				name = list[i].name
			}
		} else if list := odooNamed[r.method]; i < len(list) {
			name = list[i]
		}
		if set := asSet(v); sets[name] && set != nil {
			if !copied {
				args, copied = slices.Clone(args), true
			}
			args[i] = set
		}
	}
	return args
}

func unorderedIn(kwargs map[string]any) map[string]any {
	out := make(map[string]any, len(kwargs))
	for k, v := range kwargs {
		if set := asSet(v); sets[k] && set != nil {
			v = set
		}
		out[k] = v
	}
	return out
}

// asSet is a list of texts as a set; nil if it is none.
func asSet(v any) cache.Unordered {
	switch v := v.(type) {
	case []string:
		return cache.Unordered(v)
	case []any:
		set := make(cache.Unordered, len(v))
		for i, item := range v {
			s, ok := item.(string)
			if !ok {
				return nil
			}
			set[i] = s
		}
		return set
	}
	return nil
}

// loading is what Loader is told of a call.
func (c *Client) loading(r *request, o *options) cache.LoadOptions {
	lo := cache.LoadOptions{Refresh: o.refresh, Keep: func(value []byte) bool {
		return (describes[r.method] || !c.shows(value)) && (o.when == nil || o.when(r.model, value)) && !c.doubt.has(r.model)
	}}
	if o.ttl != nil {
		lo.TTL = cache.For(*o.ttl)
	}
	return lo
}

// forget makes all caches forget what a call may have changed. sure says that what it did, it did before now.
func (c *Client) forget(ctx context.Context, r *request, o *options, sure bool) {
	models := c.touched(r, o)
	if o.touched && len(models) == 0 {
		return
	}
	ctx = context.WithoutCancel(ctx)
	if !sure {
		c.doubt.about(models)
	}
	for _, l := range c.loaders {
		_ = l.Invalidate(ctx, c.database, models...) // which makes up for its failures itself
		if !sure {
			l.InvalidateAfter(doubtFor, false, c.database, models...)
		}
	}
}

// CacheStats is what the default cache did; zero if there is none.
func (c *Client) CacheStats() cache.Stats {
	if c.config.Cache == nil {
		return cache.Stats{}
	}
	return c.config.Cache.Stats()
}

// Invalidate makes the caches forget all answers of models, of all models if none is named.
func (c *Client) Invalidate(ctx context.Context, models ...string) error {
	var first error
	for _, l := range c.loaders {
		if err := l.Invalidate(ctx, c.database, models...); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// doubts are models that may change at any moment through a call whose outcome is not known.
type doubts struct {
	any    atomic.Bool
	mu     sync.Mutex
	models map[string]time.Time // until when; "" is all of them
}

func (d *doubts) about(models []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.models == nil {
		d.models = map[string]time.Time{}
	}
	if models == nil {
		models = []string{""}
	}
	for _, m := range models {
		d.models[m] = time.Now().Add(doubtFor)
	}
	d.any.Store(true)
}

func (d *doubts) has(model string) bool {
	if !d.any.Load() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for m, until := range d.models {
		if now.After(until) {
			delete(d.models, m)
		}
	}
	d.any.Store(len(d.models) > 0)
	_, all := d.models[""]
	_, one := d.models[model]
	return all || one
}

package client

import (
	"encoding/json"
	"maps"
	"time"
)

// CallOption changes one call.
type CallOption func(*options)

// options is what the options of a call add up to.
type options struct {
	context map[string]any
	ttl     *time.Duration
	noCache bool
	refresh bool
	cache   string
	key     string
	when    func(model string, result json.RawMessage) bool
	retry   *Retry
	timeout time.Duration
	safe    *bool
	touches []string
	touched bool // touches was set, though perhaps to nothing
}

func gather(opts []CallOption) options {
	var o options
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	return o
}

// InContext adds to the call's context, over what the session and Config.Context have. A nil value takes a key out.
func InContext(values map[string]any) CallOption {
	return func(o *options) {
		merged := make(map[string]any, len(o.context)+len(values))
		maps.Copy(merged, o.context)
		maps.Copy(merged, values)
		o.context = merged
	}
}

// CacheFor keeps the answer for ttl instead of the cache's default: 0 for ever, a negative value not at all. Calls that
// ask the same at the same time share an answer, and it is kept as the first of them says.
func CacheFor(ttl time.Duration) CallOption { return func(o *options) { o.ttl = &ttl } }

// NoCache neither looks into the cache nor keeps the answer.
func NoCache() CallOption { return func(o *options) { o.noCache = true } }

// Refresh asks the server even if the cache has an answer, and keeps the new one.
func Refresh() CallOption { return func(o *options) { o.refresh = true } }

// InCache uses the cache of that name in Config.Caches instead of Config.Cache.
func InCache(name string) CallOption { return func(o *options) { o.cache = name } }

// CacheKey takes the place of the call's method and arguments in its key. Database, model, generation and the user's
// scope remain in it, so that the answer is still no other user's and still forgotten with its model.
func CacheKey(key string) CallOption { return func(o *options) { o.key = key } }

// CacheIf keeps the answer only if keep says so. Of calls that share an answer the first one's is asked.
func CacheIf(keep func(model string, result json.RawMessage) bool) CallOption {
	return func(o *options) { o.when = keep }
}

// WithRetry takes the place of Config.Retry. A method that is not safe is still never repeated once some of the
// request was sent. What Retry leaves out has the defaults of its fields.
func WithRetry(r Retry) CallOption { return func(o *options) { o.retry = &r } }

// WithTimeout takes the place of Config.Timeout, the limit of one attempt. A call that waits for the answer to another
// that asks the same gives up when its own attempts would have ended, and asks itself if the other gave up before.
func WithTimeout(d time.Duration) CallOption { return func(o *options) { o.timeout = d } }

// ReadOnly says that the method changes nothing, so that it may be repeated and no cached answer is forgotten
// because of it. Its answer is kept only if CacheFor or CacheKey asks for it.
func ReadOnly() CallOption { return func(o *options) { yes := true; o.safe = &yes } }

// Unsafe says that the method changes something although its name is one of those that do not.
func Unsafe() CallOption { return func(o *options) { no := false; o.safe = &no } }

// Touches names the models of which the call changes records, instead of what its name lets suppose: the called
// model with its parents and dependants for create, write and the like, all models for a button or an unknown
// method. Without models the call makes the cache forget nothing.
func Touches(models ...string) CallOption {
	return func(o *options) { o.touches, o.touched = append(o.touches, models...), true }
}

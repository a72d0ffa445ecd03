package whatif

import (
	"container/list"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/perfd/perfd/jsontree"
	"github.com/perfd/perfd/replay/load"
)

// CacheAnswer says what caches of the client would have done: of answers for one user and context, forgotten when a call
// changes their model.
type CacheAnswer struct {
	// Cacheable are the reads whose answers a cache keeps.
	Cacheable int64   `json:"cacheable"`
	TTLs      []Cache `json:"ttls"`
	Sizes     []Cache `json:"sizes"`
	// Methods are those with Config.TTL, those that save most first; at most 20.
	Methods []CachedMethod `json:"methods"`
}

// Cache is what one simulated cache did.
type Cache struct {
	TTL time.Duration `json:"ttl"`
	// Bytes is its size; 0 for one that is bounded by its number of entries alone.
	Bytes int64 `json:"bytes,omitempty"`
	Hits  int64 `json:"hits"`
	// Shared are reads that came while the same was under way, and would have waited for that answer.
	Shared int64 `json:"shared"`
	// Stale are hits for which the server, when it was asked, gave another answer: something changed it that the client
	// did not see.
	Stale   int64 `json:"stale"`
	Evicted int64 `json:"evicted"`
	// Ratio is of hits and shared reads to all calls of the load that a cache may answer.
	Ratio float64 `json:"ratio"`
	// Saved is the server's time for them.
	Saved time.Duration `json:"saved"`
}

// CachedMethod is one method's part.
type CachedMethod struct {
	Method string        `json:"method"`
	Reads  int64         `json:"reads"`
	Hits   int64         `json:"hits"` // and shared
	Saved  time.Duration `json:"saved"`
}

type cacheKey [16]byte

// entry is an answer in a cache.
type entry struct {
	key      cacheKey
	model    string
	from, to time.Duration // of its loading
	digest   string
	size     int64
}

// keepCost is what an entry takes beside its answer, about.
const keepCost = 200

// caches are all simulated caches, and what was changed when.
type caches struct {
	sims      []*sim
	main      *sim // that of CacheAnswer.Methods
	ttls      int
	cacheable int64
	changed   map[string]time.Duration // when the last change of a model ended
	all       time.Duration            // and that of all models
	anything  bool
	methods   map[string]*CachedMethod
	max       int
}

type sim struct {
	Cache
	entries map[cacheKey]*list.Element
	order   *list.List // the last used in front
	bytes   int64
	max     int
}

func newCaches(c Config) *caches {
	out := &caches{changed: map[string]time.Duration{}, methods: map[string]*CachedMethod{}, ttls: len(c.TTLs), max: c.MaxMethods}
	add := func(ttl time.Duration, bytes int64) *sim {
		s := &sim{Cache: Cache{TTL: ttl, Bytes: bytes}, entries: map[cacheKey]*list.Element{}, order: list.New(), max: c.MaxEntries}
		out.sims = append(out.sims, s)
		return s
	}
	for _, ttl := range c.TTLs {
		add(ttl, 0)
	}
	for _, size := range c.Sizes {
		add(c.TTL, size)
	}
	out.main = out.sims[len(out.sims)-1]
	if i := slices.Index(c.TTLs, c.TTL); i >= 0 {
		out.main = out.sims[i]
	}
	return out
}

// maxModels whose changes are told apart; with more, a change is one of all.
const maxModels = 10_000

// change takes a call that changed models. What was loaded before it ended is not served again.
func (x *caches) change(models []string, c *load.Call) {
	end := c.At + c.Duration
	for _, m := range models {
		if _, known := x.changed[m]; m == "*" || !known && len(x.changed) >= maxModels {
			x.all, x.anything = max(x.all, end), true
			continue
		}
		x.changed[m] = max(x.changed[m], end)
	}
}

func (x *caches) read(c *load.Call, of load.Session) {
	x.cacheable++
	k := keyOf(c, of)
	m := x.methods[name(c)]
	if m == nil {
		m = &CachedMethod{Method: name(c)}
		if len(x.methods) < x.max {
			x.methods[m.Method] = m
		}
	}
	m.Reads++
	valid := func(e *entry) bool {
		at, changed := x.changed[e.model]
		return (!changed || e.from >= at) && (!x.anything || e.from >= x.all)
	}
	for _, s := range x.sims {
		if s.read(k, c, valid) && s == x.main {
			m.Hits++
			m.Saved += c.Duration
		}
	}
}

// read reports whether the cache would have answered.
func (s *sim) read(k cacheKey, c *load.Call, valid func(*entry) bool) bool {
	if el := s.entries[k]; el != nil {
		e := el.Value.(*entry) //nolint:errcheck // nothing else is put in
		switch {
		case !valid(e) || c.At >= e.to+s.TTL:
			s.drop(el)
		case c.At < e.to:
			s.Shared++
			s.Saved += c.Duration
			s.order.MoveToFront(el)
			return true
		default:
			s.Hits++
			s.Saved += c.Duration
			if e.digest != "" && c.Digest != "" && e.digest != c.Digest {
				s.Stale++
			}
			s.order.MoveToFront(el)
			return true
		}
	}
	e := &entry{key: k, model: c.Model, from: c.At, to: c.At + c.Duration, digest: c.Digest, size: max(0, c.ResponseBytes) + keepCost}
	if s.Bytes > 0 && e.size > s.Bytes {
		return false
	}
	s.entries[k] = s.order.PushFront(e)
	s.bytes += e.size
	for s.order.Len() > s.max || s.Bytes > 0 && s.bytes > s.Bytes {
		s.drop(s.order.Back())
		s.Evicted++
	}
	return false
}

func (s *sim) drop(el *list.Element) {
	e := s.order.Remove(el).(*entry) //nolint:errcheck // nothing else is put in
	delete(s.entries, e.key)
	s.bytes -= e.size
}

// keyOf is what an answer is kept under: the user, and the call with its arguments, of which the context is a part.
func keyOf(c *load.Call, of load.Session) cacheKey {
	h := sha256.New()
	who := of.Login
	if who == "" {
		who = "\x00" + c.Session
	}
	for _, part := range [][]byte{[]byte(of.Database), []byte(who), []byte(c.Model), []byte(c.Method), canonical(c.Args), canonical(c.Kwargs)} {
		var n [8]byte
		for i := range n {
			n[i] = byte(len(part) >> (8 * i))
		}
		h.Write(n[:])
		h.Write(part)
	}
	return cacheKey(h.Sum(nil)[:16])
}

// canonical is text with the members of objects in order.
func canonical(text []byte) []byte {
	v, err := jsontree.Parse(text, jsontree.Config{})
	if err != nil {
		return text
	}
	v.Sort()
	return v.Append(nil)
}

func (x *caches) answer() CacheAnswer {
	a := CacheAnswer{Cacheable: x.cacheable, Methods: []CachedMethod{}}
	for i, s := range x.sims {
		if x.cacheable > 0 {
			s.Ratio = float64(s.Hits+s.Shared) / float64(x.cacheable)
		}
		if i < x.ttls {
			a.TTLs = append(a.TTLs, s.Cache)
		} else {
			a.Sizes = append(a.Sizes, s.Cache)
		}
	}
	for _, m := range x.methods {
		a.Methods = append(a.Methods, *m)
	}
	a.Methods = top(a.Methods, func(m CachedMethod) time.Duration { return m.Saved }, func(m CachedMethod) string { return m.Method }, 20)
	return a
}

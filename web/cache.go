package web

import "sync"

// cache keeps encoded answers. When it is full it starts anew: the pages ask for the same few again and again.
type cache struct {
	mu    sync.Mutex
	limit int
	bytes int
	kept  map[string][]byte
}

func (c *cache) get(key string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.kept[key]
	return b, ok
}

func (c *cache) put(key string, body []byte) {
	size := len(key) + len(body)
	if size > c.limit/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.kept[key]; ok {
		return
	}
	if c.kept == nil || c.bytes+size > c.limit {
		c.kept, c.bytes = map[string][]byte{}, 0
	}
	c.kept[key] = body
	c.bytes += size
}

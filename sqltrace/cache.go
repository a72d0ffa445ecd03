package sqltrace

import (
	"github.com/cespare/xxhash/v2"

	"github.com/perfd/perfd/evidence"
)

// plan is what is known of a prepared statement or a portal.
type plan struct {
	known       bool
	fingerprint Fingerprint
	kind        Kind
	textHash    uint64
	textBytes   int64
	literals    []evidence.Hash
	formats     formats // of a portal's columns
}

// fill gives a statement what the plan knows.
func (p *plan) fill(st *Statement) {
	if !p.known {
		st.Gaps, st.TextBytes = st.Gaps|GapText, p.textBytes
		return
	}
	st.Kind, st.Fingerprint = p.kind, p.fingerprint
	st.TextHash, st.TextBytes, st.Literals = p.textHash, p.textBytes, p.literals
}

// cache holds plans by name, as many as its bound and those most recently used. Its zero value is empty.
type cache struct {
	entries map[uint64]*entry
	newest  *entry // a ring: its next is the oldest
}

type entry struct {
	plan
	key        uint64
	prev, next *entry
}

// nameKey is a name's key. Names stay in the capture: a hash is enough to tell them apart.
func nameKey(name []byte) uint64 { return xxhash.Sum64(name) }

func (c *cache) get(key uint64) (plan, bool) {
	e := c.entries[key]
	if e == nil {
		return plan{}, false
	}
	if e != c.newest {
		c.unlink(e)
		c.link(e)
	}
	return e.plan, true
}

func (c *cache) put(key uint64, p plan, limit int) {
	e := c.entries[key]
	switch {
	case e != nil:
		c.unlink(e)
	case len(c.entries) >= limit:
		e = c.newest.next
		c.unlink(e)
		delete(c.entries, e.key)
	default:
		e = &entry{}
	}
	if c.entries == nil {
		c.entries = map[uint64]*entry{}
	}
	e.plan, e.key = p, key
	c.entries[key] = e
	c.link(e)
}

func (c *cache) remove(key uint64) {
	if e := c.entries[key]; e != nil {
		c.unlink(e)
		delete(c.entries, key)
	}
}

func (c *cache) clear() { c.entries, c.newest = nil, nil }

func (c *cache) link(e *entry) {
	if c.newest == nil {
		e.prev, e.next = e, e
	} else {
		e.prev, e.next = c.newest, c.newest.next
		e.prev.next, e.next.prev = e, e
	}
	c.newest = e
}

func (c *cache) unlink(e *entry) {
	if e.next == e {
		c.newest = nil
		return
	}
	e.prev.next, e.next.prev = e.next, e.prev
	if c.newest == e {
		c.newest = e.prev
	}
}

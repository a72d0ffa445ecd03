package cache

import (
	"container/heap"
	"math"
	"sync"
)

// orderedTable gives up entries in a strict order, that of recency or expiry. One lock guards it.
type orderedTable struct {
	mu       sync.Mutex
	nodes    map[Key]*node
	order    order
	bytes    int64
	maxItems int
	maxBytes int64
	gone     func(*item, bool)
}

type node struct {
	key        Key
	item       *item
	prev, next *node // in recency
	index      int   // in expiry
	seq        uint64
}

// order is which node is given up first.
type order interface {
	add(*node)
	touch(*node)
	drop(*node)
	first() *node
	reset()
}

func newOrderedTable(c MemoryConfig, o order, gone func(*item, bool)) *orderedTable {
	o.reset()
	return &orderedTable{nodes: map[Key]*node{}, order: o, maxItems: c.MaxItems, maxBytes: c.MaxBytes, gone: gone}
}

func (t *orderedTable) get(k Key) *item {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[k]
	if n == nil {
		return nil
	}
	t.order.touch(n)
	return n.item
}

func (t *orderedTable) set(k Key, i *item) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.nodes[k]; n != nil {
		t.drop(n, false)
	}
	for len(t.nodes) > 0 && (len(t.nodes) >= t.maxItems || t.bytes+i.size > t.maxBytes) {
		t.drop(t.order.first(), true)
	}
	if i.size > t.maxBytes {
		t.gone(i, true)
		return
	}
	n := &node{key: k, item: i}
	t.nodes[k] = n
	t.bytes += i.size
	t.order.add(n)
}

// drop takes a node out. t.mu is held.
func (t *orderedTable) drop(n *node, evicted bool) {
	t.order.drop(n)
	delete(t.nodes, n.key)
	t.bytes -= n.item.size
	t.gone(n.item, evicted)
}

func (t *orderedTable) remove(k Key, only *item) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[k]
	if n == nil || (only != nil && n.item != only) {
		return false
	}
	t.drop(n, false)
	return true
}

func (t *orderedTable) each(visit func(Key) bool) {
	t.mu.Lock()
	keys := make([]Key, 0, len(t.nodes))
	for k := range t.nodes {
		keys = append(keys, k)
	}
	t.mu.Unlock()
	for _, k := range keys {
		if !visit(k) {
			return
		}
	}
}

func (t *orderedTable) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.nodes {
		t.gone(n.item, false)
	}
	clear(t.nodes)
	t.bytes = 0
	t.order.reset()
}

func (t *orderedTable) close() {}

// recency orders by last use: a ring that begins with the oldest.
type recency struct{ root node }

func (r *recency) reset() { r.root.prev, r.root.next = &r.root, &r.root }

func (r *recency) add(n *node) {
	n.prev, n.next = r.root.prev, &r.root
	n.prev.next, n.next.prev = n, n
}

func (r *recency) drop(n *node) { n.prev.next, n.next.prev = n.next, n.prev }

func (r *recency) touch(n *node) {
	if r.root.prev != n {
		r.drop(n)
		r.add(n)
	}
}

func (r *recency) first() *node { return r.root.next }

// expiry orders by the end of life, those that end together by age.
type expiry struct {
	nodes []*node
	seq   uint64
}

func (e *expiry) reset() { e.nodes = nil }

func (e *expiry) add(n *node) {
	e.seq++
	n.seq = e.seq
	heap.Push(e, n)
}

func (e *expiry) touch(*node)  {}
func (e *expiry) drop(n *node) { heap.Remove(e, n.index) }
func (e *expiry) first() *node { return e.nodes[0] }

// Len is of heap.Interface, as the following are.
func (e *expiry) Len() int { return len(e.nodes) }

func (e *expiry) Less(i, j int) bool {
	a, b := end(e.nodes[i]), end(e.nodes[j])
	return a < b || a == b && e.nodes[i].seq < e.nodes[j].seq
}

func (e *expiry) Swap(i, j int) {
	e.nodes[i], e.nodes[j] = e.nodes[j], e.nodes[i]
	e.nodes[i].index, e.nodes[j].index = i, j
}

// Push adds a node at the end.
func (e *expiry) Push(x any) {
	n := x.(*node)
	n.index = len(e.nodes)
	e.nodes = append(e.nodes, n)
}

// Pop takes the last node away.
func (e *expiry) Pop() any {
	last := len(e.nodes) - 1
	n := e.nodes[last]
	e.nodes[last] = nil
	e.nodes = e.nodes[:last]
	return n
}

// end is when an item is not there any more.
func end(n *node) int64 {
	if n.item.dead == 0 {
		return math.MaxInt64
	}
	return n.item.dead
}

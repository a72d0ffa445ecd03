package analyzer

import (
	"math"
	"slices"

	"github.com/perfd/perfd/evidence"
)

// token is one distinct value of a lease: a literal of its statements or a value of its rows.
type token struct {
	hash evidence.Hash
	id   int32 // in the window's token index
	slot int32 // where it stood: see slotOf
}

// slots is the number of places in a shape that are told apart: the first literals, one by one, and the
// values of its result.
const slots = 9

// slotOf numbers a place in a shape: literal n, or the result for n < 0.
func slotOf(shape int32, n int) int32 {
	if n < 0 {
		n = slots - 1
	}
	return shape*slots + int32(min(n, slots-1))
}

func isValue(slot int32) bool { return slot%slots == slots-1 }

// maxTokens is about how many tokens are kept of one lease; those with the lowest hashes stay, as in
// evidence.Set.
const maxTokens = 768

// content compares values seen on both sides.
type content struct {
	hashes []evidence.Hash // by token id
	share  []float32       // by token id: share of the calls that show it
	rarity []float32       // by token id: log of the inverse of that share

	ownerTokens []ownerToken // of all owners, one after the other
	ownerFrom   []int32      // by owner: its first
	mark        []uint8      // by token id: where the owner under view shows it
}

type ownerToken struct {
	id    int32
	where uint8
}

const (
	inRequest uint8 = 1 << iota
	inResponse
)

// sieve removes repetitions: an open-addressing table that is emptied by counting up.
type sieve struct {
	keys  []uint64
	round []uint32
	now   uint32
}

// reset empties the sieve and makes room for n keys.
func (s *sieve) reset(n int) {
	size := max(len(s.keys), 1024)
	for size < 2*n {
		size *= 2
	}
	if size != len(s.keys) {
		s.keys, s.round, s.now = make([]uint64, size), make([]uint32, size), 0
	}
	s.now++
	if s.now == 0 {
		clear(s.round)
		s.now = 1
	}
}

// first reports whether key was not seen since the reset.
func (s *sieve) first(key uint64) bool {
	mask := uint64(len(s.keys) - 1)
	for i := key * 0x9E3779B97F4A7C15 >> 32 & mask; ; i = (i + 1) & mask {
		if s.round[i] != s.now {
			s.round[i], s.keys[i] = s.now, key
			return true
		}
		if s.keys[i] == key {
			return false
		}
	}
}

// tokensOf collects the distinct tokens of a lease, ordered by slot. A value that stands in several places
// counts at its first.
func (l *lease) tokensOf(s *sieve, keys []uint64, shape func(i int) int32) []uint64 {
	n := 0
	for _, st := range l.statements {
		n += len(st.Literals) + len(st.Values)
	}
	if n == 0 {
		return keys
	}
	s.reset(n)
	keys = keys[:0]
	for i, st := range l.statements {
		if len(st.Literals)+len(st.Values) == 0 {
			continue
		}
		f := shape(i)
		for n, h := range st.Literals {
			if s.first(uint64(h) << 1) {
				keys = append(keys, uint64(slotOf(f, min(n, slots-2)))<<32|uint64(h))
			}
		}
		for _, h := range st.Values {
			if s.first(uint64(h)<<1 | 1) {
				keys = append(keys, uint64(slotOf(f, -1))<<32|uint64(h))
			}
		}
	}
	if len(keys) > maxTokens {
		highest := uint32(float64(maxTokens) / float64(len(keys)) * math.MaxUint32)
		keys = slices.DeleteFunc(keys, func(k uint64) bool { return uint32(k) > highest })
	}
	slices.Sort(keys) // by slot: its tokens are judged together
	l.tokens = make([]token, len(keys))
	for i, k := range keys {
		l.tokens[i] = token{hash: evidence.Hash(uint32(k)), slot: int32(k >> 32)}
	}
	return keys
}

// newContent indexes the tokens of all leases and finds which owners show them.
func newContent(w *window) *content {
	total := 0
	for i := range w.leases {
		total += len(w.leases[i].tokens)
	}
	c := &content{ownerFrom: make([]int32, len(w.owners)+1)}
	index := newHashIndex(total)
	for i := range w.leases {
		tokens := w.leases[i].tokens
		for j := range tokens {
			tokens[j].id = index.put(tokens[j].hash)
		}
	}
	c.hashes = index.order
	n := len(c.hashes)
	c.share, c.rarity = make([]float32, n), make([]float32, n)
	c.mark = make([]uint8, n)
	seen := make([]int32, n)
	calls := 0
	for i := range w.owners {
		c.ownerFrom[i] = int32(len(c.ownerTokens))
		call := w.owners[i].call
		if call == nil {
			continue
		}
		calls++
		from := len(c.ownerTokens)
		note := func(h evidence.Hash, where uint8) {
			id := index.get(h)
			if id < 0 {
				return
			}
			if c.mark[id] == 0 {
				seen[id]++
			}
			if c.mark[id]&where == 0 {
				c.mark[id] |= where
				c.ownerTokens = append(c.ownerTokens, ownerToken{id, where})
			}
		}
		for _, h := range call.Request.Hashes() {
			note(h, inRequest)
		}
		if call.UID > 0 {
			note(evidence.Small(call.UID), inRequest)
		}
		for _, h := range call.Response.Hashes() {
			note(h, inResponse)
		}
		for _, t := range c.ownerTokens[from:] {
			c.mark[t.id] = 0
		}
	}
	c.ownerFrom[len(w.owners)] = int32(len(c.ownerTokens))
	shares, rarities := make([]float32, calls+1), make([]float32, calls+1) // by the number of calls that show it
	for n := range shares {
		share := (float64(n) + 0.3) / float64(calls+1)
		shares[n], rarities[n] = float32(min(share, 1)), float32(-math.Log(share))
	}
	for i, n := range seen {
		c.share[i], c.rarity[i] = shares[n], rarities[n]
	}
	return c
}

// apart is the same content with marks of its own.
func (c *content) apart() *content {
	other := *c
	other.mark = make([]uint8, len(c.mark))
	return &other
}

// show marks where owner o shows each token, until hide.
func (c *content) show(o int32) {
	for _, t := range c.ownerTokens[c.ownerFrom[o]:c.ownerFrom[o+1]] {
		c.mark[t.id] |= t.where
	}
}

func (c *content) hide(o int32) {
	for _, t := range c.ownerTokens[c.ownerFrom[o]:c.ownerFrom[o+1]] {
		c.mark[t.id] = 0
	}
}

// presence is how often a shape's tokens stand in the request or response of the call that ran it.
type presence struct{ shown, judged float64 }

// rate is smoothed towards p with the weight of five observations.
func (p presence) rate(prior float64) float64 { return (p.shown + 5*prior) / (p.judged + 5) }

const (
	priorLiteral = 0.15
	priorValue   = 0.3
)

// score is the log likelihood ratio that the owner whose marks are shown ran the lease, from shared values
// alone. Values of one place are correlated, so their sum grows with the root of their number.
func (c *content) score(l *lease, o *owner, k *knowledge) float64 {
	limit := min(o.requestLimit, o.responseLimit)
	var total float64
	for i := 0; i < len(l.tokens); {
		slot := l.tokens[i].slot
		r := k.rates[slot]
		var sum float64
		n := 0
		for ; i < len(l.tokens) && l.tokens[i].slot == slot; i++ {
			t := &l.tokens[i]
			if c.mark[t.id] != 0 {
				sum += max(float64(c.rarity[t.id])+r.shown, 0.02)
				n++
			} else if uint32(t.hash) <= limit {
				sum += r.hidden
				n++
			}
		}
		if n > 0 {
			total += sum * math.Sqrt(contentWeight/(contentWeight+float64(n)))
		}
	}
	if total > contentSure {
		total = contentSure + 0.3*(total-contentSure)
	}
	return min(max(total, -10), 60)
}

// contentSure is the score from which on more shared values hardly add: a scheduled action may read the
// very records that a call names.
const contentSure = 25

// contentWeight is the number of values of one place from which on more of them count less.
const contentWeight = 4

// hashIndex numbers hashes from 0 in order of first appearance: an open-addressing table, because the
// window looks up a hash for every value of every response.
type hashIndex struct {
	slots []int32 // position in order, plus one
	order []evidence.Hash
	mask  uint32
}

func newHashIndex(n int) *hashIndex {
	size := 1024
	for size < n*2 {
		size *= 2
	}
	return &hashIndex{slots: make([]int32, size), mask: uint32(size - 1)}
}

func (x *hashIndex) slot(h evidence.Hash) uint32 { return (uint32(h) * 0x9E3779B1) & x.mask }

func (x *hashIndex) put(h evidence.Hash) int32 {
	for s := x.slot(h); ; s = (s + 1) & x.mask {
		v := x.slots[s]
		if v == 0 {
			x.order = append(x.order, h)
			x.slots[s] = int32(len(x.order))
			return int32(len(x.order)) - 1
		}
		if x.order[v-1] == h {
			return v - 1
		}
	}
}

func (x *hashIndex) get(h evidence.Hash) int32 {
	for s := x.slot(h); ; s = (s + 1) & x.mask {
		v := x.slots[s]
		if v == 0 {
			return -1
		}
		if x.order[v-1] == h {
			return v - 1
		}
	}
}

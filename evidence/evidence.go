// Package evidence reduces values seen on the wire to hashes, so that traces of one value on the RPC side
// and on the PostgreSQL side can be compared without either side keeping the value.
//
// rpclog hashes the strings and numbers of requests and responses, sqltrace the literals of statements and
// the values of result rows; analyzer intersects them. Both sides must hash alike, which is why the
// normalisation lives here and nowhere else.
package evidence

import (
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Hash is a 32-bit digest of one normalised value. Zero is never returned for a usable value.
type Hash uint32

const maxValue = 64 // bytes of a value that take part in its hash

// Value hashes one value in the text form both protocols share: UTF-8 strings without quotes or escapes,
// decimal numbers, timestamps. It folds the spellings in which one value travels: numbers lose trailing
// zeros of a fraction, timestamps their fraction of a second and the letter T. Values too common to tell
// anything (shorter than two bytes, booleans, null) yield 0.
func Value(b []byte) Hash {
	if len(b) < 2 {
		return 0
	}
	switch c := b[0]; {
	case c >= '0' && c <= '9' || c == '-':
		return number(b)
	case len(b) <= 5 && common(b):
		return 0
	}
	return sum(b)
}

// common says that b is a boolean or null in one of its spellings.
func common(b []byte) bool {
	switch string(b) {
	case "true", "false", "null", "True", "False", "None":
		return true
	}
	return false
}

// sum hashes the start of a normalised value.
func sum(b []byte) Hash {
	if len(b) < 2 {
		return 0
	}
	if len(b) > maxValue {
		b = b[:maxValue]
	}
	s := xxhash.Sum64(b)
	h := Hash(s>>32) ^ Hash(s)
	if h == 0 {
		h = 1
	}
	return h
}

// Small hashes a non-negative integer of any width, single digits included; it equals Value of its
// decimal form where that form has two digits or more.
func Small(n int64) Hash {
	var buf [20]byte
	b := appendInt(buf[:0], n)
	if len(b) >= 2 {
		return Value(b)
	}
	s := xxhash.Sum64(b)
	return Hash(s>>32) ^ Hash(s) | 1
}

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		return append(b, '-')
	}
	if n >= 10 {
		b = appendInt(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

// number hashes a decimal number or a timestamp, folded; anything else as it is.
func number(b []byte) Hash {
	if len(b) > maxValue {
		return sum(b)
	}
	if len(b) >= 19 && b[4] == '-' && b[7] == '-' && (b[10] == ' ' || b[10] == 'T') && b[13] == ':' && b[16] == ':' {
		if b[10] == ' ' {
			return sum(b[:19])
		}
		var buf [19]byte
		copy(buf[:], b)
		buf[10] = ' '
		return sum(buf[:])
	}
	dot := -1
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9' || c == '-' && i == 0:
		case c == '.' && dot < 0:
			dot = i
		default:
			return sum(b)
		}
	}
	if dot < 0 {
		return sum(b)
	}
	end := len(b)
	for end > dot+1 && b[end-1] == '0' {
		end--
	}
	if end == dot+1 {
		end = dot
	}
	return sum(b[:end])
}

// Set collects hashes within a budget. When the budget is reached it keeps those below a falling
// threshold, so that two sets sampled apart still agree on which values they would have kept
// (bottom-k sampling). The zero Set is unusable; use NewSet.
type Set struct {
	hashes []Hash
	budget int
	limit  Hash
}

// NewSet returns an empty set that keeps at most budget hashes.
func NewSet(budget int) Set { return Set{budget: max(budget, 8), limit: ^Hash(0)} }

// NewSetIn is NewSet with room for members to begin with. The set owns the room until Detach.
func NewSetIn(budget int, room []Hash) Set {
	s := NewSet(budget)
	s.hashes = room[:0]
	return s
}

// Detach moves the members, repetitions left out, into b and returns the room they had, for another set.
func (s *Set) Detach(b *Block) (room []Hash) {
	s.compact()
	room = s.hashes[:0]
	s.hashes = b.Keep(s.hashes)
	return room
}

// Block is memory in which many lists of hashes stand one after the other, so that a short one costs no
// allocation of its own. Its zero value is empty.
type Block struct{ free []Hash }

const blockSize = 4096

// Keep returns a copy of h, nil if h is empty. Appending to the copy changes nothing else.
func (b *Block) Keep(h []Hash) []Hash {
	n := len(h)
	if n == 0 {
		return nil
	}
	if len(b.free) < n {
		if n > blockSize/4 {
			return slices.Clone(h)
		}
		b.free = make([]Hash, blockSize)
	}
	kept := b.free[:n:n]
	b.free = b.free[n:]
	copy(kept, h)
	return kept
}

// Add puts h into the set; zero is ignored.
func (s *Set) Add(h Hash) {
	if h == 0 || h > s.limit {
		return
	}
	if len(s.hashes) >= s.budget {
		s.compact()
		for len(s.hashes) >= s.budget/2 && s.limit > 1 {
			s.limit >>= 1
			s.hashes = s.hashes[:len(s.hashes)-s.above()]
		}
		if h > s.limit {
			return
		}
	}
	s.hashes = append(s.hashes, h)
}

func (s *Set) compact() {
	order(s.hashes, s.limit)
	s.hashes = slices.Compact(s.hashes)
}

// order sorts h. Hashes spread evenly up to their limit, so that one pass over their highest bits leaves
// next to nothing to sort.
func order(h []Hash, limit Hash) {
	const (
		buckets = 256
		crowded = 64 // such a bucket holds repetitions, or values chosen to hit it
	)
	if len(h) < buckets/4 || slices.IsSorted(h) {
		slices.Sort(h)
		return
	}
	shift := max(bits.Len32(uint32(limit))-8, 0)
	var next, end [buckets]int32
	for _, v := range h {
		end[v>>shift&(buckets-1)]++
	}
	for i := 1; i < buckets; i++ {
		next[i] = end[i-1]
		end[i] += end[i-1]
	}
	from := int32(0)
	for i := range end {
		for next[i] < end[i] {
			v := h[next[i]]
			for k := v >> shift & (buckets - 1); k != Hash(i); k = v >> shift & (buckets - 1) {
				v, h[next[k]] = h[next[k]], v
				next[k]++
			}
			h[next[i]] = v
			next[i]++
		}
		if end[i]-from > crowded {
			slices.Sort(h[from:end[i]])
		}
		from = end[i]
	}
	for i := 1; i < len(h); i++ {
		v, k := h[i], i
		for ; k > 0 && h[k-1] > v; k-- {
			h[k] = h[k-1]
		}
		h[k] = v
	}
}

func (s *Set) above() int {
	i, _ := slices.BinarySearch(s.hashes, s.limit+1)
	return len(s.hashes) - i
}

// Limit is the highest hash the set could have kept: a value above it is neither present nor absent.
func (s *Set) Limit() Hash { return s.limit }

// Hashes returns the members, sorted and without repetition. The slice belongs to the set.
func (s *Set) Hashes() []Hash {
	s.compact()
	return s.hashes
}

// Len is the number of hashes held, repetitions included until Hashes is called.
func (s *Set) Len() int { return len(s.hashes) }

// Copy makes s equal to o in its own memory.
func (s *Set) Copy(o *Set) {
	s.hashes = append(s.hashes[:0], o.hashes...)
	s.budget, s.limit = o.budget, o.limit
}

// Clone returns a copy that shares nothing with s.
func (s *Set) Clone() Set {
	return Set{hashes: slices.Clone(s.hashes), budget: s.budget, limit: s.limit}
}

package sqltrace

import (
	"bytes"

	"github.com/cespare/xxhash/v2"
)

// beginnings remembers where the scanner stood at the first literal of texts. Applications send the same
// statements with other values: what stands before the values is compared, which is faster than to read it.
type beginnings struct {
	sets [512][2]beginning
	turn uint8
}

// beginning is a text up to its first literal and the scanner's state there.
type beginning struct {
	text  []byte // without literals and comments
	state progress
}

// progress is the state of the scanner between two tokens.
type progress struct {
	lv     level
	outer  [maxOuter]level
	depth  int
	prev   before
	naming bool // the statement names savepoints or such
	next   bool // the next word is a cursor's name
	first  bool
}

const (
	maxOuter     = 3
	maxBeginning = 2048
)

// strides are the lengths of which the longest that a beginning has finds it again.
var strides = [...]int{512, 128, 32}

// find returns the longest beginning of s that is known, or nil.
func (b *beginnings) find(s []byte) *beginning {
	for _, n := range strides {
		if len(s) <= n {
			continue
		}
		set := b.set(s[:n])
		for i := range set {
			k := &set[i]
			if at := len(k.text); at >= n && at < len(s) && startsLiteral(s[at]) && bytes.Equal(s[:at], k.text) {
				return k
			}
		}
	}
	return nil
}

func (b *beginnings) set(start []byte) *[2]beginning {
	return &b.sets[xxhash.Sum64(start)%uint64(len(b.sets))]
}

// startsLiteral reports whether c begins a number or a string.
func startsLiteral(c byte) bool { return classes[c] == clDigit || classes[c] == clQuote }

// note keeps the beginning of s before its first literal at s[i], where the byte before has ended the token
// before whatever follows.
func (b *beginnings) note(s []byte, i int) *beginning {
	if i < strides[len(strides)-1] || i > maxBeginning {
		return nil
	}
	switch s[i-1] {
	case ' ', '(', ',', '=':
	default:
		return nil
	}
	for _, n := range strides {
		if i >= n {
			b.turn++
			k := &b.set(s[:n])[b.turn&1]
			k.text = append(k.text[:0], s[:i]...)
			return k
		}
	}
	return nil
}

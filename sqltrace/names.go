package sqltrace

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// quotedName hashes a quoted identifier whose content begins at s[i] and returns where it ends.
func quotedName(s []byte, i int) (uint64, int) {
	h := uint64(seedQuote)
	for {
		var rest uint64
		for i+8 <= len(s) {
			w := binary.LittleEndian.Uint64(s[i:])
			q := w ^ 0x2222222222222222 // zero where a quote stands
			q = (q - 0x0101010101010101) &^ q & 0x8080808080808080
			if q != 0 {
				n := bits.TrailingZeros64(q) &^ 7
				rest = w&(1<<n-1) | 1<<n
				i += n >> 3
				break
			}
			h = mix(h, w)
			i += 8
		}
		if rest == 0 { // near the end of the text
			n := 0
			for ; i < len(s) && s[i] != '"'; i++ {
				if n == 64 {
					h, rest, n = mix(h, rest), 0, 0
				}
				rest |= uint64(s[i]) << n
				n += 8
			}
			if n == 64 {
				h, rest, n = mix(h, rest), 0, 0
			}
			rest |= 1 << n
		}
		h = mix(h, rest)
		if i+1 >= len(s) || s[i+1] != '"' {
			return h, min(i+1, len(s))
		}
		h = mix(h, '"')
		i += 2
	}
}

// lineComment returns where the comment that begins at s[i] with -- ends.
func lineComment(s []byte, i int) int {
	if n := bytes.IndexByte(s[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(s)
}

// blockComment returns where the comment that begins at s[i] ends. Such comments nest.
func blockComment(s []byte, i int) int {
	depth := 0
	for i < len(s) {
		if s[i] == '*' && i+1 < len(s) && s[i+1] == '/' {
			if i, depth = i+2, depth-1; depth == 0 {
				return i
			}
		} else if s[i] == '/' && i+1 < len(s) && s[i+1] == '*' {
			i, depth = i+2, depth+1
		} else {
			i++
		}
	}
	return len(s)
}

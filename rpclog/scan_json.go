package rpclog

import (
	"unicode/utf16"
	"unicode/utf8"
)

// jsonScanner finds the scalars of a JSON text (RFC 8259) that comes in pieces. It builds nothing, does not
// allocate and is lenient: what it cannot read ends the scan, not the call.
type jsonScanner struct {
	tokens
	state jsonState
	depth int
	key   bool // the next string names a member
	array bool // the innermost container is one
	torn  bool // bytes were missing: what encloses the position is unknown
	now   step // of the position in the innermost container
	stack [maxDepth]frameOf
	base  path // of the innermost container

	buf  [jsonBuf]byte // of a scalar that cannot be shown in place
	n    int
	unit uint16 // \u escape being read, and how many of its digits are
	hexN uint8
	high uint16 // high surrogate before it
}

// frameOf is what is put aside while a container within is read.
type frameOf struct {
	base  path
	now   step
	array bool
}

type jsonState uint8

const (
	jsonBetween jsonState = iota
	jsonString
	jsonEscape
	jsonUnicode
	jsonNumber
	jsonLiteral
	jsonTorn       // bytes are missing: whether the next ones stand in a string is unknown
	jsonTornQuote  // the same, after a quote
	jsonTornEscape // the same, after a backslash
	jsonDead
)

// maxDepth bounds the nesting that is followed. jsonBuf is what is kept of a scalar that spans pieces.
const (
	maxDepth = 256
	jsonBuf  = 256
)

// start prepares for a new text.
func (s *jsonScanner) start(t tokens) {
	s.tokens = t
	s.state, s.depth, s.key, s.array, s.torn, s.now, s.base, s.n = jsonBetween, 0, false, false, false, 0, 0, 0
}

// closed says that the text is complete, if anything of it was read.
func (s *jsonScanner) closed() bool { return s.state == jsonBetween && s.depth == 0 && !s.torn }

// tear tells that bytes are missing. Values are read again from the next member on, but without their paths.
func (s *jsonScanner) tear() {
	if s.state == jsonDead {
		return
	}
	s.state, s.torn, s.tokens.depth = jsonTornEscape, true, -1
	s.depth, s.key, s.array, s.base = 0, false, false, 0
	s.now = kSecret // perhaps: the first member's name is not known
}

// resume looks for a quote and a colon, which stand together after a member's name alone: within a string
// the quote would have a backslash before it.
func (s *jsonScanner) resume(b []byte, i int) int {
	switch {
	case s.state == jsonTornEscape:
		if b[i] != '\\' {
			s.state = jsonTorn
		}
		return i + 1
	case s.state == jsonTornQuote && b[i] == ':':
		s.state = jsonBetween
		return i + 1
	}
	s.state = jsonTorn
	if i += quote(b[i:]); i < len(b) {
		s.state = jsonTornQuote
		if b[i] == '\\' {
			s.state = jsonTornEscape
		}
		i++
	}
	return i
}

func (s *jsonScanner) write(b []byte) {
	for i := 0; i < len(b); {
		switch s.state {
		case jsonBetween:
			i = s.between(b, i)
		case jsonString:
			n := quote(b[i:])
			s.keep(b[i : i+n])
			if i += n; i < len(b) {
				if b[i] == '"' {
					s.high = 0
					s.text(s.buf[:s.n])
					s.state = jsonBetween
				} else {
					s.state = jsonEscape
				}
				i++
			}
		case jsonEscape:
			s.escape(b[i])
			i++
		case jsonUnicode:
			s.unicode(b[i])
			i++
		case jsonNumber:
			n := i
			for n < len(b) && inNumber[b[n]] {
				n++
			}
			s.keep(b[i:n])
			if i = n; i < len(b) {
				s.value(number, s.buf[:s.n])
				s.state = jsonBetween
			}
		case jsonLiteral:
			for i < len(b) && isLetter(b[i]) {
				i++
			}
			if i < len(b) {
				s.state = jsonBetween
			}
		case jsonTorn, jsonTornQuote, jsonTornEscape:
			i = s.resume(b, i)
		case jsonDead:
			return
		}
	}
}

// end tells that no byte is missing any more: a number at the end of the text is complete.
func (s *jsonScanner) end() {
	if s.state == jsonNumber {
		s.value(number, s.buf[:s.n])
		s.state = jsonDead
	}
}

// between reads structure and scalars that lie whole in b from i on; it returns where it stopped. What
// usually follows a scalar is taken along with it, which saves most of the turns.
func (s *jsonScanner) between(b []byte, i int) int {
	for i < len(b) {
		switch c := b[i]; jsonClasses[c] {
		case classSpace:
			i++
		case classQuote:
			i++
			n := i + quote(b[i:])
			if n >= len(b) || b[n] == '\\' {
				s.n, s.high = 0, 0
				s.keep(b[i:n])
				s.state = jsonString
				return n
			}
			if !s.key {
				s.value(text, b[i:n])
				i = s.comma(b, n+1)
				continue
			}
			s.name(b[i:n])
			if i = n + 1; i < len(b) && b[i] == ':' {
				s.key = false
				if i++; i < len(b) && b[i] == ' ' {
					i++
				}
			}
		case classColon:
			s.key = false
			i++
		case classComma:
			i = s.comma(b, i)
		case classNumber:
			n := i + 1
			for n < len(b) && inNumber[b[n]] {
				n++
			}
			if n == len(b) {
				s.n = 0
				s.state = jsonNumber
				return i
			}
			if n > i+1 || s.depth <= s.tokens.depth {
				s.value(number, b[i:n])
			}
			i = s.comma(b, n)
		case classOpen:
			if s.depth >= maxDepth {
				s.state = jsonDead
				return len(b)
			}
			s.stack[s.depth] = frameOf{base: s.base, now: s.now, array: s.array}
			if s.depth > 0 {
				s.base = s.base<<8 | path(s.now)
			}
			s.depth++
			s.array = c == '['
			s.key, s.now = !s.array, other
			if s.array {
				s.now = elem
			}
			i++
		case classClose:
			if s.depth == 0 && s.torn { // of a container that was opened in the missing bytes
				s.key, s.array, s.now = false, false, other
				i++
				continue
			}
			if s.depth == 0 || s.array != (c == ']') {
				s.state = jsonDead
				return len(b)
			}
			s.depth--
			f := &s.stack[s.depth]
			s.base, s.now, s.array = f.base, f.now, f.array
			s.key = false
			i = s.comma(b, i+1)
		case classLetter:
			if s.depth <= s.tokens.depth {
				s.value(literal, b[i:i+1])
			}
			i++
			for i < len(b) && isLetter(b[i]) {
				i++
			}
			if i == len(b) {
				s.state = jsonLiteral
				return i
			}
			i = s.comma(b, i)
		default:
			s.state = jsonDead
			return len(b)
		}
	}
	return i
}

// comma takes a comma and a space, if they are there.
func (s *jsonScanner) comma(b []byte, i int) int {
	if i >= len(b) || b[i] != ',' {
		return i
	}
	if !s.array {
		s.key = true
	} else if s.now < 255 {
		s.now++
	}
	if i++; i < len(b) && b[i] == ' ' {
		i++
	}
	return i
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// text takes a whole string.
func (s *jsonScanner) text(v []byte) {
	if s.key {
		s.name(v)
	} else {
		s.value(text, v)
	}
}

// name takes the name of a member.
func (s *jsonScanner) name(v []byte) {
	if s.depth <= s.tokens.depth || s.torn {
		s.now = stepOf(v)
	}
}

// value shows a scalar, cut alike whether it was seen in one piece or kept from several.
func (s *jsonScanner) value(k kind, v []byte) {
	s.scalar(s.base, s.now, s.depth, k, v[:min(len(v), jsonBuf)])
}

// keep appends to the scalar at hand as far as there is room.
func (s *jsonScanner) keep(b []byte) {
	s.n += copy(s.buf[s.n:], b)
	if len(b) > 0 {
		s.high = 0
	}
}

func (s *jsonScanner) escape(c byte) {
	s.state = jsonString
	switch c {
	case 'u':
		s.state, s.unit, s.hexN = jsonUnicode, 0, 0
		return
	case 'n':
		c = '\n'
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	}
	one := [1]byte{c}
	s.keep(one[:])
}

func (s *jsonScanner) unicode(c byte) {
	var v uint16
	switch {
	case c >= '0' && c <= '9':
		v = uint16(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		v = uint16(c|0x20-'a') + 10
	default:
		s.state = jsonDead
		return
	}
	s.unit = s.unit<<4 | v
	if s.hexN++; s.hexN < 4 {
		return
	}
	s.state = jsonString
	r := rune(s.unit)
	if s.high != 0 && utf16.IsSurrogate(r) {
		if full := utf16.DecodeRune(rune(s.high), r); full != utf8.RuneError {
			s.n -= min(3, s.n) // the replacement character put in the high one's place
			r = full
		}
	}
	high := uint16(0)
	if r >= 0xd800 && r < 0xdc00 {
		high = s.unit
	}
	var enc [utf8.UTFMax]byte
	n := utf8.EncodeRune(enc[:], r)
	if s.n+n <= len(s.buf) { // never half a character, and never a high surrogate without room for its pair
		s.keep(enc[:n])
		s.high = high
	}
}

// jsonClass is what a byte means between scalars.
type jsonClass uint8

const (
	classOther jsonClass = iota
	classSpace
	classQuote
	classColon
	classComma
	classOpen
	classClose
	classLetter
	classNumber
)

var jsonClasses, inNumber = func() (t [256]jsonClass, n [256]bool) {
	for c, class := range map[byte]jsonClass{
		' ': classSpace, '\t': classSpace, '\r': classSpace, '\n': classSpace, '"': classQuote, ':': classColon, ',': classComma,
		'{': classOpen, '[': classOpen, '}': classClose, ']': classClose,
		't': classLetter, 'f': classLetter, 'n': classLetter, 'N': classLetter, 'I': classLetter, '-': classNumber,
	} {
		t[c] = class
	}
	for c := byte('0'); c <= '9'; c++ {
		t[c] = classNumber
	}
	for _, c := range "0123456789+-.eE" {
		n[c] = true
	}
	return t, n
}()

package proxy

import "errors"

var errChunk = errors.New("malformed chunked body")

// chunked follows a body in chunked coding (RFC 9112, section 7.1) to its end without changing it.
type chunked struct {
	state chunkState
	left  uint64 // bytes of the chunk still to come
	line  int    // bytes of the size line, or of the trailer section
	blank bool   // no byte of the trailer line was seen
}

type chunkState uint8

const (
	chunkSizeFirst chunkState = iota // the first digit of a size
	chunkSizeDigits
	chunkExtension
	chunkSizeEnd // the LF of a size line
	chunkBytes
	chunkBytesCR
	chunkBytesLF
	chunkTrailer
	chunkTrailerLF
	chunkDone
)

const (
	maxSizeLine = 4 << 10
	maxTrailer  = 64 << 10
	maxChunk    = 1 << 60
)

// feed takes bytes and returns how many of them belong to the body.
func (c *chunked) feed(b []byte) (n int, done bool, err error) {
	for n < len(b) {
		if c.state == chunkBytes {
			k := min(c.left, uint64(len(b)-n))
			c.left -= k
			n += int(k)
			if c.left == 0 {
				c.state = chunkBytesCR
			}
			continue
		}
		if err := c.step(b[n]); err != nil {
			return n, false, err
		}
		n++
		if c.state == chunkDone {
			return n, true, nil
		}
	}
	return n, false, nil
}

// step takes one byte outside a chunk's data. Line ends are CRLF and nothing else: where two readers of a
// request disagree on them, a second request can be hidden in the first.
func (c *chunked) step(ch byte) error {
	c.line++
	switch c.state {
	case chunkSizeFirst, chunkSizeDigits:
		d, hex := hexDigit(ch)
		switch {
		case hex && c.left < maxChunk>>4:
			c.left = c.left<<4 | uint64(d)
			c.state = chunkSizeDigits
		case c.state == chunkSizeFirst || hex:
			return errChunk
		case ch == '\r':
			c.state = chunkSizeEnd
		case ch == ';' || ch == ' ' || ch == '\t':
			c.state = chunkExtension
		default:
			return errChunk
		}
	case chunkExtension:
		switch {
		case ch == '\r':
			c.state = chunkSizeEnd
		case ch == '\n' || c.line > maxSizeLine:
			return errChunk
		}
	case chunkSizeEnd:
		if ch != '\n' {
			return errChunk
		}
		c.line = 0
		if c.state = chunkBytes; c.left == 0 {
			c.state, c.blank = chunkTrailer, true
		}
	case chunkBytesCR:
		if ch != '\r' {
			return errChunk
		}
		c.state = chunkBytesLF
	case chunkBytesLF:
		if ch != '\n' {
			return errChunk
		}
		c.state, c.line = chunkSizeFirst, 0
	case chunkTrailer:
		switch {
		case ch == '\r':
			c.state = chunkTrailerLF
		case ch == '\n' || c.line > maxTrailer:
			return errChunk
		default:
			c.blank = false
		}
	case chunkTrailerLF:
		if ch != '\n' {
			return errChunk
		}
		if c.state = chunkTrailer; c.blank {
			c.state = chunkDone
		}
		c.blank = true
	}
	return nil
}

func hexDigit(ch byte) (byte, bool) {
	switch {
	case ch >= '0' && ch <= '9':
		return ch - '0', true
	case ch|0x20 >= 'a' && ch|0x20 <= 'f':
		return ch | 0x20 - 'a' + 10, true
	}
	return 0, false
}

package sqltrace

import (
	"bytes"
	"encoding/binary"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/perfd/perfd/capture"
)

// Request codes that stand where a startup message has its protocol version.
const (
	cancelRequest = 80877102
	sslRequest    = 80877103
	gssRequest    = 80877104
)

// maxStartup is the longest startup packet a server accepts (MAX_STARTUP_PACKET_LENGTH).
const maxStartup = 10_000

// maxMessage is the longest message a server or client accepts.
const maxMessage = 1 << 30

// Longest lengths of the messages that are short, by type; 0 marks what is no message. They tell a message
// from bytes that only look like one.
var (
	clientLimits = limits(map[byte]uint32{
		'Q': maxMessage, 'P': maxMessage, 'B': maxMessage, 'F': maxMessage, 'd': maxMessage, 'f': 1 << 16,
		'E': 1 << 12, 'D': 1 << 12, 'C': 1 << 12, 'p': 1 << 16, 'S': 4, 'H': 4, 'X': 4, 'c': 4,
	})
	serverLimits = limits(map[byte]uint32{
		'D': maxMessage, 'd': maxMessage, 'V': maxMessage, 'T': 1 << 20, 'E': 1 << 20, 'N': 1 << 20, 'A': 1 << 14,
		'R': 1 << 16, 'S': 1 << 16, 'K': 4 + 4 + 256, 'v': 1 << 16, 'C': 1 << 8, 't': 4 + 2 + 4*65535, 'Z': 5,
		'G': 4 + 3 + 2*1664, 'H': 4 + 3 + 2*1664, 'W': 4 + 3 + 2*1664,
		'1': 4, '2': 4, '3': 4, 'n': 4, 's': 4, 'I': 4, 'c': 4,
	})
)

// serverLeast are the shortest lengths of a server's messages: a ReadyForQuery whose type was damaged must not pass
// for a notification, or each statement after it would be given the next one's answer.
var serverLeast = limits(map[byte]uint32{
	'D': 6, 'T': 6, 't': 6, 'E': 5, 'N': 5, 'A': 10, 'R': 8, 'S': 6, 'K': 12, 'v': 12, 'C': 5, 'Z': 5, 'G': 7, 'H': 7, 'W': 7,
})

func limits(m map[byte]uint32) (t [256]uint32) {
	for c, n := range m {
		t[c] = n
	}
	return t
}

// frame returns the size of the message that begins at data[0], its type byte included; 0 if it is none.
// It needs five bytes.
func frame(data []byte, limits *[256]uint32) int {
	n := binary.BigEndian.Uint32(data[1:])
	if n < 4 || n > limits[data[0]] || limits == &serverLimits && n < serverLeast[data[0]] {
		return 0
	}
	return int(n) + 1
}

// Claims judges the first bytes of a direction: a startup packet, or, in a connection joined mid-stream,
// messages that can hardly be anything else.
func (d *Decoder) Claims(conn capture.Conn, data []byte) capture.Verdict {
	switch {
	case startupSize(data) > 0:
		return capture.FromClient
	case clientChain(data):
		return capture.FromClient
	case serverChain(data):
		return capture.FromServer
	}
	return capture.Reject
}

// startupSize returns the size of the startup packet at data[0], or 0 if there is none.
func startupSize(data []byte) int {
	if len(data) < 8 {
		return 0
	}
	n := binary.BigEndian.Uint32(data)
	switch code := binary.BigEndian.Uint32(data[4:]); {
	case code == sslRequest || code == gssRequest:
		if n != 8 {
			return 0
		}
	case code == cancelRequest:
		if n < 16 || n > 12+256 {
			return 0
		}
	case code>>16 == pgproto3.ProtocolVersion30>>16:
		if n < 9 || n > maxStartup || len(data) > 8 && !plainByte(data[8]) {
			return 0
		}
	default:
		return 0
	}
	return int(n)
}

func plainByte(c byte) bool { return c >= ' ' && c < 0x7f }

// clientChain reports whether data is a run of a client's messages. What runs over its end must be a
// statement or parameters. A run that begins with Close or CopyDone may as well be a server's command tag or
// CopyDone.
func clientChain(data []byte) bool {
	if len(data) == 0 || data[0] == 'C' || data[0] == 'c' {
		return false
	}
	for len(data) > 0 {
		if len(data) < 5 {
			return false
		}
		size := frame(data, &clientLimits)
		if size == 0 || !plausibleRequest(data[0], data[5:min(size, len(data))], size-5) {
			return false
		}
		if size > len(data) {
			return true
		}
		data = data[size:]
	}
	return true
}

// plausibleRequest judges a client's message of n bytes of which body is the beginning.
func plausibleRequest(t byte, body []byte, n int) bool {
	whole := len(body) == n
	switch t {
	case 'Q':
		if whole {
			return n > 0 && bytes.IndexByte(body, 0) == n-1
		}
		return len(body) >= 8 && n < 1<<26 && bytes.IndexByte(body, 0) < 0 && textBegins(body)
	case 'P':
		name := bytes.IndexByte(body, 0)
		if name < 0 || name > 128 {
			return false
		}
		if !whole {
			return n < 1<<26 && len(body) > name+8 && textBegins(body[name+1:])
		}
		text := bytes.IndexByte(body[name+1:], 0)
		rest := n - name - 1 - text - 1
		return text >= 0 && rest >= 2 && rest == 2+4*int(binary.BigEndian.Uint16(body[n-rest:]))
	case 'B':
		_, ok := readBind(body)
		return whole && ok
	case 'E':
		return whole && n >= 5 && bytes.IndexByte(body, 0) == n-5
	case 'D', 'C':
		return whole && n >= 2 && (body[0] == 'S' || body[0] == 'P') && bytes.IndexByte(body, 0) == n-1
	case 'F', 'd', 'f', 'p':
		return false
	}
	return whole
}

// textBegins reports whether b looks like the beginning of a statement: a letter, a parenthesis or a
// comment first, and nothing unprintable.
func textBegins(b []byte) bool {
	i := skipSpace(b, 0)
	if i == len(b) || classes[b[i]] != clWord && b[i] != '(' {
		return false
	}
	for _, c := range b[:min(len(b), 64)] {
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}

// serverChain reports whether data begins with a run of a server's messages that is long or ends well.
func serverChain(data []byte) bool {
	for n := 0; ; n++ {
		if len(data) == 0 {
			return n > 0
		}
		if len(data) < 5 {
			return n >= 3
		}
		size := frame(data, &serverLimits)
		if size == 0 || !plausibleAnswer(data[0], data[5:min(size, len(data))], size-5) {
			return false
		}
		if size > len(data) {
			return n >= 2 || n == 1 && data[0] == 'D'
		}
		if data[0] == 'Z' && n > 0 {
			return true
		}
		data = data[size:]
	}
}

// plausibleAnswer judges a server's message of n bytes of which body is the beginning.
func plausibleAnswer(t byte, body []byte, n int) bool {
	whole := len(body) == n
	switch t {
	case 'Z':
		return whole && n == 1 && (body[0] == 'I' || body[0] == 'T' || body[0] == 'E')
	case 'C':
		return n > 1 && len(body) > 0 && body[0] >= 'A' && body[0] <= 'Z' && (!whole || bytes.IndexByte(body, 0) == n-1)
	case 'E', 'N':
		return n > 2 && len(body) > 1 && body[0] == 'S' && plainByte(body[1])
	case 'T', 't':
		return len(body) >= 2
	case 'D':
		return len(body) >= 2 && plausibleRow(body, n)
	case 'S':
		return whole && bytes.Count(body, zero) == 2 && body[n-1] == 0
	case 'A':
		return n > 6
	case 'R':
		return n >= 4 && len(body) >= 4 && binary.BigEndian.Uint32(body) <= 12
	case 'K':
		return n >= 8
	case 'G', 'H', 'W':
		return n >= 3 && len(body) > 0 && body[0] <= 1
	case 'd', 'V', 'v':
		return false
	}
	return whole
}

var zero = []byte{0}

// plausibleRow checks the lengths within a row's message of n bytes as far as body holds them.
func plausibleRow(body []byte, n int) bool {
	columns, at := int(binary.BigEndian.Uint16(body)), 2
	if columns > 1664 {
		return false
	}
	for range columns {
		if at+4 > n {
			return false
		}
		if at+4 > len(body) {
			return true
		}
		size := int(int32(binary.BigEndian.Uint32(body[at:])))
		if size < -1 || at+4+max(size, 0) > n {
			return false
		}
		at += 4 + max(size, 0)
	}
	return at == n
}

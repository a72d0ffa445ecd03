package pglog

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"
)

// level is an entry's severity.
type level uint8

const (
	levelNone  level = iota
	levelOther       // DEBUG, INFO, NOTICE, WARNING
	levelLog
	levelError
	levelFatal // FATAL, PANIC
)

// entry is one message of the server. Its slices are valid while it is taken.
type entry struct {
	at         time.Time
	resolution time.Duration
	level      level
	pid        int32
	user, db   []byte
	app        []byte
	client     []byte // host(port), host:port or [local]
	id         []byte // of the session
	vxid       []byte
	state      []byte
	hasUser    bool // the form names users: without one it is a process of the server's own
	stopped    bool // its prefix ends at %q

	message, detail, context, query []byte
	part                            *[]byte // the one that continuation lines belong to; nil: of no interest
	cut                             bool    // longer than Config.MaxEntry
}

// reset empties e and keeps its room.
func (e *entry) reset() {
	*e = entry{message: e.message[:0], detail: e.detail[:0], context: e.context[:0], query: e.query[:0],
		user: e.user[:0], db: e.db[:0], app: e.app[:0], client: e.client[:0], id: e.id[:0], vxid: e.vxid[:0], state: e.state[:0]}
}

// severities are the words that the server puts before a message.
var severities = []struct {
	word  string
	level level
}{
	{"LOG", levelLog}, {"ERROR", levelError}, {"FATAL", levelFatal}, {"PANIC", levelFatal}, {"WARNING", levelOther},
	{"NOTICE", levelOther}, {"INFO", levelOther}, {"DEBUG", levelOther}, {"DEBUG1", levelOther}, {"DEBUG2", levelOther},
	{"DEBUG3", levelOther}, {"DEBUG4", levelOther}, {"DEBUG5", levelOther},
}

func levelOf(word []byte) level {
	for _, s := range severities {
		if string(word) == s.word {
			return s.level
		}
	}
	return levelNone
}

// clientAddr reads host(port) or host:port; the zero value if the host is a name or the socket a local one.
func clientAddr(b []byte) netip.AddrPort {
	host, port := b, []byte(nil)
	if n := len(b); n > 0 && b[n-1] == ')' {
		if i := bytes.LastIndexByte(b, '('); i >= 0 {
			host, port = b[:i], b[i+1:n-1]
		}
	} else if i := bytes.LastIndexByte(b, ':'); i >= 0 {
		host, port = b[:i], b[i+1:]
	}
	return addrPort(host, port)
}

func addrPort(host, port []byte) netip.AddrPort {
	addr, err := netip.ParseAddr(string(bytes.Trim(host, "[]")))
	if err != nil {
		return netip.AddrPort{}
	}
	n, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n))
}

// number reads a decimal number without sign.
func number(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// millis reads a duration as the server writes them, 12.345, up to the first other byte, and returns the rest.
func millis(b []byte) (time.Duration, []byte, bool) {
	i := 0
	for i < len(b) && (b[i] >= '0' && b[i] <= '9' || b[i] == '.') {
		i++
	}
	whole, fraction, _ := bytes.Cut(b[:i], []byte("."))
	ms, ok := number(whole)
	if !ok || ms > int64(1000*time.Hour/time.Millisecond) {
		return 0, nil, false
	}
	d := time.Duration(ms) * time.Millisecond
	unit := time.Millisecond / 10
	for _, c := range fraction {
		if c < '0' || c > '9' {
			return 0, nil, false
		}
		d += time.Duration(c-'0') * unit
		unit /= 10
	}
	return d, b[i:], true
}

package proxy

import (
	"crypto/rand"
	"encoding/hex"
	"net/netip"
	"strconv"
	"sync/atomic"
)

// sender is what the proxy knows of a client.
type sender struct {
	addr    string // IP address; empty for a Unix socket
	trusted bool
	proto   string // http or https
}

// appendRequest writes the header section of h as the upstream is to see it: what belongs to the client's
// connection is gone, where the request came from is true, and an id is there. add says that a trusted client's
// own address joins those it forwards for.
func (h *head) appendRequest(b []byte, from *sender, add bool) []byte {
	b = append(b, h.verb...)
	b = append(b, ' ')
	b = append(b, h.target...)
	b = append(b, ' ')
	b = append(b, h.version...)
	b = append(b, '\r', '\n')
	for i := range h.fields {
		f := &h.fields[i]
		switch {
		case f.kind == hop, f.kind == upgrading && !h.upgrade, f.kind == origin && !from.trusted:
		case f.kind == ordinary && h.named && h.names(f.name) && !endToEnd(f.name):
		default:
			b = append(b, f.line...)
			b = append(b, '\r', '\n')
		}
	}
	if (!from.trusted || !h.forwarded[0] || add) && from.addr != "" {
		b = appendField(b, "X-Forwarded-For: ", from.addr)
	}
	if !from.trusted || !h.forwarded[1] {
		b = appendField(b, "X-Forwarded-Proto: ", from.proto)
	}
	if (!from.trusted || !h.forwarded[2]) && len(h.host) > 0 {
		b = append(b, "X-Forwarded-Host: "...)
		b = append(b, h.host...)
		b = append(b, '\r', '\n')
	}
	if !h.id {
		b = append(b, "X-Request-Id: "...)
		b = appendID(b)
		b = append(b, '\r', '\n')
	}
	switch {
	case h.upgrade:
		b = append(b, "Connection: Upgrade\r\n"...)
	case h.minor == 0 && h.keep:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	return append(b, '\r', '\n')
}

// endToEnd tells whether a field must reach the upstream even where a Connection field names it: a client could
// otherwise take it away.
func endToEnd(name []byte) bool {
	for _, kept := range [...]string{"host", "content-type", "content-encoding", "cookie", "authorization", "set-cookie", "x-request-id"} {
		if equalFold(name, kept) {
			return true
		}
	}
	return false
}

// appendResponse writes the header section of h as the client is to see it. keep says that the connection
// stays open, old that the client speaks HTTP/1.0.
func (h *head) appendResponse(b []byte, keep, old bool) []byte {
	b = append(b, "HTTP/1.1"...)
	b = append(b, h.start[8:]...)
	b = append(b, '\r', '\n')
	for i := range h.fields {
		f := &h.fields[i]
		switch {
		case f.kind == hop, f.kind == upgrading && h.status != 101 && h.status != 426:
		case f.kind == framing && len(f.name) == 14 && h.chunked:
		case f.kind == ordinary && h.named && h.names(f.name) && !endToEnd(f.name):
		default:
			b = append(b, f.line...)
			b = append(b, '\r', '\n')
		}
	}
	switch {
	case h.status == 101:
		b = append(b, "Connection: Upgrade\r\n"...)
	case h.status < 200:
	case !keep:
		b = append(b, "Connection: close\r\n"...)
	case old:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	return append(b, '\r', '\n')
}

// appendRefusal writes the whole response that tells of e.
func appendRefusal(b []byte, e *httpError, body bool) []byte {
	reason := reasons[e.status]
	text := strconv.Itoa(e.status) + " " + reason + "\n" + e.text + "\n"
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(e.status), 10)
	b = append(b, ' ')
	b = append(b, reason...)
	b = append(b, "\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nConnection: close\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(text)), 10)
	b = append(b, "\r\n\r\n"...)
	if body {
		b = append(b, text...)
	}
	return b
}

var reasons = map[int]string{
	400: "Bad Request", 405: "Method Not Allowed", 431: "Request Header Fields Too Large",
	502: "Bad Gateway", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
}

func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, value...)
	return append(b, '\r', '\n')
}

// Request ids: eight bytes of this process and a count, in hexadecimal.
var (
	idPrefix = func() string {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		return hex.EncodeToString(b[:])
	}()
	lastID atomic.Uint64
)

func appendID(b []byte) []byte {
	const digits = "0123456789abcdef"
	b = append(b, idPrefix...)
	n := lastID.Add(1)
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, digits[n>>shift&15])
	}
	return b
}

// prefixes tells whether an address lies in one of the networks.
func prefixes(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

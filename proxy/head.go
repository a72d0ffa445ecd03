package proxy

import (
	"bytes"
	"fmt"
)

// httpError is a refusal: what is wrong with a message, and the status that says so.
type httpError struct {
	status int
	text   string
}

func (e *httpError) Error() string { return fmt.Sprintf("%d: %s", e.status, e.text) }

var (
	errHead      = &httpError{400, "The request's header section is malformed."}
	errFraming   = &httpError{400, "The length of the request's body is ambiguous."}
	errBody      = &httpError{400, "The request's body is malformed."}
	errTooLong   = &httpError{431, "The request's header section is too long."}
	errVersion   = &httpError{505, "Only HTTP/1.0 and HTTP/1.1 are served here."}
	errConnect   = &httpError{405, "This is no forward proxy."}
	errUpstream  = &httpError{502, "The application server cannot be reached."}
	errNoAnswer  = &httpError{502, "The application server closed the connection without an answer."}
	errBadAnswer = &httpError{502, "The application server's answer is not HTTP."}
	errSlow      = &httpError{504, "The application server did not answer in time."}
)

const (
	maxFields = 256
	untilEOF  = int64(-1) // length of a body that ends with its connection
)

// head is what a header section says of the message's framing and of the connection. Slices lie in the bytes
// it was read from.
type head struct {
	start   []byte // request or status line, without its end
	fields  []field
	minor   byte // of the HTTP version
	length  int64
	chunked bool
	sized   bool // Content-Length was given
	close   bool // Connection: close
	keep    bool // Connection: keep-alive
	upgrade bool // Connection: upgrade
	named   bool // Connection names other fields
	expects bool // Expect is there
	plain   bool // the content is neither JSON nor XML nor text: no decoder reads it

	// Of a request.
	verb      []byte
	target    []byte
	version   []byte
	host      []byte
	hasHost   bool
	forwarded [3]bool // X-Forwarded-For, -Proto, -Host are there
	id        bool    // X-Request-Id is there

	// Of a response.
	status int
}

// field is one header field.
type field struct {
	line  []byte // without its end, continuation lines included
	name  []byte
	value []byte // trimmed
	kind  fieldKind
}

type fieldKind uint8

const (
	ordinary  fieldKind = iota
	hop                 // of this connection alone
	framing             // Content-Length and Transfer-Encoding
	upgrading           // Upgrade
	origin              // says where the request came from
)

// endOfHead returns the length of the header section at the start of b, 0 if it does not end there. Bytes before
// from were looked at before.
func endOfHead(b []byte, from int) int {
	for i := max(from-3, 0); ; i++ {
		k := bytes.IndexByte(b[i:], '\n')
		if k < 0 {
			return 0
		}
		i += k
		switch {
		case i+1 < len(b) && b[i+1] == '\n':
			return i + 2
		case i+2 < len(b) && b[i+1] == '\r' && b[i+2] == '\n':
			return i + 3
		}
	}
}

// split cuts a header section into lines and fields.
func (h *head) split(b []byte, request bool) bool {
	*h = head{fields: h.fields[:0]}
	for first := true; len(b) > 0; first = false {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			return false
		}
		line := b[:end]
		b = b[end+1:]
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		switch {
		case first:
			h.start = line
			continue
		case len(line) == 0:
			return true
		case bytes.IndexByte(line, '\r') >= 0 || bytes.IndexByte(line, 0) >= 0 || len(h.fields) == maxFields:
			return false
		case line[0] == ' ' || line[0] == '\t':
			if request || len(h.fields) == 0 { // RFC 9112, section 5.2
				return false
			}
			last := &h.fields[len(h.fields)-1]
			last.line = joinLines(last.line, line)
			continue
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 || !isToken(line[:colon]) {
			return false
		}
		f := field{line: line, name: line[:colon], value: bytes.Trim(line[colon+1:], " \t")}
		if !h.note(&f, request) {
			return false
		}
		h.fields = append(h.fields, f)
	}
	return false
}

// joinLines replaces an obsolete line fold by a space.
func joinLines(a, b []byte) []byte {
	joined := make([]byte, 0, len(a)+len(b))
	return append(append(append(joined, a...), ' '), bytes.TrimLeft(b, " \t")...)
}

// note takes what a field says of framing, connection and origin. It is false for what two readers could
// understand differently.
func (h *head) note(f *field, request bool) bool {
	switch len(f.name) {
	case 2:
		if equalFold(f.name, "te") {
			f.kind = hop
		}
	case 4:
		if request && equalFold(f.name, "host") {
			if h.hasHost {
				return false
			}
			h.hasHost, h.host = true, f.value
		}
	case 6:
		h.expects = h.expects || request && equalFold(f.name, "expect")
	case 7:
		if equalFold(f.name, "upgrade") {
			f.kind = upgrading
		}
	case 9:
		if request && equalFold(f.name, "forwarded") || request && equalFold(f.name, "x-real-ip") {
			f.kind = origin
		}
	case 10:
		switch {
		case equalFold(f.name, "connection"):
			f.kind = hop
			h.connection(f.value)
		case equalFold(f.name, "keep-alive"):
			f.kind = hop
		}
	case 12:
		if !request && equalFold(f.name, "content-type") {
			h.plain = !readable(f.value)
		} else if request && equalFold(f.name, "x-request-id") {
			h.id = true
		}
	case 14:
		if equalFold(f.name, "content-length") {
			f.kind = framing
			n, ok := decimal(f.value)
			if !ok || h.sized && h.length != n {
				return false
			}
			h.sized, h.length = true, n
		}
	case 15:
		h.forwardedField(f, request, 0, "x-forwarded-for")
	case 16:
		h.forwardedField(f, request, 2, "x-forwarded-host")
		if equalFold(f.name, "proxy-connection") {
			f.kind = hop
		}
	case 17:
		h.forwardedField(f, request, 1, "x-forwarded-proto")
		if equalFold(f.name, "transfer-encoding") {
			f.kind = framing
			if h.chunked || !equalFold(f.value, "chunked") {
				return false
			}
			h.chunked = true
		}
	}
	return true
}

func (h *head) forwardedField(f *field, request bool, which int, name string) {
	if request && equalFold(f.name, name) {
		f.kind = origin
		h.forwarded[which] = true
	}
}

// connection takes the options of a Connection field. The fields that it names besides are the peer's wish for
// this connection alone.
func (h *head) connection(value []byte) {
	for len(value) > 0 {
		option, rest, _ := bytes.Cut(value, []byte{','})
		value = rest
		switch option = bytes.Trim(option, " \t"); {
		case equalFold(option, "close"):
			h.close = true
		case equalFold(option, "keep-alive"):
			h.keep = true
		case equalFold(option, "upgrade"):
			h.upgrade = true
		case len(option) > 0:
			h.named = true
		}
	}
}

// names tells whether a Connection field of h names this one.
func (h *head) names(name []byte) bool {
	for i := range h.fields {
		if f := &h.fields[i]; f.kind == hop && len(f.name) == 10 && equalFold(f.name, "connection") {
			for value := f.value; len(value) > 0; {
				option, rest, _ := bytes.Cut(value, []byte{','})
				if value = rest; bytes.EqualFold(bytes.Trim(option, " \t"), name) {
					return true
				}
			}
		}
	}
	return false
}

// request reads the header section of a request.
func (h *head) request(b []byte) *httpError {
	if !h.split(b, true) {
		return errHead
	}
	verb, rest, ok := bytes.Cut(h.start, []byte{' '})
	target, version, ok2 := bytes.Cut(rest, []byte{' '})
	switch {
	case !ok || !ok2 || !isToken(verb) || len(target) == 0 || !visible(target):
		return errHead
	case !bytes.HasPrefix(version, []byte("HTTP/1.")) || len(version) != 8 || version[7] != '0' && version[7] != '1':
		return errVersion
	}
	h.verb, h.target, h.version, h.minor = verb, target, version, version[7]-'0'
	switch {
	case string(verb) == "CONNECT":
		return errConnect
	case h.chunked && (h.sized || h.minor == 0):
		return errFraming
	case h.minor == 1 && !h.hasHost:
		return errHead
	}
	h.upgrade = h.upgrade && h.minor == 1
	return nil
}

// response reads the header section of a response to a request that was made with verb.
func (h *head) response(b, verb []byte) bool {
	h.plain = false
	if !h.split(b, false) {
		return false
	}
	s := h.start
	if len(s) < 12 || !bytes.HasPrefix(s, []byte("HTTP/1.")) || s[7] != '0' && s[7] != '1' || s[8] != ' ' ||
		len(s) > 12 && s[12] != ' ' {
		return false
	}
	status, ok := decimal(s[9:12])
	if !ok || status < 100 {
		return false
	}
	h.status, h.minor = int(status), s[7]-'0'
	switch {
	case h.status < 200 || h.status == 204 || h.status == 304 || string(verb) == "HEAD":
		h.length, h.chunked = 0, false
	case h.chunked:
		h.sized = false
	case !h.sized:
		h.length = untilEOF
	}
	return true
}

// persists tells whether the sender of h keeps the connection open afterwards.
func (h *head) persists() bool {
	return !h.close && (h.minor == 1 || h.keep) && h.length != untilEOF
}

// readable tells whether a content type is one that decoders look into.
func readable(value []byte) bool {
	if i := bytes.IndexByte(value, ';'); i >= 0 {
		value = value[:i]
	}
	value = bytes.TrimSpace(value)
	return hasPrefixFold(value, "text/") || hasPrefixFold(value, "application/json") || hasPrefixFold(value, "application/xml") ||
		len(value) > 5 && equalFold(value[len(value)-5:], "+json")
}

// isToken tells whether b is a token of RFC 9110, section 5.6.2.
func isToken(b []byte) bool {
	for _, c := range b {
		if !tokens[c] {
			return false
		}
	}
	return len(b) > 0
}

var tokens = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-32] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

// visible tells whether b holds neither spaces nor control characters.
func visible(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// decimal reads a number without sign.
func decimal(b []byte) (n int64, ok bool) {
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

// equalFold tells whether name is the lower-case word, whatever its letter case. An underscore counts as a
// hyphen, as WSGI servers have it: X_Forwarded_For must not pass for another field than X-Forwarded-For.
func equalFold(name []byte, word string) bool {
	return len(name) == len(word) && hasPrefixFold(name, word)
}

func hasPrefixFold(b []byte, word string) bool {
	if len(b) < len(word) {
		return false
	}
	for i := range len(word) {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		} else if c == '_' {
			c = '-'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

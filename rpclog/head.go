package rpclog

import (
	"bytes"
	"encoding/base64"
	"strconv"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/evidence"
)

// authScheme is the kind of Authorization header.
type authScheme uint8

const (
	noAuth authScheme = iota
	authTryton
	authOther
)

// contentType is what a body is, as far as it matters here.
type contentType uint8

const (
	unstated contentType = iota
	contentJSON
	contentXML
	contentOther
	contentForm      // application/x-www-form-urlencoded
	contentMultipart // multipart/form-data
)

// head is what remains of a header section.
type head struct {
	facts
	login    field
	database field
}

// reset makes ready for another header section.
func (p *head) reset() {
	p.facts = facts{length: -1}
	p.login.n, p.database.n = 0, 0
}

// facts is the part of head that is small.
type facts struct {
	status  int
	length  int64 // Content-Length; -1 if absent
	chunked bool
	bad     bool // framing cannot be trusted
	coding  coding
	content contentType

	websocket, expects, forwarded bool

	session SessionKey    // of the session cookie, sent or set, or of the Authorization header
	token   evidence.Hash // of the session identifier as databases hold it
	auth    authScheme
	uid     int64
}

// field takes one header line. Most are of no interest, which their first byte tells.
func (p *head) field(d *Decoder, h *half, line []byte) {
	if h.dir == capture.ToServer {
		p.requestField(d, line)
	} else if v := fieldOf(line, "set-cookie"); bytes.HasPrefix(v, []byte("session_id=")) {
		p.session = 0
		p.cookie(d, v)
	}
	switch line[0] {
	case 'c', 'C':
		if v := fieldOf(line, "content-length"); v != nil {
			p.contentLength(v)
		} else if v := fieldOf(line, "content-type"); v != nil {
			p.content = contentOf(v)
		} else if v := fieldOf(line, "content-encoding"); v != nil {
			p.coding = codingOf(v)
		}
	case 't', 'T':
		if v := fieldOf(line, "transfer-encoding"); v != nil {
			p.chunked = len(v) >= 7 && fold(v[len(v)-7:], "chunked")
			p.bad = p.bad || !p.chunked && !fold(v, "identity")
		}
	}
}

// requestField takes a header line that means something in requests alone.
func (p *head) requestField(d *Decoder, line []byte) {
	switch line[0] {
	case 'a', 'A':
		if v := fieldOf(line, "authorization"); v != nil {
			p.authorization(d, v)
		}
	case 'c', 'C':
		if v := fieldOf(line, "cookie"); v != nil {
			p.cookie(d, v)
		}
	case 'e', 'E':
		if v := fieldOf(line, "expect"); v != nil {
			p.expects = fold(v, "100-continue")
		}
	case 'f', 'F':
		p.forwarded = p.forwarded || fieldOf(line, "forwarded") != nil
	case 'u', 'U':
		if v := fieldOf(line, "upgrade"); v != nil {
			p.websocket = fold(v, "websocket")
		}
	case 'x', 'X':
		if fieldOf(line, "x-forwarded-for") != nil {
			p.forwarded = true
		} else if v := fieldOf(line, "x-odoo-database"); v != nil {
			p.database.set(v)
		}
	}
}

// fieldOf returns the value of a header line if its field has a name, given in lower case, else nil.
func fieldOf(line []byte, name string) []byte {
	n := len(name)
	if len(line) <= n || line[n] != ':' || line[0]|0x20 != name[0] || !fold(line[:n], name) {
		return nil
	}
	return blank(line[n+1:])
}

// blank cuts blanks off both ends of b, and returns a part of b.
func blank(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

func (p *head) contentLength(value []byte) {
	if i := bytes.IndexByte(value, ','); i >= 0 { // a repeated field, joined by a proxy
		value = blank(value[:i])
	}
	n, ok := decimal(value)
	if !ok || p.length >= 0 && p.length != n {
		p.bad = true
		return
	}
	p.length = n
}

// cookie takes the session identifier out of a Cookie or Set-Cookie value.
func (p *head) cookie(d *Decoder, value []byte) {
	for len(value) > 0 {
		part, rest, _ := bytes.Cut(value, []byte{';'})
		part = bytes.Trim(part, " ")
		if id, ok := bytes.CutPrefix(part, []byte("session_id=")); ok && len(id) > 0 {
			id = id[:min(len(id), sessionPrefix)]
			p.session = d.sessionKey(id)
			p.token = evidence.Value(id)
			return
		}
		value = rest
	}
}

// authorization takes who a request says it comes from. Tryton sends "Session", base64 of login, user id
// and session key with colons between; API keys come as bearer tokens.
func (p *head) authorization(d *Decoder, value []byte) {
	scheme, rest, _ := bytes.Cut(value, []byte{' '})
	rest = bytes.Trim(rest, " ")
	p.auth = authOther
	switch {
	case fold(scheme, "session"):
		var buf [512]byte
		if base64.StdEncoding.DecodedLen(len(rest)) > len(buf) {
			return
		}
		n, err := base64.StdEncoding.Decode(buf[:], rest)
		if err != nil {
			return
		}
		p.trytonSession(d, buf[:n])
		clear(buf[:])
	case fold(scheme, "bearer") && len(rest) > 0:
		p.session = d.sessionKey(rest)
		p.token = evidence.Value(rest[:min(len(rest), apiKeyIndex)])
	}
}

// apiKeyIndex is how much of an API key Odoo stores in the clear, to find the key's row by.
const apiKeyIndex = 8

func (p *head) trytonSession(d *Decoder, b []byte) {
	k := bytes.LastIndexByte(b, ':')
	if k < 0 {
		return
	}
	u := bytes.LastIndexByte(b[:k], ':')
	if u < 0 {
		return
	}
	uid, ok := decimal(b[u+1 : k])
	if !ok || uid == 0 || k+1 == len(b) {
		return
	}
	p.auth = authTryton
	p.uid = uid
	p.login.set(b[:u])
	p.session = d.sessionKey(b[k+1:])
	p.token = evidence.Value(b[k+1:])
}

func contentOf(value []byte) contentType {
	if string(value) == "application/json" {
		return contentJSON
	}
	if i := bytes.IndexByte(value, ';'); i >= 0 {
		value = bytes.TrimRight(value[:i], " ")
	}
	switch {
	case fold(value, "application/json"), fold(value, "text/json"), len(value) > 5 && fold(value[len(value)-5:], "+json"):
		return contentJSON
	case fold(value, "text/xml"), fold(value, "application/xml"):
		return contentXML
	case fold(value, "application/x-www-form-urlencoded"):
		return contentForm
	case fold(value, "multipart/form-data"):
		return contentMultipart
	}
	return contentOther
}

// verbs are the methods of RFC 9110 and of WebDAV, each with the space that follows it.
var verbs = [...]string{
	"GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "OPTIONS ", "PATCH ", "CONNECT ", "TRACE ",
	"PROPFIND ", "PROPPATCH ", "MKCOL ", "COPY ", "MOVE ", "LOCK ", "UNLOCK ", "REPORT ", "SEARCH ",
}

// likeRequestLine says whether b, which may be cut anywhere, starts like a request line.
func likeRequestLine(b []byte) bool {
	for _, verb := range verbs {
		if len(b) < len(verb) {
			if len(b) >= 3 && verb[:len(b)] == string(b) {
				return true
			}
			continue
		}
		if string(b[:len(verb)]) != verb {
			continue
		}
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			_, _, ok := splitRequestLine(bytes.TrimSuffix(b[:i], []byte{'\r'}))
			return ok
		}
		b = b[len(verb):]
		return len(b) == 0 || b[0] == '/' || b[0] == '*' || isAuthority(b[0])
	}
	return false
}

// likeStatusLine says whether b, which may be cut anywhere, starts like a status line.
func likeStatusLine(b []byte) bool {
	const want = "HTTP/1."
	if len(b) < len(want) {
		return len(b) >= 4 && string(b) == want[:len(b)]
	}
	if string(b[:len(want)]) != want {
		return false
	}
	if len(b) < len("HTTP/1.1 200") {
		return true
	}
	_, ok := splitStatusLine(b[:len("HTTP/1.1 200")])
	return ok
}

// splitRequestLine parses "verb target HTTP/1.x", RFC 9112, section 3.
func splitRequestLine(line []byte) (verb, target []byte, ok bool) {
	i := bytes.IndexByte(line, ' ')
	k := bytes.LastIndexByte(line, ' ')
	if i <= 0 || i > 20 || k <= i+1 {
		return nil, nil, false
	}
	version := line[k+1:]
	if len(version) != 8 || string(version[:7]) != "HTTP/1." || version[7] != '0' && version[7] != '1' {
		return nil, nil, false
	}
	for _, c := range line[:i] {
		if (c < 'A' || c > 'Z') && c != '-' {
			return nil, nil, false
		}
	}
	return line[:i], line[i+1 : k], true
}

// splitStatusLine parses "HTTP/1.x nnn reason", RFC 9112, section 4.
func splitStatusLine(line []byte) (status int, ok bool) {
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' ||
		len(line) > 12 && line[12] != ' ' {
		return 0, false
	}
	n, ok := decimal(line[9:12])
	return int(n), ok && n >= 100
}

// decimal parses digits alone.
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

// integer parses digits with an optional minus sign.
func integer(b []byte) (n int64, ok bool) {
	if len(b) > 0 && b[0] == '-' {
		n, ok = decimal(b[1:])
		return -n, ok
	}
	return decimal(b)
}

// hex parses a chunk size with its optional extensions, RFC 9112, section 7.1.
func hex(line []byte) (n int64, ok bool) {
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	line = bytes.Trim(line, " \t")
	if len(line) == 0 || len(line) > 15 || line[0] == '+' || line[0] == '-' {
		return 0, false
	}
	u, err := strconv.ParseUint(string(line), 16, 63)
	return int64(u), err == nil
}

func isAuthority(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '[' || c == '%'
}

// fold compares b with lower, which is in lower case, regardless of the case of ASCII letters.
func fold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range b {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

package pglog

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonLine takes a line of a jsonlog: one flat object of strings and numbers.
func (d *Decoder) jsonLine(line []byte) {
	e := entry{hasUser: true}
	var host, port, at []byte
	if cap(d.room) < len(line) {
		d.room = make([]byte, 0, 2*len(line)) // values are slices of it: it must not grow while they are read
	}
	d.room = d.room[:0]
	ok := d.object(line, func(key, value []byte) {
		switch string(key) {
		case "timestamp":
			at = value
		case "user":
			e.user = value
		case "dbname":
			e.db = value
		case "pid":
			if n, ok := number(value); ok && n <= 1<<31-1 {
				e.pid = int32(n)
			}
		case "remote_host":
			host = value
		case "remote_port":
			port = value
		case "session_id":
			e.id = value
		case "vxid":
			e.vxid = value
		case "error_severity":
			e.level = levelOf(value)
		case "state_code":
			e.state = value
		case "message":
			e.message = value
		case "detail":
			e.detail = value
		case "context":
			e.context = value
		case "statement":
			e.query = value
		case "application_name":
			e.app = value
		}
	})
	if !ok || e.pid == 0 || e.level == levelNone || !d.dated(&e, at) {
		d.stats.Unread++
		return
	}
	e.cut = len(e.message) > d.cfg.MaxEntry
	if len(port) > 0 {
		e.client = append(append(append(make([]byte, 0, 64), host...), ':'), port...)
	}
	d.take(&e)
}

// object calls take with each member of a flat JSON object, and reports whether it is one.
func (d *Decoder) object(b []byte, take func(key, value []byte)) bool {
	b = bytes.TrimSpace(b)
	if len(b) < 2 || b[0] != '{' || b[len(b)-1] != '}' {
		return false
	}
	b = b[1 : len(b)-1]
	for len(b) > 0 {
		key, rest, ok := d.text(b)
		if !ok || len(rest) == 0 || rest[0] != ':' {
			return false
		}
		b = rest[1:]
		var value []byte
		if len(b) > 0 && b[0] == '"' {
			if value, b, ok = d.text(b); !ok {
				return false
			}
		} else {
			n := bytes.IndexByte(b, ',')
			if n < 0 {
				n = len(b)
			}
			value, b = b[:n], b[n:]
		}
		take(key, value)
		if len(b) > 0 {
			if b[0] != ',' {
				return false
			}
			b = b[1:]
		}
	}
	return true
}

// text reads a JSON string and returns what follows it. One without escapes is a slice of b.
func (d *Decoder) text(b []byte) (value, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, nil, false
	}
	b = b[1:]
	start := len(d.room)
	for i := 0; ; {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return nil, nil, false
		}
		k := bytes.IndexByte(b[i:i+n], '\\')
		if k < 0 {
			if i == 0 {
				return b[:n], b[n+1:], true
			}
			d.room = append(d.room, b[i:i+n]...)
			return d.room[start:len(d.room):len(d.room)], b[i+n+1:], true
		}
		d.room = append(d.room, b[i:i+k]...)
		i += k + 1
		if i == len(b) {
			return nil, nil, false
		}
		used := d.escape(b[i:])
		if used == 0 {
			return nil, nil, false
		}
		i += used
	}
}

// escape appends what an escape stands for, of which b is what follows the backslash, and returns its length.
func (d *Decoder) escape(b []byte) int {
	switch c := b[0]; c {
	case 'n':
		d.room = append(d.room, '\n')
	case 't':
		d.room = append(d.room, '\t')
	case 'r':
		d.room = append(d.room, '\r')
	case 'b':
		d.room = append(d.room, '\b')
	case 'f':
		d.room = append(d.room, '\f')
	case 'u':
		r, ok := hex4(b[1:])
		if !ok {
			return 0
		}
		used := 5
		if utf16.IsSurrogate(r) && len(b) > 10 && b[5] == '\\' && b[6] == 'u' {
			if low, ok := hex4(b[7:]); ok {
				r = utf16.DecodeRune(r, low)
				used = 11
			}
		}
		d.room = utf8.AppendRune(d.room, r)
		return used
	default:
		d.room = append(d.room, c)
	}
	return 1
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case digit(c):
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

package pglog

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// PrefixError says what is wrong with a log_line_prefix.
type PrefixError struct {
	Prefix, Reason string
	Hint           string // what to do
}

// Error implements error.
func (e *PrefixError) Error() string {
	return fmt.Sprintf("read log_line_prefix %q: %s", e.Prefix, e.Reason)
}

// element is a part of a log_line_prefix: an escape, or 0 and text.
type element struct {
	escape byte
	padded bool
	text   []byte
}

// prefix matches the beginning of a line.
type prefix struct {
	source   string
	elements []element
	guessed  bool // names hold no blanks
	hasUser  bool
}

// newPrefix reads a log_line_prefix.
func newPrefix(source string, guessed bool) (*prefix, error) {
	p := &prefix{source: source, guessed: guessed}
	var text []byte
	add := func(e element) {
		if len(text) > 0 {
			p.elements = append(p.elements, element{text: text})
			text = nil
		}
		if e.escape != 0 {
			p.elements = append(p.elements, e)
		}
	}
	for i := 0; i < len(source); i++ {
		if source[i] != '%' {
			text = append(text, source[i])
			continue
		}
		e := element{}
		for i++; i < len(source) && (source[i] == '-' || source[i] >= '0' && source[i] <= '9'); i++ {
			e.padded = true
		}
		if i == len(source) {
			break
		}
		switch e.escape = source[i]; e.escape {
		case '%':
			text = append(text, '%')
		case 'a', 'u', 'd', 'r', 'h', 'b', 'p', 'P', 't', 'm', 'n', 'i', 'e', 'c', 'l', 's', 'v', 'x', 'Q', 'q', 'L':
			add(e)
		}
	}
	add(element{})
	has := func(escapes string) bool {
		for _, e := range p.elements {
			if e.escape != 0 && strings.IndexByte(escapes, e.escape) >= 0 {
				return true
			}
		}
		return false
	}
	hint := "set log_line_prefix = '%m [%p] %q%u@%d ' or '%m [%p] %r %u@%d ' and reload the server"
	switch {
	case !has("tmn"):
		return nil, &PrefixError{source, "it has no time (%m, %t or %n)", hint}
	case !has("p"):
		return nil, &PrefixError{source, "it has no process (%p), so statements cannot be told apart by connection", hint}
	}
	p.hasUser = has("u")
	return p, nil
}

// CheckPrefix reports whether a log with this log_line_prefix can be read; the error is a *PrefixError.
func CheckPrefix(source string) error {
	_, err := newPrefix(source, false)
	return err
}

// match reads a line's prefix into e and returns where the severity begins.
func (p *prefix) match(line []byte, e *entry, c *clock) (int, bool) {
	steps := 256 // bounds what is tried
	return p.from(0, line, 0, e, c, &steps)
}

func (p *prefix) from(i int, line []byte, at int, e *entry, c *clock, steps *int) (int, bool) {
	for ; i < len(p.elements); i++ {
		el := &p.elements[i]
		if *steps--; *steps < 0 {
			return 0, false
		}
		if el.padded {
			for at < len(line) && line[at] == ' ' {
				at++
			}
		}
		rest := line[at:]
		n := -1
		switch el.escape {
		case 0:
			if bytes.HasPrefix(rest, el.text) {
				n = len(el.text)
			}
		case 'q':
			if end, ok := p.from(i+1, line, at, e, c, steps); ok {
				return end, true
			}
			e.user, e.db, e.app, e.client = nil, nil, nil, nil
			e.stopped = true
			return at, severityAt(line, at)
		case 'm', 't':
			if t, resolution, after, ok := c.read(rest); ok {
				e.at, e.resolution, n = t, resolution, len(rest)-len(after)
			}
		case 'n':
			n = epoch(rest, e)
		case 's':
			if _, _, after, ok := c.read(rest); ok {
				n = len(rest) - len(after)
			}
		case 'p':
			n = span(rest, digit)
			pid, ok := number(rest[:n])
			if !ok || pid > 1<<31-1 {
				return 0, false
			}
			e.pid = int32(pid)
		case 'P', 'l', 'x':
			n = span(rest, digit)
		case 'Q':
			n = span(rest, func(c byte) bool { return digit(c) || c == '-' })
		case 'e':
			n = span(rest, func(c byte) bool { return digit(c) || c >= 'A' && c <= 'Z' })
			e.state = rest[:n]
		case 'c':
			n = span(rest, func(c byte) bool { return digit(c) || c >= 'a' && c <= 'f' || c == '.' })
			e.id = rest[:n]
		case 'v':
			n = span(rest, func(c byte) bool { return digit(c) || c == '/' })
			e.vxid = rest[:n]
		default:
			return p.name(i, line, at, e, c, steps)
		}
		if n < 0 {
			return 0, false
		}
		at += n
		if el.padded {
			for at < len(line) && line[at] == ' ' && !p.blankNext(i) {
				at++
			}
		}
	}
	return at, severityAt(line, at)
}

// blankNext reports whether text that begins with a blank follows, which padding must leave.
func (p *prefix) blankNext(i int) bool {
	return i+1 < len(p.elements) && p.elements[i+1].escape == 0 && p.elements[i+1].text[0] == ' '
}

// maxName is the longest name that is looked for. The server cuts them at 63 bytes; host names are longer.
const maxName = 280

// name matches a field of any content: as short as what follows allows.
func (p *prefix) name(i int, line []byte, at int, e *entry, c *clock, steps *int) (int, bool) {
	escape := p.elements[i].escape
	for end := at; end <= len(line) && end-at <= maxName; end++ {
		if end > at && p.guessed && line[end-1] == ' ' && escape != 'a' && escape != 'b' && escape != 'i' {
			return 0, false
		}
		if i+1 < len(p.elements) && p.elements[i+1].escape == 0 {
			n := bytes.Index(line[end:], p.elements[i+1].text)
			if n < 0 {
				return 0, false
			}
			if p.guessed && escape != 'a' && bytes.IndexByte(line[end:end+n], ' ') >= 0 && escape != 'b' && escape != 'i' {
				return 0, false
			}
			end += n
		}
		stop, ok := p.from(i+1, line, end, e, c, steps)
		if !ok {
			if *steps < 0 {
				return 0, false
			}
			continue
		}
		value := bytes.Trim(line[at:end], " ")
		switch escape {
		case 'a':
			e.app = value
		case 'u':
			e.user = value
		case 'd':
			e.db = value
		case 'r':
			e.client = value
		}
		return stop, true
	}
	return 0, false
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func span(b []byte, in func(byte) bool) int {
	n := 0
	for n < len(b) && n < 64 && in(b[n]) {
		n++
	}
	return n
}

// epoch reads seconds since 1970 with milliseconds and returns their length, or -1.
func epoch(b []byte, e *entry) int {
	n := span(b, digit)
	s, ok := number(b[:n])
	if !ok || n < 9 || n > 11 || len(b) < n+4 || b[n] != '.' {
		return -1
	}
	ms, ok := number(b[n+1 : n+4])
	if !ok {
		return -1
	}
	e.at, e.resolution = time.UnixMilli(s*1000+ms), time.Millisecond
	return n + 4
}

// severityAt reports whether a severity or the word of a further part stands at line[at].
func severityAt(line []byte, at int) bool {
	l, part, _ := severity(line[at:])
	return l != levelNone || part != 0
}

// severity reads the word that stands before a message, or before a further part of an entry: its first letter.
func severity(b []byte) (l level, part byte, rest []byte) {
	n := bytes.IndexByte(b[:min(len(b), 12)], ':')
	if n < 3 || len(b) < n+3 || b[n+1] != ' ' || b[n+2] != ' ' {
		return levelNone, 0, nil
	}
	word := b[:n]
	switch string(word) {
	case "DETAIL", "HINT", "QUERY", "CONTEXT", "STATEMENT", "LOCATION", "BACKTRACE":
		return levelNone, word[0], b[n+3:]
	}
	return levelOf(word), 0, b[n+3:]
}

// usual are the values of log_line_prefix that servers have: of Debian, of PostgreSQL, of hosting services,
// of the tools that analyse logs. The first that matches is taken. %m stands for %t too.
var usual = func() (all []*prefix) {
	for _, source := range []string{
		"%m [%p] %q%u@%d ",
		"%m [%p] %q%r %u@%d ",
		"%m [%p] %r %u@%d %x ",
		"%m [%p] %r %u@%d %e ",
		"%m [%p] %q%u@%d %r ",
		"%m [%p] %q%u@%d/%a ",
		"%m [%p] %q%u@%d %a ",
		"%m [%p] %q[user=%u,db=%d,app=%a] ",
		"%m [%p] %quser=%u,db=%d,app=%a,client=%r ",
		"%m [%p] %quser=%u,db=%d,app=%a,client=%h ",
		"%m [%p] user=%u,db=%d,app=%a,client=%r ",
		"%m [%p] user=%u,db=%d,app=%a,client=%h ",
		"%m [%p] user=%u,db=%d ",
		"%m [%p]: user=%u,db=%d,app=%a,client=%r ",
		"%m [%p]: user=%u,db=%d,app=%a,client=%h ",
		"%m [%p]: [%l-1] user=%u,db=%d,app=%a,client=%r ",
		"%m [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
		"%m [%p]: [%l-1] user=%u,db=%d ",
		"%m [%p]: [%l-1] db=%d,user=%u ",
		"%m [%p-%l] %q%u@%d ",
		"%m:%r:%u@%d:[%p]:",
		"%m:%r:%u@%d:[%p]:%l:%e:%s:%v:%x:%c:%q%a",
		"%m [%p] %c %l %v %x %e %u %d %r %a ",
		"%n [%p] %q%u@%d ",
		"%p %m %q%u@%d ",
		"%m %q%u@%d [%p] ",
	} {
		if p, err := newPrefix(source, true); err == nil {
			all = append(all, p)
		}
	}
	return all
}()

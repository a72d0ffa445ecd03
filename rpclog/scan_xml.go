package rpclog

import (
	"bytes"
	"unicode/utf8"
)

// xmlScanner finds the scalars of an XML-RPC message that comes in pieces. It reads the elements of
// XML-RPC alone and shows them as if they were JSON: params is an array under the member "params", a fault
// is the member "fault", the method name the member "method".
type xmlScanner struct {
	tokens
	state xmlState
	depth int
	stack [maxDepth]frameOf
	base  path
	now   step

	elem  xmlElement // the innermost element that holds text
	typed bool       // a type element was seen in the value at hand
	value bool       // within <value>
	torn  bool       // bytes were missing: what encloses the position is unknown

	tag    [24]byte // start of the tag being read
	tagN   int
	tail   byte // last byte of the tag before ">"
	dashes uint8
	buf    [jsonBuf]byte // text of the element
	n      int
	fault  traceback // in a fault's text
	ent    [10]byte
	entN   int
}

type xmlState uint8

const (
	xmlText xmlState = iota
	xmlTag
	xmlComment
	xmlEntity
	xmlDead
)

type xmlElement uint8

const (
	xmlNone xmlElement = iota
	xmlMethodName
	xmlName
	xmlValue // untyped: a string
	xmlString
	xmlNumber
	xmlBoolean
	xmlDate
	xmlBase64
)

func (s *xmlScanner) start(t tokens) {
	s.tokens = t
	s.state, s.depth, s.base, s.now = xmlText, 0, 0, other
	s.elem, s.typed, s.value, s.torn = xmlNone, false, false, false
	s.tagN, s.n, s.entN = 0, 0, 0
}

// tear tells that bytes are missing. Values are read again from the next element on, but without their paths.
func (s *xmlScanner) tear() {
	if s.state == xmlDead {
		return
	}
	s.tokens.depth = -1
	s.state, s.depth, s.base, s.now, s.torn = xmlText, 0, 0, kSecret, true // perhaps
	s.elem, s.typed, s.value = xmlNone, false, true
}

func (s *xmlScanner) write(b []byte) {
	for i := 0; i < len(b); {
		switch s.state {
		case xmlText:
			i += s.text(b[i:])
		case xmlEntity:
			s.entity(b[i])
			i++
		case xmlTag:
			c := b[i]
			i++
			if c == '>' {
				s.state = xmlText
				s.element()
				s.tagN, s.tail = 0, 0
				break
			}
			if s.tagN < len(s.tag) {
				s.tag[s.tagN] = c
				s.tagN++
			}
			s.tail = c
			if s.tagN == 3 && string(s.tag[:3]) == "!--" {
				s.state, s.tagN, s.dashes = xmlComment, 0, 0
			}
		case xmlComment:
			switch c := b[i]; {
			case c == '-':
				s.dashes = min(s.dashes+1, 2)
			case c == '>' && s.dashes == 2:
				s.state, s.tail = xmlText, 0
			default:
				s.dashes = 0
			}
			i++
		case xmlDead:
			return
		}
	}
}

// text takes character data up to the next tag or entity.
func (s *xmlScanner) text(b []byte) int {
	n := bytes.IndexByte(b, '<')
	end := n >= 0
	if !end {
		n = len(b)
	}
	if s.elem == xmlNone {
		if end {
			s.state, s.tagN = xmlTag, 0
			n++
		}
		return n
	}
	if k := bytes.IndexByte(b[:n], '&'); k >= 0 {
		s.keep(b[:k])
		s.state, s.entN = xmlEntity, 0
		return k + 1
	}
	s.keep(b[:n])
	if end {
		s.state, s.tagN = xmlTag, 0
		n++
	}
	return n
}

func (s *xmlScanner) keep(b []byte) {
	s.n += copy(s.buf[s.n:], b)
	if s.explains() {
		s.fault.write(b)
	}
}

// explains reports whether the text at hand is a fault's.
func (s *xmlScanner) explains() bool { return s.now == kFaultString && s.base == path(kFault) }

func (s *xmlScanner) entity(c byte) {
	if c != ';' {
		if s.entN == len(s.ent) {
			s.state = xmlDead
			return
		}
		s.ent[s.entN] = c
		s.entN++
		return
	}
	s.state = xmlText
	name := s.ent[:s.entN]
	r := utf8.RuneError
	switch string(name) {
	case "lt":
		r = '<'
	case "gt":
		r = '>'
	case "amp":
		r = '&'
	case "quot":
		r = '"'
	case "apos":
		r = '\''
	default:
		if len(name) > 2 && name[0] == '#' && name[1] == 'x' {
			if n, ok := hex(name[2:]); ok && n <= utf8.MaxRune {
				r = rune(n)
			}
		} else if len(name) > 1 && name[0] == '#' {
			if n, ok := decimal(name[1:]); ok && n <= utf8.MaxRune {
				r = rune(n)
			}
		}
	}
	var enc [utf8.UTFMax]byte
	s.keep(enc[:utf8.EncodeRune(enc[:], r)])
}

// element acts on the tag just read.
func (s *xmlScanner) element() {
	tag := s.tag[:s.tagN]
	if len(tag) == 0 || tag[0] == '?' || tag[0] == '!' {
		return
	}
	if tag[0] == '/' {
		s.close(tag[1:])
		return
	}
	name := tag
	if i := bytes.IndexAny(name, " \t\r\n/"); i >= 0 {
		name = name[:i]
	}
	s.open(name)
	if s.tail == '/' {
		s.close(name)
	}
}

func (s *xmlScanner) begin(e xmlElement) {
	s.elem, s.n = e, 0
	s.fault.reset()
}

func (s *xmlScanner) open(name []byte) {
	switch string(name) {
	case "methodName":
		s.begin(xmlMethodName)
	case "params":
		s.now = kParams
		s.push(true)
	case "fault":
		s.now = kFault
	case "value":
		s.value, s.typed = true, false
		s.begin(xmlValue)
	case "string":
		s.scalarType(xmlString)
	case "int", "i4", "i8", "double":
		s.scalarType(xmlNumber)
	case "boolean":
		s.scalarType(xmlBoolean)
	case "dateTime.iso8601":
		s.scalarType(xmlDate)
	case "base64":
		s.scalarType(xmlBase64)
	case "nil":
		s.typed, s.elem = true, xmlNone
		s.emit(literal, []byte("n"))
	case "struct":
		s.push(false)
	case "array":
		s.push(true)
	case "name":
		s.begin(xmlName)
	}
}

func (s *xmlScanner) scalarType(e xmlElement) {
	if s.value {
		s.typed = true
		s.begin(e)
	}
}

func (s *xmlScanner) close(name []byte) {
	v := s.buf[:s.n]
	e := s.elem
	switch string(name) {
	case "methodName":
		if e == xmlMethodName {
			s.now = kMethod
			s.emit(text, v)
		}
	case "name":
		if e == xmlName {
			s.now = stepOf(v)
		}
	case "value":
		if s.value && !s.typed && e == xmlValue {
			s.emit(text, v)
		}
		s.value = false
		if s.depth > 0 && s.stack[s.depth-1].array && s.now < 255 {
			s.now++
		}
	case "string", "int", "i4", "i8", "double", "boolean", "dateTime.iso8601", "base64":
		s.typedValue(e, v)
	case "struct", "array", "params":
		s.pop()
	default:
		return
	}
	s.elem = xmlNone
}

func (s *xmlScanner) typedValue(e xmlElement, v []byte) {
	switch e {
	case xmlString:
		s.emit(text, v)
	case xmlNumber:
		s.emit(number, bytes.TrimSpace(v))
	case xmlBoolean:
		one := []byte("f")
		if string(bytes.TrimSpace(v)) == "1" {
			one = []byte("t")
		}
		s.emit(literal, one)
	case xmlDate: // 20310102T03:04:05, which databases write 2031-01-02 03:04:05
		if len(v) == 17 && v[8] == 'T' {
			var d [19]byte
			copy(d[:], v[:4])
			d[4], d[7], d[10] = '-', '-', ' '
			copy(d[5:], v[4:6])
			copy(d[8:], v[6:8])
			copy(d[11:], v[9:])
			v = d[:]
		}
		s.emit(text, v)
	}
}

func (s *xmlScanner) emit(k kind, v []byte) {
	s.scalar(s.base, s.now, s.depth+1, k, v)
	if s.explains() && s.tokens.depth >= 2 {
		if name := s.fault.found(); name != nil { // as if the fault had a member "name"
			s.visit(s.x, at(kFault, kName), text, name)
		}
	}
}

func (s *xmlScanner) push(array bool) {
	s.typed, s.elem = true, xmlNone
	if s.depth >= maxDepth {
		s.state = xmlDead
		return
	}
	s.stack[s.depth] = frameOf{base: s.base, now: s.now, array: array}
	s.base = s.base<<8 | path(s.now)
	s.depth++
	s.now = other
	if array {
		s.now = elem
	}
	s.value = false
}

func (s *xmlScanner) pop() {
	if s.depth == 0 {
		if !s.torn {
			s.state = xmlDead
		}
		return
	}
	s.depth--
	s.base, s.now = s.stack[s.depth].base, s.stack[s.depth].now
	s.value, s.typed, s.elem = true, true, xmlNone
}

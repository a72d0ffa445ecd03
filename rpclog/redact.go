package rpclog

import "bytes"

// maxPath bounds a stored path and maxName a stored model, method or error name.
const (
	maxPath = 512
	maxName = 120
	// minToken is the length from which a path segment may be a secret: Odoo's access tokens are UUIDs,
	// its sign-up tokens 20 characters and more.
	minToken = 20
)

// path returns the path of a request target without scheme, host and query, with segments that may be
// secrets replaced by ":token". The result is valid until the next call.
func (d *Decoder) path(target []byte) []byte {
	words := len(target) > 0 && (target[0] == '/' || target[0] == '*') // and nothing that may be a secret
	for i, c := range target {
		if pathBytes[c] == wordy {
			continue
		}
		if pathBytes[c] == ending {
			target = target[:i]
			break
		}
		words = false
	}
	if words && len(target) <= maxPath {
		return target
	}
	if len(target) > 0 && target[0] != '/' && target[0] != '*' {
		i := bytes.Index(target, []byte("://"))
		if i < 0 {
			return nil
		}
		target = target[i+3:]
		if i = bytes.IndexByte(target, '/'); i < 0 {
			return []byte{'/'}
		}
		return d.path(target[i:])
	}
	out := d.pathBuf[:0]
	names := 0 // segments to come that are names of models and methods
	for i, segment := range bytes.Split(target, []byte{'/'}) {
		if i > 0 {
			out = append(out, '/')
		}
		switch {
		case names > 0 && isName(segment):
			out = append(out, segment...)
			names--
		case likeToken(segment):
			out = append(out, ":token"...)
		default:
			out = append(out, segment...)
		}
		if s := string(segment); s == "call_kw" || s == "call_button" || s == "2" && bytes.HasPrefix(out, []byte("/json/2")) {
			names = 2
		}
		if len(out) > maxPath {
			out = out[:maxPath]
			break
		}
	}
	d.pathBuf = out
	return out
}

// pathBytes tells the bytes of a request target: wordy ones stand in no secret by themselves, ending ones end
// the path.
var pathBytes = func() (t [256]uint8) {
	for c := range 256 {
		switch {
		case c == '?' || c == '#':
			t[c] = ending
		case c < '0' || c > '9' && c < 'A' || c > 'Z':
			t[c] = wordy
		}
	}
	return t
}()

const (
	wordy uint8 = 1 + iota
	ending
)

// likeToken says whether a path segment looks made by chance rather than of words: it is long, and one of
// its parts mixes letters with digits or capitals with small letters, or is one long hexadecimal number.
func likeToken(segment []byte) bool {
	if len(segment) < minToken {
		return false
	}
	for len(segment) > 0 {
		n := 0
		var digit, upper, lower, other bool
		hexOnly := true
		for n < len(segment) && segment[n] != '-' && segment[n] != '_' && segment[n] != '.' {
			switch c := segment[n]; {
			case c >= '0' && c <= '9':
				digit = true
			case c >= 'A' && c <= 'Z':
				upper = true
				hexOnly = hexOnly && c <= 'F'
			case c >= 'a' && c <= 'z':
				lower = true
				hexOnly = hexOnly && c <= 'f'
			default:
				other = true
			}
			n++
		}
		capital := n > 0 && segment[0] >= 'A' && segment[0] <= 'Z'
		word := capital && onlyLower(segment[1:n])
		if other || digit && (upper || lower || n >= 10) || upper && lower && !word || n >= minToken && hexOnly {
			return true
		}
		segment = segment[min(n+1, len(segment)):]
	}
	return false
}

func onlyLower(b []byte) bool {
	for _, c := range b {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// isName says whether b is made of the characters of model, method, database and error names alone.
func isName(b []byte) bool {
	if len(b) == 0 || len(b) > maxName {
		return false
	}
	for _, c := range b {
		if !nameByte[c] {
			return false
		}
	}
	return true
}

// isErrorName is isName for error names, which are Python's dotted identifiers: letters, digits, dots and
// underscores, beginning with a letter or an underscore.
func isErrorName(b []byte) bool {
	return isName(b) && bytes.IndexByte(b, '-') < 0 && (b[0] < '0' || b[0] > '9') && b[0] != '.'
}

var nameByte = func() (t [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-" {
		t[c] = true
	}
	return t
}()

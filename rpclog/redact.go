package rpclog

import (
	"bytes"

	"github.com/perfd/perfd/secrets"
)

// maxPath bounds a stored path and maxName a stored model, method or error name.
const (
	maxPath = 512
	maxName = 120
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
	var p secrets.Path
	for i, segment := range bytes.Split(target, []byte{'/'}) {
		if i > 0 {
			out = append(out, '/')
		}
		if p.Secret(segment) {
			out = append(out, ":token"...)
		} else {
			out = append(out, segment...)
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

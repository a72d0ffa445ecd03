package rpclog

import (
	"encoding/binary"
	"math/bits"

	"github.com/perfd/perfd/evidence"
)

// kind is the type of a scalar in a body.
type kind uint8

const (
	text    kind = iota // a string, unescaped
	number              // a number in decimal form
	literal             // true, false or null; only the first letter is shown
)

// step is one member name or array index on the way to a scalar.
type step uint8

// Steps that envelopes look at. Other members are other; element i of an array is elem+min(i, 127).
const (
	other step = 1 + iota
	kArgs
	kArguments
	kCode
	kContext
	kData
	kDB
	kError
	kFault
	kFaultCode
	kFaultString
	kID
	kIDs
	kJSONRPC
	kKwargs
	kLogin
	kMessage
	kMethod
	kModel
	kName
	kParams
	kResult
	kSecret
	kService
	kUID
	kUsername
	elem step = 128
)

// stepOf names a member.
func stepOf(b []byte) step {
	switch string(b) {
	case "args":
		return kArgs
	case "arguments":
		return kArguments
	case "code":
		return kCode
	case "context":
		return kContext
	case "data":
		return kData
	case "db":
		return kDB
	case "error":
		return kError
	case "faultCode":
		return kFaultCode
	case "faultString":
		return kFaultString
	case "id":
		return kID
	case "ids":
		return kIDs
	case "jsonrpc":
		return kJSONRPC
	case "kwargs":
		return kKwargs
	case "login":
		return kLogin
	case "message":
		return kMessage
	case "method":
		return kMethod
	case "model":
		return kModel
	case "name":
		return kName
	case "params":
		return kParams
	case "result":
		return kResult
	case "service":
		return kService
	case "uid":
		return kUID
	case "username":
		return kUsername
	case "password", "passwd", "pwd", "new_password", "old_password", "confirm_password", "confirm_pwd",
		"new_pwd", "old_pwd", "master_pwd", "access_token", "signup_token", "csrf_token", "token", "totp_token",
		"api_key", "secret", "client_secret", "smtp_pass":
		return kSecret
	}
	return other
}

// path is where a scalar stands: its steps from the root, the last in the lowest byte. Scalars deeper than
// maxPathDepth have none.
type path uint64

const maxPathDepth = 8

// at builds a path; it is folded into a constant where the compiler can.
func at(steps ...step) path {
	var p path
	for _, s := range steps {
		p = p<<8 | path(s)
	}
	return p
}

func (p path) parent() path { return p >> 8 }
func (p path) last() step   { return step(p) }

// tokens receives the scalars of a body from a scanner, in order.
type tokens struct {
	x     *exchange
	visit func(x *exchange, at path, k kind, v []byte) // nil if nobody looks
	depth int                                          // visit wants scalars up to this depth, at most maxPathDepth; -1 for none
	skip  path                                         // never hashed: a password stands here
	set   *evidence.Set
}

// scalar takes one value that stands under member or index last. Long strings come cut, but not below the
// length evidence looks at.
func (t *tokens) scalar(base path, last step, depth int, k kind, v []byte) {
	if depth <= t.depth {
		at := path(0)
		if depth > 0 {
			at = base<<8 | path(last)
		}
		t.visit(t.x, at, k, v)
		if at != 0 && at == t.skip {
			return
		}
	}
	if k != literal && len(v) > 1 && last != kSecret {
		t.set.Add(evidence.Value(v))
	}
}

// scanner reads a body incrementally.
type scanner interface {
	// write takes the next bytes, any number of them.
	write([]byte)
}

// quote returns the index of the first double quote or backslash in b, or len(b).
func quote(b []byte) int {
	const (
		ones   = 0x0101010101010101
		highs  = 0x8080808080808080
		quotes = ones * '"'
		slants = ones * '\\'
	)
	i := 0
	for ; i+8 <= len(b); i += 8 {
		v := binary.LittleEndian.Uint64(b[i:])
		q, s := v^quotes, v^slants
		if m := ((q-ones)&^q | (s-ones)&^s) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for ; i < len(b); i++ {
		if b[i] == '"' || b[i] == '\\' {
			return i
		}
	}
	return i
}

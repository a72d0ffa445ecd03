package load

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strconv"
	"strings"
)

// aliases are the names that stand in a load for what may not.
type aliases struct {
	mac      hash.Hash
	sum      [sha256.Size]byte
	sessions map[string]string
	logins   map[string]string
}

func newAliases(key []byte) *aliases {
	return &aliases{mac: hmac.New(sha256.New, key), sessions: map[string]string{}, logins: map[string]string{}}
}

// of is the keyed hash of a value of a kind.
func (a *aliases) of(kind, value string) []byte {
	a.mac.Reset()
	a.mac.Write([]byte(kind))
	a.mac.Write([]byte{0})
	a.mac.Write([]byte(value))
	return a.mac.Sum(a.sum[:0])
}

// session is the alias of a session: s1, s2… in order of appearance.
func (a *aliases) session(id string) string { return numbered(a.sessions, "s", id) }

// login is the alias of a login: user1, user2…
func (a *aliases) login(login string) string { return numbered(a.logins, "user", login) }

func numbered(table map[string]string, prefix, of string) string {
	alias, ok := table[of]
	if !ok {
		alias = prefix + strconv.Itoa(len(table)+1)
		table[of] = alias
	}
	return alias
}

// Pepper is what goes into the digests of the answers of a load that is written with a key. It tells nothing of the key.
func Pepper(key []byte) string { return hex.EncodeToString(newAliases(key).of("pepper", "")[:16]) }

// text is the alias of a text: an address for an address, digits for digits, else a word as long as the next power of two.
// The signs that a search puts around its text stay.
func (a *aliases) text(s string) string {
	inner := strings.Trim(s, "%")
	if inner == "" {
		return s
	}
	if inner != s {
		at := strings.Index(s, inner)
		return s[:at] + a.text(inner) + s[at+len(inner):]
	}
	if strings.Trim(s, "0123456789 +-()./") == "" {
		return a.digits(s)
	}
	word := hex.EncodeToString(a.of("text", s))
	if strings.IndexByte(s, '@') > 0 && !strings.ContainsAny(s, " \n") {
		return word[:12] + "@example.com"
	}
	length := shortest
	for length < len(s) {
		length *= 2
	}
	for len(word) < length {
		word += word
	}
	return "x" + word[:length-1]
}

// shortest is the length of the shortest alias of a word: long enough to be of one value alone.
const shortest = 16

// number is the alias of a number: as long, and of the same sign.
func (a *aliases) number(s string) string {
	mantissa, exponent := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent = s[:i], s[i:]
	}
	return a.digits(mantissa) + exponent
}

// digits replaces the digits of s, and nothing else. The first is not made a zero, and a zero in its place stays, so that a
// number remains one.
func (a *aliases) digits(s string) string {
	sum, out, first := a.of("digits", s), []byte(s), true
	for i, c := range out {
		if c < '0' || c > '9' {
			continue
		}
		digit := sum[i%len(sum)]
		switch {
		case first && c == '0':
		case first:
			out[i] = '1' + digit%9
		default:
			out[i] = '0' + digit%10
		}
		first = false
	}
	return string(out)
}

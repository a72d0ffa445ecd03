package load

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strconv"
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

// Pepper is what goes into the digests of answers: it is of the key, and tells nothing of it.
func (w *Writer) Pepper() string { return hex.EncodeToString(w.alias.of("pepper", "")[:16]) }

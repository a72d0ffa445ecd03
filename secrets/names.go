// Package secrets says what of RPC traffic is a password, a token, a key or a cookie: by its name, by its place, by how it
// is written, or by whom it was sent to. All tables of that are here, so that what takes secrets out of what is kept and
// what compares answers without them go by the same.
//
// Names of fields that businesses have too, such as key, code and barcode, are secrets only beside what makes them one.
package secrets

import (
	"strings"

	"github.com/perfd/perfd/jsontree"
)

// Hidden stands where a secret was taken out.
const Hidden = "(secret)"

// parts are in the names of secrets, wherever in them.
var parts = []string{
	"password", "passwd", "pwd", "passphrase", "passcode", "smtp_pass", "secret", "token", "api_key", "apikey", "private_key", "auth_key", "credential", "totp",
	"csrf", "cvc", "cvv", "session_identifier", "hmac", "cookie", "webhook_identifier", "jwt",
}

// ends are the last words of names of secrets.
var ends = map[string]bool{"pin": true, "pins": true, "otp": true, "mfa": true, "pass": true, "pw": true, "authorization": true, "passkey": true}

// codes and keys are last words too: of a secret if the word before is one of codes, or none of plainKeys.
var (
	codes = map[string]bool{
		"access": true, "security": true, "verification": true, "activation": true, "auth": true, "authorization": true, "authentication": true, "otp": true,
		"backup": true, "recovery": true, "pin": true, "login": true, "time": true,
	}
	plainKeys = map[string]bool{
		"sort": true, "group": true, "order": true, "translation": true, "foreign": true, "primary": true, "public": true, "publishable": true, "form": true,
		"external": true, "unique": true, "row": true, "column": true, "menu": true, "view": true, "page": true, "block": true, "cache": true, "natural": true,
		"json": true, "parent": true, "state": true, "step": true, "message": true, "field": true, "index": true, "dict": true, "display": true, "t": true, "data": true,
	}
)

// loose are names of which only a value that looks made by chance is a secret.
var loose = map[string]bool{"key": true, "sig": true, "signature": true, "hash": true, "auth": true, "nonce": true, "session": true, "sid": true}

// beside are names that are of secrets only beside an owner: a model, a route or a member around them of which the name has
// the word.
var beside = []struct{ owner, name string }{
	{"employee", "barcode"},   // what a badge shows
	{"attendance", "barcode"}, // the same
	{"channel", "uuid"},       // who knows it may join
	{"session", "key"},
	{"application", "key"},
	{"apikey", "key"},
	{"api.key", "key"},
}

// Name says whether what stands under a name, or under a path of names, is a secret whoever it belongs to.
func Name(name string) bool {
	name = words(name)
	for _, p := range parts {
		if strings.Contains(name, p) {
			return true
		}
	}
	before, last := "", name[strings.LastIndexByte(name, '.')+1:]
	if i := strings.LastIndexByte(last, '_'); i >= 0 {
		before, last = last[:i], last[i+1:]
		before = before[strings.LastIndexByte(before, '_')+1:]
	}
	switch last {
	case "key":
		return before != "" && !plainKeys[before]
	case "code":
		return codes[before]
	}
	return ends[last]
}

// words writes a name in small letters, its words parted by underscores: of accessToken, access-token and access_token the
// same. What follows a colon, as in groupings, is left out.
func words(name string) string {
	plain := true
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' {
			plain = false
			break
		}
	}
	if plain {
		return name
	}
	name, _, _ = strings.Cut(name, ":")
	out := make([]byte, 0, len(name)+8)
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'A' && c <= 'Z':
			if i > 0 && name[i-1] >= 'a' && name[i-1] <= 'z' {
				out = append(out, '_')
			}
			out = append(out, c+'a'-'A')
		case c == '/':
			out = append(out, '.')
		case c == '-' || c == ' ' || c == '[' || c == ']':
			out = append(out, '_')
		default:
			out = append(out, c)
		}
	}
	return strings.Trim(string(out), "_")
}

// Field says whether what stands under a name is a secret, beside its owner: the model, the route or the member around it.
func Field(owner, name string) bool {
	if Name(name) {
		return true
	}
	of, last := owner, name
	if i := strings.LastIndexAny(name, "./"); i >= 0 {
		of, last = name[:i], name[i+1:]
	}
	last, _, _ = strings.Cut(last, ":")
	last = strings.TrimLeft(last, "_")
	for _, b := range beside {
		if last == b.name && strings.Contains(of, b.owner) {
			return true
		}
	}
	return false
}

// owns says whether the members of what has a name may be secrets beside it.
func owns(name string) bool {
	for _, b := range beside {
		if strings.Contains(name, b.owner) {
			return true
		}
	}
	return false
}

// ofLoose says whether a value under a loose name is a secret. In a query or a form less chance is enough.
func ofLoose(name, value string, form bool) bool {
	name = words(name)
	if !loose[name[strings.LastIndexAny(name, "./")+1:]] {
		return false
	}
	return byChance(value) || form && mixed(value)
}

// named says whether a member tells, beside a value, what the value is: {"name": "password", "value": …}.
func named(v *jsontree.Value) bool {
	for _, name := range []string{"name", "key", "field", "param", "parameter", "fieldName"} {
		if m := v.Member(name); m.Kind == jsontree.String && Name(m.Text) {
			return true
		}
	}
	return false
}

var valueNames = map[string]bool{"value": true, "values": true, "val": true, "old_value": true, "new_value": true, "oldValue": true, "newValue": true, "content": true}

package secrets

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/perfd/perfd/jsontree"
)

// Text says whether a text holds a secret: a URL with a password, a token or a query that has one, a header that lets in, a
// private key, settings or JSON with the value of a secret. Prose that tells one is not known.
func Text(text string) bool {
	return assigned(text) || quoted(text) || userinfo(text) || header(text) || marked(text) || inPath(text) || inJSON(text)
}

// windowBytes is how much before a sign of equality is looked at for a name.
const windowBytes = 40

// assigned finds name=value.
func assigned(text string) bool {
	markup, url := strings.IndexByte(text, '<') >= 0, strings.HasPrefix(text, "/") || strings.Contains(text, "://")
	for rest := text; ; {
		i := strings.IndexByte(rest, '=')
		if i < 0 {
			return false
		}
		window := strings.ToLower(rest[max(0, i-windowBytes/2):i])
		for _, p := range parts {
			if strings.Contains(window, p) {
				return true
			}
		}
		name, value := lastName(rest[max(0, i-windowBytes):i]), firstWord(rest[i+1:])
		if strings.HasSuffix(name, "session_id") || !markup && value != "" && (Name(name) || ofLoose(name, value, url)) {
			return true
		}
		rest = rest[i+1:]
	}
}

func lastName(s string) string {
	s = strings.TrimRight(s, " ")
	i := len(s)
	for i > 0 && (alphanumeric(s[i-1]) || strings.IndexByte("_-.[]", s[i-1]) >= 0) {
		i--
	}
	return s[i:]
}

func firstWord(s string) string {
	s = strings.TrimLeft(s, " '\"")
	if i := strings.IndexAny(s, " \t\r\n&;,'\"<>#"); i >= 0 {
		s = s[:i]
	}
	return s
}

// quoted finds 'name': 'value', as Python writes a dictionary.
func quoted(text string) bool {
	for rest := text; ; {
		i := strings.IndexByte(rest, ':')
		if i < 0 {
			return false
		}
		before, after := strings.TrimRight(rest[max(0, i-windowBytes):i], " "), strings.TrimLeft(rest[i+1:], " ")
		rest = rest[i+1:]
		if before == "" || len(after) < 2 || !isQuote(before[len(before)-1]) || !isQuote(after[0]) || after[1] == after[0] {
			continue
		}
		if Name(lastName(before[:len(before)-1])) {
			return true
		}
	}
}

func isQuote(c byte) bool { return c == '\'' || c == '"' }

// userinfo finds scheme://user:password@host, and scheme://token@host.
func userinfo(text string) bool {
	for rest := text; ; {
		_, after, some := strings.Cut(rest, "://")
		if !some {
			return false
		}
		rest = after
		word := rest
		if i := strings.IndexAny(word, " \t\r\n\"'<>"); i >= 0 {
			word = word[:i]
		}
		authority := word
		if i := strings.IndexAny(word, "/?#"); i >= 0 {
			authority = word[:i]
		}
		at := strings.LastIndexByte(authority, '@')
		if at < 0 { // or a password with a slash in it
			_, port, some := strings.Cut(authority, ":")
			if some && !strings.HasPrefix(authority, "[") && strings.Trim(port, "0123456789") != "" && strings.IndexByte(word, '@') >= 0 {
				return true
			}
			continue
		}
		if _, password, some := strings.Cut(authority[:at], ":"); password != "" || !some && mixed(authority[:at]) {
			return true
		}
	}
}

// header finds what lets in: Bearer and a token, Basic and a name with a password.
func header(text string) bool {
	for i := 0; i+7 < len(text); i++ {
		if c := text[i] | 0x20; c != 'b' || i > 0 && alphanumeric(text[i-1]) {
			continue
		}
		if strings.EqualFold(text[i:i+7], "bearer ") && (i == 0 || len(firstWord(text[i+7:])) >= 8) {
			return true
		}
		if strings.EqualFold(text[i:i+6], "basic ") {
			if plain, err := base64.StdEncoding.DecodeString(firstWord(text[i+6:])); err == nil && strings.IndexByte(string(plain), ':') > 0 {
				return true
			}
		}
	}
	return false
}

// marks begin the keys of well-known issuers, which tell them by it.
var marks = []string{"sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "ghp_", "gho_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AKIA", "ya29."}

func marked(text string) bool {
	if strings.Contains(text, "PRIVATE KEY-----") || strings.Contains(text, "otpauth://") {
		return true
	}
	if len(text) < 16 || strings.IndexByte(text, ' ') >= 0 {
		return false
	}
	for _, m := range marks {
		if strings.HasPrefix(text, m) {
			return true
		}
	}
	return strings.HasPrefix(text, "eyJ") && strings.Count(text, ".") == 2 && len(text) >= 40 // a JSON Web Token
}

// maxURL bounds a text that is taken for a URL.
const maxURL = 4096

// inPath finds a token in the path of a URL.
func inPath(text string) bool {
	if len(text) > maxURL || strings.ContainsAny(text, " \n<") {
		return false
	}
	if _, rest, some := strings.Cut(text, "://"); some {
		i := strings.IndexByte(rest, '/')
		if i < 0 {
			return false
		}
		text = rest[i:]
	}
	if text == "" || text[0] != '/' {
		return false
	}
	if i := strings.IndexAny(text, "?#"); i >= 0 {
		text = text[:i]
	}
	var p Path
	for segment := range strings.SplitSeq(text, "/") {
		if p.Secret([]byte(segment)) {
			return true
		}
	}
	return false
}

// inJSON finds a secret in JSON that travels as a text. What is too large to be looked at counts as one.
func inJSON(text string) bool {
	if text == "" || text[0] != '{' && text[0] != '[' {
		return false
	}
	v, err := jsontree.Parse([]byte(text), jsontree.Config{})
	if err != nil {
		return errors.Is(err, jsontree.ErrBound)
	}
	var s Stripper
	s.Strip(&v, "")
	return s.Found
}

package secrets

// minToken is the length from which a path segment may be a secret: Odoo's access tokens are UUIDs, its sign-up tokens 20
// characters and more. On routes that take tokens it is minShort.
const (
	minToken = 20
	minShort = 8
)

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// Token says whether a name, or a segment of a path, looks made by chance rather than of words: it is long, and one of its
// parts mixes letters with digits or capitals with small letters, or is one long hexadecimal number.
func Token(segment []byte) bool { return len(segment) >= minToken && mixes(segment) }

func mixes(segment []byte) bool {
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

// tokenText says whether a text has the characters of tokens alone.
func tokenText(text string) bool {
	for i := range len(text) {
		if c := text[i]; !alphanumeric(c) && c != '-' && c != '_' && c != '.' && c != '=' && c != '+' && c != '/' && c != '~' && c != '%' {
			return false
		}
	}
	return true
}

// mixed says whether a text has letters and digits, as a token has and a word has not.
func mixed(text string) bool {
	const shortest = 10
	if len(text) < shortest || !tokenText(text) {
		return false
	}
	var digit, letter bool
	for i := range len(text) {
		c := text[i]
		digit = digit || c >= '0' && c <= '9'
		letter = letter || alphanumeric(c) && (c < '0' || c > '9')
	}
	return digit && letter
}

// byChance says whether a text was made by chance: a part of it is long and changes often between digits, small letters and
// capitals, or it is a UUID. The names of views and translations, which stand under key, are not.
func byChance(text string) bool {
	const shortest, longest = 16, 1024
	if len(text) < shortest || len(text) > longest || !tokenText(text) {
		return false
	}
	start, hexes := 0, 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && alphanumeric(text[i]) {
			continue
		}
		part := text[start:i]
		start = i + 1
		if len(part) >= shortest && changes(part) {
			return true
		}
		if isHex(part) && (len(part) == 4 || len(part) == 8 || len(part) == 12) {
			hexes++
		}
	}
	return hexes == 5 && len(text) == 36
}

func changes(part string) bool {
	digits, turns := 0, 0
	class := func(c byte) byte {
		switch {
		case c <= '9':
			return 0
		case c <= 'Z':
			return 1
		}
		return 2
	}
	for i := range len(part) {
		if part[i] <= '9' {
			digits++
		}
		if i > 0 && class(part[i]) != class(part[i-1]) {
			turns++
		}
	}
	return digits >= 2 && turns*4 >= len(part)
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (s[i] < '0' || s[i] > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

// Path tells which segments of a path are secrets, as they come.
type Path struct {
	n     int  // segments that were seen, the empty one before the first slash among them
	names int  // segments to come that are names of models and methods
	takes bool // tokens stand on this route
	json  bool
}

// tokenRoutes are first segments, behind a language, of routes on which tokens stand that may be short.
var tokenRoutes = map[string]bool{
	"chat": true, "meet": true, "survey": true, "rating": true, "rate": true, "calendar": true, "appointment": true, "sign": true, "documents": true, "document": true,
	"discuss": true, "my": true, "groups": true, "mailing": true, "mail": true, "invite": true, "invitation": true, "share": true, "shared": true, "unsubscribe": true,
	"signup": true, "pos-self": true, "pos-self-order": true,
}

// Secret says whether the next segment is a secret.
func (p *Path) Secret(segment []byte) bool {
	p.n++
	name := string(segment)
	if p.names > 0 && isName(segment) {
		p.names--
		return false
	}
	switch {
	case name == "call_kw" || name == "call_button" || p.json && name == "2":
		p.names = 2
	case p.n <= 3 && tokenRoutes[name]:
		p.takes = true
		return false
	}
	p.json = p.n == 2 && name == "json"
	return Token(segment) || p.takes && len(segment) >= minShort && mixes(segment)
}

// isName says whether b is made of the characters of model and method names alone.
func isName(b []byte) bool {
	for _, c := range b {
		if !alphanumeric(c) && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 120
}

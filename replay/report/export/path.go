package export

import (
	"net/url"
	"path"
	"strings"
	"unicode"
)

// maxPath of a request, in bytes.
const maxPath = 2000

// escaped is a path as it stands in a request, if it names something on a server and nothing else: it begins with one slash,
// does not climb, and has no query and nothing that does not print.
func escaped(p string) (string, bool) {
	if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || len(p) > maxPath {
		return "", false
	}
	plain, err := url.PathUnescape(p)
	if err != nil {
		return "", false
	}
	for _, r := range plain {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar || strings.ContainsRune(`\?#%`, r) {
			return "", false
		}
	}
	if clean := path.Clean(plain); clean != plain && clean+"/" != plain || strings.HasPrefix(plain, "//") {
		return "", false
	}
	u := url.URL{Path: plain, RawPath: p}
	return u.EscapedPath(), true
}

package config

// Patterns is a list of names in which * stands for any text and ? for any one character. An empty list matches
// everything.
type Patterns []string

// Match reports whether s matches one of the patterns, or whether there are none.
func (p Patterns) Match(s string) bool {
	if len(p) == 0 {
		return true
	}
	for _, pattern := range p {
		if glob(pattern, s) {
			return true
		}
	}
	return false
}

// glob matches in time proportional to len(pattern) × len(s) at worst, without recursion.
func glob(pattern, s string) bool {
	var p, i int
	star, mark := -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == s[i] || pattern[p] == '?'):
			p++
			i += width(pattern, p-1, s, i)
		case star >= 0:
			p, mark = star+1, mark+1
			i = mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// width is how much of s the pattern's character at p stands for: ? takes a whole UTF-8 sequence.
func width(pattern string, p int, s string, i int) int {
	n := 1
	if pattern[p] == '?' {
		for i+n < len(s) && s[i+n]&0xc0 == 0x80 {
			n++
		}
	}
	return n
}

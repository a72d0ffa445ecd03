package cache

// glob is a pattern as Redis has them: * any text, ? any byte, [abc], [a-z] and [^a] a byte of a set, and \ before
// what is meant as it stands. A set without an end reaches to the end of the pattern.
type glob string

func newGlob(pattern string) glob { return glob(pattern) }

// match takes time in proportion to both lengths multiplied, at worst.
func (g glob) match(s string) bool {
	p, i := 0, 0
	star, from := -1, 0 // where to go on if the last * has to take one byte more
	for i < len(s) || p < len(g) {
		if p < len(g) {
			if g[p] == '*' {
				star, from = p, i
				p++
				continue
			}
			if i < len(s) {
				if ok, n := g.one(p, s[i]); ok {
					p, i = p+n, i+1
					continue
				}
			}
		}
		if star < 0 || from >= len(s) {
			return false
		}
		from++
		p, i = star+1, from
	}
	return true
}

// one tells whether the element at p takes c, and how long the element is.
func (g glob) one(p int, c byte) (ok bool, n int) {
	switch g[p] {
	case '?':
		return true, 1
	case '\\':
		if p+1 < len(g) {
			return g[p+1] == c, 2
		}
	case '[':
		return g.set(p, c)
	}
	return g[p] == c, 1
}

func (g glob) set(p int, c byte) (ok bool, n int) {
	i := p + 1
	not := i < len(g) && g[i] == '^'
	if not {
		i++
	}
	for i < len(g) && g[i] != ']' {
		lo := g[i]
		if lo == '\\' && i+1 < len(g) {
			i++
			lo = g[i]
		}
		hi := lo
		if i+2 < len(g) && g[i+1] == '-' && g[i+2] != ']' {
			i += 2
			if hi = g[i]; hi == '\\' && i+1 < len(g) {
				i++
				hi = g[i]
			}
		}
		if min(lo, hi) <= c && c <= max(lo, hi) {
			ok = true
		}
		i++
	}
	if i < len(g) {
		i++ // the ]
	}
	return ok != not, i - p
}

// literal is the text with which everything that matches begins.
func (g glob) literal() string {
	var b []byte
	for p := 0; p < len(g); p++ {
		switch g[p] {
		case '*', '?', '[':
			return string(b)
		case '\\':
			if p+1 < len(g) {
				p++
			}
		}
		b = append(b, g[p])
	}
	return string(b)
}

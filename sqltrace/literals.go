package sqltrace

import (
	"bytes"

	"github.com/perfd/perfd/evidence"
)

// maxLiteral is how much of a literal is unescaped for hashing. It is more than evidence.Value reads.
const maxLiteral = 72

// smallHashes are the hashes of the integers of one digit.
var smallHashes = func() (t [10]evidence.Hash) {
	for n := range t {
		t[n] = evidence.Small(int64(n))
	}
	return t
}()

// literal hashes the content of a literal: its text without quotes, escapes and type.
func (sc *scanner) literal(b []byte) {
	if sc.budget <= 0 {
		return
	}
	if h := hashLiteral(b); h != 0 {
		sc.literals = append(sc.literals, h)
		sc.budget--
	}
}

// hashLiteral hashes a literal or a parameter in text form. The per cent signs around a LIKE pattern are
// left out, since what was asked for travels without them.
func hashLiteral(b []byte) evidence.Hash {
	switch {
	case len(b) == 1 && classes[b[0]] == clDigit:
		return smallHashes[b[0]-'0']
	case len(b) > 2 && (b[0] == '%' || b[len(b)-1] == '%'):
		b = bytes.Trim(b, "%")
	}
	return evidence.Value(b)
}

// quoted reads the string whose opening quote is s[i] and returns where it ends.
func (sc *scanner) quoted(s []byte, i int, escapes bool) int {
	i++
	end, plain, _ := stringEnd(s, i, escapes)
	if sc.budget > 0 {
		if plain {
			sc.literal(s[i:end])
		} else {
			var buf [maxLiteral]byte
			sc.literal(buf[:unescape(buf[:], s[i:end], escapes)])
		}
	}
	return min(end+1, len(s))
}

// stringEnd returns where the closing quote of the string stands whose content begins at s[i]; plain tells
// that it holds no escape, closed that it has a closing quote at all.
func stringEnd(s []byte, i int, escapes bool) (end int, plain, closed bool) {
	plain = true
	quote := -1
	for i < len(s) {
		if quote < i {
			n := bytes.IndexByte(s[i:], '\'')
			if n < 0 {
				break
			}
			quote = i + n
		}
		if escapes {
			if k := bytes.IndexByte(s[i:quote], '\\'); k >= 0 {
				plain = false
				i += k + 2
				continue
			}
		}
		if quote+1 == len(s) || s[quote+1] != '\'' {
			return quote, plain, true
		}
		plain = false
		i = quote + 2
	}
	return len(s), plain && !escapes, false
}

// unescape writes the value of a string's content to dst, as far as it fits, and returns how much it wrote.
func unescape(dst, s []byte, escapes bool) int {
	n := 0
	for i := 0; i < len(s) && n < len(dst); i++ {
		c := s[i]
		switch {
		case c == '\'' && i+1 < len(s):
			i++
		case c == '\\' && escapes && i+1 < len(s):
			i++
			switch c = s[i]; c {
			case 'n':
				c = '\n'
			case 't':
				c = '\t'
			case 'r':
				c = '\r'
			case 'b':
				c = '\b'
			case 'f':
				c = '\f'
			}
		}
		dst[n] = c
		n++
	}
	return n
}

// stringPrefix reports whether c before a quote is part of a string constant: E, B, X and N strings.
func stringPrefix(c byte) bool {
	switch c | 0x20 {
	case 'e', 'b', 'x', 'n':
		return true
	}
	return false
}

// number returns where the number ends that begins at s[i]. Letters that follow belong to it: they make
// hexadecimal numbers, exponents and errors.
func number(s []byte, i int) int {
	for i < len(s) {
		c := s[i]
		switch {
		case wordByte[c] != 0 || c == '.':
			i++
			if c|0x20 == 'e' && i+1 < len(s) && (s[i] == '-' || s[i] == '+') && classes[s[i+1]] == clDigit {
				i++
			}
		default:
			return i
		}
	}
	return i
}

// dollarQuoted returns the content of the dollar-quoted string that begins at s[i], and its end; an end of 0
// says that there is none.
func dollarQuoted(s []byte, i int) (from, to, end int) {
	from = i + 1
	for from < len(s) && wordByte[s[from]] != 0 && s[from] != '$' {
		from++
	}
	if from == len(s) || s[from] != '$' {
		return 0, 0, 0
	}
	from++
	n := bytes.Index(s[from:], s[i:from])
	if n < 0 {
		return from, len(s), len(s)
	}
	return from, from + n, from + n + from - i
}

// skipSpace returns where the next token begins.
func skipSpace(s []byte, i int) int {
	for i < len(s) {
		switch c := s[i]; {
		case c <= ' ':
			i++
		case c == '-' && i+1 < len(s) && s[i+1] == '-':
			i = lineComment(s, i)
		case c == '/' && i+1 < len(s) && s[i+1] == '*':
			i = blockComment(s, i)
		default:
			return i
		}
	}
	return i
}

func nextByte(s []byte, i int) byte {
	if i = skipSpace(s, i); i < len(s) {
		return s[i]
	}
	return 0
}

// skipCast returns the end of the type a literal that ends at s[i] is cast to. Casts of literals are no part
// of a statement's shape: drivers add them to some values of a column and not to others.
func skipCast(s []byte, i int) int {
	if i == len(s) || s[i] == ')' || s[i] == ',' {
		return i
	}
	return castEnd(s, i)
}

func castEnd(s []byte, i int) int {
	if s[i] == ' ' && i+1 < len(s) && (classes[s[i+1]] == clWord || s[i+1] == ')' || s[i+1] == ',') {
		return i
	}
	for {
		j := skipSpace(s, i)
		if j+1 >= len(s) || s[j] != ':' || s[j+1] != ':' {
			return i
		}
		j, ok := typeEnd(s, skipSpace(s, j+2))
		if !ok {
			return i
		}
		i = j
	}
}

// typeEnd returns where the name of a type ends that begins at s[i], with its modifier and brackets.
func typeEnd(s []byte, i int) (int, bool) {
	for {
		start := i
		if i < len(s) && s[i] == '"' {
			_, i = quotedName(s, i+1)
		} else {
			i = wordEnd(s, i)
		}
		if i == start {
			return i, false
		}
		if i == len(s) || s[i] != '.' {
			break
		}
		i++
	}
	for {
		j := skipSpace(s, i)
		if j == len(s) {
			return i, true
		}
		switch {
		case s[j] == '[' || s[j] == '(':
			k := skipSpace(s, j+1)
			for k < len(s) && (classes[s[k]] == clDigit || s[k] == ',') {
				k = skipSpace(s, k+1)
			}
			if k == len(s) || s[k] != ']' && s[k] != ')' {
				return i, true
			}
			i = k + 1
		case typeWord(s[j:wordEnd(s, j)]):
			i = wordEnd(s, j)
		default:
			return i, true
		}
	}
}

func wordEnd(s []byte, i int) int {
	for i < len(s) && wordByte[s[i]] != 0 {
		i++
	}
	return i
}

// typeWord reports whether w is the second or a later word of a type's name.
func typeWord(w []byte) bool {
	var buf [12]byte
	if len(w) > len(buf) {
		return false
	}
	for i, c := range w {
		buf[i] = wordByte[c]
	}
	switch string(buf[:len(w)]) {
	case "precision", "varying", "without", "time", "zone":
		return true
	}
	return false
}

// integers reads as much of a list of plain integers as follows the value before the comma at s[i], and
// returns where it ends.
func (sc *scanner) integers(s []byte, i int) int {
	for {
		start := i + 1
		if start < len(s) && s[start] == ' ' {
			start++
		}
		end := start
		for end < len(s) && s[end]-'0' <= 9 {
			end++
		}
		if end == start || end == len(s) || s[end] != ',' && s[end] != ')' {
			return i
		}
		if sc.budget > 0 {
			sc.literal(s[start:end])
		}
		if i = end; s[i] == ')' {
			return i
		}
	}
}

package sqltrace

import "strings"

// maxFunction bounds the name of a function, as PostgreSQL does (NAMEDATALEN).
const maxFunction = 63

// Function is the function that a statement without a table calls first, as pg_sleep; empty if the statement names
// a table or calls none. Such statements have nothing else to be told apart by.
func (s Shape) Function() string {
	if s.Written != "" || len(s.Tables) > 0 {
		return ""
	}
	text, before := s.Text, ""
	for text != "" {
		n := identifier(text)
		if n == 0 {
			if text[0] != ' ' {
				before = text[:1]
			}
			text = text[1:]
			continue
		}
		word := text[:n]
		text = strings.TrimLeft(text[n:], " \t\r\n\v\f")
		if name := strings.ToLower(strings.Trim(word, `"`)); strings.HasPrefix(text, "(") && before != ":" && !clauses[name] && n <= maxFunction {
			return name
		}
		before = word
	}
	return ""
}

// identifier is the length of the name that s begins with, be it quoted; 0 if it begins with none.
func identifier(s string) int {
	if s[0] == '"' {
		if end := strings.IndexByte(s[1:], '"'); end > 0 {
			return end + 2
		}
		return 0
	}
	n := 0
	for n < len(s) && (s[n] == '_' || s[n] == '$' && n > 0 || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z' || s[n] >= '0' && s[n] <= '9' || s[n] >= 0x80) {
		n++
	}
	if n > 0 && s[0] >= '0' && s[0] <= '9' {
		return 0
	}
	return n
}

// clauses are the words that stand before a parenthesis and are no function: syntax, and what reads like a function
// but only chooses among values.
var clauses = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`all and any array as between by call case cast coalesce delete distinct do else except exists filter from
		greatest having in insert intersect into is isnull join lateral least like limit materialized not nullif offset on or order over
		recursive returning row select set some table then union update using values when where with within`) {
		m[w] = true
	}
	return m
}()

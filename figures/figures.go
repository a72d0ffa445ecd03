// Package figures words counts and shapes texts for reports that people read: numbers with separators, nouns in the plural,
// texts that fit their columns and cannot steer a terminal.
package figures

import (
	"strconv"
	"strings"
	"unicode"
)

// Plural is a number of things, as 1 call or 1,695 calls.
func Plural[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Thousands(n) + " " + noun + "s"
}

// Thousands writes n with separators.
func Thousands[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Clean keeps what comes from outside from steering the terminal: control characters become spaces.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// Cut shortens s to n columns.
func Cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return strings.TrimRight(string(r[:max(n-1, 0)]), " ") + "…"
}

// Middle shortens s to n columns by leaving out its middle, so that a method's name survives its model's.
func Middle(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	tail := (n - 1) * 2 / 3
	return string(r[:n-1-tail]) + "…" + string(r[len(r)-tail:])
}

// Wrap breaks s between words into lines of at most n columns; a longer word stands alone, shortened.
func Wrap(s string, n int) []string {
	var lines []string
	line, width := "", 0
	for _, word := range strings.Fields(s) {
		word = Cut(word, n)
		w := len([]rune(word))
		if width > 0 && width+1+w > n {
			lines = append(lines, line)
			line, width = "", 0
		}
		if width > 0 {
			line += " "
			width++
		}
		line += word
		width += w
	}
	return append(lines, line)
}

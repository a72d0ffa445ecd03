package sqltrace

import "bytes"

// kind of a token, for the display form and what is parsed from it.
type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenName  // a quoted identifier
	tokenValue // a literal or parameter, with its cast
	tokenOpen
	tokenClose
	tokenComma
	tokenSemicolon
	tokenOperator // one byte
)

// token is a part of a statement's text.
type token struct {
	kind  tokenKind
	text  []byte // of words, names with their quotes, brackets and operators; empty for values
	role  word   // of words
	space bool   // white space or a comment stands before it
}

// lexer splits a text as scanner does, a token at a time. It is for what happens once a fingerprint.
type lexer struct {
	s       []byte
	i       int
	escapes bool // as scanner.escapes
	prev    before
	doubt   bool // the text cannot be read with certainty: nothing more may be shown of it
}

func (lx *lexer) next() token {
	t := lx.read()
	switch t.kind {
	case tokenWord:
		role := roleOf(hashWord(t.text))
		t.role = role
		switch {
		case role&isValue != 0 && lx.prev == afterStart:
			t.kind, t.text = tokenValue, nil
		case role&isArray != 0 && nextByte(lx.s, lx.i) == '[':
			space := t.space
			t = lx.next()
			t.space = space
			return t
		}
		lx.prev = afterUnit
		if role&beforeExpr != 0 {
			lx.prev = afterExpr
		}
		if role&(beforeValue|isValues) != 0 {
			lx.prev = afterStart
		}
		if t.kind == tokenValue {
			lx.prev = afterUnit
		}
	case tokenName, tokenValue, tokenClose:
		lx.prev = afterUnit
	case tokenOpen, tokenComma, tokenSemicolon:
		lx.prev = afterStart
	case tokenOperator:
		lx.prev = afterStart
		if t.text[0] == '.' {
			lx.prev = afterExpr
		}
	}
	if t.kind == tokenValue {
		lx.i = skipCast(lx.s, lx.i)
	}
	return t
}

func (lx *lexer) read() token {
	s := lx.s
	start := skipSpace(s, lx.i)
	t := token{space: start > lx.i}
	lx.i = start
	if start == len(s) || lx.doubt {
		lx.i = len(s)
		return t
	}
	digitNext := start+1 < len(s) && classes[s[start+1]] == clDigit
	end := start + 1
	c := s[start]
	switch cl := classes[c]; {
	case cl == clWord:
		end = wordEnd(s, start)
		if end == start+1 && end < len(s) && s[end] == '\'' && stringPrefix(c) {
			return lx.text(t, end, lx.escapes || c|0x20 == 'e', c|0x20 == 'e')
		}
		t.kind = tokenWord
	case cl == clDigit:
		t.kind, end = tokenValue, number(s, start)
	case cl == clQuote:
		return lx.text(t, start, lx.escapes, lx.escapes)
	case cl == clDoubleQuote:
		t.kind = tokenName
		_, end = quotedName(s, start+1)
		lx.doubt = end == start+1 || s[end-1] != '"'
	case cl == clDollar:
		if digitNext {
			t.kind, end = tokenValue, start+1
			for end < len(s) && classes[s[end]] == clDigit {
				end++
			}
			break
		}
		if _, to, e := dollarQuoted(s, start); e > 0 {
			t.kind, end = tokenValue, e
			lx.doubt = to == e
			break
		}
		t.kind = tokenOperator
	case (cl == clMinus || cl == clDot) && digitNext && lx.prev != afterUnit:
		t.kind = tokenValue
		if end = start; cl == clMinus {
			end++
		}
		end = number(s, end)
	case cl == clOpen:
		t.kind = tokenOpen
	case cl == clClose:
		t.kind = tokenClose
	case cl == clComma:
		t.kind = tokenComma
	case cl == clSemicolon:
		t.kind = tokenSemicolon
	default:
		t.kind = tokenOperator
	}
	if t.kind != tokenValue {
		t.text = s[start:end]
	}
	lx.i = end
	return t
}

var escapedQuote = []byte(`\'`)

// text reads a string. Where backslashes may or may not escape the closing quote, as told by neither an E
// nor the server's settings, what follows is in doubt.
func (lx *lexer) text(t token, quote int, escapes, sure bool) token {
	end, _, closed := stringEnd(lx.s, quote+1, escapes)
	lx.doubt = !closed || !sure && bytes.Contains(lx.s[quote+1:end+1], escapedQuote)
	t.kind = tokenValue
	lx.i = min(end+1, len(lx.s))
	return t
}

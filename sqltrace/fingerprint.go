package sqltrace

import "github.com/perfd/perfd/evidence"

// maxDepth bounds the nesting of parentheses within which lists are folded; deeper ones count as plain text.
const maxDepth = 64

// level is a list being read: the statement itself or what stands between two brackets.
//
// A unit is a literal or a bracketed group. An item that is one unit and equals the item before it is
// dropped together with its comma, which folds IN and VALUES lists of any length to one element.
type level struct {
	hash uint64
	last uint64 // the unit before the pending comma
	pend pending
	item uint8 // units and other tokens in the item so far: 0, 1 (a unit), 2 (more)
}

// pending is what was read and not yet mixed into a level's hash.
type pending uint8

const (
	nothing   pending = iota
	comma             // a comma
	commaUnit         // a comma and a unit equal to the one before it
	semicolon         // the end of a statement that may be the last
)

// before is what stands before a token, as far as it changes the token's meaning.
type before uint8

const (
	afterStart before = iota // a value may follow, and a minus is a sign
	afterExpr                // a minus is a sign
	afterUnit                // a minus is an operator
)

// scanner reads the text of statements once, for their fingerprint and the hashes of their literals.
type scanner struct {
	literals []evidence.Hash // appended to
	budget   int             // literals still to be hashed
	escapes  bool            // backslash escapes in plain strings: standard_conforming_strings is off
	levels   [maxDepth]level // enclosing levels
	known    *beginnings     // nil until needed
}

// scan returns the fingerprint of s and appends the hashes of its literals to sc.literals.
// It looks at no byte twice but those of literals.
func (sc *scanner) scan(s []byte) Fingerprint {
	var (
		lv     = level{hash: seedText}
		depth  int
		prev   = afterStart
		naming bool // the statement names savepoints or such
		next   bool // the next word is a cursor's name
		first  = true
		i      int
		begun  bool // the beginning is known or cannot be kept
	)
	if sc.known == nil {
		sc.known = new(beginnings)
	}
	if k := sc.known.find(s); k != nil {
		p := &k.state
		lv, depth, prev, naming, next, first = p.lv, p.depth, p.prev, p.naming, p.next, p.first
		copy(sc.levels[:], p.outer[:depth])
		i, begun = len(k.text), true
	}
	for i < len(s) {
		var (
			x     uint64
			unit  bool
			after = afterStart
		)
		c := s[i]
		if c == ' ' {
			if i++; i == len(s) {
				break
			}
			c = s[i]
		}
		switch classes[c] {
		case clSpace:
			i++
			continue
		case clWord:
			start := i
			h, acc := uint64(seedWord), uint64(0)
			for n := 1; ; n++ {
				acc = acc<<8 | uint64(wordByte[s[i]])
				if n&7 == 0 {
					h, acc = mix(h, acc), 0
				}
				if i++; i == len(s) || wordByte[s[i]] == 0 {
					break
				}
			}
			if i < len(s) && s[i] == '\'' && i-start == 1 && stringPrefix(c) {
				i = sc.quoted(s, i, c|0x20 == 'e')
				x, unit, after, begun = markValue, true, afterUnit, true
				i = skipCast(s, i)
				break
			}
			x = mix(h, acc)
			role := roleOf(x)
			after = afterUnit
			if role == 0 {
				if naming || next {
					x, next = markName, false
				}
				if lv.pend == commaUnit && lv.last != markValue {
					lv.pend, lv.item = nothing, 2
				}
				first = false
				break
			}
			switch {
			case first:
				naming, next = role&namesThings != 0, role&beforeCursor != 0
			case next:
				x, role, next = markName, 0, false
			case naming:
				if role&keptInNaming == 0 {
					x = markName
				}
			case role&isValue != 0 && prev == afterStart:
				x, unit, begun = markValue, true, true
				i = skipCast(s, i)
			case role&isArray != 0 && nextByte(s, i) == '[':
				continue
			}
			if role&beforeExpr != 0 {
				after = afterExpr
			}
			if role&beforeValue != 0 {
				after = afterStart
			}
			if !unit && lv.pend == commaUnit && lv.last != markValue {
				lv.pend, lv.item = nothing, 2
			}
			first = false
			if role&isValues != 0 {
				lv.flush()
				lv.hash, lv.last, lv.item = mix(lv.hash, x), 0, 0
				prev = afterStart
				continue
			}
		case clDigit, clQuote:
			if !begun {
				if begun = true; depth <= maxOuter {
					if k := sc.known.note(s, i); k != nil {
						k.state = progress{lv: lv, depth: depth, prev: prev, naming: naming, next: next, first: first}
						copy(k.state.outer[:], sc.levels[:depth])
					}
				}
			}
			if c == '\'' {
				i = sc.quoted(s, i, sc.escapes)
				x, unit, after = markValue, true, afterUnit
				i = skipCast(s, i)
				break
			}
			start := i
			i = number(s, i)
			sc.literal(s[start:i])
			x, unit, after = markValue, true, afterUnit
			i = skipCast(s, i)
		case clDoubleQuote:
			x, i = quotedName(s, i+1)
			for i+1 < len(s) && s[i] == '.' && s[i+1] == '"' && lv.pend == nothing && !naming && !next {
				lv.hash = mix(mix(lv.hash, x), '.')
				lv.item = 2
				x, i = quotedName(s, i+2)
			}
			if naming || next {
				x, next = markName, false
			}
			after = afterUnit
			first = false
		case clOpen:
			i++
			x = seedParen
			if c == '[' {
				x = seedArray
			}
			if depth == maxDepth {
				break
			}
			if lv.pend == commaUnit || lv.pend == semicolon {
				lv.flush()
			}
			sc.levels[depth] = lv
			depth++
			lv = level{hash: x}
			prev = afterStart
			continue
		case clClose:
			i++
			x = seedParen
			if c == ']' {
				x = seedArray
			}
			if depth == 0 {
				after = afterUnit
				break
			}
			if lv.pend != commaUnit {
				lv.flush()
			}
			x = mix(lv.hash, x)
			depth--
			lv = sc.levels[depth]
			unit, after = true, afterUnit
		case clComma:
			prev = afterStart
			if lv.item == 2 && lv.pend == nothing {
				i++
				lv.hash, lv.last, lv.item = mix(lv.hash, markComma), 0, 0
				continue
			}
			if lv.last == markValue && lv.item == 1 {
				if end := sc.integers(s, i); end > i {
					lv.pend, prev, i = commaUnit, afterUnit, end
					continue
				}
			}
			i++
			lv.comma()
			continue
		case clSemicolon:
			i++
			if depth == 0 {
				if lv.pend != commaUnit && lv.pend != semicolon {
					lv.flush()
				}
				if lv.pend == semicolon || lv.hash != seedText {
					lv.pend = semicolon
				}
				lv.item, lv.last = 2, 0
				naming, next, first, prev = false, false, true, afterStart
				continue
			}
			x = markSemi
		case clDollar:
			begun = true
			start := i
			i++
			if i < len(s) && classes[s[i]] == clDigit {
				for i < len(s) && classes[s[i]] == clDigit {
					i++
				}
				x, unit, after = markValue, true, afterUnit
				i = skipCast(s, i)
				break
			}
			if from, to, end := dollarQuoted(s, start); end > 0 {
				sc.literal(s[from:to])
				i = end
				x, unit, after = markValue, true, afterUnit
				i = skipCast(s, i)
				break
			}
			x = '$'
		case clMinus:
			begun = true
			if i+1 < len(s) {
				if s[i+1] == '-' {
					i = lineComment(s, i)
					continue
				}
				if prev != afterUnit && classes[s[i+1]] == clDigit {
					start := i
					i = number(s, i+1)
					sc.literal(s[start:i])
					x, unit, after = markValue, true, afterUnit
					i = skipCast(s, i)
					break
				}
			}
			i++
			x = '-'
		case clSlash:
			if i+1 < len(s) && s[i+1] == '*' {
				begun = true
				i = blockComment(s, i)
				continue
			}
			i++
			x = '/'
		case clDot:
			if i+1 < len(s) && prev != afterUnit && classes[s[i+1]] == clDigit {
				start := i
				i = number(s, i)
				sc.literal(s[start:i])
				x, unit, after, begun = markValue, true, afterUnit, true
				i = skipCast(s, i)
				break
			}
			i++
			x, after = '.', afterExpr
		default:
			i++
			x = uint64(c)
		}
		prev = after
		if lv.pend == nothing {
			lv.hash = mix(lv.hash, x)
			if unit && lv.item == 0 {
				lv.item, lv.last = 1, x
			} else {
				lv.item = 2
			}
			continue
		}
		lv.token(x, unit)
	}
	// Brackets left open: what they held counts, from the innermost out.
	for {
		if lv.pend == comma {
			lv.flush()
		}
		if depth == 0 {
			break
		}
		depth--
		outer := sc.levels[depth]
		outer.token(lv.hash, false)
		lv = outer
	}
	if lv.hash == 0 {
		lv.hash = seedText
	}
	return Fingerprint(lv.hash)
}

// token takes a token when something is pending.
func (lv *level) token(x uint64, unit bool) {
	if unit && lv.pend == comma && x == lv.last && lv.item == 0 {
		lv.pend, lv.item = commaUnit, 1
		return
	}
	lv.flush()
	lv.hash = mix(lv.hash, x)
	if unit && lv.item == 0 {
		lv.item, lv.last = 1, x
	} else {
		lv.item = 2
	}
}

// comma ends an item.
func (lv *level) comma() {
	switch {
	case lv.pend == commaUnit:
		lv.pend = comma
	case lv.pend == nothing && lv.item == 1:
		lv.pend = comma
	default:
		lv.flush()
		lv.hash, lv.last = mix(lv.hash, markComma), 0
	}
	lv.item = 0
}

// flush mixes in what was pending.
func (lv *level) flush() {
	switch lv.pend {
	case comma:
		lv.hash = mix(lv.hash, markComma)
	case commaUnit:
		lv.hash = mix(mix(lv.hash, markComma), lv.last)
	case semicolon:
		lv.hash, lv.item = mix(lv.hash, markSemi), 0
	}
	lv.pend = nothing
}

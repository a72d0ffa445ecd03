package sqltrace

import "bytes"

// canonical builds the redacted form of a text: literals as ?, lists folded, comments gone, names of
// savepoints as ?. It folds as scanner does, so that equal canonical texts have equal fingerprints.
type canonical struct {
	out    []byte
	limit  int // bytes of out after which the rest is left out
	cut    bool
	levels []textLevel // the statement's own level first
	prev   token
	naming bool
	next   bool
	first  bool
}

// textLevel is level with the unit's text in place of its hash.
type textLevel struct {
	mark       int // where its bracket stands in out
	last, upto int // the unit before the pending comma, in out
	pend       pending
	item       uint8
}

// newCanonical returns the builder of a text's form; size is the text's length.
func newCanonical(size, limit int) *canonical {
	return &canonical{out: make([]byte, 0, min(size+size/16, limit+limit/16)), limit: limit, levels: make([]textLevel, 1, 8), first: true}
}

// token takes the next token of the text.
func (c *canonical) token(t token) {
	if c.cut {
		return
	}
	lv := &c.levels[len(c.levels)-1]
	switch t.kind {
	case tokenWord:
		c.word(t, lv)
	case tokenName:
		if c.naming || c.next {
			t.text, c.next = placeholder, false
		}
		c.first = false
		c.write(t, false)
	case tokenValue:
		t.text = placeholder
		c.write(t, true)
	case tokenOpen:
		if len(c.levels) > maxDepth {
			c.write(t, false)
			break
		}
		if lv.pend == commaUnit || lv.pend == semicolon {
			c.flush(lv)
		}
		mark := len(c.out)
		c.space(t)
		c.out = append(c.out, t.text...)
		c.levels = append(c.levels, textLevel{mark: mark})
	case tokenClose:
		if len(c.levels) == 1 {
			c.write(t, false)
			break
		}
		if lv.pend != commaUnit {
			c.flush(lv)
		}
		c.out = append(c.out, t.text...)
		c.closed(lv.mark)
	case tokenComma:
		c.comma(lv)
	case tokenSemicolon:
		if len(c.levels) > 1 {
			c.write(t, false)
			break
		}
		if lv.pend != commaUnit && lv.pend != semicolon {
			c.flush(lv)
		}
		if len(c.out) > 0 {
			lv.pend = semicolon
		}
		lv.item, lv.upto = 2, 0
		c.naming, c.next, c.first = false, false, true
	default:
		c.write(t, false)
	}
	c.prev = t
	c.cut = len(c.out) > c.limit
}

var placeholder = []byte("?")

func (c *canonical) word(t token, lv *textLevel) {
	role, upper := t.role, t.role != 0
	switch {
	case role == 0 && !c.naming && !c.next:
	case c.first:
		c.naming, c.next = role&namesThings != 0, role&beforeCursor != 0
	case c.next:
		t.text, role, upper, c.next = placeholder, 0, false, false
	case c.naming && role&keptInNaming == 0:
		t.text = placeholder
	}
	c.first = false
	if lv.pend == commaUnit && c.out[lv.upto-1] != '?' {
		lv.pend, lv.item = nothing, 2
	}
	c.write(t, false)
	if upper {
		word := c.out[len(c.out)-len(t.text):]
		for i, b := range word {
			if b >= 'a' && b <= 'z' {
				word[i] = b - 'a' + 'A'
			}
		}
	}
	if role&isValues != 0 {
		lv.item, lv.upto = 0, 0
	}
}

// write puts a token out, a unit or part of an item.
func (c *canonical) write(t token, unit bool) {
	lv := &c.levels[len(c.levels)-1]
	if unit && lv.pend == comma && lv.item == 0 && string(c.out[lv.last:lv.upto]) == "?" {
		lv.pend, lv.item = commaUnit, 1
		return
	}
	c.flush(lv)
	c.space(t)
	from := len(c.out)
	c.out = append(c.out, t.text...)
	lv.placed(unit, from, len(c.out))
}

func (lv *textLevel) placed(unit bool, from, upto int) {
	if unit && lv.item == 0 {
		lv.item, lv.last, lv.upto = 1, from, upto
	} else {
		lv.item = 2
	}
}

// closed ends the group that begins at out[mark].
func (c *canonical) closed(mark int) {
	c.levels = c.levels[:len(c.levels)-1]
	lv := &c.levels[len(c.levels)-1]
	group := bytes.TrimLeft(c.out[mark:], " ")
	switch {
	case lv.pend == nothing:
	case lv.pend == comma && lv.item == 0 && bytes.Equal(group, c.out[lv.last:lv.upto]):
		c.out = c.out[:mark]
		lv.pend, lv.item = commaUnit, 1
		return
	default:
		group = bytes.Clone(group)
		c.out = c.out[:mark]
		c.flush(lv)
		c.out = append(append(c.out, ' '), group...)
	}
	lv.placed(true, len(c.out)-len(group), len(c.out))
}

func (c *canonical) comma(lv *textLevel) {
	switch {
	case lv.pend == commaUnit:
		lv.pend = comma
	case lv.pend == nothing && lv.item == 1:
		lv.pend = comma
	default:
		c.flush(lv)
		c.out = append(c.out, ',')
		lv.upto = 0
	}
	lv.item = 0
}

func (c *canonical) flush(lv *textLevel) {
	switch lv.pend {
	case comma:
		c.out = append(c.out, ',')
	case commaUnit:
		c.out = append(c.out, ", "...)
		c.out = append(c.out, c.out[lv.last:lv.upto]...)
	case semicolon:
		c.out = append(c.out, ';')
		lv.item = 0
	}
	lv.pend = nothing
}

// space separates t from what stands before it.
func (c *canonical) space(t token) {
	if len(c.out) == 0 || t.kind == tokenClose {
		return
	}
	switch last := c.out[len(c.out)-1]; {
	case last == '(' || last == '[' || last == '.':
	case t.kind == tokenOperator && (t.text[0] == '.' || !t.space && c.prev.kind == tokenOperator):
	case t.kind == tokenOpen && (t.text[0] == '[' || c.prev.kind == tokenWord && c.prev.role == 0):
	default:
		c.out = append(c.out, ' ')
	}
}

// text returns the canonical text. Once the lexer was in doubt, or the text longer than the limit, it ends
// with an ellipsis.
func (c *canonical) text() []byte {
	if c.cut {
		return append(c.out, " …"...)
	}
	for i := len(c.levels) - 1; i >= 0; i-- {
		if c.levels[i].pend == comma {
			c.out = append(c.out, ',')
		}
	}
	return c.out
}

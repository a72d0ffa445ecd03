package sqltrace

import "math/bits"

// word holds the roles a keyword plays in folding; most words have none.
type word uint16

const (
	isValue      word = 1 << iota // NULL, TRUE, FALSE: literals where a value is expected
	isArray                       // ARRAY, folded away before its bracket
	isValues                      // VALUES: a list of rows follows
	beforeExpr                    // an expression follows, so that a minus is a sign
	beforeValue                   // a value follows: NULL here is a literal
	namesThings                   // as first word: the statement names savepoints, cursors or prepared statements
	keptInNaming                  // keyword of such a statement, not a name
	beforeCursor                  // DECLARE: the next word is a cursor's name
)

// words gives every keyword that folding looks at. Identifiers of the same spelling are rare and at worst
// folded a little more.
var words = map[string]word{
	"null": isValue, "true": isValue, "false": isValue,
	"array": isArray, "values": isValues | beforeExpr,
	"then": beforeExpr | beforeValue, "else": beforeExpr | beforeValue,
	"select": beforeExpr, "where": beforeExpr, "or": beforeExpr, "not": beforeExpr,
	"when": beforeExpr, "case": beforeExpr, "between": beforeExpr, "limit": beforeExpr, "offset": beforeExpr,
	"returning": beforeExpr, "by": beforeExpr, "like": beforeExpr, "ilike": beforeExpr, "on": beforeExpr,
	"having": beforeExpr, "set": beforeExpr, "is": beforeExpr, "default": beforeExpr,
	"and": beforeExpr | keptInNaming, "to": beforeExpr | keptInNaming, "in": beforeExpr | keptInNaming,
	"savepoint": namesThings | keptInNaming, "release": namesThings, "rollback": namesThings,
	"deallocate": namesThings, "close": namesThings, "fetch": namesThings | beforeExpr, "move": namesThings | beforeExpr,
	"declare": beforeCursor,
	"work":    keptInNaming, "transaction": keptInNaming, "prepared": keptInNaming, "prepare": keptInNaming,
	"chain": keptInNaming, "no": keptInNaming, "all": keptInNaming, "from": keptInNaming | beforeExpr,
	"forward": keptInNaming | beforeExpr, "backward": keptInNaming | beforeExpr, "next": keptInNaming,
	"prior": keptInNaming, "first": keptInNaming, "last": keptInNaming,
	"absolute": keptInNaming | beforeExpr, "relative": keptInNaming | beforeExpr,
}

// Seeds and marks mixed into fingerprints. Changing one changes every fingerprint.
const (
	hashKey   = 0x9e3779b97f4a7c15
	seedText  = 0x243f6a8885a308d3
	seedWord  = 0x13198a2e03707344
	seedQuote = 0xa4093822299f31d0
	seedParen = 0x082efa98ec4e6c89
	seedArray = 0x452821e638d01377
	markValue = 0xbe5466cf34e90c6c // one literal or parameter
	markName  = 0xc0ac29b7c97c50dd // a savepoint's name
	markComma = 0x3f84d5b5b5470917
	markSemi  = 0x9216d5d98979fb1b
)

func mix(h, x uint64) uint64 {
	hi, lo := bits.Mul64(bits.RotateLeft64(h, 23)^x, hashKey)
	return hi ^ lo
}

// wordSlots is a hash table over words, keyed by hashWord: two probes, no chains.
var wordSlots = func() (t [512]struct {
	hash uint64
	role word
}) {
	for w, role := range words {
		h := hashWord([]byte(w))
		i := h >> 55
		for t[i].hash != 0 {
			i = (i + 1) % uint64(len(t))
		}
		t[i].hash, t[i].role = h, role
	}
	return t
}()

func roleOf(h uint64) word {
	for i := h >> 55; ; i = (i + 1) % uint64(len(wordSlots)) {
		switch wordSlots[i].hash {
		case h:
			return wordSlots[i].role
		case 0:
			return 0
		}
	}
}

// hashWord hashes a keyword or unquoted identifier without regard to the case of ASCII letters.
func hashWord(b []byte) uint64 {
	h, acc := uint64(seedWord), uint64(0)
	for i, c := range b {
		acc = acc<<8 | uint64(wordByte[c])
		if i&7 == 7 {
			h, acc = mix(h, acc), 0
		}
	}
	return mix(h, acc)
}

// class is what a byte can begin.
type class uint8

const (
	clOperator class = iota
	clSpace
	clWord
	clDigit
	clQuote
	clDoubleQuote
	clOpen
	clClose
	clComma
	clSemicolon
	clDollar
	clMinus
	clSlash
	clDot
)

// classes tells what each byte begins.
var classes = func() (t [256]class) {
	for c := range 256 {
		switch {
		case c >= '0' && c <= '9':
			t[c] = clDigit
		case wordByte[c] != 0 && c != '$':
			t[c] = clWord
		case c <= ' ':
			t[c] = clSpace
		}
	}
	for b, cl := range map[byte]class{'\'': clQuote, '"': clDoubleQuote, '(': clOpen, '[': clOpen, ')': clClose,
		']': clClose, ',': clComma, ';': clSemicolon, '$': clDollar, '-': clMinus, '/': clSlash, '.': clDot} {
		t[b] = cl
	}
	return t
}()

// wordByte gives the lower case of a byte that may stand in a word, and 0 for others.
var wordByte = func() (t [256]byte) {
	for c := range 256 {
		switch b := byte(c); {
		case b >= 'a' && b <= 'z', b >= '0' && b <= '9', b == '_', b == '$', b >= 0x80:
			t[c] = b
		case b >= 'A' && b <= 'Z':
			t[c] = b | 0x20
		}
	}
	return t
}()

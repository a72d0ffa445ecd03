package sqltrace

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// texts remembers what was read of texts that were sent more than once. Most texts are sent once, and to keep
// those would cost more than to read them: at first only a part of a text's hash is noted.
type texts struct {
	marks []mark
	kept  []remembered // by the place of their marks
	once  plan         // of the latest text that is not kept
}

// mark is a part of the hashes of two texts with the same place: the one seen last, and the one kept.
type mark struct{ seen, kept uint32 }

// remembered is what is known of a text that was read.
type remembered struct {
	plan
	escapes bool
}

// newTexts makes room for n texts or a few more.
func newTexts(n int) texts {
	n = 1 << bits.Len(uint(n-1))
	return texts{marks: make([]mark, n), kept: make([]remembered, n)}
}

// plan reads a statement's text, unless the same one was read lately. The plan is valid until the next call.
func (d *Decoder) plan(text []byte, escapes bool) *plan {
	if d.texts.marks == nil {
		d.texts = newTexts(d.config.Texts)
	}
	hash := xxhash.Sum64(text)
	i := hash & uint64(len(d.texts.marks)-1)
	m := &d.texts.marks[i]
	part := uint32(hash>>32) | 1
	p := &d.texts.once
	switch part {
	case m.kept:
		r := &d.texts.kept[i]
		if r.textHash == hash && r.textBytes == int64(len(text)) && r.escapes == escapes {
			return &r.plan
		}
	case m.seen:
		m.kept = part
		r := &d.texts.kept[i]
		r.escapes, p = escapes, &r.plan
	}
	m.seen = part
	sc := &d.scanner
	sc.literals, sc.budget, sc.escapes = sc.literals[:0], d.config.Literals, escapes
	f, kind := d.shapes.learn(sc.scan(text), text, escapes)
	*p = plan{
		known: true, fingerprint: f, kind: kind,
		textHash: hash, textBytes: int64(len(text)), literals: d.hashes.Keep(sc.literals),
	}
	return p
}

package rpclog

import (
	"bytes"

	"github.com/perfd/perfd/evidence"
)

// reading says how an envelope wants a body read.
type reading struct {
	content contentType // contentJSON or contentXML; anything else is passed over
	visit   func(x *exchange, at path, k kind, v []byte)
	depth   int  // visit wants scalars up to this depth
	skip    path // where a password stands, which is not even hashed
}

// body carries the bytes of one body through its content coding to a scanner. The zero value passes over.
type body struct {
	json *jsonScanner
	xml  *xmlScanner
	inf  *inflater

	count *counted // what is read is counted too
	kept  *kept    // what is read is kept too
	aside *aside   // it is put aside and not yet read
}

// open prepares for a body.
func (o *body) open(d *Decoder, x *exchange, h *head, r reading, set *evidence.Set) {
	t := tokens{x: x, visit: r.visit, depth: r.depth, skip: r.skip, set: set}
	if r.visit == nil {
		t.depth = -1
	}
	switch r.content {
	case contentJSON, contentXML:
	case contentForm, contentMultipart:
		o.openForm(x, h, set)
		return
	default:
		return
	}
	if h.coding != identical {
		if o.inf = d.inflater(h.coding); o.inf == nil {
			d.stats.Undecoded++
			return
		}
	}
	if r.content == contentJSON {
		o.json = takeIdle(&d.idle.json)
		o.json.start(t)
	} else {
		o.xml = takeIdle(&d.idle.xml)
		o.xml.start(t)
	}
	o.kept = x.holder(set)
	switch {
	case o.inf != nil && o.kept != nil:
		o.inf.start(teed{o.scanner(), o.kept})
	case o.inf != nil:
		o.inf.start(o.scanner())
	}
}

func (o *body) scanner() scanner {
	if o.json != nil {
		return o.json
	}
	return o.xml
}

func (o *body) write(b []byte) {
	if o.aside != nil {
		if o.aside.put(b) {
			return
		}
		o.takeUp(o.aside.x.d)
	}
	if o.count != nil {
		o.count.add(b)
	}
	if o.kept != nil && o.inf == nil {
		o.kept.write(b)
	}
	switch {
	case o.inf != nil:
		o.inf.write(b)
	case o.json != nil:
		o.json.write(b)
	case o.xml != nil:
		o.xml.write(b)
	}
}

// close ends a body that came to its end.
func (o *body) close(d *Decoder) {
	if o.aside != nil && o.heard(d) {
		return
	}
	o.takeUp(d)
	if o.inf != nil {
		o.inf.finish()
	}
	if o.kept != nil {
		o.kept.whole = !o.kept.over && (o.inf == nil || o.inf.ok)
		o.kept = nil
	}
	if o.json != nil {
		o.json.end()
	}
	o.stop(d)
}

// closed says that the content shows its end, of which b are the latest bytes.
func (o *body) closed(b []byte) bool {
	switch {
	case o.json != nil:
		return o.json.closed()
	case o.xml != nil:
		b = bytes.TrimRight(b, " \r\n")
		return bytes.HasSuffix(b, []byte("</methodCall>")) || bytes.HasSuffix(b, []byte("</methodResponse>"))
	}
	return false
}

// tear tells that bytes are missing: of a body that is not compressed, the values that follow can be read.
func (o *body) tear(d *Decoder) {
	o.takeUp(d)
	o.kept.drop()
	switch {
	case o.inf != nil:
		o.stop(d)
	case o.json != nil:
		o.json.tear()
	case o.xml != nil:
		o.xml.tear()
	}
}

// stop ends a body of which bytes are missing: what follows cannot be read.
func (o *body) stop(d *Decoder) {
	o.takeUp(d)
	o.kept.drop()
	if o.inf != nil {
		o.inf.stop()
		d.shelve(o.inf)
	}
	if o.json != nil {
		o.json.tokens = tokens{}
		putIdle(&d.idle.json, o.json)
	}
	if o.xml != nil {
		o.xml.tokens = tokens{}
		putIdle(&d.idle.xml, o.xml)
	}
	*o = body{}
}

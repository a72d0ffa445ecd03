package rpclog

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/evidence"
)

// Behind a recorded reverse proxy every answer is seen twice: from the server to the proxy and, often
// compressed, from the proxy to the client. An echo is what the first one's body held. The second one's is put
// aside as it comes; where the request's hash, and the content's length and CRC-32 say that it is the same, it
// need not be unpacked and read.
type echo struct {
	request uint64 // Call.BodyHash; 0 if there is none
	done    bool   // the rest is valid
	size    int64
	sum     uint32
	token   evidence.Hash // of the header section
	values  evidence.Set
}

// echoes are the latest ones, by the request's hash.
type echoes [32]echo

func (e *echoes) of(request uint64) *echo { return &e[request%uint64(len(e))] }

// maxAside bounds the bytes put aside over all connections.
const maxAside = 4 << 20

// aside is an answer's body of which an echo may turn up.
type aside struct {
	x    *exchange
	head *head
	read reading
	held []byte
}

// counted is the length and sum of a body that may have an echo.
type counted struct {
	size int64
	sum  uint32
}

// echoing says whether reading an answer leaves nothing behind but its values, unless it is an error: what it
// tells of users is not taken from echoes.
func echoing(x *exchange, r reading) bool {
	if r.content != contentJSON && r.content != contentXML || x.call.BodyHash == 0 || x.keep&KeepAnswer != 0 {
		return false
	}
	switch x.env.(type) {
	case plain:
		return true
	case jsonrpc:
		route := x.call.route()
		return route != serviceRoute && route != authenticateRoute && route != sessionInfoRoute
	}
	return false
}

// openAnswer prepares for the body of an answer.
func (h *half) openAnswer(d *Decoder, r reading) {
	x := h.x
	if echoing(x, r) {
		e := d.echoes.of(x.call.BodyHash)
		switch {
		case x.call.Forwarded && h.head.coding == identical:
			*e = echo{request: x.call.BodyHash, values: e.values}
			h.body.open(d, x, &h.head, r, &x.call.Response)
			h.body.count = &counted{}
			return
		case !x.call.Forwarded && e.request == x.call.BodyHash && (h.head.coding == identical || h.head.coding == gzipped):
			h.body.aside = &aside{x: x, head: &h.head, read: r, held: takeBuffer(&d.idle)}
			return
		}
	}
	h.body.open(d, x, &h.head, r, &x.call.Response)
}

// sound notes the echo of an answer that has ended and was read.
func (h *half) sound(d *Decoder, x *exchange, c *counted) {
	if c == nil || h.dir != capture.ToClient || x.call.Gaps&GapResponse != 0 || x.call.Error != "" || x.envelop&sawError != 0 {
		return
	}
	if e := d.echoes.of(x.call.BodyHash); e.request == x.call.BodyHash {
		e.done, e.size, e.sum, e.token = true, c.size, c.sum, h.head.token
		e.values.Copy(&x.call.Response)
	}
}

// add counts the next bytes.
func (c *counted) add(b []byte) {
	c.size += int64(len(b))
	c.sum = crc32.Update(c.sum, crc32.IEEETable, b)
}

// put puts the next bytes aside and reports whether there was room.
func (a *aside) put(b []byte) bool {
	d := a.x.d
	if len(a.held)+len(b) > d.cfg.EchoBytes || d.aside+len(b) > maxAside {
		return false
	}
	a.held = append(a.held, b...)
	d.aside += len(b)
	return true
}

// matches reports whether what was put aside is the content of e.
func (a *aside) matches(e *echo) bool {
	b := a.held
	if !e.done || e.request != a.x.call.BodyHash || e.token != a.head.token || e.size > a.x.d.cfg.DecodedBytes {
		return false
	}
	if a.head.coding == identical {
		return int64(len(b)) == e.size && crc32.ChecksumIEEE(b) == e.sum
	}
	const member = 18 // bytes of an empty gzip member: RFC 1952, section 2.3
	if len(b) < member || b[0] != 0x1f || b[1] != 0x8b {
		return false
	}
	tail := b[len(b)-8:]
	return binary.LittleEndian.Uint32(tail) == e.sum && binary.LittleEndian.Uint32(tail[4:]) == uint32(e.size)
}

// heard takes the values of a body put aside from its echo and reports whether there was one.
func (o *body) heard(d *Decoder) bool {
	a := o.aside
	if a.x.call == nil {
		return false
	}
	e := d.echoes.of(a.x.call.BodyHash)
	if !a.matches(e) {
		return false
	}
	a.x.call.Response.Copy(&e.values)
	o.forget(d)
	return true
}

// forget gives up what was put aside.
func (o *body) forget(d *Decoder) {
	d.aside -= len(o.aside.held)
	putBuffer(&d.idle, o.aside.held)
	o.aside = nil
}

// takeUp reads what was put aside: it has no echo, or bytes are missing from it.
func (o *body) takeUp(d *Decoder) {
	a := o.aside
	if a == nil {
		return
	}
	o.aside = nil
	if a.x.call != nil {
		o.open(d, a.x, a.head, a.read, &a.x.call.Response)
		o.write(a.held)
	}
	d.aside -= len(a.held)
	putBuffer(&d.idle, a.held)
}

func takeBuffer(i *idlers) []byte {
	n := len(i.buffers)
	if n == 0 {
		return nil
	}
	b := i.buffers[n-1]
	i.buffers = i.buffers[:n-1]
	return b[:0]
}

// putBuffer keeps room for another body; nothing of this one stays.
func putBuffer(i *idlers, b []byte) {
	if len(i.buffers) < 4 && cap(b) > 0 {
		clear(b)
		i.buffers = append(i.buffers, b)
	}
}

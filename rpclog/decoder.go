package rpclog

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/maphash"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/evidence"
)

// Decoder reads HTTP/1 connections and hands calls to a Sink. It is not safe for concurrent use.
type Decoder struct {
	cfg   Config
	sink  Sink
	stats Stats
	ids   CallID
	names names
	users identity

	mac    hash.Hash
	macSum [sha256.Size]byte
	macIn  [sessionPrefix]byte
	seed   maphash.Seed
	keys   [256]keyed // session keys made lately

	pathBuf []byte         // scratch of path
	calls   []Call         // not yet used
	hashes  evidence.Block // where the values of calls stand

	idle   idlers
	echoes echoes
	aside  int // bytes put aside
	kept   int // bytes kept of bodies
}

var _ capture.Protocol = (*Decoder)(nil)

// New returns a decoder that reports to sink.
func New(cfg Config, sink Sink) *Decoder {
	cfg = cfg.withDefaults()
	return &Decoder{
		cfg:   cfg,
		sink:  sink,
		names: names{max: cfg.Names},
		users: newIdentity(cfg.Sessions),
		seed:  maphash.MakeSeed(),
		mac:   hmac.New(sha256.New, []byte(cfg.SessionSecret)),
	}
}

// Stats returns the counters so far.
func (d *Decoder) Stats() Stats { return d.stats }

// Claims recognises a request line or a status line at the start of data and, where bytes before them are
// missing, the start of an RPC request's body. Other bytes from the middle of a message are rejected; the
// capture engine asks again with the next ones.
func (d *Decoder) Claims(conn capture.Conn, data []byte) capture.Verdict {
	data = bytes.TrimLeft(data, "\r\n")
	switch {
	case likeStatusLine(data):
		return capture.FromServer
	case likeRequestLine(data):
		return capture.FromClient
	case conn.Joined && likeRequestBody(data) != noDialect:
		return capture.FromClient
	}
	return capture.Reject
}

// NewStream returns the decoder of one connection.
func (d *Decoder) NewStream(conn capture.Conn) capture.Stream {
	d.stats.Streams++
	s := &stream{d: d, conn: conn, quiet: conn.Opened}
	s.half[capture.ToClient].dir = capture.ToClient
	if conn.Joined {
		s.half[capture.ToServer].state = seeking
		s.half[capture.ToClient].state = seeking
	}
	return s
}

// sessionPrefix is how much of a session identifier identifies it: Odoo 19 rotates the rest.
const sessionPrefix = 42

// sessionKey hashes a session identifier; the empty one yields 0.
func (d *Decoder) sessionKey(id []byte) SessionKey {
	if len(id) == 0 {
		return 0
	}
	id = id[:min(len(id), sessionPrefix)]
	sum := maphash.Bytes(d.seed, id)
	slot := &d.keys[sum%uint64(len(d.keys))]
	if slot.sum == sum && slot.key != 0 {
		return slot.key
	}
	d.mac.Reset()
	n := copy(d.macIn[:], id) // a copy keeps id from escaping to the heap
	d.mac.Write(d.macIn[:n])
	clear(d.macIn[:])
	key := SessionKey(binary.LittleEndian.Uint64(d.mac.Sum(d.macSum[:0])))
	if key == 0 {
		key = 1
	}
	*slot = keyed{sum, key}
	return key
}

// keyed is a session key and a hash of what it was made of.
type keyed struct {
	sum uint64
	key SessionKey
}

// names interns the strings that many calls share, so that a call holds no memory of its own for them.
type names struct {
	max   int
	table map[string]string
}

// of returns b as a string, the same one for equal bytes as long as the table has room.
func (n *names) of(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := n.table[string(b)]; ok {
		return s
	}
	if n.table == nil || len(n.table) >= n.max {
		n.table = make(map[string]string, 64)
	}
	s := string(b)
	n.table[s] = s
	return s
}

// idlers are the parts of streams that wait for their next message. Each list is bounded.
type idlers struct {
	exchanges []*exchange
	json      []*jsonScanner
	xml       []*xmlScanner
	inflaters [codings][]*inflater
	buffers   [][]byte // of bodies put aside
	busy      int      // inflaters in use
}

const idleMax = 32

func takeIdle[T any](list *[]*T) *T {
	n := len(*list)
	if n == 0 {
		return new(T)
	}
	v := (*list)[n-1]
	*list = (*list)[:n-1]
	return v
}

func putIdle[T any](list *[]*T, v *T) {
	if len(*list) < idleMax {
		*list = append(*list, v)
	}
}

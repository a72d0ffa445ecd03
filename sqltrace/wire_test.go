package sqltrace

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/perfd/perfd/capture"
)

var epoch = time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)

// ms is a time of the recorded conversations, in milliseconds after their beginning.
func ms(n int) time.Time { return epoch.Add(time.Duration(n) * time.Millisecond) }

// collector keeps what a decoder finds.
type collector struct {
	opened, closed []*Session
	statements     []*Statement
}

var _ Sink = (*collector)(nil)

func (c *collector) Opened(s *Session)              { c.opened = append(c.opened, s) }
func (c *collector) Statement(st *Statement)        { c.statements = append(c.statements, st) }
func (c *collector) Closed(s *Session, _ time.Time) { c.closed = append(c.closed, s) }

// wire is a conversation as it was recorded: chunks a millisecond apart.
type wire struct{ chunks []capture.Chunk }

func (w *wire) add(dir capture.Dir, data []byte) {
	w.chunks = append(w.chunks, capture.Chunk{Dir: dir, Time: ms(len(w.chunks)), Data: data})
}

// client adds a chunk of client's messages.
func (w *wire) client(msgs ...pgproto3.FrontendMessage) *wire {
	var b []byte
	for _, m := range msgs {
		b = must(m.Encode(b))
	}
	w.add(capture.ToServer, b)
	return w
}

// server adds a chunk of server's messages.
func (w *wire) server(msgs ...pgproto3.BackendMessage) *wire {
	var b []byte
	for _, m := range msgs {
		b = must(m.Encode(b))
	}
	w.add(capture.ToClient, b)
	return w
}

func (w *wire) raw(dir capture.Dir, data string) *wire {
	w.add(dir, []byte(data))
	return w
}

// lose marks bytes missing before the last chunk.
func (w *wire) lose(n int64) *wire {
	w.chunks[len(w.chunks)-1].Lost = n
	return w
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// startup adds the beginning of a connection up to the first ReadyForQuery.
func (w *wire) startup() *wire {
	return w.client(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{
		"user": "odoo", "database": "shop", "application_name": "odoo-17"}}).
		server(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{"SCRAM-SHA-256"}}).
		client(&pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte("n,,n=,r=secretnonce")}).
		server(&pgproto3.AuthenticationOk{}, &pgproto3.ParameterStatus{Name: "server_version", Value: "15"},
			&pgproto3.BackendKeyData{ProcessID: 4711, SecretKey: []byte{1, 2, 3, 4}}, ready('I'))
}

func ready(tx byte) *pgproto3.ReadyForQuery { return &pgproto3.ReadyForQuery{TxStatus: tx} }
func tag(s string) *pgproto3.CommandComplete {
	return &pgproto3.CommandComplete{CommandTag: []byte(s)}
}
func query(s string) *pgproto3.Query { return &pgproto3.Query{String: s} }
func row(values ...string) *pgproto3.DataRow {
	r := &pgproto3.DataRow{}
	for _, v := range values {
		r.Values = append(r.Values, []byte(v))
	}
	return r
}

func columns(format int16, names ...string) *pgproto3.RowDescription {
	d := &pgproto3.RowDescription{}
	for _, n := range names {
		d.Fields = append(d.Fields, pgproto3.FieldDescription{Name: []byte(n), DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1, Format: format})
	}
	return d
}

func conn(joined bool) capture.Conn {
	return capture.Conn{ID: 1, Client: netip.MustParseAddrPort("10.0.0.1:40000"), Server: netip.MustParseAddrPort("10.0.0.2:5432"),
		Opened: epoch, Joined: joined}
}

// play decodes a conversation whose chunks are cut into pieces of the sizes that cut gives.
func play(t testing.TB, config Config, joined bool, chunks []capture.Chunk, cut func(left int) int) (*collector, *Decoder) {
	t.Helper()
	c := &collector{}
	d := New(config, c)
	s := d.NewStream(conn(joined))
	for _, ch := range chunks {
		for first := true; len(ch.Data) > 0 || first && ch.Lost > 0; first = false {
			n := len(ch.Data)
			if cut != nil {
				n = min(max(cut(n), 1), n)
			}
			// What was handed over is overwritten afterwards, as a packet buffer would be.
			piece := ch
			piece.Data = append([]byte(nil), ch.Data[:n]...)
			s.Chunk(piece)
			for i := range piece.Data {
				piece.Data[i] = 0xa5
			}
			ch.Data, ch.Lost = ch.Data[n:], 0
		}
	}
	s.Close(ms(1000))
	if d.buffered != 0 {
		t.Errorf("%d bytes still held after the end", d.buffered)
	}
	return c, d
}

// summary writes what matters of statements, a line each.
func summary(c *collector, d *Decoder) string {
	var b strings.Builder
	for _, st := range c.statements {
		at := func(x time.Time) int64 { return x.Sub(epoch).Milliseconds() }
		fmt.Fprintf(&b, "%s [%d %d %d] rows=%d text=%d in=%d out=%d", st.Kind, at(st.Start), at(st.First), at(st.End), st.Rows, st.TextBytes, st.In, st.Out)
		if st.Tx != 0 {
			fmt.Fprintf(&b, " tx=%c", st.Tx)
		}
		if st.SQLState != "" {
			fmt.Fprintf(&b, " state=%s", st.SQLState)
		}
		if st.Extended {
			b.WriteString(" extended")
		}
		if st.Gaps != 0 {
			fmt.Fprintf(&b, " gaps=%d", st.Gaps)
		}
		fmt.Fprintf(&b, " literals=%d values=%d %s\n", len(st.Literals), len(st.Values), d.Dictionary().Shape(st.Fingerprint).Text)
	}
	return b.String()
}

// header is a message's type and length with nothing behind it.
func header(t byte, length uint32) string {
	return string(binary.BigEndian.AppendUint32([]byte{t}, length))
}

package capture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/fixtures/play"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// told keeps, for each connection, what the decoders told of it but for times, addresses and numbers.
type told struct {
	order       []capture.ConnID
	conns       map[capture.ConnID]*strings.Builder
	calls, sqls int
}

func (k *told) add(id capture.ConnID, format string, args ...any) {
	b := k.conns[id]
	if b == nil {
		b = &strings.Builder{}
		k.conns[id] = b
		k.order = append(k.order, id)
	}
	fmt.Fprintf(b, format+"\n", args...)
}

func (k *told) Begin(*rpclog.Call) {}

func (k *told) End(c *rpclog.Call) {
	k.calls++
	n := *c
	n.ID, n.Conn, n.Client, n.Server = 0, 0, netip.AddrPort{}, netip.AddrPort{}
	n.Start, n.Head, n.Sent, n.First, n.End = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	k.add(c.Conn, "%+v", n)
}

func (k *told) Message(m rpclog.Message) { k.add(m.Conn, "%s %d %d", m.Dir, m.Opcode, m.Bytes) }

func (k *told) Opened(*sqltrace.Session) {}

func (k *told) Statement(s *sqltrace.Statement) {
	k.sqls++
	n, session := *s, *s.Session
	n.ID, n.Session = 0, nil
	n.Start, n.First, n.End = time.Time{}, time.Time{}, time.Time{}
	session.Conn, session.Client, session.Server, session.Opened = 0, netip.AddrPort{}, netip.AddrPort{}, time.Time{}
	k.add(s.Session.Conn, "%+v %+v", n, session)
}

func (k *told) Closed(s *sqltrace.Session, _ time.Time) { k.add(s.Conn, "closed") }

// all returns what was told of each connection, sorted.
func (k *told) all() []string {
	var out []string
	for _, id := range k.order {
		out = append(out, k.conns[id].String())
	}
	slices.Sort(out)
	return out
}

func decoders() (*told, *rpclog.Decoder, *sqltrace.Decoder) {
	k := &told{conns: make(map[capture.ConnID]*strings.Builder)}
	return k, rpclog.New(rpclog.Config{}, k), sqltrace.New(sqltrace.Config{}, k)
}

// A recording played onto loopback and tapped there tells the same as the file.
func TestLiveEqualsFile(t *testing.T) {
	for _, name := range []string{"odoo18-a", "tryton60-a"} {
		for _, host := range []string{"127.0.0.1", "::1"} {
			t.Run(name+" on "+host, func(t *testing.T) { testLiveEqualsFile(t, name, netip.MustParseAddr(host)) })
		}
	}
}

func testLiveEqualsFile(t *testing.T, name string, host netip.Addr) {
	recording := fixtures.Tap(t, name)
	want, rpc, pg := decoders()
	f, err := capture.NewFile(bytes.NewReader(recording))
	if err != nil {
		t.Fatal(err)
	}
	e := capture.NewEngine(capture.Config{}, rpc, pg)
	if err := f.Run(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	e.Flush()

	script, err := play.Read(bytes.NewReader(recording), rpc, pg)
	if err != nil {
		t.Fatal(err)
	}
	player, err := play.Open(script, play.Config{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	defer player.Close()
	// Small blocks: the ring must not freeze though other tests keep this one from running for seconds.
	cfg := capture.LiveConfig{Interfaces: []string{"lo"}, BlockBytes: 128 << 10}
	for _, recorded := range script.Ports() {
		cfg.RPCPorts = append(cfg.RPCPorts, player.Port(recorded))
	}
	got, rpc, pg := decoders()
	live, err := capture.OpenLive(cfg)
	var told *capture.LiveError
	if errors.As(err, &told) && capture.LivePermitted() != nil {
		return // what is told then has a test of its own
	}
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	le := capture.NewEngine(capture.Config{}, rpc, pg)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- live.Run(ctx, le) }()
	playing := player.Run(t.Context())
	cancel()
	if err := errors.Join(playing, <-ended); err != nil {
		t.Fatal(err)
	}
	le.Flush()
	if s := live.Stats(); s.Drops != 0 || s.Packets == 0 || s.Misdated != 0 {
		t.Errorf("tap %+v", s)
	}
	if s := le.Stats(); s.Lost != 0 || s.Connections != int64(script.Connections()) {
		t.Errorf("engine %+v, played %d connections", s, script.Connections())
	}
	if got.calls != want.calls || got.sqls != want.sqls || want.calls < 100 || want.sqls < 1000 {
		t.Errorf("%d calls and %d statements, the file has %d and %d", got.calls, got.sqls, want.calls, want.sqls)
	}
	a, b := got.all(), want.all()
	if len(a) != len(b) {
		t.Fatalf("%d connections, the file has %d", len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("tapped:\n%s\nfile:\n%s", difference(a[i], b[i]), difference(b[i], a[i]))
		}
	}
}

// difference returns the first line of a that b has not at its place.
func difference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range as {
		if i >= len(bs) || as[i] != bs[i] {
			return fmt.Sprintf("line %d: %s", i, as[i])
		}
	}
	return "no more"
}

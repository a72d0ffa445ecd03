package sqltrace

import (
	"net/netip"
	"testing"
	"time"

	"github.com/perfd/perfd/capture"
)

// TestKnown joins a connection of which somebody knows, one of which nobody does, and one whose startup was seen.
func TestKnown(t *testing.T) {
	const query = "Q\x00\x00\x00\x0dSELECT 1\x00"
	at := time.Unix(1, 0)
	server := netip.MustParseAddrPort("127.0.0.1:5432")
	mine, other := netip.MustParseAddrPort("127.0.0.1:40001"), netip.MustParseAddrPort("127.0.0.1:40002")
	d := New(Config{Known: func(client netip.AddrPort) (Known, bool) {
		return Known{Backend: 7, Database: "prod", User: "odoo", Application: "odoo-1"}, client == mine
	}}, &collector{})
	for _, c := range []struct {
		client netip.AddrPort
		joined bool
		first  string
		want   string
	}{{mine, true, query, "prod"}, {other, true, query, ""}, {mine, false, "\x00\x00\x00\x12\x00\x03\x00\x00user\x00bob\x00\x00", "bob"}} {
		s := d.NewStream(capture.Conn{Client: c.client, Server: server, Opened: at, Joined: c.joined}).(*stream)
		s.Chunk(capture.Chunk{Dir: capture.ToServer, Time: at, Data: []byte(c.first)})
		if got := s.session.Database; got != c.want || (s.session.Backend == 7) != (c.want == "prod") {
			t.Errorf("%s joined %v: database %q, backend %d; want %q", c.client, c.joined, got, s.session.Backend, c.want)
		}
		s.Close(at)
	}
}

package rpclog_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/rpclog"
)

// printer writes each call as it ends.
type printer struct{}

func (printer) Begin(*rpclog.Call)     {}
func (printer) Message(rpclog.Message) {}
func (printer) End(c *rpclog.Call) {
	fmt.Println(c.Transport, c.Model, c.Method, c.Status, c.End.Sub(c.Start))
}

func Example() {
	d := rpclog.New(rpclog.Config{}, printer{})
	s := d.NewStream(capture.Conn{
		ID:     1,
		Client: netip.MustParseAddrPort("192.0.2.1:40000"),
		Server: netip.MustParseAddrPort("192.0.2.2:8069"),
	})
	start := time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
	s.Chunk(capture.Chunk{Dir: capture.ToServer, Time: start, Data: []byte(
		"POST /web/dataset/call_kw HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 76\r\n\r\n" +
			`{"jsonrpc":"2.0","params":{"model":"res.partner","method":"read","args":[]}}`)})
	s.Chunk(capture.Chunk{Dir: capture.ToClient, Time: start.Add(30 * time.Millisecond), Data: []byte(
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n" + `{"result":[]}`)})
	s.Close(start.Add(time.Second))
	// Output: jsonrpc res.partner read 200 30ms
}

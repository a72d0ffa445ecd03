package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/perfd/perfd/lab"
)

// TestWatchHalfRequests has thousands of clients send half a request and stay, while others work: those are seen as
// before, and the memory stays bounded.
func TestWatchHalfRequests(t *testing.T) {
	if !canTap(t) {
		return
	}
	const clients, calls = 2000, 100
	pg := lab.PostgreSQL(t, lab.PostgresConfig{})
	o := newOffice(t, pg)
	w := startWatch(t, "--rpc-port", o.port, "--pg-port", strconv.Itoa(int(pg.Addr.Port())))
	work := func(method string, least int64) {
		t.Helper()
		for range calls {
			o.call(1, method)
		}
		if !soon(func() bool { return w.kept(method) == calls }) {
			t.Errorf("%d of %d calls of %s are kept", w.kept(method), calls, method)
		}
		const all = calls * officeStatements
		if n := w.statements(method); n > all || n < all*least/100 {
			t.Errorf("%d statements of %s, want %d to %d", n, method, all*least/100, all)
		}
	}
	work("before", 100)
	before := w.metric("memory_used_bytes")
	request := "POST /web/dataset/call_kw/res.partner/half HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n" +
		`{"jsonrpc":"2.0","method":"call","id":1,"params":{"model":"res.partner","method":"half","args":[["` + strings.Repeat("x", 32<<10)
	var open []net.Conn
	var flood sync.WaitGroup
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for i := range clients {
		c, err := net.Dial("tcp", o.addr)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		half := request
		switch i % 4 {
		case 0: // of the header section
			half = request[:90]
		case 1: // of the body's first bytes
			half = request[:160]
		}
		flood.Go(func() { _, _ = fmt.Fprint(c, half) })
	}
	flood.Wait()
	until(t, "the flood is seen", func() bool { return w.metric(`connections_total{protocol="http"}`) >= clients })
	work("meanwhile", 98)                                                                        // what a request that has only begun could have run is not sure
	until(t, "nothing is left out any more", func() bool { return w.metric("shed_level") == 0 }) // the flood itself may be too much for a busy machine
	w.well()
	used := w.metric("memory_used_bytes")
	for _, c := range open {
		_ = c.Close()
	}
	work("after", 98)
	until(t, "nothing is left out any more", func() bool { return w.metric("shed_level") == 0 }) // the flood itself may be too much for a busy machine
	w.well()
	t.Logf("%.0f MiB in use beside %d half requests, %.0f MiB before", used/(1<<20), clients, before/(1<<20))
	w.end()
}

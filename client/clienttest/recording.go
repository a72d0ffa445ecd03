// Package clienttest gives tests of RPC clients a server that says what a real one said: it answers requests out of
// the recording of a real server, byte for byte.
package clienttest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/perfd/perfd/capture"
)

// Exchange is a request of a recording and its answer.
type Exchange struct {
	Method, Path string
	Header       http.Header // of the request
	Body         []byte      // of the request

	Answer []byte      // as it was sent: status line, headers and body
	Status int         // of the answer
	Reply  http.Header // of the answer
	Result []byte      // the answer's body
}

// Read takes the exchanges of HTTP out of a recording (pcap or pcapng), in the order in which their connections ended.
func Read(t testing.TB, recording []byte) []Exchange {
	t.Helper()
	f, err := capture.NewFile(bytes.NewReader(recording))
	if err != nil {
		t.Fatalf("read a recording: %v", err)
	}
	defer f.Close()
	var c collector
	e := capture.NewEngine(capture.Config{}, &c)
	if err := f.Run(context.Background(), e); err != nil {
		t.Fatalf("read a recording: %v", err)
	}
	e.Flush()
	if c.err != nil {
		t.Fatalf("read a recording: %v", c.err)
	}
	if len(c.all) == 0 {
		t.Fatal("read a recording: no HTTP in it")
	}
	return c.all
}

// collector keeps all bytes of each connection of HTTP and takes them apart at its end.
type collector struct {
	all []Exchange
	err error
}

var _ capture.Protocol = (*collector)(nil)

func (c *collector) Claims(_ capture.Conn, data []byte) capture.Verdict {
	switch {
	case bytes.HasPrefix(data, []byte("POST /")), bytes.HasPrefix(data, []byte("GET /")):
		return capture.FromClient
	case bytes.HasPrefix(data, []byte("HTTP/1.")):
		return capture.FromServer
	}
	return capture.Reject
}

func (c *collector) NewStream(capture.Conn) capture.Stream { return &dialogue{to: c} }

// dialogue is the bytes of one connection.
type dialogue struct {
	to             *collector
	client, server bytes.Buffer
	lost           int64
}

var _ capture.Stream = (*dialogue)(nil)

func (d *dialogue) Chunk(c capture.Chunk) {
	d.lost += c.Lost
	if c.Dir == capture.ToServer {
		d.client.Write(c.Data)
	} else {
		d.server.Write(c.Data)
	}
}

func (*dialogue) Fin(capture.Dir, time.Time) {}

func (d *dialogue) Close(time.Time) {
	if d.lost > 0 || d.to.err != nil {
		return
	}
	whole := d.server.Bytes()
	rest := bytes.NewReader(whole)
	requests, answers := bufio.NewReader(&d.client), bufio.NewReader(rest)
	at := func() int { return len(whole) - rest.Len() - answers.Buffered() }
	for {
		req, err := http.ReadRequest(requests)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				d.to.err = fmt.Errorf("read request: %w", err)
			}
			return
		}
		x := Exchange{Method: req.Method, Path: req.URL.Path, Header: req.Header}
		if x.Body, err = io.ReadAll(req.Body); err != nil {
			return // cut off
		}
		begin := at()
		resp, err := http.ReadResponse(answers, req)
		for err == nil && resp.StatusCode == http.StatusContinue {
			begin = at()
			resp, err = http.ReadResponse(answers, req)
		}
		if err != nil {
			return // cut off, or not answered
		}
		if x.Result, err = io.ReadAll(resp.Body); err != nil {
			return
		}
		_ = resp.Body.Close()
		x.Status, x.Reply = resp.StatusCode, resp.Header
		x.Answer = bytes.Clone(whole[begin:at()])
		d.to.all = append(d.to.all, x)
		if resp.StatusCode == http.StatusSwitchingProtocols {
			return
		}
	}
}

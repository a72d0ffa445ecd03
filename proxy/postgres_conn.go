package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/perfd/perfd/capture"
)

// What stands in a startup packet in place of a protocol version.
const (
	codeCancel = 80877102
	codeTLS    = 80877103
	codeGSS    = 80877104
)

const (
	maxStartup = 10_000 // MAX_STARTUP_PACKET_LENGTH
	maxAsks    = 4      // requests for encryption before a startup message
	alpn       = "postgresql"
)

// pgConn is one client's connection.
type pgConn struct {
	p         *PostgreSQL
	ctx       context.Context
	raw       net.Conn // as accepted
	client    net.Conn // raw, or TLS on it
	peer, own netip.AddrPort
	opened    time.Time
	tee       tee

	mu     sync.Mutex
	server net.Conn
	gone   bool
}

// abort closes both sides.
func (c *pgConn) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	_ = c.raw.Close()
	if c.server != nil {
		_ = c.server.Close()
	}
}

func (c *pgConn) close() {
	c.abort()
	c.tee.Close(time.Now())
}

// hold takes a connection to the server into use, in place of the one before. It is false where the client was
// made to leave.
func (c *pgConn) hold(server net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != nil {
		_ = c.server.Close()
	}
	c.server = server
	if c.gone {
		_ = server.Close()
	}
	return !c.gone
}

// run takes a client from its first byte to its last.
func (c *pgConn) run() {
	if c.client.SetDeadline(time.Now().Add(c.p.cfg.StartupTimeout)) != nil {
		return
	}
	packet, ok := c.startup()
	if !ok {
		return
	}
	if binary.BigEndian.Uint32(packet[4:]) == codeCancel {
		c.cancel(packet)
		return
	}
	if c.p.cfg.RequireTLS && c.client == c.raw && !IsUnix(c.peer) {
		c.p.refused.Add(1)
		c.fail("28000", "perfd requires TLS here: set sslmode=require")
		return
	}
	if c.p.feed != nil {
		c.tee.FeedConn = c.p.feed.Open(capture.Conn{Client: c.peer, Server: c.own, Opened: c.opened}, c.p.cfg.Protocol)
	}
	c.tee.Write(capture.ToServer, time.Now(), packet)
	server, first, err := c.connect(packet)
	if err != nil {
		if !errors.Is(err, net.ErrClosed) { // the client was made to leave
			c.p.reach.note(err)
		}
		c.p.unreachable.Add(1)
		c.p.trouble.say(err)
		c.fail("08006", "perfd cannot reach the PostgreSQL server: "+err.Error())
		return
	}
	c.p.reach.note(nil)
	if first, ok = c.authenticate(server, first); !ok {
		return
	}
	if c.client.SetDeadline(time.Time{}) != nil || server.SetDeadline(time.Time{}) != nil {
		return
	}
	relayBoth(c.client, server, c.tee, nil, first)
}

// startup answers requests for encryption and returns the startup or cancel packet.
func (c *pgConn) startup() (packet []byte, ok bool) {
	var head [8]byte
	for range maxAsks {
		if _, err := io.ReadFull(c.client, head[:1]); err != nil {
			return nil, false
		}
		if head[0] == 0x16 && c.client == c.raw && c.p.tls != nil { // TLS without a request, since PostgreSQL 17
			if !c.encrypt(head[:1]) {
				return nil, false
			}
			continue
		}
		if _, err := io.ReadFull(c.client, head[1:]); err != nil {
			return nil, false
		}
		n, code := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:])
		switch {
		case code == codeTLS && n == 8 && c.p.tls != nil && c.client == c.raw && !IsUnix(c.peer):
			if _, err := c.client.Write([]byte{'S'}); err != nil || !c.encrypt(nil) {
				return nil, false
			}
		case (code == codeTLS || code == codeGSS) && n == 8:
			if _, err := c.client.Write([]byte{'N'}); err != nil {
				return nil, false
			}
		case n >= 8 && n <= maxStartup && (code == codeCancel || code>>16 == 3):
			packet = make([]byte, n)
			copy(packet, head[:])
			_, err := io.ReadFull(c.client, packet[8:])
			return packet, err == nil
		case code>>16 == 2 && n <= maxStartup:
			c.p.refused.Add(1)
			c.fail("0A000", "perfd speaks version 3 of the protocol")
			return nil, false
		default:
			c.p.refused.Add(1)
			return nil, false
		}
	}
	c.p.refused.Add(1)
	return nil, false
}

// encrypt begins TLS with the client, whose first bytes were read already.
func (c *pgConn) encrypt(read []byte) bool {
	conn := tls.Server(&prefixed{Conn: c.raw, before: bytes.Clone(read)}, c.p.tls)
	if conn.HandshakeContext(c.ctx) != nil {
		return false
	}
	c.p.encrypted.Add(1)
	c.client = conn
	return true
}

// prefixed is a connection of which some bytes were read before.
type prefixed struct {
	net.Conn
	before []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.before) > 0 {
		n := copy(b, p.before)
		p.before = p.before[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// CloseWrite ends the direction to the peer.
func (p *prefixed) CloseWrite() error { return closeWrite(p.Conn) }

// cancel passes a cancel request on. Its key is the server's own, which the client got through the relay.
func (c *pgConn) cancel(packet []byte) {
	c.p.cancels.Add(1)
	server, _, err := c.p.up.dial(c.ctx, c.p.cfg.Upstream, c.p.cfg.StartupTimeout, c.p.up.first())
	if err != nil {
		c.p.trouble.say(err)
		return
	}
	if c.hold(server) && server.SetDeadline(time.Now().Add(c.p.cfg.StartupTimeout)) == nil {
		if _, err := server.Write(packet); err == nil {
			_, _ = io.Copy(io.Discard, server) // the server closes when it has sent the signal; so do we
		}
	}
}

// fail tells the client why there will be no connection. Clients show the text as the server's.
func (c *pgConn) fail(state, text string) {
	b := []byte{'E', 0, 0, 0, 0}
	for _, f := range []struct {
		code byte
		text string
	}{{'S', "FATAL"}, {'V', "FATAL"}, {'C', state}, {'M', text}} {
		b = append(append(append(b, f.code), f.text...), 0)
	}
	b = append(b, 0)
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-1))
	c.tee.Write(capture.ToClient, time.Now(), b)
	_, _ = c.client.Write(b)
	_ = closeWrite(c.client)
}

// connect connects to the server as sslmode says and sends the startup packet. first is the beginning of the
// answer, at least a byte.
func (c *pgConn) connect(packet []byte) (server net.Conn, first []byte, err error) {
	up := c.p.up
	way := up.first()
	for try := 0; ; try++ {
		var encrypted bool
		if server, encrypted, err = up.dial(c.ctx, c.p.cfg.Upstream, c.p.cfg.StartupTimeout, way); err != nil {
			if next, ok := up.second(way, encrypted); ok && try == 0 && isHandshake(err) {
				way = next
				continue
			}
			return nil, first, err
		}
		if !c.hold(server) {
			return nil, nil, net.ErrClosed
		}
		if err := server.SetDeadline(time.Now().Add(c.p.cfg.StartupTimeout)); err != nil {
			return nil, nil, fmt.Errorf("connect to %s: %w", c.p.cfg.Upstream, err)
		}
		if _, err := server.Write(packet); err != nil {
			return nil, nil, fmt.Errorf("write startup message: %w", err)
		}
		buf := make([]byte, smallBuffer)
		n, err := server.Read(buf)
		if n == 0 {
			return nil, nil, fmt.Errorf("read answer to startup message: %w", err)
		}
		// A server that wants the other kind of connection refuses at once, and libpq tries that.
		if next, ok := up.second(way, encrypted); ok && try == 0 && buf[0] == 'E' {
			way = next
			continue
		}
		if encrypted {
			c.p.serverTLS.Add(1)
		}
		return server, buf[:n], nil
	}
}

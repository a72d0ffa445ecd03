package proxy

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"net"
	"time"

	"github.com/perfd/perfd/capture"
)

// Channel binding ties SCRAM to the server's certificate. Where TLS ends here, a client cannot bind to it unless
// it was shown the same certificate: the mechanisms that bind are taken out of the server's list, and all
// else of the authentication passes as it is.

const (
	authSASL    = 10 // AuthenticationSASL
	maxAuth     = 64 << 10
	plusSuffix  = "-PLUS"
	maxMessages = 64 // before the one that asks for authentication
)

// authenticate relays what comes before and with the server's request for authentication, and the client's
// answer to a shortened one. What it read of the server and did not pass on is returned.
func (c *pgConn) authenticate(server net.Conn, first []byte) (rest []byte, ok bool) {
	if !c.mustStrip(server) {
		c.tee.Write(capture.ToClient, time.Now(), first)
		return first, true
	}
	c.tee.Write(capture.ToClient, time.Now(), first)
	for range maxMessages {
		message, after, more := c.message(server, first)
		if !more {
			return nil, false
		}
		if message == nil { // not of this protocol: none of perfd's business
			return after, true
		}
		first = after
		stripped, changed := withoutBinding(message)
		if _, err := c.client.Write(stripped); err != nil {
			return nil, false
		}
		switch {
		case changed:
			return first, c.answered(server)
		case message[0] == 'R' || message[0] == 'E':
			return first, true
		}
	}
	return first, true
}

// message returns the first message of b, which it reads on from the server, and what follows it. It is nil where
// b does not begin with one of sensible length.
func (c *pgConn) message(server net.Conn, b []byte) (message, rest []byte, ok bool) {
	buf := make([]byte, smallBuffer)
	for {
		if len(b) >= 5 {
			n := binary.BigEndian.Uint32(b[1:])
			if n < 4 || n > maxAuth {
				return nil, b, true
			}
			if size := int(n) + 1; len(b) >= size {
				return b[:size], b[size:], true
			}
		}
		n, err := server.Read(buf)
		if n == 0 && err != nil {
			return nil, nil, false
		}
		c.tee.Write(capture.ToClient, time.Now(), buf[:n])
		b = append(b[:len(b):len(b)], buf[:n]...)
	}
}

// withoutBinding takes the mechanisms that bind to the channel out of an AuthenticationSASL message.
func withoutBinding(m []byte) (stripped []byte, changed bool) {
	if m[0] != 'R' || len(m) < 9 || binary.BigEndian.Uint32(m[5:]) != authSASL {
		return m, false
	}
	stripped = append(stripped, m[:9]...)
	for list := m[9:]; len(list) > 0; {
		name, rest, _ := bytes.Cut(list, []byte{0})
		list = rest
		if bytes.HasSuffix(name, []byte(plusSuffix)) {
			changed = true
			continue
		}
		if len(name) == 0 {
			break
		}
		stripped = append(append(stripped, name...), 0)
	}
	if !changed {
		return m, false
	}
	stripped = append(stripped, 0)
	binary.BigEndian.PutUint32(stripped[1:], uint32(len(stripped)-1))
	return stripped, true
}

// answered relays the client's answer to the shortened list. A client that could have bound says so, which the
// server would take for an attack and refuse with words that do not help.
func (c *pgConn) answered(server net.Conn) bool {
	buf := make([]byte, smallBuffer)
	have := 0
	for have < 5 || have < int(binary.BigEndian.Uint32(buf[1:]))+1 {
		n, err := c.client.Read(buf[have:])
		if n == 0 {
			return err == nil && have == len(buf) // too long for an answer: the server judges it
		}
		c.tee.Write(capture.ToServer, time.Now(), buf[have:have+n])
		have += n
		if have >= 5 && binary.BigEndian.Uint32(buf[1:]) >= smallBuffer {
			break
		}
	}
	if couldBind(buf[:have]) {
		c.fail("28000", "channel binding cannot pass through perfd: set channel_binding=disable for this client, "+
			"or give perfd the server's own certificate")
		return false
	}
	_, err := server.Write(buf[:have])
	return err == nil
}

// couldBind tells whether a SASLInitialResponse says that the client supports channel binding and believes that
// the server does not (RFC 5802, section 6).
func couldBind(m []byte) bool {
	if len(m) < 5 || m[0] != 'p' {
		return false
	}
	end := bytes.IndexByte(m[5:], 0)
	if end < 0 || len(m) < 5+end+1+4+2 {
		return false
	}
	return bytes.HasPrefix(m[5+end+1+4:], []byte("y,"))
}

// mustStrip tells whether clients cannot bind to the server's channel: TLS to the server ends here, and the
// client did not see the server's certificate.
func (c *pgConn) mustStrip(server net.Conn) bool {
	up, isTLS := server.(*tls.Conn)
	if !isTLS {
		return false
	}
	if _, isTLS := c.client.(*tls.Conn); !isTLS {
		return true
	}
	shown, theirs := c.p.cfg.Certificate.Certificate, up.ConnectionState().PeerCertificates
	return len(shown) == 0 || len(theirs) == 0 || !bytes.Equal(shown[0], theirs[0].Raw)
}

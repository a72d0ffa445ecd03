package sqltrace

import (
	"encoding/binary"

	"github.com/jackc/pgx/v5/pgproto3"
)

// startup takes a client's startup packet, or a request for encryption or cancellation in its place.
func (s *stream) startup(h *half, data []byte) []byte {
	if len(h.buf) == 0 && len(data) >= 8 {
		size := startupSize(data)
		if size == 0 {
			s.joined()
			s.desync(h)
			return data
		}
		if size <= len(data) {
			s.started(data[:size])
			return data[size:]
		}
	}
	room := 4
	if len(h.buf) >= 4 {
		room = int(binary.BigEndian.Uint32(h.buf))
	}
	n := min(len(data), room-len(h.buf))
	s.grow(h, data[:n])
	data = data[n:]
	switch size := len(h.buf); {
	case size == 4:
		if n := binary.BigEndian.Uint32(h.buf); n < 8 || n > maxStartup || s.d.buffered > s.d.config.Buffered {
			s.joined()
			s.desync(h)
			s.free(h)
		}
	case size > 4 && size == int(binary.BigEndian.Uint32(h.buf)):
		packet := h.buf
		s.free(h)
		if startupSize(packet) != size {
			s.joined()
			s.desync(h)
			break
		}
		s.started(packet)
	}
	return data
}

// joined notes that no startup packet was or will be seen.
func (s *stream) joined() { s.session.Joined, s.served = true, true }

// started takes a whole startup packet.
func (s *stream) started(packet []byte) {
	switch code := binary.BigEndian.Uint32(packet[4:]); code {
	case sslRequest, gssRequest:
		s.replies++
	case cancelRequest:
		s.d.stats.Cancels++
		s.client.state, s.server.state = muted, muted
	default:
		s.client.state = atMessage
		var m pgproto3.StartupMessage
		body := append(binary.BigEndian.AppendUint32(nil, pgproto3.ProtocolVersion30), packet[8:]...) // whatever the minor version
		if err := m.Decode(body); err != nil {
			s.joined()
			s.open()
			return
		}
		p := m.Parameters
		s.session.User = s.d.names.Intern([]byte(p["user"]))
		s.session.Database = s.session.User
		if p["database"] != "" {
			s.session.Database = s.d.names.Intern([]byte(p["database"]))
		}
		s.session.Application = s.d.names.Intern([]byte(p["application_name"]))
		switch p["replication"] {
		case "", "false", "off", "no", "0":
		default:
			s.session.Replication = true
		}
		s.open()
	}
}

// reply takes the one-byte answer to a request for encryption.
func (s *stream) reply(data []byte) []byte {
	switch data[0] {
	case 'S', 'G':
		s.d.stats.Encrypted++
		s.session.Encrypted = true
		s.client.state, s.server.state = muted, muted
		s.open()
		return nil
	case 'N':
		s.replies--
		return data[1:]
	}
	s.replies = 0 // an error message of an old server
	return data
}

// parameter takes a ParameterStatus message.
func (s *stream) parameter(body []byte) {
	var m pgproto3.ParameterStatus
	if m.Decode(body) != nil {
		return
	}
	switch m.Name {
	case "application_name":
		if m.Value != s.session.Application {
			s.session.Application = s.d.names.Intern([]byte(m.Value))
		}
	case "standard_conforming_strings":
		s.escapes = m.Value == "off"
	}
}

// backendKey takes the process id of a BackendKeyData message and leaves the key.
func (s *stream) backendKey(body []byte) {
	if len(body) >= 8 {
		s.session.Backend = int32(binary.BigEndian.Uint32(body))
	}
}

package sqltrace

import "bytes"

// desync gives up a direction's message boundaries: what came is no message.
func (s *stream) desync(h *half) {
	s.d.stats.Resyncs++
	s.lose(h)
}

// lose goes over to searching for a message boundary.
func (s *stream) lose(h *half) {
	s.lossy = true
	h.state, h.have, h.need = searching, 0, 0
	h.buf = h.buf[:0]
	if h == &s.client {
		// What was lost may have redefined any of these.
		s.portals.clear()
		s.prepared.remove(nameKey(nil))
		return
	}
	s.spoil()
}

// spoil marks the result that is being received.
func (s *stream) spoil() {
	if o := s.first(); o != nil && o.st != nil {
		o.st.Gaps |= GapResult
	}
}

// overrun gives up a client's message that claims more bytes than came although the server has answered and
// waits for the next: its length was damaged. Otherwise the rest of the connection would pass for its body.
func (s *stream) overrun() {
	if h := &s.client; h.state == inBody && h.typ != 'd' {
		s.desync(h)
	}
}

// lostRequest takes note of bytes missing from the client.
func (s *stream) lostRequest(n int64) {
	h := &s.client
	s.d.stats.LostBytes += n
	switch h.state {
	case muted, searching:
		return
	case atStartup:
		s.joined()
	case inBody:
		if s.passOver(h, n, s.requestCut) {
			return
		}
	}
	s.d.stats.Resyncs++
	s.lose(h)
}

// lostAnswer takes note of bytes missing from the server.
func (s *stream) lostAnswer(n int64) {
	h := &s.server
	s.d.stats.LostBytes += n
	s.replies = 0
	switch h.state {
	case muted:
		return
	case searching:
		s.spoil()
		return
	case inBody:
		s.spoil()
		if s.passOver(h, n, s.answerCut) {
			return
		}
	}
	s.d.stats.Resyncs++
	s.lose(h)
}

// passOver counts n lost bytes against the message under way and reports whether they all belonged to it.
// Otherwise the message is over.
func (s *stream) passOver(h *half, n int64, take func(*half)) bool {
	within := n <= int64(h.need)
	h.damage = true
	if within {
		h.need -= int(n)
	} else {
		h.need = 0
	}
	if h.need == 0 {
		s.finish(h, take)
	}
	return within
}

// catchUp drops what must have been answered in bytes that were lost. A client waits for ReadyForQuery
// before it goes on, so that an answer belongs to the last thing asked before it.
func (s *stream) catchUp() {
	last := s.head
	for i := s.head + 1; i < len(s.queue) && !s.queue[i].at.After(s.now); i++ {
		if s.queue[i-1].kind != opExecute {
			last = i
		}
	}
	for n := last - s.head; n > 0; n-- {
		end := s.queue[s.head+1].at
		if o := s.first(); o.st != nil && s.lastByte.After(o.st.Start) && s.lastByte.Before(end) {
			end = s.lastByte
		}
		s.drop(end, GapResult)
	}
}

// executeSync is how a client's turn in the extended protocol mostly ends: Execute of the unnamed portal
// without a limit, and Sync.
var executeSync = []byte("E\x00\x00\x00\x09\x00\x00\x00\x00\x00S\x00\x00\x00\x04")

// findRequest returns data from a client's message boundary on, or nil if there is none to be sure of.
func findRequest(data []byte) []byte {
	if clientChain(data) {
		return data
	}
	if n := bytes.Index(data, executeSync); n >= 0 {
		return data[n:]
	}
	return nil
}

var readyForQuery = []byte("Z\x00\x00\x00\x05")

// maxTag is the longest command tag looked for before a ReadyForQuery.
const maxTag = 64

// findAnswer returns data from a server's message boundary on, or nil if there is none to be sure of: a run
// of messages at once, or a ReadyForQuery, with the command tag before it if there is one.
func findAnswer(data []byte) []byte {
	if serverChain(data) {
		return data
	}
	for from := 0; ; {
		n := bytes.Index(data[from:], readyForQuery)
		if n < 0 {
			return nil
		}
		z := from + n
		from = z + len(readyForQuery)
		if from == len(data) {
			return nil
		}
		if c := data[from]; c != 'I' && c != 'T' && c != 'E' {
			continue
		}
		if rest := data[from+1:]; len(rest) >= 5 && frame(rest, &serverLimits) == 0 {
			continue
		}
		for tag := z - 7; tag >= 0 && z-tag < maxTag; tag-- {
			if data[tag] == 'C' && frame(data[tag:], &serverLimits) == z-tag && plausibleAnswer('C', data[tag+5:z], z-tag-5) {
				return data[tag:]
			}
		}
		return data[z:]
	}
}

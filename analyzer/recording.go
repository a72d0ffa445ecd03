package analyzer

import (
	"fmt"
	"time"
)

// Recording is what the earlier stages counted: the part of a summary that no trace tells.
type Recording struct {
	From, To        time.Time // first and last packet; zero if unknown
	Packets, Bytes  int64
	LostBytes, Gaps int64
	Truncated       int64 // packets cut by the snap length
	Evicted         int64 // connections given up at a limit

	HTTPConnections, SQLConnections int64  // claimed by a decoder
	OtherConnections                int64  // of unknown protocol
	EncryptedHTTP, EncryptedSQL     int64  // connections seen to be encrypted
	JoinedConnections               int64  // open before the recording began
	UnknownTexts                    int64  // statements whose text was not captured
	Partial                         string // why reading ended early; empty if it did not
}

// notices words what the recording lacked, the gravest first.
func (s *Summarizer) notices(rec Recording) []Notice {
	list := []Notice{}
	say := func(fix, title string, args ...any) {
		list = append(list, Notice{Title: fmt.Sprintf(title, args...), Fix: fix})
	}
	if rec.Partial != "" {
		say("Copy the recording again, or end it with SIGINT so that its last packet is whole; what was read is shown.",
			"The recording ends early: %s.", rec.Partial)
	}
	switch {
	case rec.Packets == 0:
		say("Record with: tcpdump -i any -s 0 -w odoo.pcap 'tcp port 8069 or tcp port 5432'", "The recording holds no packets.")
		return list
	case s.sum.Calls == 0 && rec.EncryptedHTTP > 0:
		say("Record behind the proxy that ends TLS, where Odoo listens (port 8069), not in front of it.",
			"All RPC traffic is encrypted: %s.", plural(rec.EncryptedHTTP, "TLS connection"))
	case s.sum.Calls == 0:
		say("Record the port Odoo listens on (8069 unless changed) together with PostgreSQL's; "+
			"another port is named by --rpc-port.", "The recording holds no RPC calls.")
	case rec.EncryptedHTTP > 0:
		say("Record behind the proxy that ends TLS as well, if these are calls.",
			"%s could not be read.", plural(rec.EncryptedHTTP, "TLS connection"))
	}
	switch {
	case s.sum.Statements == 0 && rec.EncryptedSQL > 0:
		say("Set db_sslmode = disable in odoo.conf for the time of the recording, if the network allows it.",
			"PostgreSQL traffic is encrypted: %s.", plural(rec.EncryptedSQL, "connection"))
	case s.sum.Statements == 0:
		say("If Odoo uses a Unix socket, set db_host = 127.0.0.1; otherwise record PostgreSQL's port too "+
			"(another than 5432 is named by --pg-port).", "The recording holds no PostgreSQL traffic: time in SQL is unknown.")
	case rec.EncryptedSQL > 0:
		say("Set db_sslmode = disable for the clients that matter.",
			"%s to PostgreSQL could not be read.", plural(rec.EncryptedSQL, "encrypted connection"))
	}
	if rec.LostBytes > 0 || rec.Gaps > 0 {
		say("Record with a larger buffer (tcpdump -B 65536) or on a less busy machine.",
			"%s lost in %s; %s marked.", bytesFigure(rec.LostBytes), plural(rec.Gaps, "gap"), plural(s.lossy, "call"))
	}
	if rec.Truncated > 0 {
		say("Record whole packets: tcpdump -s 0.", "%s cut short by the snap length.", plural(rec.Truncated, "packet"))
	}
	if s.sum.Calls > 0 && s.unattributed > 0 {
		say("They are listed as background; a shorter overlap of calls or a proxy recording tells more.",
			"%s of %s (%.1f %%) may belong to a call, but to which could not be told.", count(s.unattributed),
			plural(s.sum.Statements, "statement"), 100*float64(s.unattributed)/float64(s.sum.Statements))
	}
	if rec.UnknownTexts > 0 {
		say("Start the recording before the server, so that its prepared statements are seen.",
			"The text of %s was not captured.", plural(rec.UnknownTexts, "statement"))
	}
	if s.cutStart+s.cutEnd > 0 {
		say("Record a little longer before and after what matters.",
			"%s cut off by the recording's start, %s unanswered at its end.", plural(s.cutStart, "call"), count(s.cutEnd))
	}
	if s.anonymous > 0 {
		say("Record from before the users log in, or let each reload the page once.",
			"The user of %s is unknown.", plural(s.anonymous, "call"))
	}
	if rec.Evicted > 0 {
		say("Narrow the capture filter to the ports that matter.",
			"%s given up at the limit of open connections.", plural(rec.Evicted, "connection"))
	}
	return list
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

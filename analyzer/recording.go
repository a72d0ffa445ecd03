package analyzer

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/perfd/perfd/figures"
)

// Recording is what the earlier stages counted: the part of a summary that no trace tells.
type Recording struct {
	From, To        time.Time // first and last packet; zero if unknown
	Packets, Bytes  int64
	LostBytes, Gaps int64
	Truncated       int64 // packets cut by the snap length
	SnapLength      int   // bytes kept of a packet at most; 0 if unknown
	Evicted         int64 // connections given up at a limit
	OutOfOrder      int64 // packets recorded after later ones of their connection
	Disordered      bool  // and given their times afterwards

	HTTPConnections, SQLConnections int64  // claimed by a decoder
	OtherConnections                int64  // of unknown protocol
	EncryptedHTTP, EncryptedSQL     int64  // connections seen to be encrypted
	JoinedConnections               int64  // open before the recording began
	UnknownTexts                    int64  // statements whose text was not captured
	Partial                         string // why reading ended early; empty if it did not
	PartialFix                      string // what to do about that. Defaults to advice on recordings of packets
	Uncounted                       bool   // how many packets there were is not known: Packets of 0 tells nothing
	Growing                         bool   // more is being written while this is read

	// From and To may be a part of the recording that was asked for; these tell of the rest.
	First, Last time.Time // of the whole recording; zero if From and To are
	Outside     int64     // calls that begin outside that part

	// Where ports were named and no connection to them was found.
	NoHTTP, NoSQL     []uint16 // the ports named
	HTTPSeen, SQLSeen []uint16 // the ports where that protocol was found by content
}

// longest is the snap length from which on packets are whole: what is shorter in such a file was cut by something else.
const longest = 65535

// seriousShare is the share of unattributed statements from which a notice is serious.
const seriousShare = 0.05

// notices words what the recording lacked, first those without which the figures cannot be read.
func (s *Summarizer) notices(rec Recording) (list []Notice, serious int) {
	list = []Notice{}
	say := func(fix, title string, args ...any) {
		list = append(list, Notice{Title: fmt.Sprintf(title, args...), Fix: fix})
	}
	warn := func(fix, title string, args ...any) {
		list = slices.Insert(list, serious, Notice{Title: fmt.Sprintf(title, args...), Fix: fix})
		serious++
	}
	if rec.Partial != "" {
		warn(cmp.Or(rec.PartialFix, "Copy the recording again, or end it with SIGINT so that its last packet is whole; what was read is shown."),
			"The recording ends early: %s.", rec.Partial)
	}
	if rec.Growing {
		say("Ask again later for more, or look at the pages of the perfd that writes it.", "The recording goes on: perfd is writing this store now.")
	}
	switch {
	case rec.Packets == 0 && !rec.Uncounted:
		warn("Record with: tcpdump -i any -s 0 -w odoo.pcap 'tcp port 8069 or tcp port 5432'", "The recording holds no packets.")
		return list, serious
	case s.sum.Calls == 0 && rec.Outside > 0:
		warn("Give --from and --to a part of that; "+figures.Plural(rec.Outside, "call")+" begin outside this range.",
			"No call begins in this range; the recording runs %s.", span(rec.First, rec.Last))
		return list, serious
	case s.sum.Calls == 0 && len(rec.NoHTTP) > 0:
		warn(portFix("rpc", "HTTP", rec.HTTPSeen), "No HTTP connection to %s, which --rpc-port names.", portList(rec.NoHTTP))
	case s.sum.Calls == 0 && rec.EncryptedHTTP > 0:
		warn("Record behind the proxy that ends TLS, where Odoo listens (port 8069), not in front of it.",
			"All RPC traffic is encrypted: %s.", figures.Plural(rec.EncryptedHTTP, "TLS connection"))
	case s.sum.Calls == 0:
		warn("Record the port Odoo listens on (8069 unless changed) together with PostgreSQL's; "+
			"another port is named by --rpc-port.", "The recording holds no RPC calls.")
	case rec.EncryptedHTTP > 0:
		say("Record behind the proxy that ends TLS as well, if these are calls.",
			"%s could not be read.", figures.Plural(rec.EncryptedHTTP, "TLS connection"))
	}
	switch {
	case s.sum.Statements == 0 && len(rec.NoSQL) > 0:
		warn(portFix("pg", "PostgreSQL", rec.SQLSeen), "No PostgreSQL connection to %s, which --pg-port names.", portList(rec.NoSQL))
	case s.sum.Statements == 0 && rec.EncryptedSQL > 0:
		warn("Set db_sslmode = disable in odoo.conf for the time of the recording, if the network allows it.",
			"PostgreSQL traffic is encrypted: %s.", figures.Plural(rec.EncryptedSQL, "connection"))
	case s.sum.Statements == 0:
		warn("If Odoo uses a Unix socket, set db_host = 127.0.0.1; otherwise record PostgreSQL's port too "+
			"(another than 5432 is named by --pg-port).", "The recording holds no PostgreSQL traffic: time in SQL is unknown.")
	case rec.EncryptedSQL > 0:
		say("Set db_sslmode = disable for the clients that matter.",
			"%s to PostgreSQL could not be read.", figures.Plural(rec.EncryptedSQL, "encrypted connection"))
	}
	switch lost := fmt.Sprintf("%s lost in %s; %s marked", bytesFigure(rec.LostBytes), figures.Plural(rec.Gaps, "gap"), figures.Plural(s.lossy, "call")); {
	case rec.Truncated > 0 && rec.SnapLength > 0 && rec.SnapLength < longest:
		warn("Record whole packets: tcpdump -s 0.", "%s cut short by the snap length of %s bytes: %s.",
			figures.Plural(rec.Truncated, "packet"), figures.Thousands(int64(rec.SnapLength)), lost)
	case rec.Truncated > 0:
		warn("Record whole packets: tcpdump -s 0.", "%s cut short: %s.", figures.Plural(rec.Truncated, "packet"), lost)
	case rec.LostBytes > 0 || rec.Gaps > 0:
		say("Record with a larger buffer (tcpdump -B 65536) or on a less busy machine.", "%s.", lost)
	}
	if rec.Disordered {
		warn("Record on one interface; where the tool that wrote the file changed times, go back to the original.",
			"%s recorded out of order, and given their times after that: no statement is beyond doubt, every call is marked.", figures.Plural(rec.OutOfOrder, "packet"))
	}
	if s.sum.Calls > 0 && s.unattributed > 0 {
		share := float64(s.unattributed) / float64(s.sum.Statements)
		tell := say
		if share > seriousShare {
			tell = warn
		}
		tell("They are listed as background; a shorter overlap of calls or a proxy recording tells more.",
			"%s of %s (%s) may belong to a call, but to which could not be told.", figures.Thousands(s.unattributed),
			figures.Plural(s.sum.Statements, "statement"), shareFigure(share))
	}
	if rec.UnknownTexts > 0 {
		say("Start the recording before the server, so that its prepared statements are seen.",
			"The text of %s was not captured.", figures.Plural(rec.UnknownTexts, "statement"))
	}
	if s.cutStart+s.cutEnd > 0 {
		var parts []string
		if s.cutStart > 0 {
			parts = append(parts, figures.Plural(s.cutStart, "call")+" cut off by the recording's start")
		}
		if s.cutEnd > 0 {
			parts = append(parts, figures.Plural(s.cutEnd, "call")+" without an answer to the end")
		}
		say("Record a little longer before and after what matters.", "%s.", strings.Join(parts, ", "))
	}
	if s.anonymous > 0 {
		say("Record from before the users log in, or let each reload the page once.",
			"The user of %s is unknown.", figures.Plural(s.anonymous, "call"))
	}
	if rec.Evicted > 0 {
		say("Narrow the capture filter to the ports that matter.",
			"%s given up at the limit of open connections.", figures.Plural(rec.Evicted, "connection"))
	}
	return list, serious
}

// span words a time range: the date once where it is one.
func span(from, to time.Time) string {
	from, to = from.UTC(), to.UTC()
	end := time.DateTime
	if from.Format(time.DateOnly) == to.Format(time.DateOnly) {
		end = time.TimeOnly
	}
	return from.Format(time.DateTime) + "–" + to.Format(end) + " UTC"
}

// portList words ports: "port 8069", "port 8069 or 8072".
func portList(ports []uint16) string {
	words := make([]string, 0, len(ports))
	for _, p := range ports {
		words = append(words, strconv.Itoa(int(p)))
	}
	return "port " + strings.Join(words, " or ")
}

func portFix(flag, protocol string, seen []uint16) string {
	if len(seen) == 0 {
		return "No " + protocol + " was seen on another port either: check what was recorded."
	}
	return protocol + " was seen on " + portList(seen) + ": name that, or leave --" + flag + "-port out."
}

package observe

import (
	"fmt"

	"github.com/perfd/perfd/figures"
)

// Shares from which something is told.
const (
	unseenShare   = 0.02 // of the calls sent
	strangeShare  = 0.02 // of calls more than were sent
	inferredShare = 0.10 // of the statements
	lostShare     = 0.05 // of the statements
)

// doubts says what the tap lacked.
func (r *Result) doubts(of Sight, both bool) {
	say := func(format string, a ...any) { r.Doubts = append(r.Doubts, fmt.Sprintf(format, a...)) }
	sides := []struct {
		name string
		*Side
	}{{"A", &r.A}, {"B", &r.B}}
	if !both {
		sides = sides[:1]
	}
	for _, s := range sides {
		switch {
		case s.Sent > 0 && s.Seen == 0 && of.EncryptedHTTP > 0:
			say("The tap saw none of %s of %s, and %s encrypted: name the port behind the proxy that ends TLS with --rpc-port.", figures.Plural(s.Sent, "call"), s.name, figures.Plural(of.EncryptedHTTP, "connection"))
		case s.Sent > 0 && s.Seen == 0:
			say("The tap saw none of %s of %s: perfd has to run on the target's host, and --tap and --rpc-port have to name where it is reached.", figures.Plural(s.Sent, "call"), s.name)
		case float64(s.Sent-s.Seen) > unseenShare*float64(s.Sent):
			say("The tap saw %s of %s of %s.", figures.Thousands(s.Seen), figures.Plural(s.Sent, "call"), s.name)
		case float64(s.Seen-s.Sent) > strangeShare*float64(s.Sent):
			say("While %s was sent, others called the same methods: the tap saw %s, and %s went out.", s.name, figures.Plural(s.Seen, "call"), figures.Thousands(s.Sent))
		}
		if s.Seen > 0 && s.Statements == 0 {
			switch {
			case of.EncryptedSQL > 0:
				say("The tap saw no statement of %s: the connections to PostgreSQL are encrypted.", s.name)
			default:
				say("The tap saw no statement of %s: perfd has to run where the server reaches PostgreSQL, by TCP, and --pg-port has to name its port.", s.name)
			}
		}
		if s.Lost > 0 {
			say("The tap lost %s while %s was sent.", figures.Plural(s.Lost, "packet"), s.name)
		}
		if s.Gapped > 0 {
			say("Of %s of %s the tap did not see all bytes.", figures.Plural(s.Gapped, "call"), s.name)
		}
		if n := s.Statements - s.Exact; float64(n) > inferredShare*float64(s.Statements) {
			say("Of the statements of %s %.0f %% are given to calls by inference, because calls overlapped.", s.name, 100*float64(n)/float64(s.Statements))
		}
		if float64(s.Unattributed) > lostShare*float64(s.Statements+s.Unattributed) {
			say("%s of %s may belong to a call, but to which could not be told.", figures.Plural(s.Unattributed, "statement"), s.name)
		}
	}
	if of.LostBytes > 0 && r.A.Lost+r.B.Lost == 0 {
		say("%s did not reach the tap.", figures.Plural(of.LostBytes, "byte"))
	}
}

package main

import (
	"slices"

	"github.com/perfd/perfd/capture"
)

// onlooker is offered the connections that the ports named on the command line keep from the decoders. It
// takes none, and notes where each protocol was found all the same.
type onlooker struct {
	protocols [2]capture.Protocol
	seen      [2][]uint16 // server ports, by protocol
}

var _ capture.Protocol = (*onlooker)(nil)

const maxSeen = 8 // ports noted of a protocol

func (o *onlooker) Claims(conn capture.Conn, data []byte) capture.Verdict {
	for i, p := range o.protocols {
		if p.Claims(conn, data) == capture.Reject {
			continue
		}
		port := conn.Server.Port()
		if conn.Joined { // which side is the server is a guess: it is the one whose port is not ephemeral
			port = min(port, conn.Client.Port())
		}
		if !slices.Contains(o.seen[i], port) && len(o.seen[i]) < maxSeen {
			o.seen[i] = append(o.seen[i], port)
		}
		break
	}
	return capture.Reject
}

// NewStream is never called: no connection is claimed.
func (o *onlooker) NewStream(capture.Conn) capture.Stream { return nil }

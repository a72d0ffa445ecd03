// Package capture turns packets, recorded or live, into ordered byte streams of TCP connections and hands them to the
// protocols that claim them.
//
// A File reads pcap or pcapng and feeds an Engine. The engine decodes link, network and TCP headers, finds the
// connection, puts segments in order and calls Stream.Chunk with slices of the packet itself: in-order data is
// never copied. What the recording lacks is reported as Chunk.Lost and never stalls a stream. All memory is
// bounded by Config, all time is capture time, and one goroutine does all of it.
//
// Reassembly is the package's own because it must be bounded by default, must say exactly which bytes are
// missing, and must keep the two directions of a connection in causal order: bytes are delivered only after the
// bytes which their sender had acknowledged by then, or after those were declared lost.
package capture

// Package proxy stands in line: HTTP in front of the application server, PostgreSQL in front of the database.
//
// It is for what a packet tap cannot see, TLS and Unix sockets, and gives the bytes it relays to a capture.Feed,
// from which the same decoders make the same calls and statements. Relaying comes first: nothing that becomes
// of the copy, a full queue or a decoder's failure, delays or changes a byte of the original.
//
// Both proxies relay bytes and read no more of them than relaying takes: HTTP header sections and the lengths of
// bodies, PostgreSQL's startup and, where TLS ends here, the list of authentication mechanisms.
package proxy

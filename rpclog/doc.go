// Package rpclog turns the bytes of HTTP/1 connections into calls: which method was called, by whom, when
// its request and its response began and ended, and how it went.
//
// A Decoder is a capture.Protocol. The state machine in http.go frames messages and never fails a stream:
// what the capture lost is skipped by length where a length is known, else the decoder waits for the next
// start line, and every affected Call carries a Gap. Bodies whose header section was lost are recognised by
// their content where they can be (bare.go). On the messages stand the envelopes, one file each:
// jsonrpc.go, json2.go, xmlrpc.go and tryton.go; plain http routes have none. A new dialect is a new file
// and one line in the table in envelope.go.
//
// Bodies are scanned as they pass and never kept, unless Config.Keep asks for a call's arguments or its answer: those come
// without the secrets among them (content.go). Secrets do not leave the package: sessions become keyed
// hashes, paths lose their query and their tokens, error messages are reduced to names, and of all other
// values only 32-bit hashes remain.
package rpclog

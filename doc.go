// Package perfd is the root of a performance analyzer for Odoo and Tryton: it reads a recording of their HTTP
// and PostgreSQL traffic and says which SQL statements each RPC call caused and where its time went.
//
// The folders, in the direction of the flow:
//
//	capture/    files and packets → TCP byte streams
//	rpclog/     HTTP streams → RPC calls
//	sqltrace/   PostgreSQL streams → statements
//	evidence/   hashes by which rpclog and sqltrace are compared
//	analyzer/   calls and statements → traces, findings, summaries
//	report/     traces → text, JSON lines, HTML
//	store/      traces in an embedded database
//	web/        the JSON API and the pages
//	cmd/perfd/  the command, which wires them
//	fixtures/   real recordings with their ground truth, and a generator of hostile ones
//	docs/       formats, privacy, decisions
//	scripts/    what the Makefile and .ci/run call
//
// This package itself holds no code but the test of these directions. ARCHITECTURE.md says the rest.
package perfd

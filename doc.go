// Package perfd is the root of a performance analyzer for Odoo and Tryton: it reads their HTTP
// and PostgreSQL traffic, live or recorded, and says which SQL statements each RPC call caused and where its time went.
//
// The folders, in the direction of the flow:
//
//	capture/    files, interfaces and relayed bytes → TCP byte streams
//	proxy/      HTTP and PostgreSQL relays, where a tap sees nothing
//	follow/     log files as they grow
//	rpclog/     HTTP streams → RPC calls
//	sqltrace/   PostgreSQL streams and logs → statements
//	odoolog/    the server's own log → what it says of its requests
//	process/    which process and thread used which connection
//	evidence/   hashes by which rpclog and sqltrace are compared
//	jsontree/   JSON texts from outside, rewritten in places
//	secrets/    what is a password, a token or a key: the tables by which it is taken out
//	figures/    numbers and texts as reports word them
//	analyzer/   calls and statements → traces, findings, summaries
//	report/     traces → text, JSON lines, HTML
//	store/      traces in an embedded database
//	web/        the JSON API and the pages
//	sidecar/    the queue and the limits of a perfd beside a server
//	config/     settings; doctor/ diagnosis; privilege/ rights; metrics/, profile/ what others are told of perfd
//	cmd/perfd/  the command, which wires them
//	cache/      keeps answers of calls in memory and Redis; a package of its own
//	client/     calls methods of Odoo and Tryton servers; a package of its own
//	replay/     captured sessions sent again, and compared
//	deploy/     systemd, Docker, Kubernetes, Helm
//	fixtures/   real recordings with their ground truth, and a generator of hostile ones
//	lab/        real servers for tests
//	docs/       formats, privacy, decisions
//	scripts/    what the Makefile and .ci/run call
//
// This package itself holds no code but tests: of these directions, and of all stages together. ARCHITECTURE.md says the rest.
package perfd

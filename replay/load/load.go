package load

import (
	"encoding/json"
	"time"
)

// Version is the version of the format that a Writer writes. A Reader reads it and those before it.
const Version = 1

// Header says where a load comes from and what it holds. It is the file's first line.
type Header struct {
	Version int `json:"version"`
	// Product is "odoo" or "tryton"; empty if the calls do not show it.
	Product string `json:"product,omitempty"`
	// Database is the name of the captured database, or its alias; a replay refuses to write to it.
	Database string `json:"database,omitempty"`
	// DatabaseUUID is the captured database's database.uuid, as far as an answer told it, or whoever recorded it.
	DatabaseUUID string `json:"database_uuid,omitempty"`
	// Server is the address that most calls went to: a replay refuses to write to it. Empty if not known.
	Server string `json:"server,omitempty"`
	// Start is the time that Call.At counts from.
	Start time.Time `json:"start"`
	// Sources are the names, without folders, of what was recorded; "live" for a tap.
	Sources []string `json:"sources,omitempty"`
	// Arguments says that calls hold their arguments: without them a load cannot be sent, only counted.
	Arguments bool `json:"arguments"`
	// Answers says that calls hold their answers, not the digests alone.
	Answers bool `json:"answers,omitempty"`
	// Redacted says that values stand as aliases. Pepper tells whether two files' aliases may be equal: files of one
	// key have one value here.
	Redacted bool   `json:"redacted"`
	Pepper   string `json:"pepper,omitempty"`
	// Lacks says in sentences what the source did not have.
	Lacks []string `json:"lacks,omitempty"`
}

// Session is one user's work in one session. It stands before its first call.
type Session struct {
	// ID is an alias, s1, s2…, never the cookie. Calls without a session are put together by connection.
	ID string `json:"id"`
	// Login is the user's login or its alias, user1, user2…; empty if not known.
	Login string `json:"login,omitempty"`
	UID   int64  `json:"uid,omitempty"`
	// Transport is how its first call travelled: jsonrpc, xmlrpc, json2, tryton or http.
	Transport string `json:"transport"`
	Database  string `json:"database,omitempty"`
	// Anonymous says that no session identifier was seen: the calls share a connection, or carry their own password.
	Anonymous bool `json:"anonymous,omitempty"`
}

// Call is one request and what came of it.
type Call struct {
	// Seq numbers the calls of a file from 1, in order of At. Runs are paired by it.
	Seq     int64  `json:"seq"`
	Session string `json:"session"`

	// At is when the request began, since Header.Start; Duration is to the answer's end, First to its first byte. Zero
	// durations of a call that Lacks an answer are not known.
	At       time.Duration `json:"at"`
	Duration time.Duration `json:"duration"`
	First    time.Duration `json:"first,omitempty"`

	Transport string `json:"transport"`
	Verb      string `json:"verb,omitempty"` // the HTTP method
	Path      string `json:"path,omitempty"` // without the query
	Service   string `json:"service,omitempty"`
	Model     string `json:"model,omitempty"`
	Method    string `json:"method,omitempty"`

	// Args and Kwargs are the method's arguments, without the database, uid and password that stand before them in some
	// transports. Nil if they are not kept or not whole. For Tryton, Args ends with the context as it travelled.
	Args   json.RawMessage `json:"args,omitempty"`
	Kwargs json.RawMessage `json:"kwargs,omitempty"`
	// Params is the request where it is not args and kwargs: the params of a JSON-RPC route that is not call_kw.
	Params json.RawMessage `json:"params,omitempty"`
	// Query and Fields are the query and the form of a plain route, as ParseFields reads them. Nil if there is none, or it is
	// not kept.
	Query  json.RawMessage `json:"query,omitempty"`
	Fields json.RawMessage `json:"fields,omitempty"`
	// Form is how the arguments travelled where there are several ways: FormExecute or FormExecuteKW to Odoo's object
	// service, FormURLEncoded or FormMultipart to a plain route. Empty in files of before there was this member.
	Form string `json:"form,omitempty"`

	Status int `json:"status"`
	// Error is the name of the error in the answer, whatever the status: odoo.exceptions.UserError.
	Error string `json:"error,omitempty"`
	// Digest is a hash of the answer without its volatile fields (see Digest); empty if the answer was not whole.
	Digest string `json:"digest,omitempty"`
	// Answer is the answer's result, if answers are kept.
	Answer json.RawMessage `json:"answer,omitempty"`
	// Minted are the ids of the records that the call made, as its answer tells.
	Minted []Minted `json:"minted,omitempty"`

	RequestBytes  int64 `json:"request_bytes,omitempty"`
	ResponseBytes int64 `json:"response_bytes,omitempty"`

	// Statements, SQL and Wait are what its database traffic was: how many, how long, how long of it for locks.
	Statements int           `json:"statements,omitempty"`
	SQL        time.Duration `json:"sql,omitempty"`
	Wait       time.Duration `json:"wait,omitempty"`

	// Lacks says, in words with commas, what is missing of it: "request" and "response" (bytes lost), "start" (the
	// connection was open before the recording), "answer" (none seen), "statements", "arguments" (over a bound, not
	// decoded, or not kept), "query" (not kept, or not decoded).
	Lacks string `json:"lacks,omitempty"`

	// About is what a route of the web client is about, as "model.method", by its params: /web/dataset/resequence. It names
	// the call, and is none of what is sent. Set by Settle.
	About string `json:"-"`
}

// IsRoute tells of a settled call of Odoo whether it is what its path says, and not a method.
func (c *Call) IsRoute() bool {
	return c.Transport == "http" || c.Transport == "jsonrpc" && c.Path != routeRPC && (c.Model == "" || c.Method == "" || c.Params != nil)
}

// Minted names records that a call made, in the order of the answer.
type Minted struct {
	Model string  `json:"model"`
	IDs   []int64 `json:"ids"`
}

// Package analyzer decides which statements belong to which call, and what that means.
//
// Calls come from rpclog and statements from sqltrace, in capture order. The unit of attribution is the
// lease: a PostgreSQL connection from its reset to its next reset belongs to one call, whoever owns it.
// The Analyzer collects a window of calls and leases and assigns them jointly, by a likelihood to which
// every kind of evidence adds: the delays between a call's leases and their pattern (attribute_timing.go),
// values that stand both in the call and in its statements (attribute_content.go), the shapes a method
// usually runs (attribute_profile.go), and the connections that one worker process uses
// (attribute_chain.go). What it learns from the sure answers of a window weighs the unsure ones of that
// window and the next.
//
// Each answer carries its ground (Evidence) and a probability; what no call can own is delivered as
// Background. Rules turn traces into findings, a Splitter tells where a call's time went, and a Summarizer
// adds up a recording.
//
// The package does no I/O and reads no clock: the same capture gives the same answer.
package analyzer

package replay

import (
	"encoding/json"
	"time"
)

// Match is how an answer compares with the recorded one.
type Match uint8

// The ways of comparing.
const (
	Unknown   Match = iota // nothing is recorded to compare with
	Same                   // the same outcome and, volatile fields and mapped ids apart, the same content
	Different              // the same outcome with other content
	Failed                 // an error where there was none
	Recovered              // no error, or another one, where there was one
)

var matchNames = [...]string{"unknown", "same", "different", "failed", "recovered"}

func (m Match) String() string { return matchNames[m] }

// Result is what came of one call.
type Result struct {
	Seq                    int64
	Session, Model, Method string
	// Name is "model.method", or the path of a call without a model.
	Name string

	// Due and Sent are when the call was due and sent, since the run began.
	Due, Sent time.Duration
	// Latency is from due to the end of the answer, without Wait; Service is from sent, First to the answer's first
	// byte.
	Latency, Service, First time.Duration
	// Wait is how long the call waited for ids that other calls make, and for its session's log-in.
	Wait time.Duration
	// Late is by how much the generator missed the moment at which the call could go.
	Late time.Duration
	// Recorded is the recorded duration.
	Recorded time.Duration

	Status int    // of HTTP
	Error  string // the error's name; empty of a good answer
	// Cached tells that no request was made.
	Cached bool
	// Retried tells that the call was tried more than once: its connection broke before an answer, its session had
	// expired, or the server gave up after a serialization failure or a lock timeout.
	Retried bool
	// Aliased tells that the call was asked with aliases in the place of recorded values.
	Aliased bool
	Bytes   int64 // of the answer
	Match   Match
	// Unjudged says why Match is Unknown; empty if it is not, or answers were not to be compared.
	Unjudged string
	// Answer is the result, with the recorded ids in place of the target's. It is valid until Sink returns.
	Answer json.RawMessage
	// Was is the recorded result, if the load holds answers.
	Was json.RawMessage
}

// Left says why a call was not sent.
type Left string

// Why calls are not sent.
const (
	LeftOut        Left = "not chosen"           // by Config.Sessions and Methods
	LeftExcluded   Left = "never replayed"       // buses, sessions, files
	LeftWrite      Left = "write not allowed"    // by Config.Safety
	LeftDangerous  Left = "dangerous, not named" // by Config.Safety
	LeftArguments  Left = "arguments not kept"
	LeftDependency Left = "made of a record that was not created"
	LeftLogin      Left = "nobody could log in"
	LeftInFlight   Left = "dropped: too many in flight"
	LeftQueue      Left = "dropped: too many waiting"
	LeftStopped    Left = "stopped"
)

// Dropped tells whether calls left for that reason are a fault of the run.
func (l Left) Dropped() bool { return l == LeftInFlight || l == LeftQueue }

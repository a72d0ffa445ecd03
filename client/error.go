package client

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Kind says what went wrong, in terms that a program can act on. A Kind is an error itself, so that
// errors.Is(err, client.KindMissing) tells whether an error is of it.
type Kind uint8

// The kinds of errors.
const (
	// KindServer is an exception of the server that has no kind of its own; Error.Name has its name.
	KindServer Kind = iota
	// KindAccessDenied is a wrong login, password or key, or a user who may not log in.
	KindAccessDenied
	// KindMultiFactor is a log-in for which the server wants a second factor.
	KindMultiFactor
	// KindAccess is a right that the user lacks: for a model, a record or a method.
	KindAccess
	// KindValidation is a value that a constraint refuses.
	KindValidation
	// KindUser is a message of the business logic to the user.
	KindUser
	// KindWarning is a question that the user has to answer before the method goes on (Tryton's UserWarning).
	KindWarning
	// KindMissing is a record that does not exist, or no longer.
	KindMissing
	// KindRedirectWarning is a message with an action that would mend what is wrong.
	KindRedirectWarning
	// KindSessionExpired is a session that the server does not know, after it was renewed once.
	KindSessionExpired
	// KindNotFound is an address, a model or a method that does not exist.
	KindNotFound
	// KindSerialization is a conflict with another transaction (SQLSTATE 40001 and 40P01).
	KindSerialization
	// KindLockTimeout is a lock that another transaction did not give up (SQLSTATE 55P03).
	KindLockTimeout
	// KindConcurrency is a record that somebody else changed in the meantime (Tryton's ConcurrencyException).
	KindConcurrency
	// KindTooMany is a server that wants fewer requests (HTTP status 429).
	KindTooMany
	// KindConnection is a server that cannot be reached, or a connection that broke.
	KindConnection
	// KindTimeout is an answer that did not come in time.
	KindTimeout
	// KindCanceled is a call that its caller gave up.
	KindCanceled
	// KindUnavailable is an HTTP status 5xx: of a reverse proxy, or of a server that cannot answer.
	KindUnavailable
	// KindCircuitOpen is a request that was not made because the last ones to the server all failed.
	KindCircuitOpen
	// KindProtocol is an answer that is none of the protocol.
	KindProtocol
	// KindArgument is a call that the transport cannot carry; nothing was sent.
	KindArgument

	kinds // their number
)

var kindNames = [kinds]string{
	"server error", "access denied", "multi-factor log-in", "access error", "validation error", "user error", "user warning",
	"missing record", "redirect warning", "session expired", "not found", "serialization failure", "lock timeout",
	"concurrent change", "too many requests", "connection error", "timeout", "canceled", "server unavailable", "circuit open",
	"protocol error", "argument error",
}

func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Error makes a Kind a target of errors.Is.
func (k Kind) Error() string { return k.String() }

// Error is a call that failed.
type Error struct {
	Kind Kind
	// Server, Model and Method say which call it was. Model is empty for calls of a service, as the log-in.
	Server, Model, Method string
	// Name is the exception's, as "odoo.exceptions.UserError"; empty if the server did not name it.
	Name string
	// Message is for the user. Debug is the server's own: its traceback, if it gave one.
	Message, Debug string
	// Arguments are the exception's (error.data.arguments); nil if the server did not send them.
	Arguments json.RawMessage
	// Code is the protocol's (the JSON-RPC error code, the XML-RPC fault code), Status that of HTTP; 0 without one.
	Code, Status int
	// Sent tells that some of the request may have reached the server, and so may have had an effect.
	Sent bool
	// Hint says what a person can do about it; often empty.
	Hint string

	cause      error
	retryAfter time.Duration // what the server asks for
}

var _ error = (*Error)(nil)

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("call ")
	if e.Model != "" {
		b.WriteString(e.Model + ".")
	}
	b.WriteString(e.Method)
	if e.Server != "" {
		b.WriteString(" at " + e.Server)
	}
	b.WriteString(": " + e.Kind.String())
	if e.Message != "" {
		b.WriteString(": " + strings.TrimSpace(e.Message))
	} else if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is the error's Kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// KindOf is the kind of err, and whether it has one.
func KindOf(err error) (Kind, bool) {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind, true
	}
	return 0, false
}

package client

import "strings"

// odooNames are the exceptions that have a kind, by Error.Name. Python's own and psycopg2's come without the
// package in tracebacks.
var odooNames = map[string]Kind{
	"odoo.exceptions.AccessDenied":                            KindAccessDenied,
	"odoo.exceptions.AccessError":                             KindAccess,
	"odoo.exceptions.ValidationError":                         KindValidation,
	"odoo.exceptions.UserError":                               KindUser,
	"odoo.exceptions.Warning":                                 KindUser, // until 14
	"odoo.exceptions.MissingError":                            KindMissing,
	"odoo.exceptions.RedirectWarning":                         KindRedirectWarning,
	"odoo.exceptions.ConcurrencyError":                        KindSerialization, // from 19
	"odoo.exceptions.LockError":                               KindLockTimeout,   // from 19
	"odoo.http.SessionExpiredException":                       KindSessionExpired,
	"odoo.http.session.SessionExpiredException":               KindSessionExpired,
	"odoo.addons.web.controllers.main.CheckIdentityException": KindAccessDenied,
	"werkzeug.exceptions.NotFound":                            KindNotFound,
	"werkzeug.exceptions.Unauthorized":                        KindAccessDenied,
	"werkzeug.exceptions.Forbidden":                           KindAccess,
	"werkzeug.exceptions.UnprocessableEntity":                 KindArgument,
	"werkzeug.exceptions.BadRequest":                          KindArgument,
	"psycopg2.errors.SerializationFailure":                    KindSerialization,
	"psycopg2.errors.DeadlockDetected":                        KindSerialization,
	"psycopg2.errors.LockNotAvailable":                        KindLockTimeout,
	"psycopg2.errors.QueryCanceled":                           KindTimeout,
	"psycopg2.extensions.TransactionRollbackError":            KindSerialization,
	"psycopg2.extensions.QueryCanceledError":                  KindTimeout,
}

// Codes of JSON-RPC errors that say more than the exception's name.
const (
	codeSessionExpired = 100
	codeNotFound       = 404
)

// odooKind is the kind of an exception.
func odooKind(x *exchange, name, message string, code int) Kind {
	if code == codeSessionExpired {
		return KindSessionExpired
	}
	if x.model == "" && (message == "Database not found." || strings.Contains(message, `database "`) && strings.Contains(message, "does not exist")) {
		return KindNotFound
	}
	if k, ok := odooNames[name]; ok {
		return k
	}
	switch {
	case code == codeNotFound:
		return KindNotFound
	case x.model != "" && strings.HasSuffix(name, "KeyError") && strings.Trim(message, `'"`) == x.model:
		return KindNotFound
	case strings.HasSuffix(name, "AttributeError") && strings.Contains(message, x.method) &&
		(strings.Contains(message, "does not exist") || strings.Contains(message, "has no attribute")):
		return KindNotFound
	}
	return KindServer
}

// odooError makes an error of what Odoo says of an exception.
func (w *wire) odooError(x *exchange, d exception, code int, message string) *Error {
	e := w.fail(x, odooKind(x, d.Name, d.Message, code), nil)
	e.Name, e.Message, e.Debug, e.Arguments, e.Code = d.Name, d.Message, d.Debug, d.Arguments, code
	if e.Message == "" {
		e.Message = message
	}
	switch {
	case x.model != "":
	case e.Kind == KindAccessDenied:
		e.Hint = "check database, login and password"
	case e.Kind == KindNotFound:
		e.Hint = "check the name of the database"
	}
	return e
}

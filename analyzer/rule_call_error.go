package analyzer

import (
	"fmt"
	"strings"

	"github.com/perfd/perfd/rpclog"
)

// callError finds calls that were answered with an error: the user waited for nothing.
type callError struct{}

var _ Rule = callError{}

func (callError) Name() string { return "call-error" }

func (r callError) Check(t *Trace) []Finding {
	c := t.Call
	if c.Class != rpclog.Ordinary || c.Error == "" && c.Status < 400 {
		return nil
	}
	name := c.Error
	if name == "" {
		name = fmt.Sprintf("HTTP %d", c.Status)
	}
	return []Finding{{
		Rule:  r.Name(),
		Title: fmt.Sprintf("%s failed with %s after %s", MethodOf(c), name, Figure(lasted(c))),
		Fix:   errorFix(name, c.Status),
		Cost:  lasted(c),
		Spans: []int{},
	}}
}

// errorFix words the remedy by the kind of error.
func errorFix(name string, status int) string {
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(name, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("SessionExpired"):
		return "The session had ended: log in again; if many users see it, check how long sessions are kept."
	case has("AccessDenied", "LoginException"):
		return "The login was refused: check the password or API key that this client uses."
	case has("AccessError", "AccessErr"):
		return "Give the user's group the right, or hide the action from those who lack it."
	case has("MissingError"):
		return "The record was deleted meanwhile: let the client reload its list."
	case has("UserError", "ValidationError", "RedirectWarning", "UserWarning", "ConcurrencyException"):
		return "The server refused by rule: check the input in the form before the server is asked."
	case has("SerializationFailure", "LockNotAvailable", "Deadlock", "OperationalError"):
		return "Every retry collided with another transaction: shorten it, or queue the work per record."
	case status == 404:
		return "Nothing is served at this address: correct the client's link."
	}
	return "Look into the server's log at this time for the traceback."
}

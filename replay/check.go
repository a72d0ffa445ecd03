package replay

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/replay/load"
)

// record makes a result of an outcome.
func (r *Runner) record(s *session, it *item, x *outcome, err error) {
	c := &it.call
	res := Result{
		Seq: c.Seq, Session: c.Session, Model: c.Model, Method: c.Method, Name: Name(c),
		Due: it.due, Sent: x.sent, First: x.first, Service: x.end - x.sent, Wait: it.wait, Recorded: c.Duration,
		Latency: max(0, x.end-it.due-it.wait), Late: max(0, x.sent-it.ready),
		Status: x.status, Error: errorName(err), Cached: x.cached, Retried: x.retried || inVain(err), Bytes: x.bytes, Aliased: hasAliases(c),
	}
	if res.Status == 0 {
		res.Status = statusOf(err)
	}
	if !r.cfg.Unchecked {
		res.Answer, res.Was = x.result, c.Answer
		if err == nil && x.result != nil && !r.cfg.KeepIDs {
			res.Answer = r.rewriter.Back(r.ctx, s.client, c, x.result)
		}
		res.Match, res.Unjudged = r.match(c, &res)
	}
	r.tally.add(&res, r.cfg.Sink)
}

// Why an answer is not compared with the recorded one.
const (
	noOutcome   = "the recording has no answer"
	noContent   = "what it said was not recorded"
	otherValues = "it was asked with aliases in the place of values"
)

// match compares a result with what was recorded of the call, or says why it cannot be.
func (r *Runner) match(c *load.Call, res *Result) (Match, string) {
	if c.Status == 0 {
		return Unknown, noOutcome
	}
	was, is := c.Error != "" || c.Status >= http.StatusBadRequest, res.Error != ""
	switch {
	case is && !was:
		return Failed, ""
	case was && !is:
		return Recovered, ""
	case was && sameError(c, res):
		return Same, ""
	case was:
		return Different, ""
	case c.Transport == "http" && redirects(c.Status) != redirects(res.Status):
		return Different, ""
	case c.Digest == "":
		return Unknown, noContent
	case load.Digest(r.header.Pepper, res.Answer) == c.Digest:
		return Same, ""
	case len(res.Was) > 0 && len(r.cfg.Answers.Diff(c.Model, res.Was, res.Answer)) == 0:
		return Same, ""
	case hasAliases(c): // another question has another answer
		return Unknown, otherValues
	}
	return Different, ""
}

// redirects tells whether a status sends to another page; that nothing changed (304) is an answer as any.
func redirects(status int) bool {
	return status >= http.StatusMultipleChoices && status < http.StatusBadRequest && status != http.StatusNotModified
}

// hasAliases tells whether a call's arguments are not those that were recorded.
func hasAliases(c *load.Call) bool {
	return lacks(c, "values")
}

// sameError tells whether two failures have the same name. Names that the protocol does not carry are not compared.
func sameError(c *load.Call, res *Result) bool {
	if c.Error == "" || c.Status != res.Status && c.Status != 0 {
		return c.Status == res.Status
	}
	last := func(s string) string { return s[strings.LastIndexByte(s, '.')+1:] }
	was, is := last(c.Error), last(res.Error)
	return was == is || was == "Exception" || is == "Exception" || was == "Fault" || is == "Fault"
}

// errorName is what a failure is called in results.
func errorName(err error) string {
	var e *client.Error
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &e):
		return "replay"
	case e.Name != "":
		return e.Name
	case e.Status >= http.StatusBadRequest:
		return "HTTP " + strconv.Itoa(e.Status)
	case e.Kind == client.KindServer:
		return "Exception"
	}
	return e.Kind.String()
}

// Unanswered tells whether an error is called as those to which no server gave an answer.
func Unanswered(name string) bool {
	return name == client.KindConnection.String() || name == client.KindTimeout.String()
}

// inVain tells whether an error is one after which servers try a call again, and so tried this one more than once.
func inVain(err error) bool {
	return errors.Is(err, client.KindSerialization) || errors.Is(err, client.KindLockTimeout)
}

func statusOf(err error) int {
	var e *client.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

package export

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay/load"
)

//go:embed k6.js.tmpl
var k6Program string

// maxSessions of a script: k6 does each in an iteration of its own.
const maxSessions = 50_000

// k6Session is a session as the script reads it.
type k6Session struct {
	ID    string `json:"id"`
	Login string `json:"login,omitempty"`
	UID   int64  `json:"uid,omitempty"`
	// Sign is the way in which it logs in: web, jsonrpc, xmlrpc, json2 or tryton; empty for visitors.
	Sign  string   `json:"sign,omitempty"`
	Calls []k6Call `json:"calls"`

	end time.Duration // of the calls so far
}

type k6Call struct {
	At     float64 `json:"at"`              // milliseconds since the first call of all
	Pause  float64 `json:"pause,omitempty"` // milliseconds since the answers before it in its session
	Name   string  `json:"name"`
	Verb   string  `json:"verb"`
	Path   string  `json:"path"`            // encoded
	Query  string  `json:"query,omitempty"` // encoded
	Kind   kind    `json:"kind"`
	Form   string  `json:"form,omitempty"`
	Status int     `json:"status,omitempty"` // that was recorded, if it was not 200
	// Refused says that the recorded answer was an error.
	Refused bool `json:"refused,omitempty"`
	// Body is sent as it stands, but for the user's id and the like in it.
	Body      string  `json:"body,omitempty"`
	Fields    [][]any `json:"fields,omitempty"`
	Multipart bool    `json:"multipart,omitempty"`
}

// K6 writes a load as a script for k6: an iteration for each session, which signs in and makes its calls when they are due.
// All that comes from the load stands in strings that the script parses as JSON.
func K6(w io.Writer, from Source, c Config) (Done, error) {
	c.MaxCalls, c.MaxBytes = cmp.Or(c.MaxCalls, 20_000), cmp.Or(c.MaxBytes, 64<<20)
	c.maxSessions = cmp.Or(c.maxSessions, maxSessions)
	var done Done
	var sessions []*k6Session
	index := map[string]*k6Session{}
	var begin, end time.Duration
	err := each(from, c, &done, func(call *load.Call, r *request) error {
		s := index[call.Session]
		if s == nil {
			s = &k6Session{ID: call.Session, end: call.At}
			index[call.Session] = s
			sessions = append(sessions, s)
		}
		if done.Calls == 1 {
			begin = call.At
		}
		s.add(call, r, begin)
		end = max(end, call.At+call.Duration)
		return nil
	})
	done.Sessions = len(sessions)
	if err != nil {
		return done, err
	}
	var out bytes.Buffer
	h := from.Header()
	fmt.Fprintf(&out, "// Made by perfd %s of %s: %s of %s. Run it with\n//   k6 run -e TARGET=http://server:8069 -e PASSWORD=… SCRIPT\n",
		quoted(c.Version), quoted(c.Name), figures.Plural(int64(done.Calls), "call"), figures.Plural(int64(done.Sessions), "session"))
	if h.Redacted {
		out.WriteString("// Values stand as they were recorded, or as aliases.\n")
	}
	out.WriteString(k6Program)
	fmt.Fprintf(&out, "\n// What was recorded.\nfunction about() {\n  return { database: %s, calls: %d, sessions: %d, lasts: %.0f };\n}\n\nfunction data() {\n  return [\n",
		quoted(cmp.Or(c.Database, h.Database)), done.Calls, done.Sessions, milliseconds(max(0, end-begin)))
	for _, s := range sessions {
		of, _ := from.Session(s.ID)
		s.sign(of)
		text, err := json.Marshal(s)
		if err != nil {
			return done, fmt.Errorf("write k6 script: %w", err)
		}
		// Parsed, not evaluated: a member that is named __proto__ stays one.
		fmt.Fprintf(&out, "    JSON.parse(%s),\n", quoted(string(text)))
	}
	out.WriteString("  ];\n}\n")
	if _, err := w.Write(out.Bytes()); err != nil {
		return done, fmt.Errorf("write k6 script: %w", err)
	}
	return done, nil
}

// add adds a call to its session.
func (s *k6Session) add(call *load.Call, r *request, begin time.Duration) {
	c := k6Call{
		At: milliseconds(call.At - begin), Pause: milliseconds(max(0, call.At-s.end)), Name: name(call), Verb: r.Verb, Path: r.Path, Query: r.Query,
		Kind: r.Kind, Form: r.Form, Refused: call.Error != "" || call.Status >= http.StatusBadRequest, Body: string(r.Body), Multipart: r.Multipart,
	}
	if call.Status != http.StatusOK {
		c.Status = call.Status
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		field := []any{f.Name, f.Text()}
		if f.File != nil {
			field = append(field, map[string]any{"name": f.File.Name, "type": f.File.Type, "size": f.File.Size})
		}
		c.Fields = append(c.Fields, field)
	}
	s.end = max(s.end, call.At+call.Duration)
	s.Calls = append(s.Calls, c)
}

// sign says how the session logs in.
func (s *k6Session) sign(of load.Session) {
	kinds := map[kind]bool{}
	for i := range s.Calls {
		kinds[s.Calls[i].Kind] = true
	}
	s.Login, s.UID = of.Login, of.UID
	cookie := kinds[ofWeb] || kinds[ofPage] || kinds[ofForm] || kinds[ofJSON]
	switch {
	case kinds[ofTryton]:
		s.Sign = "tryton"
	case cookie && of.Anonymous && of.Login == "" && of.UID == 0: // a visitor
	case cookie, kinds[ofKeyed] && !of.Anonymous:
		s.Sign = "web"
	case kinds[ofXML] && of.Transport == "xmlrpc", kinds[ofXML] && !kinds[ofKeyed]:
		s.Sign = "xmlrpc"
	case kinds[ofKeyed]:
		s.Sign = "jsonrpc"
	case kinds[ofJSON2]:
		s.Sign = "json2"
	}
}

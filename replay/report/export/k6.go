package export

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/perfd/perfd/replay/load"
)

//go:embed k6.js.tmpl
var k6Program string

// maxSessions of a script: k6 has a scenario for each. Calls of further sessions are done by the last one.
const maxSessions = 500

type k6Session struct {
	Login string   `json:"login"`
	Calls []k6Call `json:"calls"`
}

type k6Call struct {
	At    float64         `json:"at"` // milliseconds
	Name  string          `json:"name"`
	Verb  string          `json:"verb"`
	Path  string          `json:"path"`
	Query string          `json:"query,omitempty"` // encoded
	Kind  string          `json:"kind"`
	Form  string          `json:"form,omitempty"`
	Body  json.RawMessage `json:"body,omitempty"`
}

// K6 writes a load as a script for k6: a scenario for each session, which signs in and makes its calls when they are due. All
// that comes from the load stands in strings that the script parses as JSON.
func K6(w io.Writer, from Source, c Config) (Done, error) {
	c.MaxCalls, c.MaxBytes = cmp.Or(c.MaxCalls, 20_000), cmp.Or(c.MaxBytes, 64<<20)
	var done Done
	var sessions []*k6Session
	index := map[string]int{}
	var begin time.Duration
	err := each(from, c, &done, func(call *load.Call, r *request) error {
		i, known := index[call.Session]
		if !known {
			if len(sessions) < maxSessions {
				s := &k6Session{}
				if of, ok := from.Session(call.Session); ok {
					s.Login = of.Login
				}
				sessions = append(sessions, s)
			}
			i = len(sessions) - 1
			if len(index) < 100*maxSessions {
				index[call.Session] = i
			}
		}
		if done.Calls == 1 {
			begin = call.At
		}
		body := r.Body
		if r.Kind == "xml" || r.Kind == "version" {
			body = quoted(string(body))
		}
		sessions[i].Calls = append(sessions[i].Calls, k6Call{
			At: milliseconds(call.At - begin), Name: name(call), Verb: r.Verb, Path: r.Path, Query: r.Query, Kind: r.Kind, Form: r.Form, Body: body,
		})
		return nil
	})
	done.Sessions = len(sessions)
	if err != nil {
		return done, err
	}
	var out bytes.Buffer
	h := from.Header()
	fmt.Fprintf(&out, "// Made by perfd %s of %s: %d calls of %d sessions. Run it with k6 run -e TARGET=http://server:8069 -e PASSWORD=… SCRIPT.\n",
		quoted(c.Version), quoted(c.Name), done.Calls, done.Sessions)
	if h.Redacted {
		out.WriteString("// Values of the recording stand as aliases.\n")
	}
	fmt.Fprintf(&out, "const recordedDatabase = %s;\nconst sessions = [\n", quoted(cmp.Or(c.Database, h.Database)))
	for _, s := range sessions {
		text, err := json.Marshal(s)
		if err != nil {
			return done, fmt.Errorf("write k6 script: %w", err)
		}
		// Parsed, not evaluated: a member that is named __proto__ stays one.
		fmt.Fprintf(&out, "  JSON.parse(%s),\n", quoted(string(text)))
	}
	out.WriteString("];\n\n")
	out.WriteString(k6Program)
	if _, err := w.Write(out.Bytes()); err != nil {
		return done, fmt.Errorf("write k6 script: %w", err)
	}
	return done, nil
}

package export

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/client/xmlrpc"
	"github.com/perfd/perfd/replay/load"
)

// HAR writes a load as an HTTP archive, version 1.2, to the address base. It holds memory for one call.
func HAR(w io.Writer, from Source, base string, c Config) (Done, error) {
	c.MaxCalls, c.MaxBytes = cmp.Or(c.MaxCalls, 1_000_000), cmp.Or(c.MaxBytes, 1<<30)
	var done Done
	base = cmp.Or(base, "http://localhost:8069")
	if !IsServer(base) {
		return done, fmt.Errorf("write HAR: %q is no address of a server", base)
	}
	u, err := url.Parse(base)
	if err != nil {
		return done, fmt.Errorf("write HAR: %w", err)
	}
	b := bufio.NewWriterSize(w, 64<<10)
	h := from.Header()
	comment := "Values stand as they were recorded."
	if h.Redacted {
		comment = "Values stand as they were recorded, or as aliases."
	}
	comment += " Log-ins are not in it: give requests the cookie or the Authorization of a session of your own. DATABASE, 0 and PASSWORD in bodies are the database, the user's id and the password; CSRF_TOKEN is what the session's pages have."
	fmt.Fprintf(b, `{"log":{"version":"1.2","creator":{"name":"perfd","version":%s},"comment":%s,"entries":[`, quoted(cmp.Or(c.Version, "0")), quoted(comment))
	sessions := map[string]bool{}
	err = each(from, c, &done, func(call *load.Call, r *request) error {
		if done.Calls > 1 {
			b.WriteByte(',') //nolint:errcheck // Flush tells
		}
		sessions[call.Session] = true
		text, err := json.Marshal(entryOf(h.Start, *u, call, r))
		if err != nil {
			return fmt.Errorf("write HAR: %w", err)
		}
		if _, err := b.Write(append([]byte{'\n'}, text...)); err != nil {
			return fmt.Errorf("write HAR: %w", err)
		}
		return nil
	})
	done.Sessions = len(sessions)
	if err != nil {
		return done, err
	}
	fmt.Fprint(b, "\n]}}\n")
	if err := b.Flush(); err != nil {
		return done, fmt.Errorf("write HAR: %w", err)
	}
	return done, nil
}

// IsServer tells whether a text is the address of a server, without anybody's password.
func IsServer(base string) bool {
	u, err := url.Parse(base)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}

// The form of an entry; http://www.softwareishard.com/blog/har-12-spec.
type entry struct {
	Started  time.Time   `json:"startedDateTime"`
	Time     float64     `json:"time"` // milliseconds
	Request  harRequest  `json:"request"`
	Response harResponse `json:"response"`
	Cache    struct{}    `json:"cache"`
	Timings  timings     `json:"timings"`
	Session  string      `json:"_session"`
	Method   string      `json:"_method,omitempty"`
	Error    string      `json:"_error,omitempty"`
	SQL      float64     `json:"_sql,omitempty"` // milliseconds
	Queries  int         `json:"_statements,omitempty"`
}

type harRequest struct {
	Method      string     `json:"method"`
	URL         string     `json:"url"`
	Version     string     `json:"httpVersion"`
	Cookies     []struct{} `json:"cookies"`
	Headers     []header   `json:"headers"`
	Query       []header   `json:"queryString"`
	Body        *postData  `json:"postData,omitempty"`
	HeadersSize int        `json:"headersSize"`
	BodySize    int        `json:"bodySize"`
}

type header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// postData is a body: a text, or the fields of a form.
type postData struct {
	MimeType string  `json:"mimeType"`
	Params   []param `json:"params,omitempty"`
	Text     string  `json:"text,omitempty"`
}

type param struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	File  string `json:"fileName,omitempty"`
	Type  string `json:"contentType,omitempty"`
}

type harResponse struct {
	Status      int        `json:"status"`
	StatusText  string     `json:"statusText"`
	Version     string     `json:"httpVersion"`
	Cookies     []struct{} `json:"cookies"`
	Headers     []header   `json:"headers"`
	Content     content    `json:"content"`
	Redirect    string     `json:"redirectURL"`
	HeadersSize int        `json:"headersSize"`
	BodySize    int64      `json:"bodySize"`
}

type content struct {
	Size     int64  `json:"size"`
	MimeType string `json:"mimeType"`
}

type timings struct {
	Send    float64 `json:"send"`
	Wait    float64 `json:"wait"`
	Receive float64 `json:"receive"`
}

func entryOf(start time.Time, base url.URL, c *load.Call, r *request) entry {
	base.Path, _ = url.PathUnescape(r.Path) // which was looked at before
	base.RawPath, base.RawQuery, base.Fragment = r.Path, r.Query, ""
	first := min(max(c.First, 0), c.Duration)
	if first == 0 {
		first = c.Duration
	}
	e := entry{
		Started: start.Add(c.At).UTC(), Time: milliseconds(c.Duration), Session: c.Session, Method: name(c), Error: c.Error,
		SQL: milliseconds(c.SQL), Queries: c.Statements,
		Timings: timings{Wait: milliseconds(first), Receive: milliseconds(c.Duration - first)},
		Request: harRequest{
			Method: r.Verb, URL: base.String(), Version: "HTTP/1.1", Cookies: []struct{}{}, Headers: []header{}, Query: queryOf(r),
			HeadersSize: -1, BodySize: len(r.Body),
		},
		Response: harResponse{
			Status: c.Status, StatusText: http.StatusText(c.Status), Version: "HTTP/1.1", Cookies: []struct{}{}, Headers: []header{},
			Content: content{Size: max(c.ResponseBytes, 0), MimeType: "application/json"}, HeadersSize: -1, BodySize: c.ResponseBytes,
		},
	}
	if r.Kind == ofPage {
		e.Response.Content.MimeType = "text/html"
		return e
	}
	kind, body := jsonKind, r.Body
	switch r.Kind { //nolint:exhaustive // all others are JSON as it stands
	case ofKeyed:
		body = keyed(c, r)
	case ofXML:
		body, kind = keyedXML(body), xmlKind
	case ofVersion:
		kind = xmlKind
	case ofForm:
		kind, e.Response.Content.MimeType = formKind, "text/html"
		if r.Multipart {
			kind = multipartKind
		}
	}
	e.Request.Headers = append(e.Request.Headers, header{"Content-Type", kind})
	e.Request.Body = &postData{MimeType: kind, Text: string(body), Params: paramsOf(r)}
	if e.Request.BodySize = len(body); r.Kind == ofForm {
		e.Request.BodySize = -1
	} else {
		e.Response.Content.MimeType = kind
	}
	return e
}

// paramsOf are the fields of a form. Of a file the name and the type are told.
func paramsOf(r *request) []param {
	var all []param
	for i := range r.Fields {
		f := &r.Fields[i]
		p := param{Name: f.Name, Value: f.Text()}
		switch {
		case f.File != nil:
			p.Value, p.File, p.Type = "", f.File.Name, f.File.Type
		case f.Name == load.CSRFField:
			p.Value = "CSRF_TOKEN"
		case f.Name == load.DatabaseField:
			p.Value = "DATABASE"
		}
		all = append(all, p)
	}
	return all
}

const (
	jsonKind      = "application/json"
	xmlKind       = "text/xml"
	formKind      = "application/x-www-form-urlencoded"
	multipartKind = "multipart/form-data"
)

// queryOf is a page's query by its names.
func queryOf(r *request) []header {
	all := []header{}
	for part := range strings.SplitSeq(r.Query, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if part != "" && err1 == nil && err2 == nil {
			all = append(all, header{name, value})
		}
	}
	return all
}

// keyedXML puts places for the database, the user's id and the password in front of a call's parameters.
func keyedXML(body []byte) []byte {
	key, err := xmlrpc.AppendCall(nil, "", "DATABASE", 0, "PASSWORD")
	_, key, ok := bytes.Cut(key, paramsBegin)
	if key, _, _ = bytes.Cut(key, []byte("</params>")); err != nil || !ok {
		return body
	}
	before, after, _ := bytes.Cut(body, paramsBegin)
	return slices.Concat(before, paramsBegin, key, after)
}

var paramsBegin = []byte("<params>\n")

// keyed is a message of /jsonrpc, with places for the database, the user's id and the password.
func keyed(c *load.Call, r *request) []byte {
	inside := r.Body[1 : len(r.Body)-1]
	all := fmt.Appendf(nil, `["DATABASE",0,"PASSWORD",%s]`, inside)
	params := message(member{"service", []byte(`"object"`)}, member{"method", quoted(r.Form)}, member{"args", all})
	return message(member{"jsonrpc", []byte(`"2.0"`)}, member{"method", []byte(`"call"`)}, member{"id", number(c.Seq)}, member{"params", params})
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

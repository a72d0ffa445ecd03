// Package export hands a load to those who replay by other means: as a script for k6, and as a HAR file. What stands in a
// load is data to both, never code, an address or a header.
package export

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/perfd/perfd/client/xmlrpc"
	"github.com/perfd/perfd/jsontree"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/replay/safety"
)

// Source is what a load is read from; a load.Reader is one.
type Source interface {
	Header() load.Header
	Session(id string) (load.Session, bool)
	Next() (load.Call, error)
}

var _ Source = (*load.Reader)(nil)

// Config tunes an export. Its zero value works.
type Config struct {
	// Writes exports calls that write too; what reaches beyond the database never is. Defaults to not.
	Writes bool
	// Database is the target's, for Tryton. Defaults to the load's.
	Database string
	// Name of the load, for a comment. Defaults to none.
	Name string
	// Version of perfd, for a comment. Defaults to none.
	Version string
	// MaxCalls that are exported. Defaults to 20,000 for k6, which holds all of a script in memory, and 1,000,000 for HAR.
	MaxCalls int
	// MaxBytes of bodies that are exported. Defaults to 64 MiB for k6 and 1 GiB for HAR.
	MaxBytes int64

	maxSessions int // 0 for no bound
}

// Done says what was exported.
type Done struct {
	Calls    int
	Sessions int
	// Left are the calls that were not, by why.
	Left map[string]int64
	// CutOff is why the load ends early, if it does: what came before was exported.
	CutOff error
}

// Why calls are left out, as Done.Left has it.
const (
	LeftWrite     = "writes"
	LeftDangerous = "reaches beyond the database"
	LeftExcluded  = "bus, sessions and files"
	LeftArguments = "arguments not kept, or secrets taken out of them"
	LeftForm      = "of a form that cannot be exported"
	LeftPath      = "a path that is none"
	LeftMade      = "of records that the load makes, whose ids at the target perfd replay alone knows"
	LeftBound     = "beyond the bounds of the export"
)

// request is a call as it goes over the wire, but for who the user is.
type request struct {
	Verb string
	Path string
	// Query is that of a page, encoded; empty if there is none.
	Query string
	Body  []byte
	// Kind says how it travels.
	Kind kind
	// Form is the method of Odoo's object service by which the arguments travel.
	Form string
	// Fields are those of a form, which is of parts if Multipart says so.
	Fields    []load.Field
	Multipart bool
}

// kind is how a request travels, and by what its user is known.
type kind string

const (
	ofWeb     kind = "web"     // JSON-RPC with a session's cookie
	ofPage    kind = "page"    // a page or a file, likewise
	ofForm    kind = "form"    // a form, likewise, with a token of the session
	ofJSON    kind = "json"    // a JSON body to a plain route, likewise
	ofJSON2   kind = "json2"   // /json/2, with a key
	ofTryton  kind = "tryton"  // with a session's token
	ofKeyed   kind = "keyed"   // /jsonrpc: user's id and password stand in the body, which is what follows them, in a list
	ofXML     kind = "xml"     // XML-RPC, likewise; the body is the call without them
	ofOpen    kind = "open"    // /jsonrpc, for which nobody logs in
	ofVersion kind = "version" // XML-RPC, for which nobody logs in
)

// size is what a request counts against Config.MaxBytes.
func (r *request) size() int64 {
	n := int64(len(r.Body) + len(r.Query))
	for i := range r.Fields {
		n += int64(len(r.Fields[i].Name) + len(r.Fields[i].Text()))
	}
	return n
}

// each calls f for the calls that may be exported.
func each(from Source, c Config, done *Done, f func(*load.Call, *request) error) error {
	done.Left = map[string]int64{}
	h := from.Header()
	database := cmp.Or(c.Database, h.Database)
	var size int64
	sessions, made := map[string]bool{}, made{}
	for {
		call, err := from.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, load.ErrCutOff) {
			done.CutOff = err
			return nil
		}
		if err != nil {
			return fmt.Errorf("read load: %w", err)
		}
		call.Settle() // a source need not be a file
		r, why := c.request(h.Product, database, &call)
		if why == "" && made.names(&call) {
			why = LeftMade
		}
		made.note(&call)
		if why == "" && (done.Calls >= c.MaxCalls || size+r.size() > c.MaxBytes || c.maxSessions > 0 && len(sessions) >= c.maxSessions && !sessions[call.Session]) {
			why = LeftBound
		}
		if why != "" {
			done.Left[why]++
			continue
		}
		size += r.size()
		if c.maxSessions > 0 {
			sessions[call.Session] = true
		}
		done.Calls++
		if err := f(&call, r); err != nil {
			return err
		}
	}
}

// request makes a call's, or says why not.
func (c Config) request(product, database string, call *load.Call) (*request, string) {
	switch safety.Of(product, call) {
	case safety.Read, safety.Effective:
	case safety.Write:
		if !c.Writes {
			return nil, LeftWrite
		}
	case safety.Dangerous:
		return nil, LeftDangerous
	default:
		return nil, LeftExcluded
	}
	if strings.Contains(call.Lacks, "arguments") || strings.Contains(call.Lacks, "request") {
		return nil, LeftArguments
	}
	for _, raw := range [][]byte{call.Args, call.Kwargs, call.Params} {
		if bytes.Contains(raw, quoted(load.Hidden)) {
			return nil, LeftArguments
		}
	}
	r := &request{Verb: http.MethodPost, Path: call.Path, Kind: ofWeb}
	switch call.Transport {
	case "tryton":
		if call.Args == nil {
			return nil, LeftArguments
		}
		name := call.Service + "." + call.Model + "." + call.Method
		if call.Model == "" {
			name = call.Service + "." + call.Method
		}
		r.Kind, r.Path = ofTryton, "/"+url.PathEscape(database)+"/"
		r.Body = message(member{"id", number(call.Seq)}, member{"method", quoted(name)}, member{"params", call.Args})
	case "json2":
		r.Kind = ofJSON2
		if r.Body = first(call.Params, call.Kwargs); r.Body == nil {
			return nil, LeftArguments
		}
	case "jsonrpc":
		if why := r.jsonRPC(call); why != "" {
			return nil, why
		}
	case "xmlrpc":
		if why := r.xmlRPC(call); why != "" {
			return nil, why
		}
	case "http":
		if why := r.plain(call); why != "" {
			return nil, why
		}
	default:
		return nil, LeftForm
	}
	var ok bool
	if r.Path, ok = escaped(r.Path); !ok {
		return nil, LeftPath
	}
	return r, ""
}

func (r *request) jsonRPC(call *load.Call) string {
	params := call.Params
	switch {
	case call.Path == "/jsonrpc" && call.Service == "common":
		r.Kind = ofOpen
		params = message(member{"service", []byte(`"common"`)}, member{"method", quoted(call.Method)}, member{"args", first(call.Args, []byte("[]"))})
	case call.Path == "/jsonrpc":
		if call.Service != "object" || call.Args == nil {
			return LeftForm
		}
		r.Kind, r.Form = ofKeyed, formOf(call)
		args := bytes.TrimSpace(call.Args)
		switch inner := bytes.TrimSpace(args[1 : len(args)-1]); {
		case r.Form != load.FormExecute:
			r.Body = fmt.Appendf(nil, "[%s,%s,%s,%s]", quoted(call.Model), quoted(call.Method), args, first(call.Kwargs, []byte("{}")))
		case len(inner) == 0:
			r.Body = fmt.Appendf(nil, "[%s,%s]", quoted(call.Model), quoted(call.Method))
		default:
			r.Body = fmt.Appendf(nil, "[%s,%s,%s]", quoted(call.Model), quoted(call.Method), inner)
		}
		return ""
	case params == nil && call.Args == nil:
		return LeftArguments
	case params == nil:
		params = message(member{"model", quoted(call.Model)}, member{"method", quoted(call.Method)}, member{"args", call.Args},
			member{"kwargs", first(call.Kwargs, []byte("{}"))})
	}
	r.Body = message(member{"jsonrpc", []byte(`"2.0"`)}, member{"method", []byte(`"call"`)}, member{"id", number(call.Seq)}, member{"params", params})
	return ""
}

// formOf is the method of the object service by which a call's arguments travel.
func formOf(call *load.Call) string {
	if call.Form == load.FormExecute && len(call.Kwargs) == 0 {
		return load.FormExecute
	}
	return load.FormExecuteKW
}

// xmlRPC is a call of XML-RPC, in the client's own encoding.
func (r *request) xmlRPC(call *load.Call) string {
	var args []any
	var kwargs map[string]any
	if err := errors.Join(decode(call.Args, &args), decode(call.Kwargs, &kwargs)); err != nil {
		return LeftForm
	}
	method, params := call.Method, args
	switch {
	case call.Service == "common":
		r.Kind = ofVersion
	case call.Service != "object":
		return LeftForm
	case call.Args == nil:
		return LeftArguments
	default:
		r.Kind, r.Form = ofXML, formOf(call)
		method, params = r.Form, []any{call.Model, call.Method}
		switch {
		case r.Form == load.FormExecute:
			params = append(params, args...)
		case kwargs != nil:
			params = append(params, args, kwargs)
		default:
			params = append(params, args)
		}
	}
	body, err := xmlrpc.AppendCall(nil, method, params...)
	if err != nil {
		return LeftForm // a text that XML cannot carry
	}
	if r.Body = body; !strings.HasPrefix(r.Path, "/xmlrpc/") {
		r.Path = "/xmlrpc/2/object"
	}
	return ""
}

func decode(text json.RawMessage, into any) error {
	if len(text) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(into) //nolint:wrapcheck // nobody is told
}

// plain is a page or a file, a form, or a JSON body as webhooks have it. The database is that of the session.
func (r *request) plain(call *load.Call) string {
	if !load.PlainSendable(call) {
		return LeftArguments
	}
	query, err1 := load.ParseFields(call.Query)
	fields, err2 := load.ParseFields(call.Fields)
	if errors.Join(err1, err2) != nil {
		return LeftArguments
	}
	query = slices.DeleteFunc(query, func(f load.Field) bool { return f.Name == load.DatabaseField })
	r.Verb, r.Query = call.Verb, load.EncodeFields(query)
	switch {
	case len(call.Params) > 0:
		r.Kind, r.Body = ofJSON, call.Params
	case len(fields) > 0:
		r.Kind, r.Fields, r.Multipart = ofForm, fields, call.Form == load.FormMultipart
		for i := range fields {
			switch f := &fields[i]; {
			case f.Name == load.DatabaseField || f.Name == load.CSRFField:
				f.Value = jsontree.Of("")
			case f.Name == load.DownloadField && f.Secret():
				f.Value = jsontree.Of(load.DownloadToken)
			}
		}
	default:
		r.Kind = ofPage
	}
	return ""
}

// member is one of an object, in the order in which it is written.
type member struct {
	name  string
	value []byte
}

func message(members ...member) []byte {
	b := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, quoted(m.name)...), ':'), m.value...)
	}
	return append(b, '}')
}

func number(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

// quoted is s as a JSON string. It holds no <, > or &, nor line separators.
func quoted(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return []byte(`""`) // which a string has no way to
	}
	return b
}

func first(a, b []byte) []byte {
	if a != nil {
		return a
	}
	return b
}

// name is a call's, for tags and comments.
func name(c *load.Call) string {
	if c.Model == "" {
		return cmp.Or(c.About, c.Path)
	}
	return c.Model + "." + c.Method
}

// Package export hands a load to those who replay by other means: as a script for k6, and as a HAR file. What stands in a
// load is data to both, never code, an address or a header.
package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/perfd/perfd/client/xmlrpc"
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
	// MaxCalls that are exported. Defaults to 20,000 for k6, which holds all of a script in memory for each session, and
	// 1,000,000 for HAR.
	MaxCalls int
	// MaxBytes of bodies that are exported. Defaults to 64 MiB for k6 and 1 GiB for HAR.
	MaxBytes int64
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

// Why calls are left out.
const (
	leftWrite     = "writes"
	leftDangerous = "reaches beyond the database"
	leftExcluded  = "bus, sessions and files"
	leftArguments = "arguments not kept"
	leftForm      = "forms, and others that cannot be exported"
	leftPath      = "a path that is none"
	leftBound     = "beyond the bounds of the export"
)

// request is a call as it goes over the wire, but for who the user is.
type request struct {
	Verb string
	Path string
	// Query is that of a page, encoded; empty if there is none.
	Query string
	Body  []byte
	// Kind is "web" (a session's cookie), "json2" (a key), "tryton" (a session's token), "keyed" or "xml" (the user's id and
	// password stand in the body: Body is what follows them, in a list or as a call without them) or "version" (a call of
	// XML-RPC for which nobody logs in).
	Kind string
	// Form is the method of Odoo's object service by which the arguments travel.
	Form string
}

// each calls f for the calls that may be exported.
func each(from Source, c Config, done *Done, f func(*load.Call, *request) error) error {
	done.Left = map[string]int64{}
	h := from.Header()
	database := c.Database
	if database == "" {
		database = h.Database
	}
	var size int64
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
		r, why := c.request(h.Product, database, &call)
		if why == "" && (done.Calls >= c.MaxCalls || size+int64(len(r.Body)+len(r.Query)) > c.MaxBytes) {
			why = leftBound
		}
		if why != "" {
			done.Left[why]++
			continue
		}
		size += int64(len(r.Body) + len(r.Query))
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
			return nil, leftWrite
		}
	case safety.Dangerous:
		return nil, leftDangerous
	default:
		return nil, leftExcluded
	}
	if strings.Contains(call.Lacks, "arguments") || strings.Contains(call.Lacks, "request") {
		return nil, leftArguments
	}
	r := &request{Verb: http.MethodPost, Path: call.Path, Kind: "web"}
	switch call.Transport {
	case "tryton":
		if call.Args == nil {
			return nil, leftArguments
		}
		name := call.Service + "." + call.Model + "." + call.Method
		if call.Model == "" {
			name = call.Service + "." + call.Method
		}
		r.Kind, r.Path = "tryton", "/"+database+"/"
		r.Body = message(member{"id", number(call.Seq)}, member{"method", quoted(name)}, member{"params", call.Args})
	case "json2":
		r.Kind = "json2"
		if r.Body = first(call.Params, call.Kwargs); r.Body == nil {
			return nil, leftArguments
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
		if why := r.page(call); why != "" {
			return nil, why
		}
	default:
		return nil, leftForm
	}
	if !isPath(r.Path) {
		return nil, leftPath
	}
	return r, ""
}

func (r *request) jsonRPC(call *load.Call) string {
	params := call.Params
	switch {
	case call.Path == "/jsonrpc" && call.Service == "common":
		params = message(member{"service", []byte(`"common"`)}, member{"method", quoted(call.Method)}, member{"args", first(call.Args, []byte("[]"))})
	case call.Path == "/jsonrpc":
		if call.Service != "object" || call.Args == nil {
			return leftForm
		}
		r.Kind, r.Form = "keyed", formOf(call)
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
		return leftArguments
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
		return leftForm
	}
	method, params := call.Method, args
	switch {
	case call.Service == "common":
		r.Kind = "version"
	case call.Service != "object":
		return leftForm
	case call.Args == nil:
		return leftArguments
	default:
		r.Kind, r.Form = "xml", formOf(call)
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
		return leftForm // a text that XML cannot carry
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

// page is a page or a file, with its query. The database is that of the session.
func (r *request) page(call *load.Call) string {
	if call.Verb != http.MethodGet {
		return leftForm
	}
	fields, err := load.ParseFields(call.Query)
	if err != nil || strings.Contains(call.Lacks, "query") || bytes.Contains(call.Query, quoted(load.Hidden)) {
		return leftArguments
	}
	fields = slices.DeleteFunc(fields, func(f load.Field) bool { return f.Name == "db" || f.Name == "session_id" })
	r.Verb, r.Query = http.MethodGet, load.EncodeFields(fields)
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

// maxPath of a request, in bytes.
const maxPath = 2000

// isPath reports whether p names something on a server and nothing else: it begins with one slash, does not climb, and
// has no query and nothing that does not print.
func isPath(p string) bool {
	if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || len(p) > maxPath {
		return false
	}
	for _, r := range p {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar || strings.ContainsRune(`\?#%`, r) {
			return false
		}
	}
	clean := path.Clean(p)
	return clean == p || clean+"/" == p
}

// name is a call's, for tags and comments.
func name(c *load.Call) string {
	if c.Model == "" {
		return c.Path
	}
	return c.Model + "." + c.Method
}

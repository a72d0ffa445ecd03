package load

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// Fields of queries and forms that are not sent as they were recorded.
const (
	CSRFField     = "csrf_token" // is of the session: each has its own
	DatabaseField = "db"         // changes the session's database
	SessionField  = "session_id" // reaches into another session
	DownloadField = "token"      // of downloads: what the server gives back as a cookie, and does not look at
)

// DownloadToken stands in a DownloadField that was taken out.
const DownloadToken = "perfd-replay"

// downloads are the routes whose forms have a DownloadField.
var downloads = []string{"/web/export", "/web/pivot", "/report/download", "/account_reports", "/web/report"}

// maxFiles bounds the bytes of the files in a form that is sent, and maxQuery those of a query.
const (
	maxFiles = 16 << 20
	maxQuery = 64 << 10
)

// PlainSendable tells whether a request without an envelope has all that it takes to be sent again: a page with its query,
// a form, or a JSON body. Nothing may have been taken out of it that its session has not of its own.
func PlainSendable(c *Call) bool {
	if c.Path == "" || strings.Contains(c.Path, ":token") || lacks(c, "query") || bytes.Contains(c.Query, quotedHidden) || len(c.Query) > maxQuery {
		return false
	}
	query, err := ParseFields(c.Query)
	if err != nil || HasField(query, SessionField) {
		return false
	}
	switch c.Verb {
	case http.MethodGet:
		return len(c.Fields) == 0 && len(c.Params) == 0
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return false
	}
	if len(c.Params) > 0 {
		return len(c.Fields) == 0 && !bytes.Contains(c.Params, quotedHidden)
	}
	fields, err := ParseFields(c.Fields)
	if err != nil || c.Verb != http.MethodPost || len(c.Fields) == 0 || c.Form != FormURLEncoded && c.Form != FormMultipart || HasField(fields, SessionField) {
		return false
	}
	return formSendable(fields, c.Path)
}

// quotedHidden is Hidden as it stands in JSON.
var quotedHidden = []byte(`"` + hidden + `"`)

func formSendable(fields []Field, route string) bool {
	var files int64
	for i := range fields {
		f := &fields[i]
		if f.File != nil {
			files += f.File.Size
		}
		switch {
		case f.Name == hidden, files > maxFiles:
			return false
		case f.Name == CSRFField, f.Name == DownloadField && downloaded(route):
		case strings.Contains(f.Text(), hidden):
			return false
		}
	}
	return true
}

func downloaded(route string) bool {
	return !strings.Contains(route, "..") &&
		slices.ContainsFunc(downloads, func(d string) bool { return route == d || strings.HasPrefix(route, d+"/") })
}

// HasField tells whether a name is among fields.
func HasField(fields []Field, name string) bool {
	return slices.ContainsFunc(fields, func(f Field) bool { return f.Name == name })
}

func lacks(c *Call, what string) bool { return slices.Contains(strings.Split(c.Lacks, ", "), what) }

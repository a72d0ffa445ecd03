package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/jsontree"
	"github.com/perfd/perfd/replay/load"
)

// loginPage is a page with a token that is good for the session, whoever is logged in or nobody.
const loginPage = "/web/login"

var errNoToken = errors.New("no page of the server has a csrf_token for the form")

// csrfOf finds the token in a page: in the script that begins Odoo's web client, or in a form.
var csrfOf = regexp.MustCompile(`csrf_token["']?\s*[:=]\s*["']([0-9A-Za-z_-]{8,256})["']|name=["']csrf_token["'][^<>]{0,200}?value=["']([0-9A-Za-z_-]{8,256})["']|value=["']([0-9A-Za-z_-]{8,256})["'][^<>]{0,200}?name=["']csrf_token["']`)

// lacks tells whether a call lacks something.
func lacks(c *load.Call, what string) bool {
	return slices.Contains(strings.Split(c.Lacks, ", "), what)
}

// plain is a request of a plain route: a page, a form with a token of its session, or a JSON body as webhooks have it.
func (r *Runner) plain(m client.Message, c *load.Call, token string) (client.Message, error) {
	m.Verb, m.Page, m.Public = http.MethodGet, true, true
	query, err := r.fields(c.Query, "")
	if err != nil {
		return m, err
	}
	if len(query) > 0 {
		m.Path += "?" + load.EncodeFields(query)
	}
	switch {
	case len(c.Params) > 0:
		m.Verb, m.Kind, m.Body = c.Verb, jsonKind, c.Params
		return m, nil
	case c.Verb != http.MethodPost:
		return m, nil
	}
	fields, err := r.fields(c.Fields, token)
	if err != nil {
		return m, err
	}
	m.Verb, m.Kind, m.Body = http.MethodPost, "application/x-www-form-urlencoded", []byte(load.EncodeFields(fields))
	if c.Form == load.FormMultipart {
		m.Kind, m.Body, err = parts(fields)
	}
	return m, err
}

// fields are those of a query or a form, with what is the target's and the session's in its place.
func (r *Runner) fields(raw json.RawMessage, token string) ([]load.Field, error) {
	fields, err := load.ParseFields(raw)
	if err != nil {
		return nil, fmt.Errorf("read fields: %w", err)
	}
	for i := range fields {
		switch f := &fields[i]; {
		case f.Name == load.DatabaseField:
			f.Value = jsontree.Of(r.cfg.Database)
		case f.Name == load.CSRFField:
			f.Value = jsontree.Of(token)
		case f.Name == load.DownloadField && f.Secret():
			f.Value = jsontree.Of(load.DownloadToken)
		}
	}
	return fields, nil
}

// parts is a form as multipart/form-data. A file is as long as it was, and empty.
func parts(fields []load.Field) (kind string, body []byte, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := range fields {
		f := &fields[i]
		if f.File == nil {
			err = w.WriteField(f.Name, f.Text())
		} else {
			h := textproto.MIMEHeader{"Content-Disposition": {multipart.FileContentDisposition(f.Name, f.File.Name)}}
			if f.File.Type != "" {
				h.Set("Content-Type", f.File.Type)
			}
			var part io.Writer
			if part, err = w.CreatePart(h); err == nil {
				_, err = part.Write(make([]byte, f.File.Size))
			}
		}
		if err != nil {
			return "", nil, fmt.Errorf("write form: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return "", nil, fmt.Errorf("write form: %w", err)
	}
	return w.FormDataContentType(), b.Bytes(), nil
}

// tokenFor is the token that a form of this session has to have, if it has one: read once, from a page that says nothing
// else. It is no part of what the form takes.
func (s *session) tokenFor(it *item, c *load.Call) (string, error) {
	if c.Transport != "http" || c.Verb != http.MethodPost {
		return "", nil
	}
	if fields, err := load.ParseFields(c.Fields); err != nil || !load.HasField(fields, load.CSRFField) {
		return "", nil //nolint:nilerr // whoever writes the form tells
	}
	s.mu.Lock()
	token := s.csrf
	s.mu.Unlock()
	if token != "" {
		return token, nil
	}
	began := s.r.now()
	token, err := s.askToken(c.Path)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.csrf = token
	it.wait += s.r.now() - began
	it.ready = max(it.ready, s.r.now())
	return token, err
}

func (s *session) askToken(route string) (string, error) {
	failure := errNoToken
	for _, path := range []string{loginPage, route} {
		page, err := s.client.Send(s.r.ctx, client.Message{Verb: http.MethodGet, Path: path, Page: true, Public: true, Safe: true, Header: idempotent})
		if err != nil {
			failure = err
			continue
		}
		if found := csrfOf.FindSubmatch(page.Body); found != nil {
			return string(bytes.Join(found[1:], nil)), nil // of which one is there
		}
	}
	return "", failure
}

// refusedToken tells whether a server refused a form for its token, before it looked at the rest.
func refusedToken(reply *client.Reply) bool {
	return reply.Status == http.StatusBadRequest && bytes.Contains(reply.Body, []byte("CSRF"))
}

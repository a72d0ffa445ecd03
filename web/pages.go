package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"
)

//go:embed ui/index.html ui/login.html ui/favicon.svg ui/*.js ui/css ui/lib ui/views ui/widgets ui/vendor
var uiFiles embed.FS

// pages are the embedded files of the UI, each with its type and a tag of its content.
type pages struct {
	files map[string]page // by path, as /lib/format.js
	form  *template.Template
}

type page struct {
	body      []byte
	kind, tag string
}

// kinds of files by extension; the operating system's table is not asked, so that answers are the same everywhere.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".woff2": "font/woff2", ".md": "text/plain; charset=utf-8", "": "text/plain; charset=utf-8",
}

func newPages() (*pages, error) {
	p := &pages{files: map[string]page{}}
	err := fs.WalkDir(uiFiles, "ui", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".d.ts") {
			return err
		}
		body, err := uiFiles.ReadFile(name)
		if err != nil {
			return err
		}
		kind, ok := kinds[path.Ext(name)]
		if !ok {
			kind = mime.TypeByExtension(path.Ext(name))
		}
		sum := sha256.Sum256(body)
		p.files[strings.TrimPrefix(name, "ui")] = page{body, kind, `"` + hex.EncodeToString(sum[:12]) + `"`}
		return nil
	})
	if err != nil {
		return nil, err
	}
	form := p.files["/login.html"]
	delete(p.files, "/login.html")
	p.form, err = template.New("login").Parse(string(form.body))
	return p, err
}

// login answers with the page for signing in.
func (p *pages) login(c *gin.Context, status int, next, message string) {
	var b bytes.Buffer
	if err := p.form.Execute(&b, struct{ Next, Message string }{next, message}); err != nil {
		fail(c, &problem{Status: http.StatusInternalServerError, Code: "internal", Message: "the page could not be made", Hint: "please report this"})
		return
	}
	h := c.Writer.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", strings.Replace(policy, "form-action 'none'", "form-action 'self'", 1))
	h.Set("Referrer-Policy", "same-origin") // without, the browser would not say whence the form comes
	c.Data(status, "text/html; charset=utf-8", b.Bytes())
}

// serve answers with a file, or with the index for the address of a page.
func (p *pages) serve(c *gin.Context) {
	name := path.Clean("/" + c.Request.URL.Path)
	f, ok := p.files[name]
	if !ok {
		if path.Ext(name) != "" && !strings.HasPrefix(name, "/methods/") {
			fail(c, &problem{Status: http.StatusNotFound, Code: "not_found", Message: "there is no file " + quote(name), Hint: "the pages start at /"})
			return
		}
		f = p.files["/index.html"]
	}
	h := c.Writer.Header()
	h.Set("ETag", f.tag)
	h.Set("Cache-Control", "no-cache") // names carry no version: ask again, and mostly hear that nothing changed
	if match := c.GetHeader("If-None-Match"); match != "" && strings.Contains(match, f.tag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return
	}
	c.Data(http.StatusOK, f.kind, f.body)
}

package load

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of what stands in a line. What a Writer is given beyond them it leaves out, and says so in Call.Lacks; what a
// Reader finds beyond them is an error.
const (
	maxName   = 256 // model, method, service, error, login, database, session
	maxPath   = 2048
	maxText   = 4096 // a sentence of Lacks
	maxLacks  = 256
	maxMinted = 1 << 16 // ids a call made
	maxSpan   = 10 * 366 * 24 * time.Hour
)

var (
	errName  = errors.New("not a name")
	errPath  = errors.New("not the path of a URL")
	errRange = errors.New("out of range")
	errOrder = errors.New("out of order")
)

// isName says whether s is made of the characters of models, methods and the like, or is empty. None of them means
// anything to a shell, a path, a terminal or a page.
func isName(s string) bool {
	if len(s) > maxName {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("_.-:", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// isText says whether s is short, whole and without control characters.
func isText(s string, limit int) bool {
	if len(s) > limit || !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
	})
}

// isPath says whether s is a path that stays what it is wherever it is appended to: rooted, without "..", in printable
// ASCII, or empty.
func isPath(s string) bool {
	if s == "" || s == "*" {
		return true
	}
	if len(s) > maxPath || s[0] != '/' || strings.HasPrefix(s, "//") {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`\<>"'?#{}|^`+"`", c) >= 0 {
			return false
		}
	}
	plain, err := url.PathUnescape(s)
	if err != nil {
		return false
	}
	for segment := range strings.FieldsFuncSeq(plain, func(r rune) bool { return r == '/' || r == '\\' }) {
		if segment == ".." {
			return false
		}
	}
	return isText(plain, maxPath)
}

// knownTransport says whether a transport is one of rpclog's.
func knownTransport(s string) bool {
	switch s {
	case "http", "jsonrpc", "xmlrpc", "json2", "tryton":
		return true
	}
	return false
}

// check holds a header against its bounds.
func (h *Header) check() error {
	for field, s := range map[string]string{"product": h.Product, "pepper": h.Pepper, "database uuid": h.DatabaseUUID} {
		if !isName(s) {
			return fmt.Errorf("%s: %w", field, errName)
		}
	}
	if !isText(h.Database, maxName) || !isText(h.Server, maxName) {
		return fmt.Errorf("database or server: %w", errName)
	}
	if len(h.Lacks) > maxLacks || len(h.Sources) > maxLacks {
		return fmt.Errorf("lists: %w", errRange)
	}
	for _, s := range h.Lacks {
		if !isText(s, maxText) {
			return fmt.Errorf("lacks: %w", errRange)
		}
	}
	for _, s := range h.Sources {
		if !isText(s, maxName) || strings.ContainsAny(s, `/\`) {
			return fmt.Errorf("sources: %w", errName)
		}
	}
	if y := h.Start.Year(); !h.Start.IsZero() && (y < 1970 || y > 9999) {
		return fmt.Errorf("start: %w", errRange)
	}
	return nil
}

// check holds a session against its bounds.
func (s *Session) check() error {
	switch {
	case s.ID == "" || !isName(s.ID):
		return fmt.Errorf("session id: %w", errName)
	case !isText(s.Login, maxName):
		return fmt.Errorf("login: %w", errName)
	case !isText(s.Database, maxName):
		return fmt.Errorf("database: %w", errName)
	case !knownTransport(s.Transport):
		return fmt.Errorf("transport: %w", errName)
	case s.UID < 0:
		return fmt.Errorf("uid: %w", errRange)
	}
	return nil
}

// check holds a call against its bounds. The arguments are the Reader's matter.
func (c *Call) check() error {
	for field, s := range map[string]string{"form": c.Form, "verb": c.Verb, "service": c.Service, "model": c.Model, "method": c.Method, "digest": c.Digest} {
		if !isName(s) {
			return fmt.Errorf("%s: %w", field, errName)
		}
	}
	switch {
	case !knownTransport(c.Transport):
		return fmt.Errorf("transport: %w", errName)
	case !isPath(c.Path):
		return fmt.Errorf("path: %w", errPath)
	case !isText(c.Error, maxName), !isText(c.Lacks, maxName):
		return fmt.Errorf("error or lacks: %w", errName)
	case c.At < 0 || c.At > maxSpan || c.Duration < 0 || c.Duration > maxSpan || c.First < 0 || c.First > maxSpan || c.SQL < 0 || c.SQL > maxSpan || c.Wait < 0 || c.Wait > maxSpan:
		return fmt.Errorf("time: %w", errRange)
	case c.Status < 0 || c.Status > 999 || c.Statements < 0 || c.RequestBytes < 0 || c.ResponseBytes < 0:
		return fmt.Errorf("number: %w", errRange)
	}
	ids := 0
	for _, m := range c.Minted {
		if m.Model == "" || !isName(m.Model) {
			return fmt.Errorf("minted: %w", errName)
		}
		if ids += len(m.IDs) + 1; ids > maxMinted {
			return fmt.Errorf("minted: %w", errRange)
		}
	}
	return nil
}

// mend leaves out of a call what it may not hold, and says so: what travelled on a wire need not be a name.
func (c *Call) mend() {
	if !isName(c.Verb) || !isPath(c.Path) {
		c.Verb, c.Path = "", ""
		c.lack("path")
	}
	if !isName(c.Service) || !isName(c.Model) || !isName(c.Method) {
		c.Service, c.Model, c.Method = "", "", ""
		c.drop()
		c.lack("name")
	}
	if !isName(c.Form) {
		c.drop()
		c.lack("arguments")
	}
	if !isText(c.Error, maxName) {
		c.Error = "error"
	}
	ids := 0
	for i, m := range c.Minted {
		if ids += len(m.IDs) + 1; m.Model == "" || !isName(m.Model) || ids > maxMinted {
			c.Minted = c.Minted[:i]
			c.lack("minted")
			break
		}
	}
	for _, d := range []*time.Duration{&c.Duration, &c.First, &c.SQL, &c.Wait} {
		*d = min(max(*d, 0), maxSpan)
	}
	if c.Status < 0 || c.Status > 999 {
		c.Status = 0
	}
	c.Statements, c.RequestBytes, c.ResponseBytes = max(c.Statements, 0), max(c.RequestBytes, 0), max(c.ResponseBytes, 0)
}

// drop leaves out what users sent and saw.
func (c *Call) drop() {
	c.Args, c.Kwargs, c.Params, c.Query, c.Fields, c.Form, c.Answer = nil, nil, nil, nil, nil, "", nil
}

// lack adds to what is missing of a call.
func (c *Call) lack(what string) {
	switch {
	case slices.Contains(strings.Split(c.Lacks, ", "), what):
	case c.Lacks == "":
		c.Lacks = what
	default:
		c.Lacks += ", " + what
	}
}

package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// policy lets the pages use their own files and nothing else: no inline code or style, no other host.
const policy = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard sets the security headers and refuses what does not come from perfd's own pages: other methods,
// names that DNS was rebound to, and other sites' scripts.
func (s *Server) guard(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	r := c.Request
	if token, ok := bearer(r); ok && s.gate.required() && s.gate.auth.AllowsToken(token) {
		s.methods(c) // no browser that was led here by a false name knows the token
		return
	}
	if !s.served(r.Host) {
		fail(c, &problem{Status: http.StatusForbidden, Code: "forbidden_host", Message: "perfd does not answer to the host " + quote(r.Host),
			Hint: "open it as http://127.0.0.1 or http://localhost, with the same port"})
		return
	}
	if o := r.Header.Get("Origin"); o != "" && !sameOrigin(o, r.Host) ||
		r.Header.Get("Sec-Fetch-Site") == "cross-site" && strings.HasPrefix(r.URL.Path, "/api/") {
		fail(c, &problem{Status: http.StatusForbidden, Code: "forbidden_origin", Message: "perfd answers to its own pages only", Hint: "open the address perfd printed"})
		return
	}
	s.methods(c)
}

// methods refuses requests that would change something, but for signing in and out from perfd's own pages.
func (s *Server) methods(c *gin.Context) {
	r := c.Request
	if r.Method == http.MethodPost && (r.URL.Path == "/login" || r.URL.Path == "/logout") {
		if r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") != "same-origin" {
			fail(c, &problem{Status: http.StatusForbidden, Code: "forbidden_origin", Message: "perfd lets people sign in on its own pages only", Hint: "programs send Authorization: Bearer …"})
		}
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		c.Writer.Header().Set("Allow", "GET, HEAD")
		fail(c, &problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Message: "only GET and HEAD are served", Hint: "nothing can be changed here"})
	}
}

// served reports whether the Host header names loopback or a configured host. The port does not matter: it
// may be forwarded.
func (s *Server) served(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if host == "localhost" {
		return true
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Unmap().IsLoopback() {
		return true
	}
	return slices.ContainsFunc(s.cfg.Hosts, func(allowed string) bool {
		return strings.EqualFold(strings.Trim(allowed, "[]"), host) && host != ""
	})
}

func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

package web

import (
	"crypto/rand"
	"crypto/sha256"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

// Auth knows the secret that those who may look have: config.Auth is one. It is asked from many goroutines.
type Auth interface {
	// Required reports whether there is a secret at all; without one everybody may look.
	Required() bool
	// AllowsToken is for programs, which send "Authorization: Bearer".
	AllowsToken(token string) bool
	// AllowsPassword is for people; it may take a good part of a second.
	AllowsPassword(password string) bool
}

const (
	sessionCookie = "perfd_session"
	// maxSessions bounds the browsers signed in; the oldest one is signed out for the next.
	maxSessions = 256
	// attempts may be made at once from an address, and everyAttempt gives one back.
	attempts     = 5
	everyAttempt = 5 * time.Second
	// maxAddresses bounds the addresses whose attempts are counted apart; those beyond share one count.
	maxAddresses = 1024
	maxSecret    = 1024
)

// gate keeps who is signed in, and how often who was refused.
type gate struct {
	auth Auth
	age  time.Duration

	checking sync.Mutex // one password at a time: checking is costly on purpose
	mu       sync.Mutex
	sessions map[[32]byte]time.Time // hash of the cookie → end
	refused  map[string]bucket      // by address
}

// bucket holds the attempts used up.
type bucket struct {
	used float64
	at   time.Time
}

func newGate(auth Auth, age time.Duration) gate {
	return gate{auth: auth, age: age, sessions: map[[32]byte]time.Time{}, refused: map[string]bucket{}}
}

func (g *gate) required() bool { return g.auth != nil && g.auth.Required() }

// open makes a session and returns its cookie's value.
func (g *gate) open(now time.Time) string {
	id := rand.Text()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.sessions) >= maxSessions {
		var oldest [32]byte
		var end time.Time
		for k, t := range g.sessions {
			if end.IsZero() || t.Before(end) {
				oldest, end = k, t
			}
		}
		delete(g.sessions, oldest)
	}
	g.sessions[sha256.Sum256([]byte(id))] = now.Add(g.age)
	return id
}

// holds reports whether the cookie's value is that of an open session. Values are looked up by their hash, so that
// the time it takes tells nothing.
func (g *gate) holds(id string, now time.Time) bool {
	if id == "" || len(id) > maxSecret {
		return false
	}
	key := sha256.Sum256([]byte(id))
	g.mu.Lock()
	defer g.mu.Unlock()
	end, ok := g.sessions[key]
	if ok && !now.Before(end) {
		delete(g.sessions, key)
		return false
	}
	return ok
}

func (g *gate) close(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, sha256.Sum256([]byte(id)))
}

// SignOut ends every session, as after a change of the password.
func (s *Server) SignOut() {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	clear(s.gate.sessions)
}

// attempt takes one of the address's attempts, if it has one left.
func (g *gate) attempt(address string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.refused[address]; !ok && len(g.refused) >= maxAddresses {
		for a, b := range g.refused {
			if now.Sub(b.at) > attempts*everyAttempt {
				delete(g.refused, a)
			}
		}
		if len(g.refused) >= maxAddresses {
			address = ""
		}
	}
	b := g.refused[address]
	b.used = max(0, b.used-now.Sub(b.at).Seconds()/everyAttempt.Seconds())
	b.at = now
	ok := b.used+1 <= attempts
	if ok {
		b.used++
	}
	g.refused[address] = b
	return ok
}

// forgive gives an attempt back that was right.
func (g *gate) forgive(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.refused, address)
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, ok && strings.EqualFold(scheme, "bearer") && len(token) <= maxSecret
}

// known reports whether the request comes from somebody who may look.
func (s *Server) known(r *http.Request) bool {
	if !s.gate.required() {
		return true
	}
	if token, ok := bearer(r); ok {
		return s.gate.auth.AllowsToken(token)
	}
	c, err := r.Cookie(sessionCookie)
	return err == nil && s.gate.holds(c.Value, time.Now())
}

// free is what the page for signing in needs.
func free(name string) bool {
	switch name {
	case "/login", "/api/v1/session", "/favicon.svg", "/theme.js", "/login.js":
		return true
	}
	return path.Dir(name) == "/css" && path.Ext(name) == ".css" // Dir cleans
}

// admit refuses who did not sign in: programs with 401, browsers by sending them to the page where they can.
func (s *Server) admit(c *gin.Context) {
	r := c.Request
	if free(r.URL.Path) || s.known(r) {
		return
	}
	if _, tried := bearer(r); tried && !s.gate.attempt(host(r.RemoteAddr), time.Now()) {
		c.Header("Retry-After", "5")
		fail(c, &problem{Status: http.StatusTooManyRequests, Code: "too_many_attempts", Message: "too many wrong tokens came from your address", Hint: "wait a few seconds"})
		return
	}
	c.Header("WWW-Authenticate", `Bearer realm="perfd"`)
	_, other := s.cfg.Handlers[r.URL.Path]
	if !other && !strings.HasPrefix(r.URL.Path, "/api/") && r.Method != http.MethodPost && strings.Contains(r.Header.Get("Accept"), "text/html") {
		c.Header("Cache-Control", "no-store")
		c.Redirect(http.StatusSeeOther, "/login?next="+url.QueryEscape(r.URL.RequestURI()))
		c.Abort()
		return
	}
	fail(c, &problem{Status: http.StatusUnauthorized, Code: "unauthorized", Message: "perfd does not know you",
		Hint: "sign in at /login, or send the token: Authorization: Bearer …"})
}

func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}

// session answers GET /session: whether one has to sign in here, and has.
func (s *Server) session(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, gin.H{"required": s.gate.required(), "known": s.known(c.Request)})
}

// within returns next if it is a path of these pages, else the first page.
func within(next string) string {
	if u, err := url.Parse(next); err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.ContainsAny(next, "\\\r\n") || len(next) > maxValue || u.Path == "/login" {
		return "/"
	}
	return next
}

// loginPage answers GET /login.
func (s *Server) loginPage(c *gin.Context) {
	if s.known(c.Request) {
		c.Header("Cache-Control", "no-store")
		c.Redirect(http.StatusSeeOther, within(c.Query("next")))
		return
	}
	s.pages.login(c, http.StatusOK, within(c.Query("next")), "")
}

// login answers POST /login: a form with the password, or the token, and where to go then.
func (s *Server) login(c *gin.Context) {
	r := c.Request
	r.Body = http.MaxBytesReader(c.Writer, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil {
		fail(c, &problem{Status: http.StatusBadRequest, Code: "invalid_parameter", Message: "the form cannot be read", Hint: "send password=… as application/x-www-form-urlencoded"})
		return
	}
	next, secret := within(r.PostForm.Get("next")), r.PostForm.Get("password")
	if !s.gate.required() {
		c.Redirect(http.StatusSeeOther, next)
		return
	}
	address := host(r.RemoteAddr)
	if !s.gate.attempt(address, time.Now()) {
		c.Header("Retry-After", "5")
		s.pages.login(c, http.StatusTooManyRequests, next, "Too many attempts. Wait a few seconds.")
		return
	}
	if len(secret) > maxSecret || !s.allows(secret) {
		s.pages.login(c, http.StatusUnauthorized, next, "That is not the password.")
		return
	}
	s.gate.forgive(address)
	s.setCookie(c, s.gate.open(time.Now()), int(s.cfg.SessionAge/time.Second))
	c.Header("Cache-Control", "no-store")
	c.Redirect(http.StatusSeeOther, next)
}

func (s *Server) allows(secret string) bool {
	if s.gate.auth.AllowsToken(secret) {
		return true
	}
	s.gate.checking.Lock()
	defer s.gate.checking.Unlock()
	return s.gate.auth.AllowsPassword(secret)
}

// logout answers POST /logout.
func (s *Server) logout(c *gin.Context) {
	if cookie, err := c.Request.Cookie(sessionCookie); err == nil {
		s.gate.close(cookie.Value)
	}
	s.setCookie(c, "", -1)
	c.Redirect(http.StatusSeeOther, "/login")
}

func (s *Server) setCookie(c *gin.Context, value string, age int) {
	http.SetCookie(c.Writer, &http.Cookie{Name: sessionCookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: c.Request.TLS != nil || slices.Contains(c.Request.Header["X-Forwarded-Proto"], "https")})
}

// Package web serves a recording to the browser: a JSON API over a store.Reader, described in docs/api.md,
// and the embedded pages that use it. It decides nothing about calls; it renders what the store answers.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/perfd/perfd/store"
)

// Config of the pages. The zero value works.
type Config struct {
	// Hosts are names and addresses, besides those of loopback, under which the pages may be asked for.
	// Defaults to none: a name that someone else's DNS points here is refused.
	Hosts []string
	// Version of perfd, shown in the pages. Defaults to that in the store.
	Version string
	// CacheBytes bounds the answers kept. Those of a recording that goes on are kept until it changes, and by
	// up to ten times what they took to make. Defaults to 32 MiB.
	CacheBytes int

	// Live tells of a recording that goes on. Defaults to none: /live and /state are not there then.
	Live Live
	// Subscribers is the most streams of /live at once. Defaults to 16.
	Subscribers int

	// Auth knows who may look. Defaults to none: everybody who reaches the address may.
	Auth Auth
	// SessionAge is how long a browser stays signed in. Defaults to 12 hours.
	SessionAge time.Duration
	// Handlers answer GET requests for further paths, as /metrics, to those who may look. Defaults to none.
	Handlers map[string]http.Handler
}

// Server answers HTTP requests for one recording.
type Server struct {
	cfg     Config
	store   store.Reader
	handler http.Handler
	pages   *pages
	cache   cache
	names   names
	state   lastState
	streams streams
	gate    gate
}

var _ http.Handler = (*Server)(nil)

// New returns a server of what r holds; r stays the caller's to close, after Stop where streams may be open.
func New(cfg Config, r store.Reader) (*Server, error) {
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = 32 << 20
	}
	p, err := newPages()
	if err != nil {
		return nil, fmt.Errorf("load pages: %w", err)
	}
	if cfg.Subscribers == 0 {
		cfg.Subscribers = 16
	}
	if cfg.SessionAge == 0 {
		cfg.SessionAge = 12 * time.Hour
	}
	s := &Server{cfg: cfg, store: r, pages: p, cache: cache{limit: cfg.CacheBytes}, gate: newGate(cfg.Auth, cfg.SessionAge)}
	s.streams.ctx, s.streams.cancel = context.WithCancel(context.Background())
	s.handler = s.routes()
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// routes is the table of everything that can be asked for.
func (s *Server) routes() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.Use(gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) {
		fail(c, &problem{Status: http.StatusInternalServerError, Code: "internal", Message: "the answer could not be made", Hint: "please report this"})
	}), s.guard, s.admit)
	for path, h := range map[string]endpoint{
		"source":              s.source,
		"overview":            s.overview,
		"calls":               s.calls,
		"calls/:id":           s.call,
		"sessions":            s.sessions,
		"timeline":            s.timeline,
		"methods":             s.groups(store.ByMethod),
		"models":              s.groups(store.ByModel),
		"users":               s.groups(store.ByUser),
		"shapes":              s.shapes,
		"shapes/:fingerprint": s.shape,
		"sql":                 s.shapes,
		"sql/:fingerprint":    s.shape,
		"findings":            s.findings,
		"background":          s.background,
		"background/:id":      s.backgroundGroup,
	} {
		e.GET("/api/v1/"+path, s.answer(h))
		e.HEAD("/api/v1/"+path, s.answer(h))
	}
	for path, h := range map[string]endpoint{"benchmarks": s.benchmarks, "benchmarks/:id": s.benchmark} {
		e.GET("/api/v1/"+path, s.fresh(h))
		e.HEAD("/api/v1/"+path, s.fresh(h))
	}
	e.GET("/api/v1/state", s.watchState)
	e.GET("/api/v1/live", s.live)
	e.GET("/api/v1/session", s.session)
	e.GET("/login", s.loginPage)
	e.POST("/login", s.login)
	e.POST("/logout", s.logout)
	for path, h := range s.cfg.Handlers {
		e.GET(path, gin.WrapH(h))
	}
	e.NoRoute(func(c *gin.Context) {
		if strings.HasPrefix(c.Request.URL.Path, "/api/") {
			fail(c, &problem{Status: http.StatusNotFound, Code: "not_found", Message: "there is no " + c.Request.URL.Path, Hint: "docs/api.md lists what there is"})
			return
		}
		s.pages.serve(c)
	})
	return e
}

// endpoint computes an answer, which is encoded as JSON, from the parameters.
type endpoint func(c *gin.Context, p *params) (any, error)

// answer runs an endpoint and writes its result or its problem.
func (s *Server) answer(h endpoint) gin.HandlerFunc {
	return func(c *gin.Context) {
		key := c.Request.URL.Path + "?" + c.Request.URL.RawQuery
		state, err := s.store.State(c.Request.Context())
		if err != nil {
			fail(c, explain(err))
			return
		}
		start := time.Now()
		body, mine := s.cache.get(c.Request.Context(), key, state)
		switch {
		case mine != nil:
			defer func() { s.cache.done(mine, key, body, state, start) }()
			p := newParams(c.Request.URL.RawQuery)
			v, err := h(c, p)
			if p.problem != nil {
				fail(c, p.problem)
				return
			}
			if err == nil {
				body, err = encode(v)
			}
			if err != nil {
				body = nil
				fail(c, explain(err))
				return
			}
		case body == nil: // who asked is gone
			c.Abort()
			return
		}
		c.Header("Cache-Control", "no-store")
		c.Data(http.StatusOK, "application/json; charset=utf-8", body)
	}
}

// problem is an error as the API tells it.
type problem struct {
	Status    int    `json:"-"`
	Code      string `json:"code"`
	Parameter string `json:"parameter,omitempty"`
	Message   string `json:"message"`
	Hint      string `json:"hint"`
}

func (p *problem) Error() string { return p.Message }

// explain turns an error of the store into a problem.
func explain(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	if errors.Is(err, store.ErrNotFound) {
		return &problem{Status: http.StatusNotFound, Code: "not_found", Message: err.Error(), Hint: "it may belong to another recording, or to another time range"}
	}
	p = &problem{Status: http.StatusInternalServerError, Code: "internal", Message: err.Error(), Hint: "check that the store's file is still there and whole"}
	var hinted *store.Error
	if errors.As(err, &hinted) {
		p.Hint = hinted.Hint
	}
	return p
}

func fail(c *gin.Context, p *problem) {
	c.Header("Cache-Control", "no-store")
	c.AbortWithStatusJSON(p.Status, gin.H{"error": p})
}

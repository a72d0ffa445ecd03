package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
)

var shapeKeys = []string{"total", "statements", "calls", "rows", "bytes", "errors", "p50", "p95", "p99", "max", "background", "text"}

func shapeFigure(key string) figure[store.ShapeGroup] {
	return func(g *store.ShapeGroup) (int64, string) {
		switch key {
		case "statements":
			return g.Statements, ""
		case "calls":
			return g.Calls, ""
		case "rows":
			return g.Rows, ""
		case "bytes":
			return g.Bytes, ""
		case "errors":
			return g.Errors, ""
		case "p50":
			return int64(g.P50), ""
		case "p95":
			return int64(g.P95), ""
		case "p99":
			return int64(g.P99), ""
		case "max":
			return int64(g.Max), ""
		case "background":
			return int64(g.Background), ""
		case "text":
			return 0, g.Text
		}
		return int64(g.Total), ""
	}
}

// shapes answers GET /shapes and /sql: statements by fingerprint.
func (s *Server) shapes(c *gin.Context, p *params) (any, error) {
	f, pg := p.filter(), p.page(200, []string{"text"}, shapeKeys...)
	sf := store.ShapeFilter{Table: p.one("table"), Text: f.Text}
	f.Text = "" // q is about the statements here
	for _, name := range p.all("kind") {
		k := sqltrace.Query
		for k < sqltrace.Other && k.String() != name {
			k++
		}
		if k.String() != name {
			p.wrong("kind", "kind can not be "+quote(name), "one of query, begin, commit, rollback, savepoint, reset, copy, other")
		}
		sf.Kinds = append(sf.Kinds, k)
	}
	if !p.done() {
		return nil, nil
	}
	shapes, err := store.Shapes(c.Request.Context(), s.store, f, sf)
	if err != nil {
		return nil, err
	}
	var all time.Duration
	for i := range shapes {
		all += shapes[i].Total
	}
	total := len(shapes)
	return gin.H{"total": total, "offset": pg.Offset, "rows": s.names.viewShapes(arrange(shapes, pg, shapeFigure(pg.Sort)), all)}, nil
}

type callerView struct {
	Name       string  `json:"name"`
	Calls      int64   `json:"calls"`
	Statements int64   `json:"statements"`
	Total      seconds `json:"total"`
	Share      float64 `json:"share"`
}

func viewCallers(callers []store.Caller, all time.Duration) []callerView {
	out := make([]callerView, len(callers))
	for i, c := range callers {
		out[i] = callerView{c.Name, c.Calls, c.Statements, seconds(c.Total), share(c.Total, all)}
	}
	return out
}

// shape answers GET /shapes/:fingerprint: who runs it, and when.
func (s *Server) shape(c *gin.Context, p *params) (any, error) {
	f := p.filter()
	if !p.done() {
		return nil, nil
	}
	n, err := strconv.ParseUint(c.Param("fingerprint"), 16, 64)
	if err != nil {
		return nil, &problem{Status: http.StatusBadRequest, Code: "invalid_parameter", Parameter: "fingerprint",
			Message: "a fingerprint is 16 hex digits, not " + quote(c.Param("fingerprint")), Hint: "take it from /api/v1/shapes"}
	}
	ctx := c.Request.Context()
	d, err := store.Shape(ctx, s.store, f, sqltrace.Fingerprint(n))
	if err != nil {
		return nil, err
	}
	calls := make([]gin.H, 0, len(d.Examples))
	for _, e := range d.Examples {
		call, err := s.store.Call(ctx, e.ID)
		if err != nil {
			return nil, err
		}
		calls = append(calls, gin.H{"call": viewCall(&call.Call), "statements": e.Statements, "total": seconds(e.Total), "max": seconds(e.Max)})
	}
	idle := make([]gin.H, len(d.Idle))
	for i, g := range d.Idle {
		idle[i] = gin.H{"group": g.Kind, "application": g.Application, "statements": g.Statements, "total": seconds(g.Total)}
	}
	totals := make([]seconds, len(d.Totals))
	for i, t := range d.Totals {
		totals[i] = seconds(t)
	}
	return gin.H{"shape": s.names.viewShape(&d.ShapeGroup, d.Total), "methods": viewCallers(d.Callers, d.Total), "users": viewCallers(d.Users, d.Total),
		"calls": calls, "background": idle,
		"buckets": gin.H{"t0": stamp(d.Buckets.T0), "dt": seconds(d.Buckets.DT), "statements": d.Counts, "total": totals}}, nil
}

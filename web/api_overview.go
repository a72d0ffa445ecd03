package web

import (
	"time"

	"github.com/gin-gonic/gin"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/store"
)

type noticeView struct {
	Title string `json:"title"`
	Fix   string `json:"fix"`
}

// source answers GET /source: what was recorded and what is lacking.
func (s *Server) source(c *gin.Context, p *params) (any, error) {
	if !p.done() {
		return nil, nil
	}
	rec, err := s.store.Recording(c.Request.Context())
	if err != nil {
		return nil, err
	}
	first, last := rec.Bounds()
	notices := []noticeView{}
	if !rec.Complete && !rec.Live {
		notices = append(notices, noticeView{"The recording is not complete: perfd was still writing it, or was interrupted.", "Analyze the capture again with perfd analyze --store."})
	}
	for _, n := range rec.Summary.Notices {
		notices = append(notices, noticeView(n))
	}
	version, files := rec.Version, rec.Files
	if s.cfg.Version != "" {
		version = s.cfg.Version
	}
	if files == nil {
		files = []string{}
	}
	n, sum := &rec.Counts, &rec.Summary
	return gin.H{"version": version, "files": files, "from": stamp(first), "to": stamp(last), "seconds": seconds(last.Sub(first)),
		"packets": sum.Packets, "bytes": sum.Bytes, "lost_bytes": sum.LostBytes, "gaps": sum.Gaps,
		"calls": n.Calls, "ordinary": n.Ordinary, "errors": n.Errors, "statements": n.Statements, "attributed": n.Attributed, "exact": n.Exact,
		"background": n.Background, "users": n.Users, "sessions": n.Sessions, "methods": n.Methods, "models": n.Models, "shapes": n.Shapes,
		"findings": n.Findings, "rules": n.Rules, "notices": notices, "complete": rec.Complete, "live": rec.Live,
		"watching": s.cfg.Live != nil}, nil
}

type bucketsView struct {
	T0          stamp     `json:"t0"`
	DT          seconds   `json:"dt"`
	Calls       []int64   `json:"calls"`
	Errors      []int64   `json:"errors"`
	Statements  []int64   `json:"statements"`
	Wait        []seconds `json:"wait"`
	Application []seconds `json:"application"`
	SQL         []seconds `json:"sql"`
	Lock        []seconds `json:"lock"`
	Retry       []seconds `json:"retry"`
	Transfer    []seconds `json:"transfer"`
	Unknown     []seconds `json:"unknown"`
}

func viewBuckets(b store.Buckets, strip *store.Strip) bucketsView {
	v := bucketsView{T0: stamp(b.T0), DT: seconds(b.DT), Calls: strip.Calls, Errors: strip.Errors, Statements: strip.Statements}
	lists := [...]*[]seconds{&v.Wait, &v.Application, &v.SQL, &v.Lock, &v.Retry, &v.Transfer, &v.Unknown}
	for _, l := range lists {
		*l = make([]seconds, b.N)
	}
	for i := range strip.Time {
		for part, d := range partList(&strip.Time[i]) {
			(*lists[part])[i] = seconds(d)
		}
	}
	return v
}

// overview answers GET /overview: everything the first page needs.
func (s *Server) overview(c *gin.Context, p *params) (any, error) {
	f, n, top := p.filter(), p.int("buckets", 120, 10, 1000), p.int("top", 8, 1, 50)
	if !p.done() {
		return nil, nil
	}
	o, err := store.Summarize(c.Request.Context(), s.store, f, n, top)
	if err != nil {
		return nil, err
	}
	bounds := make([]seconds, len(o.Heatmap.Bounds))
	for i, b := range o.Heatmap.Bounds {
		bounds[i] = seconds(b)
	}
	length := o.To.Sub(o.From)
	rate := 0.0
	if length > 0 {
		rate = rounded(float64(o.All.Calls) / length.Seconds())
	}
	name, most := largest(&o.All.Time)
	return gin.H{"from": stamp(o.From), "to": stamp(o.To), "seconds": seconds(length),
		"calls": o.All.Calls, "errors": o.All.Errors, "users": o.All.Users, "sessions": o.Sessions, "statements": o.All.Statements,
		"all_statements": o.Statements, "attributed": o.Attributed, "control": rounded(o.Control),
		"rows":   gin.H{"methods": o.Rows.Methods, "users": o.Rows.Users, "models": o.Rows.Models, "shapes": o.Rows.Shapes, "queries": o.Rows.Queries, "findings": o.Rows.Findings},
		"waited": seconds(o.All.Total), "p50": seconds(o.All.P50), "p95": seconds(o.All.P95), "p99": seconds(o.All.P99), "max": seconds(o.All.Max),
		"rate": rate, "parts": viewParts(&o.All.Time), "largest": gin.H{"part": name, "share": share(most, o.All.Total)},
		"buckets": viewBuckets(o.Buckets, &o.Strip),
		"heatmap": gin.H{"t0": stamp(o.Buckets.T0), "dt": seconds(o.Buckets.DT), "bounds": bounds, "counts": o.Heatmap.Counts, "max": o.Heatmap.Max},
		"methods": viewGroups(o.Methods, o.All.Total), "users_top": viewGroups(o.Users, o.All.Total), "models": viewGroups(o.Models, o.All.Total),
		"shapes": s.names.viewShapes(o.Shapes, o.SQL), "findings": viewFinds(o.Findings)}, nil
}

// largest returns the part that took most; "" where no time was spent at all.
func largest(b *analyzer.Breakdown) (name string, most time.Duration) {
	for i, d := range partList(b) {
		if d > most {
			name, most = partNames[i], d
		}
	}
	return name, most
}

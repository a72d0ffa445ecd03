package web

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
)

var (
	callKeys = slices.Concat([]string{"start", "duration", "name", "method", "model", "path", "user", "session", "status", "error", "statements",
		"findings", "probability", "request_bytes", "response_bytes"}, partNames[:])
	callWords = []string{"start", "name", "method", "model", "path", "user", "session", "error"}
)

// calls answers GET /calls: one page of the list.
func (s *Server) calls(c *gin.Context, p *params) (any, error) {
	f, pg := p.filter(), p.page(100, callWords, callKeys...)
	f.Until, _ = p.callID("until")
	if !p.done() {
		return nil, nil
	}
	calls, total, err := s.store.Calls(c.Request.Context(), f, pg)
	if err != nil {
		return nil, err
	}
	return gin.H{"total": total, "offset": pg.Offset, "rows": viewCalls(calls)}, nil
}

type shapeBrief struct {
	Fingerprint hex64 `json:"fingerprint"`
	nameView
	Kind    string   `json:"kind"`
	Text    string   `json:"text"`
	Tables  []string `json:"tables"`
	Written string   `json:"written"`
}

type spanView struct {
	Start       seconds  `json:"start"`
	First       *seconds `json:"first,omitempty"`
	Duration    seconds  `json:"duration"`
	Lease       int      `json:"lease"`
	Shape       int      `json:"shape"`
	Kind        string   `json:"kind"`
	Rows        *int64   `json:"rows,omitempty"`
	TextBytes   int64    `json:"text_bytes"`
	In          int64    `json:"in"`
	Out         int64    `json:"out"`
	SQLState    string   `json:"sqlstate"`
	Tx          string   `json:"tx"`
	Extended    bool     `json:"extended"`
	Duplicate   int      `json:"duplicate"`
	By          string   `json:"by"`
	Probability float64  `json:"probability"`
	Exact       bool     `json:"exact"`
	Gaps        []string `json:"gaps"`
}

// viewSpans returns spans in order of start, with each shape once, and where each of the given spans went.
func (n *names) viewSpans(spans []store.Span) (views []spanView, shapes []shapeBrief, place []int) {
	order := make([]int, len(spans))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(min(max(spans[a].Start-spans[b].Start, -1), 1)) })
	views, shapes, place = make([]spanView, 0, len(spans)), []shapeBrief{}, make([]int, len(spans))
	index := map[*sqltrace.Shape]int{}
	for to, from := range order {
		s := &spans[from]
		place[from] = to
		at, ok := index[s.Shape]
		if !ok {
			at = len(shapes)
			index[s.Shape] = at
			shapes = append(shapes, shapeBrief{hex64(s.Shape.Fingerprint), n.of(s.Shape), kind(s.Kind), s.Shape.Text, s.Shape.Tables, s.Shape.Written})
		}
		v := spanView{Start: seconds(s.Start), Duration: seconds(s.Duration), Lease: s.Lease, Shape: at, Kind: kind(s.Kind), TextBytes: s.TextBytes,
			In: s.In, Out: s.Out, SQLState: s.SQLState, Extended: s.Extended, Duplicate: s.Duplicate, By: s.By.String(), Probability: s.Probability,
			Exact: s.By.Exact(), Gaps: bits(uint8(s.Gaps), "text", "result", "unanswered", "before")}
		if s.First >= 0 {
			v.First = (*seconds)(&s.First)
		}
		if s.Rows >= 0 {
			v.Rows = &s.Rows
		}
		if s.Tx != 0 {
			v.Tx = string(rune(s.Tx))
		}
		views = append(views, v)
	}
	return views, shapes, place
}

type leaseView struct {
	Client      string  `json:"client"`
	Server      string  `json:"server"`
	Database    string  `json:"database"`
	User        string  `json:"user"`
	Application string  `json:"application"`
	Backend     int32   `json:"backend,omitempty"`
	Start       seconds `json:"start"`
	End         seconds `json:"end"`
	Statements  int     `json:"statements"`
	SQL         seconds `json:"sql"`
}

func viewLeases(d *store.Detail) []leaseView {
	out := make([]leaseView, len(d.Leases))
	for i, b := range d.Leases {
		out[i] = leaseView{Client: b.Client, Server: b.Server, Database: b.Database, User: b.User, Application: b.Application, Backend: b.PID}
	}
	for i := range d.Spans {
		s := &d.Spans[i]
		l := &out[s.Lease]
		if l.Statements == 0 || seconds(s.Start) < l.Start {
			l.Start = seconds(s.Start)
		}
		l.End = max(l.End, seconds(s.Start+s.Duration))
		l.Statements++
		l.SQL += seconds(s.Duration)
	}
	return out
}

type findingView struct {
	Rule  string  `json:"rule"`
	Title string  `json:"title"`
	Fix   string  `json:"fix"`
	Cost  seconds `json:"cost"`
	Spans []int   `json:"spans"`
}

type detailView struct {
	callView
	Head  *seconds `json:"head,omitempty"`
	Sent  *seconds `json:"sent,omitempty"`
	First *seconds `json:"first,omitempty"`
	End   *seconds `json:"end,omitempty"`
}

// call answers GET /calls/:id: one call with all that belongs to it.
func (s *Server) call(c *gin.Context, p *params) (any, error) {
	f, pg := p.filter(), store.Page{Sort: p.choice("sort", "start", callKeys...)}
	order := "desc"
	if slices.Contains(callWords, pg.Sort) {
		order = "asc"
	}
	pg.Desc = p.choice("order", order, "asc", "desc") == "desc"
	if !p.done() {
		return nil, nil
	}
	n, err := strconv.ParseUint(c.Param("id"), 10, 63)
	if err != nil || n == 0 {
		return nil, &problem{Status: http.StatusBadRequest, Code: "invalid_parameter", Parameter: "id", Message: "a call's id is a number from 1, not " + quote(c.Param("id")), Hint: "take it from /api/v1/calls"}
	}
	ctx, id := c.Request.Context(), rpclog.CallID(n)
	d, err := s.store.Call(ctx, id)
	if err != nil {
		return nil, err
	}
	prev, next, err := s.store.Neighbours(ctx, id, f, pg)
	if err != nil {
		return nil, err
	}
	peers, err := store.Groups(ctx, s.store, store.Filter{Methods: []string{d.Name}}, store.ByMethod)
	if err != nil {
		return nil, err
	}
	spans, shapes, place := s.names.viewSpans(d.Spans)
	findings := make([]findingView, len(d.Findings))
	for i, f := range d.Findings {
		at := []int{}
		for _, span := range f.Spans {
			if span < len(place) {
				at = append(at, place[span])
			}
		}
		slices.Sort(at)
		findings[i] = findingView{f.Rule, f.Title, f.Fix, seconds(f.Cost), at}
	}
	view := detailView{callView: viewCall(&d.Call), Head: known(d.Head), Sent: known(d.Sent), First: known(d.First)}
	if d.Gaps&rpclog.GapUnanswered == 0 {
		view.End = known(d.Duration)
	}
	out := gin.H{"call": view, "leases": viewLeases(d), "shapes": shapes, "spans": spans, "findings": findings, "method": gin.H{"calls": 0}}
	for _, g := range peers {
		if g.Name == d.Name {
			out["method"] = gin.H{"calls": g.Calls, "p50": seconds(g.P50), "p95": seconds(g.P95), "p99": seconds(g.P99), "max": seconds(g.Max)}
		}
	}
	if d.Front != nil {
		out["front"] = gin.H{"client": d.Front.Client, "server": d.Front.Server, "start": seconds(d.Front.Start), "end": seconds(d.Front.End)}
	}
	if prev != 0 {
		out["prev"] = prev
	}
	if next != 0 {
		out["next"] = next
	}
	return out, nil
}

func known(d time.Duration) *seconds {
	if d < 0 {
		return nil
	}
	return (*seconds)(&d)
}

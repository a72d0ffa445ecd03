package web

import (
	"cmp"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/perfd/perfd/store"
)

// figure returns what a list is sorted by; words is set instead where it sorts by name.
type figure[T any] func(row *T) (n int64, word string)

// arrange sorts rows by a key, ties in the order they came in, and cuts out the page.
func arrange[T any](rows []T, p store.Page, key figure[T]) []T {
	slices.SortStableFunc(rows, func(a, b T) int {
		an, aw := key(&a)
		bn, bw := key(&b)
		order := cmp.Or(cmp.Compare(an, bn), cmp.Compare(aw, bw))
		if p.Desc {
			return -order
		}
		return order
	})
	rows = rows[min(p.Offset, len(rows)):]
	return rows[:min(p.Limit, len(rows))]
}

var groupKeys = slices.Concat([]string{"total", "name", "calls", "errors", "statements", "p50", "p95", "p99", "max"}, partNames[:])

func groupFigure(key string) figure[store.Group] {
	return func(g *store.Group) (int64, string) {
		switch key {
		case "name":
			return 0, g.Name
		case "calls":
			return g.Calls, ""
		case "errors":
			return g.Errors, ""
		case "statements":
			return g.Statements, ""
		case "p50":
			return int64(g.P50), ""
		case "p95":
			return int64(g.P95), ""
		case "p99":
			return int64(g.P99), ""
		case "max":
			return int64(g.Max), ""
		}
		if i := slices.Index(partNames[:], key); i >= 0 {
			return int64(partList(&g.Time)[i]), ""
		}
		return int64(g.Total), ""
	}
}

// groups answers GET /methods, /models and /users.
func (s *Server) groups(by store.By) endpoint {
	return func(c *gin.Context, p *params) (any, error) {
		f, pg := p.filter(), p.page(200, []string{"name"}, groupKeys...)
		if !p.done() {
			return nil, nil
		}
		groups, err := store.Groups(c.Request.Context(), s.store, f, by)
		if err != nil {
			return nil, err
		}
		var all time.Duration
		for i := range groups {
			all += groups[i].Total
		}
		total := len(groups)
		return gin.H{"total": total, "offset": pg.Offset, "rows": viewGroups(arrange(groups, pg, groupFigure(pg.Sort)), all)}, nil
	}
}

type laneView struct {
	Session    hex64     `json:"session"`
	User       string    `json:"user"`
	UID        int64     `json:"uid,omitempty"`
	Login      string    `json:"login"`
	Client     string    `json:"client"`
	First      stamp     `json:"first"`
	Last       stamp     `json:"last"`
	Calls      int64     `json:"calls"`
	Errors     int64     `json:"errors"`
	Statements int64     `json:"statements"`
	Total      seconds   `json:"total"`
	P50        seconds   `json:"p50"`
	P95        seconds   `json:"p95"`
	P99        seconds   `json:"p99"`
	Max        seconds   `json:"max"`
	Parts      partsView `json:"parts"`
}

func viewLane(g *store.Group) laneView {
	return laneView{hex64(g.Session), g.User, g.UID, g.Login, g.Host, stamp(g.First), stamp(g.Last), g.Calls, g.Errors, g.Statements,
		seconds(g.Total), seconds(g.P50), seconds(g.P95), seconds(g.P99), seconds(g.Max), viewParts(&g.Time)}
}

const maxLanes = 2000

// sessions answers GET /sessions.
func (s *Server) sessions(c *gin.Context, p *params) (any, error) {
	f := p.filter()
	if !p.done() {
		return nil, nil
	}
	lanes, err := store.Sessions(c.Request.Context(), s.store, f)
	if err != nil {
		return nil, err
	}
	rows := make([]laneView, min(len(lanes), maxLanes))
	for i := range rows {
		rows[i] = viewLane(&lanes[i])
	}
	return gin.H{"total": len(lanes), "rows": rows}, nil
}

// findings answers GET /findings.
func (s *Server) findings(c *gin.Context, p *params) (any, error) {
	f, examples := p.filter(), p.int("examples", 5, 1, 20)
	if !p.done() {
		return nil, nil
	}
	finds, err := store.Findings(c.Request.Context(), s.store, f, examples)
	if err != nil {
		return nil, err
	}
	return gin.H{"total": len(finds), "rows": viewFinds(finds)}, nil
}

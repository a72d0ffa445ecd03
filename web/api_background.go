package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/perfd/perfd/store"
)

type backgroundView struct {
	ID          int64   `json:"id"`
	Start       stamp   `json:"start"`
	Duration    seconds `json:"duration"`
	Group       string  `json:"group"`
	Client      string  `json:"client"`
	Server      string  `json:"server"`
	Database    string  `json:"database"`
	User        string  `json:"user"`
	Application string  `json:"application"`
	Backend     int32   `json:"backend,omitempty"`
	Statements  int64   `json:"statements"`
	SQL         seconds `json:"sql"`
}

func viewBackground(g *store.Background) backgroundView {
	b := &g.Backend
	return backgroundView{g.ID, stamp(g.Start), seconds(g.Duration), g.Kind, b.Client, b.Server, b.Database, b.User, b.Application, b.PID, g.Statements, seconds(g.SQL)}
}

type backgroundSum struct {
	Group       string  `json:"group"`
	Application string  `json:"application"`
	Database    string  `json:"database"`
	User        string  `json:"user"`
	Leases      int64   `json:"leases"`
	Statements  int64   `json:"statements"`
	SQL         seconds `json:"sql"`
	First       stamp   `json:"first"`
	Last        stamp   `json:"last"`
}

// background answers GET /background: statements that no call owns.
func (s *Server) background(c *gin.Context, p *params) (any, error) {
	f := store.BackgroundFilter{From: p.time("from"), To: p.time("to"), Groups: p.all("group")}
	pg := p.page(100, []string{"start"}, "start", "duration", "statements", "sql")
	if !p.done() {
		return nil, nil
	}
	ctx := c.Request.Context()
	all, total, err := s.store.Background(ctx, f, store.Page{})
	if err != nil {
		return nil, err
	}
	page, _, err := s.store.Background(ctx, f, pg)
	if err != nil {
		return nil, err
	}
	rows := make([]backgroundView, len(page))
	for i := range page {
		rows[i] = viewBackground(&page[i])
	}
	return gin.H{"groups": sumBackground(all), "total": total, "offset": pg.Offset, "rows": rows}, nil
}

// sumBackground sums up groups of one kind and application, most SQL first.
func sumBackground(all []store.Background) []backgroundSum {
	type key struct{ kind, application, database, user string }
	sums := []backgroundSum{}
	index := map[key]int{}
	for i := range all {
		g := &all[i]
		k := key{g.Kind, g.Backend.Application, g.Backend.Database, g.Backend.User}
		at, ok := index[k]
		if !ok {
			at = len(sums)
			index[k] = at
			sums = append(sums, backgroundSum{Group: k.kind, Application: k.application, Database: k.database, User: k.user, First: stamp(g.Start)})
		}
		sum := &sums[at]
		sum.Leases++
		sum.Statements += g.Statements
		sum.SQL += seconds(g.SQL)
		if end := g.Start.Add(g.Duration); end.After(time.Time(sum.Last)) {
			sum.Last = stamp(end)
		}
	}
	slices.SortStableFunc(sums, func(a, b backgroundSum) int { return cmp.Compare(b.SQL, a.SQL) })
	return sums
}

// backgroundGroup answers GET /background/:id.
func (s *Server) backgroundGroup(c *gin.Context, p *params) (any, error) {
	if !p.done() {
		return nil, nil
	}
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil || id < 1 {
		return nil, &problem{Status: http.StatusBadRequest, Code: "invalid_parameter", Parameter: "id", Message: "a group's id is a number from 1, not " + quote(c.Param("id")), Hint: "take it from /api/v1/background"}
	}
	var out gin.H
	err = s.store.BackgroundSpans(c.Request.Context(), store.BackgroundFilter{ID: id}, func(g *store.Background, spans []store.Span) {
		views, shapes, _ := s.names.viewSpans(spans)
		out = gin.H{"background": viewBackground(g), "shapes": shapes, "spans": views}
	})
	if err == nil && out == nil {
		err = &problem{Status: http.StatusNotFound, Code: "not_found", Message: "there is no background group " + strconv.FormatInt(id, 10), Hint: "take the id from /api/v1/background"}
	}
	return out, err
}

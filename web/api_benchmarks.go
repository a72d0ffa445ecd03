package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/perfd/perfd/store"
)

// benchmarks is a store that keeps reports of replays.
type benchmarks interface {
	Benchmarks(context.Context) ([]store.Benchmark, error)
	Benchmark(ctx context.Context, id int64) (store.Benchmark, error)
}

var _ benchmarks = (*store.SQLite)(nil)

type benchmarkView struct {
	ID       int64   `json:"id"`
	Made     stamp   `json:"made"`
	Load     string  `json:"load"`
	A        string  `json:"a"`
	B        string  `json:"b"`
	Verdict  string  `json:"verdict"`
	Sentence string  `json:"sentence"`
	P50      seconds `json:"p50"`
	P95      seconds `json:"p95"`
}

func viewBenchmark(b *store.Benchmark) benchmarkView {
	return benchmarkView{b.ID, stamp(b.Made), b.Load, b.A, b.B, b.Verdict, b.Sentence, seconds(b.P50), seconds(b.P95)}
}

// fresh answers without the cache: benchmarks come from another process, and are no part of the recording's state.
func (s *Server) fresh(h endpoint) gin.HandlerFunc {
	return func(c *gin.Context) {
		p := newParams(c.Request.URL.RawQuery)
		v, err := h(c, p)
		if p.problem != nil {
			fail(c, p.problem)
			return
		}
		var body []byte
		if err == nil {
			body, err = encode(v)
		}
		if err != nil {
			fail(c, explain(err))
			return
		}
		c.Header("Cache-Control", "no-store")
		c.Data(http.StatusOK, "application/json; charset=utf-8", body)
	}
}

// benchmarks answers GET /benchmarks: reports of replays, the latest first.
func (s *Server) benchmarks(c *gin.Context, p *params) (any, error) {
	if !p.done() {
		return nil, nil
	}
	rows := []benchmarkView{}
	if kept, ok := s.store.(benchmarks); ok {
		list, err := kept.Benchmarks(c.Request.Context())
		if err != nil {
			return nil, err
		}
		for i := range list {
			rows = append(rows, viewBenchmark(&list[i]))
		}
	}
	return gin.H{"total": len(rows), "rows": rows}, nil
}

// benchmark answers GET /benchmarks/:id: one with its report, which is that of perfd replay --json.
func (s *Server) benchmark(c *gin.Context, p *params) (any, error) {
	if !p.done() {
		return nil, nil
	}
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	kept, ok := s.store.(benchmarks)
	if err != nil || !ok {
		return nil, store.ErrNotFound
	}
	b, err := kept.Benchmark(c.Request.Context(), id)
	if err != nil {
		return nil, err
	}
	return struct {
		Benchmark benchmarkView   `json:"benchmark"`
		Report    json.RawMessage `json:"report"`
	}{viewBenchmark(&b), b.Document}, nil
}

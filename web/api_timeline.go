package web

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/perfd/perfd/store"
)

// column writes one list of numbers; the lists are long, so that reflection would take most of the time.
func column[T any](rows []T, one func(b []byte, row *T) []byte) json.RawMessage {
	b := make([]byte, 1, 2+len(rows)*8)
	b[0] = '['
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, &rows[i])
	}
	return append(b, ']')
}

func appendParts(b []byte, list [len(partNames)]time.Duration) []byte {
	for i, d := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendSeconds(b, int64(d))
	}
	return b
}

// timeline answers GET /timeline: the calls of all lanes as bars, or sums where they are too many.
func (s *Server) timeline(c *gin.Context, p *params) (any, error) {
	f, limit, bins := p.filter(), p.int("limit", 50000, 100, 200000), p.int("bins", 1000, 50, 4000)
	f.Until, _ = p.callID("until")
	if !p.done() {
		return nil, nil
	}
	tl, err := store.Draw(c.Request.Context(), s.store, f, limit, bins)
	if err != nil {
		return nil, err
	}
	mode := "calls"
	if tl.BinWidth > 0 {
		mode = "bins"
	}
	lanes := make([]gin.H, len(tl.Lanes))
	for i, l := range tl.Lanes {
		lanes[i] = gin.H{"session": hex64(l.Session), "user": l.User, "client": l.Host, "calls": l.Calls}
	}
	number := func(of func(*store.Bar) int64) json.RawMessage {
		return column(tl.Bars, func(b []byte, r *store.Bar) []byte { return strconv.AppendInt(b, of(r), 10) })
	}
	duration := func(of func(*store.Bar) time.Duration) json.RawMessage {
		return column(tl.Bars, func(b []byte, r *store.Bar) []byte { return appendSeconds(b, int64(of(r))) })
	}
	bin := func(of func(*store.Bin) int64) json.RawMessage {
		return column(tl.Bins, func(b []byte, r *store.Bin) []byte { return strconv.AppendInt(b, of(r), 10) })
	}
	return gin.H{"t0": stamp(tl.From), "t1": stamp(tl.To), "total": tl.Total, "mode": mode, "lanes": lanes, "names": tl.Names,
		"calls": gin.H{
			"lane":     number(func(r *store.Bar) int64 { return int64(r.Lane) }),
			"id":       number(func(r *store.Bar) int64 { return int64(r.ID) }),
			"start":    duration(func(r *store.Bar) time.Duration { return r.Start.Sub(tl.From) }),
			"duration": duration(func(r *store.Bar) time.Duration { return r.Duration }),
			"failed": number(func(r *store.Bar) int64 {
				if r.Failed {
					return 1
				}
				return 0
			}),
			"name":  number(func(r *store.Bar) int64 { return int64(r.Name) }),
			"parts": column(tl.Bars, func(b []byte, r *store.Bar) []byte { return appendParts(b, partList(&r.Time)) }),
		},
		"bins": gin.H{
			"dt":    seconds(tl.BinWidth),
			"lane":  bin(func(r *store.Bin) int64 { return int64(r.Lane) }),
			"bin":   bin(func(r *store.Bin) int64 { return int64(r.Bin) }),
			"calls": bin(func(r *store.Bin) int64 { return r.Calls }),
			"busy":  column(tl.Bins, func(b []byte, r *store.Bin) []byte { return appendSeconds(b, int64(r.Busy)) }),
			"parts": column(tl.Bins, func(b []byte, r *store.Bin) []byte { return appendParts(b, partList(&r.Time)) }),
		}}, nil
}

package analyzer

import (
	"cmp"
	"fmt"
	"time"

	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/sqltrace"
)

// largeResult finds statements and responses that carry more than a person or a page can use.
type largeResult struct {
	cfg  RuleConfig
	dict sqltrace.Dictionary
}

var _ Rule = largeResult{}

func (largeResult) Name() string { return "large-result" }

func (r largeResult) Check(t *Trace) []Finding {
	var found []Finding
	for i := range t.Spans {
		s := t.Spans[i].Statement
		if s.Kind != sqltrace.Query && s.Kind != sqltrace.Copy || s.Out <= r.cfg.LargeBytes && s.Rows <= r.cfg.LargeRows {
			continue
		}
		sh := r.dict.Shape(s.Fingerprint)
		returned := sh.Written == ""
		if s.Out <= r.cfg.LargeBytes && (!returned || s.Rows <= r.cfg.LargeRows) {
			continue
		}
		found = append(found, Finding{
			Rule: r.Name(),
			Title: fmt.Sprintf("%s returned %s rows, %s, in %s", describe(sh), figures.Thousands(max(s.Rows, 0)), bytesFigure(s.Out),
				Figure(took(t.Spans[i]))),
			Fix:   fmt.Sprintf("Read %s with a limit, fewer fields or a narrower domain, or count in the database.", cmp.Or(sh.Function(), tableOf(sh))),
			Cost:  took(t.Spans[i]),
			Spans: []int{i},
		})
	}
	if c := t.Call; c.ResponseBytes > r.cfg.LargeBytes {
		var transit time.Duration
		if !c.First.IsZero() {
			transit = max(0, c.End.Sub(c.First))
		}
		found = append(found, Finding{
			Rule:  r.Name(),
			Title: fmt.Sprintf("the response has %s; sending it took %s", bytesFigure(c.ResponseBytes), Figure(transit)),
			Fix:   "Ask for fewer records or fields at a time, and compress responses in the reverse proxy.",
			Cost:  transit,
			Spans: []int{},
		})
	}
	return found
}

package compare

import (
	"errors"
	"strings"
	"testing"
)

func TestParseThreshold(t *testing.T) {
	for text, want := range map[string]string{
		"p95(res.partner.*) > +5%":   "",
		" p50( all ) >= -3.5 % ":     "",
		"p99(*) > 800ms":             "",
		"mean(all) > 1.5 s":          "",
		"errors(all) > 1%":           "",
		"hits(res.*) < 80%":          "",
		"":                           "no (",
		"p96(all) > +5%":             "no statistic \"p96\"",
		"p95(all > +5%":              "no )",
		"p95() > +5%":                "no methods",
		"p95(all) +5%":               "no operator",
		"p95(all) = +5%":             "no operator",
		"p95(all) > 5%":              "needs its sign: +5%",
		"p95(all) > +x%":             "no percentage",
		"p95(all) > +NaN%":           "no percentage",
		"p95(all) > five":            "neither a change",
		"p95(all) > -5ms":            "neither a change",
		"p95(all) >":                 "no value",
		"errors(all) > +1%":          "without a sign",
		"errors(all) > 1s":           "held to a share",
		"p95([) > +5%":               "no pattern",
		strings.Repeat("p", 1000):    "longer than",
		"p95(res.partner.*) > +5% x": "neither a change",
	} {
		_, err := ParseThreshold(text)
		var syntax *SyntaxError
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: error %v, want %q", text, err, want)
		case want != "" && (!errors.As(err, &syntax) || syntax.Hint == ""):
			t.Errorf("%q: %T without a hint", text, err)
		}
	}
}

func TestThresholdCheck(t *testing.T) {
	sure := func(delta float64) Effect { return Effect{Delta: delta, Adjusted: 0.001, PerRound: make([]float64, 5)} }
	c := &Comparison{
		Alpha:   0.05,
		Overall: Row{Method: "all calls", P95: sure(0.02), B: Side{Calls: 980, Errors: 20, P99: Quantile{Seconds: 0.9}}},
		Methods: []Row{
			{Method: "res.partner.read", P95: sure(0.08), B: Side{Calls: 100}},
			{Method: "res.partner.search", P95: sure(-0.3), B: Side{Calls: 100}},
			{Method: "sale.order.read", P95: Effect{Delta: 0.5, Adjusted: 0.2, PerRound: make([]float64, 5)}},
			{Method: "stock.move.read", Verdict: NotCompared, Reason: "errors differ"},
			{Method: "/web/binary", B: Side{Calls: 1}},
			{Method: "res.users.read", P50: Effect{Delta: 0.01, Adjusted: 1, PerRound: make([]float64, 3)}, B: Side{Calls: 90}},
		},
	}
	for text, want := range map[string]State{
		"p95(all) > +5%":                 Kept,
		"p95(all) > +1%":                 Broken,
		"p95(res.partner.*) > +5%":       Broken,
		"p95(*) > +5%":                   Broken,
		"p95(res.partner.*) > +9%":       Kept,
		"p95(res.partner.search) < -20%": Broken,
		"p95(sale.*) > +5%":              Undecided,
		"p95(stock.*) > +5%":             Unmeasured,
		"p95(no.such) > +5%":             Unmeasured,
		"p95(*binary) > 5ms":             Unmeasured,
		"p95(*binary) > +5%":             Unmeasured,
		"p50(res.users.*) > +5%":         Unmeasured,
		"p50(res.users.*) > -5%":         Unmeasured,
		"p99(all) > 800ms":               Broken,
		"p99(all) > 1s":                  Kept,
		"errors(all) > 1%":               Broken,
		"errors(all) > 2%":               Kept,
		"hits(all) < 50%":                Broken,
	} {
		threshold, err := ParseThreshold(text)
		if err != nil {
			t.Fatal(err)
		}
		o := threshold.Check(c)
		if o.State != want || (want == Kept) != (len(o.Reasons) == 0) {
			t.Errorf("%s: %s %q, want %s", text, o.State, o.Reasons, want)
		}
	}
}

func FuzzThreshold(f *testing.F) {
	for _, s := range []string{"p95(res.partner.*) > +5%", "errors(all) > 1%", "p99(*) >= 1h", "mean([a-z]) < -3%", "p95("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		threshold, err := ParseThreshold(text)
		if err != nil {
			return
		}
		again, err := ParseThreshold(threshold.Text)
		if err != nil || again != threshold {
			t.Fatalf("%q reads as %v, then as %v: %v", text, threshold, again, err)
		}
		threshold.Check(&Comparison{Methods: []Row{{Method: text}}})
	})
}

package compare

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/perfd/perfd/figures"
)

// Threshold is a bound that a run must keep, as p95(res.partner.*) > +5%: what stands there must not be so.
type Threshold struct {
	Text    string
	stat    string
	pattern string // of methods; empty for all calls together
	op      string
	kind    limit
	value   float64 // relative, a rate, or seconds
}

type limit uint8

const (
	change  limit = iota // from A to B, with a sign
	rate                 // of B, in percent
	seconds              // of B
)

// SyntaxError says what is wrong with a threshold and how one is written.
type SyntaxError struct{ Text, Reason, Hint string }

func (e *SyntaxError) Error() string { return fmt.Sprintf("read threshold %q: %s", e.Text, e.Reason) }

const (
	maxThreshold = 500
	example      = "write as 'p95(res.partner.*) > +5%' (change from A to B), 'p99(all) > 800ms' or 'errors(all) > 1%'"
)

var (
	thresholdStats = []string{"mean", "p50", "p95", "p99", "errors", "hits"}
	thresholdOps   = []string{">=", "<=", ">", "<"} // longer first
)

// ParseThreshold reads STATISTIC(METHODS) OPERATOR VALUE. STATISTIC is mean, p50, p95, p99, errors or hits. METHODS is
// "all" for all calls together, or a pattern, of which * stands for any text and each method is held to the bound.
// VALUE is a change from A to B with its sign (+5%), a duration (800ms), or for errors and hits a share (1%).
func ParseThreshold(text string) (Threshold, error) {
	fail := func(format string, a ...any) (Threshold, error) {
		return Threshold{}, &SyntaxError{Text: text[:min(len(text), maxThreshold)], Reason: fmt.Sprintf(format, a...), Hint: example}
	}
	if len(text) > maxThreshold {
		return fail("longer than %d bytes", maxThreshold)
	}
	stat, rest, ok := strings.Cut(text, "(")
	if !ok {
		return fail("there is no (")
	}
	t := Threshold{Text: strings.TrimSpace(text), stat: strings.TrimSpace(stat)}
	if !slices.Contains(thresholdStats, t.stat) {
		return fail("no statistic %q: there are %s", t.stat, strings.Join(thresholdStats, ", "))
	}
	pattern, rest, ok := strings.Cut(rest, ")")
	if !ok {
		return fail("there is no )")
	}
	switch t.pattern = strings.TrimSpace(pattern); t.pattern {
	case "":
		return fail("no methods between the parentheses: all for all calls together, * for each method")
	case "all":
		t.pattern = ""
	}
	if _, err := path.Match(t.pattern, ""); err != nil {
		return fail("%q is no pattern", t.pattern)
	}
	rest = strings.TrimSpace(rest)
	for _, op := range thresholdOps {
		if after, ok := strings.CutPrefix(rest, op); ok {
			t.op, rest = op, strings.TrimSpace(after)
			break
		}
	}
	if t.op == "" {
		return fail("no operator after the parentheses: there are >, >=, < and <=")
	}
	return t.limit(rest, fail)
}

// limit reads the value that follows the operator.
func (t Threshold) limit(rest string, fail func(string, ...any) (Threshold, error)) (Threshold, error) {
	number, percent := strings.CutSuffix(rest, "%")
	number = strings.TrimSpace(number)
	signed := strings.HasPrefix(number, "+") || strings.HasPrefix(number, "-")
	ratio := t.stat == "errors" || t.stat == "hits"
	switch {
	case rest == "":
		return fail("no value after %s", t.op)
	case percent:
		x, err := strconv.ParseFloat(number, 64)
		if err != nil || !(x >= -100 && x <= 1e6) {
			return fail("%q is no percentage", rest)
		}
		t.value = x / 100
		switch {
		case signed && ratio:
			return fail("%s is held to a share without a sign, as %s(all) > 1%%", t.stat, t.stat)
		case ratio:
			t.kind = rate
		case !signed:
			return fail("a change needs its sign: +%s, or -%s", rest, rest)
		}
	case ratio:
		return fail("%s is held to a share, as %s(all) > 1%%", t.stat, t.stat)
	default:
		d, err := time.ParseDuration(strings.ReplaceAll(rest, " ", ""))
		if err != nil || d < 0 || signed {
			return fail("%q is neither a change (+5%%) nor a duration (800ms)", rest)
		}
		t.kind, t.value = seconds, d.Seconds()
	}
	return t, nil
}

// State is what became of a threshold.
type State string

// The states. What is Undecided was measured, and is neither kept nor broken as far as that tells; what is Unmeasured was
// not: no method matches, no call was answered, there are too few calls or rounds, or the arms cannot be compared.
const (
	Kept       State = "kept"
	Undecided  State = "undecided"
	Unmeasured State = "not measured"
	Broken     State = "broken"
)

// Holds tells whether a run may pass with it. What nobody measured does not.
func (s State) Holds() bool { return s == Kept || s == Undecided }

// rank orders the states of several methods: the last one counts.
func (s State) rank() int { return slices.Index([]State{Kept, Undecided, Unmeasured, Broken}, s) }

// Compares tells whether a threshold is of the change between two arms.
func (t Threshold) Compares() bool { return t.kind == change }

// Outcome is a threshold beside a comparison.
type Outcome struct {
	Threshold string `json:"threshold"`
	State     State  `json:"state"`
	// Reasons are sentences: the methods that break it, or why it cannot be decided. At most ten.
	Reasons []string `json:"reasons,omitempty"`
}

const maxReasons = 10

// minGate is the number of rounds from which a change can be held to a bound.
const minGate = 4

// Check holds c to the threshold. A change counts only if it is beyond chance; a share or a duration as it stands. Where
// nothing was compared, durations and shares are those of the only arm.
func (t Threshold) Check(c *Comparison) Outcome {
	o := Outcome{Threshold: t.Text, State: Kept}
	rows := c.Methods
	if t.pattern == "" {
		rows = []Row{c.Overall}
	}
	matched := false
	for _, r := range rows {
		if t.pattern != "" && !matches(t.pattern, r.Method) {
			continue
		}
		matched = true
		state, reason := t.row(r, c.Alpha)
		if state == Kept || state.rank() < o.State.rank() {
			continue
		}
		if state != o.State {
			o.State, o.Reasons = state, nil
		}
		if len(o.Reasons) < maxReasons {
			o.Reasons = append(o.Reasons, r.Method+": "+reason)
		}
	}
	if !matched {
		return Outcome{Threshold: t.Text, State: Unmeasured, Reasons: []string{"no method of this run matches " + t.pattern}}
	}
	return o
}

func matches(pattern, method string) bool {
	ok, err := path.Match(pattern, strings.ReplaceAll(method, "/", "\x00")) // * passes over every character
	return err == nil && ok
}

func (t Threshold) row(r Row, alpha float64) (State, string) {
	if t.kind == change {
		e := map[string]Effect{"mean": r.Typical, "p50": r.P50, "p95": r.P95, "p99": r.P99}[t.stat]
		switch {
		case r.Verdict == NotCompared:
			return Unmeasured, "not compared, " + r.Reason
		case len(e.PerRound) == 0:
			return Unmeasured, "too few calls in a pass for " + t.stat
		case len(e.PerRound) < minGate:
			return Unmeasured, fmt.Sprintf("%s, and a change takes %d", figures.Plural(len(e.PerRound), "round"), minGate)
		case !t.beyond(e.Delta):
			return Kept, ""
		case e.Adjusted >= alpha:
			return Undecided, fmt.Sprintf("%+.1f %%, which may be chance (p = %.2g, %s)", 100*e.Delta, e.Adjusted, figures.Plural(len(e.PerRound), "round"))
		}
		return Broken, fmt.Sprintf("%+.1f %% (p = %.2g)", 100*e.Delta, e.Adjusted)
	}
	side := r.B
	if side.Calls+side.Errors+side.Hits == 0 {
		side = r.A
	}
	all := float64(side.Calls + side.Errors + side.Hits)
	if all == 0 {
		return Unmeasured, "no call was sent"
	}
	x := 0.0
	switch t.stat {
	case "errors":
		x = float64(side.Errors) / all
	case "hits":
		x = float64(side.Hits) / all
	default:
		x = side.bound(t.stat)
		if x == 0 && side.Calls == 0 {
			return Unmeasured, "no call was answered without an error"
		}
		if x == 0 {
			return Unmeasured, "too few calls in a pass for " + t.stat
		}
	}
	switch {
	case !t.beyond(x):
		return Kept, ""
	case t.kind == rate:
		return Broken, fmt.Sprintf("%.2f %%", 100*x)
	}
	return Broken, time.Duration(x * float64(time.Second)).Round(10 * time.Microsecond).String()
}

// bound is what a threshold of an arm by itself is held to: all that it answered, compared or not.
func (s *Side) bound(stat string) float64 {
	own := Own{s.P50.Seconds, s.P95.Seconds, s.P99.Seconds}
	if s.Own != nil {
		own = *s.Own
	}
	return map[string]float64{"mean": s.Mean, "p50": own.P50, "p95": own.P95, "p99": own.P99}[stat]
}

func (t Threshold) beyond(x float64) bool {
	switch t.op {
	case ">":
		return x > t.value
	case ">=":
		return x >= t.value
	case "<":
		return x < t.value
	}
	return x <= t.value
}

package observe

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/sqltrace"
)

// Names of the parts of a Row, in their order.
var partNames = [quantities]string{"duration", "sql", "lock", "retry", "wait", "application", "transfer", "unknown", "statements", "rows"}

// Result is what was seen of a replay.
type Result struct {
	A Side `json:"a"`
	B Side `json:"b"`
	// Overall is of all calls that were sent, Methods of each method, those first whose time changed most.
	Overall Row   `json:"overall"`
	Methods []Row `json:"methods"`
	// Doubts are sentences on what the tap lacked, the gravest first.
	Doubts []string `json:"doubts"`
}

// Side is what was seen of an arm, over all its passes.
type Side struct {
	Passes int `json:"passes"`
	// Sent are the calls that went to the server, Seen those of them that the tap saw, and Others what it saw of other
	// methods.
	Sent   int64 `json:"sent"`
	Seen   int64 `json:"seen"`
	Others int64 `json:"others"`
	// Statements of the calls, and those of them whose call is beyond doubt; Unattributed ones may belong to calls.
	Statements   int64 `json:"statements"`
	Exact        int64 `json:"exact"`
	Unattributed int64 `json:"unattributed"`
	// Elsewhere is the time in seconds of statements of nobody's calls, as of jobs.
	Elsewhere float64 `json:"elsewhere"`
	// Lost are packets that the tap had no room for, Gapped calls of which bytes are missing.
	Lost   int64 `json:"lost"`
	Gapped int64 `json:"gapped"`
	// Tail is of all calls.
	Tail Tail `json:"tail"`
}

// add takes the amounts of a pass.
func (s *Side) add(o *Side) {
	s.Passes += o.Passes
	s.Sent += o.Sent
	s.Unattributed += o.Unattributed
	s.Elsewhere += o.Elsewhere
	s.Lost += o.Lost
}

// Calls are how many of one method were seen in an arm.
type Calls struct {
	Seen    int64 `json:"seen"`
	Errors  int64 `json:"errors"`
	Retried int64 `json:"retried"` // by the server, after a serialization failure or a deadlock
	Locked  int64 `json:"locked"`  // that most likely waited for a lock
	Gapped  int64 `json:"gapped"`
	Exact   int64 `json:"exact"` // statements whose call is beyond doubt
}

// Row compares the calls of one method, or all. Those that failed are counted alone.
type Row struct {
	Method string `json:"method"`
	A      Calls  `json:"a"`
	B      Calls  `json:"b"`
	// Parts are duration, which is the sum of the times that follow it: sql, lock, retry, wait, application, transfer and
	// unknown; then statements and rows.
	Parts []Part `json:"parts"`
	// Statements are those whose time for a call differs most, of one arm those that took most.
	Statements []Statement `json:"statements"`
}

// Part is something of a call, on average: seconds, or a number.
type Part struct {
	Name string  `json:"name"`
	A    float64 `json:"a"`
	B    float64 `json:"b"`
	// Delta is what B has more, and Low and High its interval over rounds; both 0 if there are fewer than four.
	Delta float64 `json:"delta"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	// Shown says that rounds agree that there is a difference, of 2 % of the duration or of the number at least.
	Shown bool `json:"shown"`
}

// Statement is a shape of statements in a call, on average.
type Statement struct {
	Fingerprint string `json:"fingerprint"`
	Text        string `json:"text"`
	// Name and About are what the statement is called everywhere.
	Name  string `json:"name,omitempty"`
	About string `json:"about,omitempty"`
	A     Use    `json:"a"`
	B     Use    `json:"b"`

	shape sqltrace.Fingerprint
}

// Use is how often a call runs statements of a shape, for how long and with how many rows.
type Use struct {
	Calls   float64 `json:"calls"`
	Seconds float64 `json:"seconds"`
	Rows    float64 `json:"rows"`
}

// Sight is what the tap says of itself.
type Sight struct {
	EncryptedHTTP, EncryptedSQL int64 // connections
	LostBytes                   int64
}

// Part returns one of the parts by its name; nothing if there is none.
func (r *Row) Part(name string) Part {
	for _, p := range r.Parts {
		if p.Name == name {
			return p
		}
	}
	return Part{Name: name}
}

// Result says what was seen. All traces have come.
func (s *Study) Result(of Sight) *Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(true)
	r := &Result{A: s.sides[compare.A], B: s.sides[compare.B], Methods: []Row{}, Doubts: []string{}}
	all := &method{rounds: map[roundKey]*sums{}, by: map[sqltrace.Fingerprint]*[2]use{}}
	both := r.A.Passes > 0 && r.B.Passes > 0
	for _, name := range slices.Sorted(maps.Keys(s.methods)) {
		m := s.methods[name]
		for arm, side := range []*Side{&r.A, &r.B} {
			if m.sent[0]+m.sent[1] == 0 {
				side.Others += m.calls[arm].Seen
				continue
			}
			side.Seen += m.calls[arm].Seen
			side.Statements += int64(m.all[arm].amounts[statements])
			side.Exact += m.calls[arm].Exact
			side.Gapped += m.calls[arm].Gapped
		}
		if m.sent[0]+m.sent[1] > 0 {
			all.merge(m)
			r.Methods = append(r.Methods, s.row(name, m, both, s.cfg.TopOfMethod))
		}
	}
	r.A.Tail, r.B.Tail = s.tails[compare.A].result(), s.tails[compare.B].result()
	r.Overall = s.row("all calls", all, both, s.cfg.Top)
	weight := func(x *Row) float64 {
		d := x.Part("duration")
		if !both {
			return d.A * float64(x.A.Seen)
		}
		return math.Abs(d.Delta) * float64(x.A.Seen+x.B.Seen)
	}
	slices.SortStableFunc(r.Methods, func(x, y Row) int { return cmp.Compare(weight(&y), weight(&x)) })
	r.doubts(of, both)
	if s.beyond > 0 {
		r.Doubts = append(r.Doubts, figures.Plural(s.beyond, "statement")+" could not be told apart: there are more shapes than are told apart.")
	}
	return r
}

func (m *method) merge(o *method) {
	for arm := range m.all {
		c, d := &m.calls[arm], &o.calls[arm]
		c.Seen, c.Errors, c.Retried, c.Locked = c.Seen+d.Seen, c.Errors+d.Errors, c.Retried+d.Retried, c.Locked+d.Locked
		c.Gapped, c.Exact = c.Gapped+d.Gapped, c.Exact+d.Exact
		m.all[arm].calls += o.all[arm].calls
		m.all[arm].add(&o.all[arm].amounts)
	}
	for k, x := range o.rounds {
		if m.rounds[k] == nil {
			m.rounds[k] = &sums{}
		}
		m.rounds[k].calls += x.calls
		m.rounds[k].add(&x.amounts)
	}
	for f, x := range o.by {
		if m.by[f] == nil {
			m.by[f] = new([2]use)
		}
		m.by[f][0].add(x[0])
		m.by[f][1].add(x[1])
	}
}

// A difference is shown if rounds, this many at least, agree on it, and if it is not too little to matter. One false alarm in
// twenty reports is allowed of the duration, and one of all that it is made of.
const (
	leastRounds = 4
	leastShare  = 0.02
)

func alarm(q quantity) float64 {
	if q == duration {
		return 0.05
	}
	return 0.05 / float64(quantities-1)
}

func (s *Study) row(name string, m *method, both bool, top int) Row {
	row := Row{Method: name, A: m.calls[0], B: m.calls[1], Parts: make([]Part, quantities)}
	a, b := &m.all[0], &m.all[1]
	for q := range quantities {
		p := Part{Name: partNames[q], A: a.per(a.amounts[q]), B: b.per(b.amounts[q])}
		if both {
			p.compare(m.pairs(q), alarm(q), a.per(a.amounts[scaleOf(q)]))
		}
		row.Parts[q] = p
	}
	row.Statements = m.ranked(both)
	row.Statements = row.Statements[:min(len(row.Statements), top)]
	for i := range row.Statements {
		st := &row.Statements[i]
		st.Text = s.dict.Shape(st.shape).Text
		name := sqltrace.NameOf(st.Text)
		st.Name, st.About = name.Subject, name.About()
	}
	return row
}

// scaleOf is what a difference is measured by: times by a call's duration, numbers by themselves.
func scaleOf(q quantity) quantity {
	if q < statements {
		return duration
	}
	return q
}

func (s *sums) per(x float64) float64 { return x / float64(max(s.calls, 1)) }

// pairs are what A's and B's calls had of something on average, in each round that has calls of both.
func (m *method) pairs(q quantity) [][2]float64 {
	var out [][2]float64
	for _, k := range slices.SortedFunc(maps.Keys(m.rounds), func(x, y roundKey) int { return cmp.Compare(x.round, y.round) }) {
		a, b := m.rounds[k], m.rounds[roundKey{k.round, compare.B}]
		if k.arm == compare.A && b != nil && a.calls > 0 && b.calls > 0 {
			out = append(out, [2]float64{a.per(a.amounts[q]), b.per(b.amounts[q])})
		}
	}
	return out
}

// compare tests the ratios of rounds, since what makes a round slow makes all of it slow; where one is nothing, the
// differences.
func (p *Part) compare(rounds [][2]float64, alarm, scale float64) {
	p.Delta = p.B - p.A
	if len(rounds) < leastRounds {
		return
	}
	ratios := !slices.ContainsFunc(rounds, func(r [2]float64) bool { return r[0] <= 0 || r[1] <= 0 })
	changes := make([]float64, len(rounds))
	for i, r := range rounds {
		if changes[i] = r[1] - r[0]; ratios {
			changes[i] = math.Log(r[1] / r[0])
		}
	}
	mean, reach := compare.Interval(changes, alarm)
	p.Low, p.High = mean-reach, mean+reach
	p.Shown = (p.Low > 0 && p.Delta > 0 || p.High < 0 && p.Delta < 0) && math.Abs(p.Delta) >= leastShare*scale
	if ratios {
		p.Low, p.High = p.A*math.Expm1(max(p.Low, -widest)), p.A*math.Expm1(min(p.High, widest))
	}
	p.Low, p.High = min(p.Low, p.Delta), max(p.High, p.Delta) // means of few calls need not agree with those of ratios
}

// widest bounds what an interval says of ratios, as logarithms.
const widest = 10

// ranked are a method's statements by how much they matter, without their texts.
func (m *method) ranked(both bool) []Statement {
	out := []Statement{}
	for f, u := range m.by {
		if f == 0 { // of which no text is known
			continue
		}
		st := Statement{Fingerprint: fmt.Sprintf("%016x", uint64(f)), shape: f}
		for arm, to := range []*Use{&st.A, &st.B} {
			n := &m.all[arm]
			*to = Use{n.per(float64(u[arm].calls)), n.per(u[arm].seconds), n.per(float64(u[arm].rows))}
		}
		out = append(out, st)
	}
	weight := func(x Statement) float64 {
		if !both {
			return x.A.Seconds
		}
		return math.Abs(x.B.Seconds - x.A.Seconds)
	}
	slices.SortFunc(out, func(x, y Statement) int {
		return cmp.Or(cmp.Compare(weight(y), weight(x)), cmp.Compare(x.Fingerprint, y.Fingerprint))
	})
	return out
}

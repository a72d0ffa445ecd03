package analyzer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// SummaryConfig bounds what a Summarizer keeps. Its zero value works.
type SummaryConfig struct {
	// Groups is the most methods, models, users and sessions kept apart, each; calls of further ones are
	// summed up as "(other)". Defaults to 2,000.
	Groups int
	// Shapes is the most fingerprints kept apart. Defaults to 5,000.
	Shapes int
	// Findings is the most groups of findings kept apart. Defaults to 5,000.
	Findings int
	// Totals leaves out the groups, shapes and findings: the sums over all calls and the notices remain, for
	// reports that show no more. Defaults to false.
	Totals bool
}

func (c SummaryConfig) withDefaults() SummaryConfig {
	c.Groups = cmp.Or(c.Groups, 2000)
	c.Shapes = cmp.Or(c.Shapes, 5000)
	c.Findings = cmp.Or(c.Findings, 5000)
	return c
}

// Unknown is the key of calls whose user is not known.
const Unknown = "(unknown)"

// Other is the key of the group that holds what exceeds a limit.
const Other = "(other)"

// Summarizer sums up traces in bounded memory. Not safe for concurrent use.
type Summarizer struct {
	cfg  SummaryConfig
	dict sqltrace.Dictionary

	sum                              Summary
	methods, models, users, sessions groups
	shapes                           map[sqltrace.Fingerprint]*shapeGroup
	findings                         map[findingKey]*findingGroup
	subjects                         map[sqltrace.Fingerprint]string // of statements that findings are about; as many as shapes
	likely                           float64                         // sum of the probabilities of attributed statements that are not exact
	cutStart, cutEnd, lossy          int64                           // calls with such gaps
	anonymous                        int64                           // answered calls of models whose user is unknown
	background                       int64
	unattributed                     int64 // statements that some call may have sent, unknown which
}

var _ Sink = (*Summarizer)(nil)

type findingKey struct{ rule, method, subject string }

type groups struct {
	limit int
	by    map[string]*group
}

type group struct {
	Group
	latency sketch
}

type findingGroup struct {
	FindingGroup
	worst time.Duration
}

// NewSummarizer returns an empty summarizer that words shapes from dict.
func NewSummarizer(cfg SummaryConfig, dict sqltrace.Dictionary) *Summarizer {
	cfg = cfg.withDefaults()
	g := func() groups { return groups{cfg.Groups, make(map[string]*group)} }
	return &Summarizer{
		cfg: cfg, dict: dict, methods: g(), models: g(), users: g(), sessions: g(),
		shapes: make(map[sqltrace.Fingerprint]*shapeGroup), findings: make(map[findingKey]*findingGroup),
	}
}

// Trace adds one call.
func (s *Summarizer) Trace(t *Trace) error {
	c := t.Call
	s.extend(c.Start, c.End)
	s.sum.Calls++
	failed := c.Error != "" || c.Status >= 400
	if failed {
		s.sum.Errors++
	}
	s.gaps(c)
	for i := range t.Spans {
		s.count(&t.Spans[i])
	}
	d := lasted(c)
	if c.Class == rpclog.Ordinary {
		s.sum.Waited = plus(s.sum.Waited, d)
		s.sum.Total.Add(t.Time)
	}
	if !s.cfg.Totals {
		s.group(t, d, failed)
	}
	return nil
}

// count counts an attributed statement.
func (s *Summarizer) count(sp *Span) {
	s.sum.Statements++
	s.sum.Attributed++
	if sp.By.Exact() {
		s.sum.Exact++
	} else {
		s.likely += sp.Probability
	}
}

// group adds a call that lasted d to its groups, and its statements and findings to theirs.
func (s *Summarizer) group(t *Trace, d time.Duration, failed bool) {
	c := t.Call
	method := MethodOf(c)
	for i := range t.Spans {
		s.span(&t.Spans[i], c.ID, method)
	}
	for i := range t.Findings {
		s.finding(&t.Findings[i], t, method)
	}
	if c.Class != rpclog.Ordinary {
		return
	}
	add := func(g *groups, key string) {
		if key == "" {
			return
		}
		x := g.get(key)
		x.Calls++
		if failed {
			x.Errors++
		}
		x.Statements += int64(len(t.Spans))
		x.Total = plus(x.Total, d)
		x.Max = max(x.Max, d)
		x.Time.Add(t.Time)
		x.latency.add(d)
	}
	add(&s.methods, method)
	add(&s.models, c.Model)
	add(&s.users, UserOf(c))
	if c.Session != 0 {
		add(&s.sessions, sessionName(c.Session))
	}
}

// Background adds statements that no call owns.
func (s *Summarizer) Background(b *Background) error {
	s.extend(b.Start, b.End)
	s.background += int64(len(b.Spans))
	if b.Group == "unattributed" {
		s.unattributed += int64(len(b.Spans))
	}
	s.sum.Statements += int64(len(b.Spans))
	if s.cfg.Totals {
		return nil
	}
	for i := range b.Spans {
		s.span(&b.Spans[i], 0, "")
	}
	return nil
}

// UserOf names a call's user: login, or "uid 7", or Unknown.
func UserOf(c *rpclog.Call) string {
	switch {
	case c.Login != "":
		return c.Login
	case c.UID != 0:
		return "uid " + strconv.FormatInt(c.UID, 10)
	}
	return Unknown
}

func sessionName(k rpclog.SessionKey) string { return fmt.Sprintf("%016x", uint64(k)) }

// Add adds the parts of o to b.
func (b *Breakdown) Add(o Breakdown) {
	b.Wait = plus(b.Wait, o.Wait)
	b.Application = plus(b.Application, o.Application)
	b.SQL = plus(b.SQL, o.SQL)
	b.Lock = plus(b.Lock, o.Lock)
	b.Retry = plus(b.Retry, o.Retry)
	b.Transfer = plus(b.Transfer, o.Transfer)
	b.Unknown = plus(b.Unknown, o.Unknown)
}

// Sum is the total of the parts.
func (b Breakdown) Sum() time.Duration {
	var sum time.Duration
	for _, d := range [...]time.Duration{b.Wait, b.Application, b.SQL, b.Lock, b.Retry, b.Transfer, b.Unknown} {
		sum = plus(sum, d)
	}
	return sum
}

// plus adds durations that are not negative. Damaged timestamps make calls of centuries, whose sum stops at
// the longest duration there is.
func plus(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func (s *Summarizer) extend(from, to time.Time) {
	if !from.IsZero() && (s.sum.From.IsZero() || from.Before(s.sum.From)) {
		s.sum.From = from
	}
	if to.After(s.sum.To) {
		s.sum.To = to
	}
}

func (s *Summarizer) gaps(c *rpclog.Call) {
	if c.Gaps&rpclog.GapJoined != 0 {
		s.cutStart++
	}
	if c.Gaps&rpclog.GapUnanswered != 0 {
		s.cutEnd++
	}
	if c.Gaps&(rpclog.GapRequest|rpclog.GapResponse|rpclog.GapStatements|rpclog.GapOrder) != 0 {
		s.lossy++
	}
	if c.Class == rpclog.Ordinary && c.Model != "" && c.UID == 0 && c.Login == "" && c.Status < 400 && c.Error == "" {
		s.anonymous++
	}
}

func (g *groups) get(key string) *group {
	x := g.by[key]
	if x == nil && len(g.by) >= g.limit {
		key = Other
		x = g.by[key]
	}
	if x == nil {
		x = &group{Group: Group{Key: key}}
		g.by[key] = x
	}
	return x
}

func (s *Summarizer) finding(f *Finding, t *Trace, method string) {
	key := findingKey{rule: f.Rule, method: method}
	if len(f.Spans) > 0 {
		key.subject = s.subject(t.Spans[f.Spans[0]].Statement.Fingerprint)
	}
	x := s.findings[key]
	if x == nil {
		if len(s.findings) >= s.cfg.Findings {
			key = findingKey{rule: f.Rule, method: Other}
			x = s.findings[key]
		}
		if x == nil {
			x = &findingGroup{FindingGroup: FindingGroup{Rule: f.Rule, Method: key.method}}
			s.findings[key] = x
		}
	}
	x.Calls++
	x.Cost = plus(x.Cost, f.Cost)
	if x.Title == "" || f.Cost > x.worst {
		x.Title, x.Fix, x.Example, x.worst = f.Title, f.Fix, uint64(t.Call.ID), f.Cost
	}
}

// subject describes a statement; each is read once.
func (s *Summarizer) subject(f sqltrace.Fingerprint) string {
	if subject, ok := s.subjects[f]; ok {
		return subject
	}
	sh := s.dict.Shape(f)
	subject := describe(sh)
	if sh.Text == "" { // it may be known later
		return subject
	}
	if s.subjects == nil || len(s.subjects) >= s.cfg.Shapes {
		s.subjects = map[sqltrace.Fingerprint]string{}
	}
	s.subjects[f] = subject
	return subject
}

// Summary completes and returns the summary. The summarizer may go on afterwards.
func (s *Summarizer) Summary(rec Recording) Summary {
	sum := s.sum
	if !rec.From.IsZero() {
		sum.From, sum.To = rec.From, rec.To
	}
	if n := sum.Attributed - sum.Exact; n > 0 {
		sum.Sure = s.likely / float64(n)
	}
	sum.Packets, sum.Bytes, sum.LostBytes, sum.Gaps = rec.Packets, rec.Bytes, rec.LostBytes, rec.Gaps
	sum.Methods, sum.Models = s.methods.list(), s.models.list()
	sum.Users, sum.Sessions = s.users.list(), s.sessions.list()
	sum.Shapes = s.shapeList()
	for _, x := range s.findings {
		sum.Findings = append(sum.Findings, x.FindingGroup)
	}
	slices.SortFunc(sum.Findings, func(a, b FindingGroup) int {
		return cmp.Or(cmp.Compare(b.Cost, a.Cost), cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Rule, b.Rule),
			cmp.Compare(a.Method, b.Method), cmp.Compare(a.Title, b.Title))
	})
	sum.Notices, sum.Serious = s.notices(rec)
	sum.Partial = rec.Partial
	return sum
}

func (g *groups) list() []Group {
	list := make([]Group, 0, len(g.by))
	for _, x := range g.by {
		x.P50, x.P95, x.P99 = x.latency.quantile(0.5), x.latency.quantile(0.95), x.latency.quantile(0.99)
		list = append(list, x.Group)
	}
	slices.SortFunc(list, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Key, b.Key))
	})
	return list
}

package analyzer

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket/layers"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/fixtures/synth"
	"github.com/perfd/perfd/fixtures/truth"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// listener notes when what was delivered, in capture time.
type listener struct {
	now         time.Time
	traces      []*Trace
	late        time.Duration // the longest from a call's end to its delivery
	backgrounds []*Background
}

func (l *listener) Trace(t *Trace) error {
	l.traces = append(l.traces, t)
	l.late = max(l.late, l.now.Sub(t.Call.End))
	return nil
}

func (l *listener) Background(b *Background) error {
	l.backgrounds = append(l.backgrounds, b)
	return nil
}

type liveRelay struct{ *Analyzer }

// watch plays a recording as if its server were being watched: time advances every tick.
func watch(t *testing.T, name string, cfg Config) (*listener, truth.Score) {
	t.Helper()
	return watchStepped(t, name, cfg, 0)
}

// watchStepped has the clock be set forward in the middle. The answers are judged as if it had not been.
func watchStepped(t *testing.T, name string, cfg Config, step time.Duration) (*listener, truth.Score) {
	t.Helper()
	const tick = 100 * time.Millisecond
	recording, err := synth.Read(fixtures.Tap(t, name))
	if err != nil {
		t.Fatal(err)
	}
	var out listener
	r := &liveRelay{}
	rpc, pg := rpclog.New(rpclog.Config{}, r), sqltrace.New(sqltrace.Config{}, r)
	engine := capture.NewEngine(capture.Config{}, rpc, pg)
	cfg.Live = true
	r.Analyzer = New(cfg, pg.Dictionary(), rpc.Identify, &out)
	out.now = recording.Packets[0].At
	var stepped time.Time // the first time after the step
	for i, p := range recording.Packets {
		if step > 0 && i == len(recording.Packets)/2 {
			stepped = p.At.Add(step)
			engine.Step(step)
			r.await()
			out.now = out.now.Add(step)
			engine.Advance(out.now)
			r.await()
			r.Advance(out.now)
		}
		if !stepped.IsZero() {
			p.At = p.At.Add(step)
		}
		for p.At.Sub(out.now) > tick {
			r.await() // what a window takes to solve is not the matter here
			out.now = out.now.Add(tick)
			engine.Advance(out.now)
			r.Advance(out.now)
		}
		engine.Packet(p.At, layers.LinkType(recording.Link), p.Data, len(p.Data))
	}
	r.await()
	longest := out.late
	engine.Flush()
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	out.late = longest
	if step > 0 {
		out.setBack(stepped.Add(-step/2), step)
	}
	want, err := truth.Read(fixtures.Truth(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return &out, truth.Judge(want, out.answers())
}

// setBack dates what is after a moment earlier.
func (l *listener) setBack(after time.Time, by time.Duration) {
	fix := func(list ...*time.Time) {
		for _, at := range list {
			if at.After(after) {
				*at = at.Add(-by)
			}
		}
	}
	spans := func(list []Span) {
		for _, s := range list {
			fix(&s.Statement.Start, &s.Statement.End)
		}
	}
	for _, t := range l.traces {
		fix(&t.Call.Start, &t.Call.End)
		spans(t.Spans)
	}
	for _, b := range l.backgrounds {
		spans(b.Spans)
	}
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func (l *listener) answers() truth.Answers {
	var a truth.Answers
	list := func(spans []Span, owner int) {
		for _, s := range spans {
			st := s.Statement
			control := st.Kind == sqltrace.Begin || st.Kind == sqltrace.Commit || st.Kind == sqltrace.Rollback || st.Kind == sqltrace.Reset
			a.Statements = append(a.Statements, truth.Given{
				Statement: truth.Statement{Port: st.Session.Client.Port(), Start: unixSeconds(st.Start), Duration: st.End.Sub(st.Start).Seconds(), Bytes: st.TextBytes, Owner: owner},
				Control:   control, Sure: s.By.Exact(),
			})
		}
	}
	for _, t := range l.traces {
		c := t.Call
		list(t.Spans, len(a.Calls))
		a.Calls = append(a.Calls, truth.Call{
			Port: c.Client.Port(), Start: unixSeconds(c.Start), End: unixSeconds(c.End), Path: c.Path, Model: c.Model, Method: c.Method,
			UID: c.UID, Status: c.Status, Failed: c.Error != "",
		})
	}
	for _, b := range l.backgrounds {
		list(b.Spans, truth.Nobody)
	}
	return a
}

// TestWatchedServer holds what is delivered within a second against the truth: nearly as good as a recording's
// answer, and never wrong where it claims to be sure.
func TestWatchedServer(t *testing.T) {
	for name, least := range map[string]float64{"odoo18-a": 1, "odoo18-e": 0.97, "odoo18-h": 0.97, "tryton60-a": 1, "tryton60-c": 0.97, "demo": 0.97} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, score := watch(t, name, Config{})
			if score.Calls.Rate() < 1 || score.Found.Rate() < 0.999 || score.Extra > 0 {
				t.Errorf("%d of %d calls, %d of %d statements, %d calls too many", score.Calls.Right, score.Calls.Of, score.Found.Right, score.Found.Of, score.Extra)
			}
			if got := score.Attributed.Rate(); got < least {
				t.Errorf("%.2f %% of the statements are right, want %.2f %%", 100*got, 100*least)
			}
			if score.Sure.Right != score.Sure.Of {
				t.Errorf("%d of %d sure answers are wrong", score.Sure.Of-score.Sure.Right, score.Sure.Of)
			}
			if out.late > time.Second {
				t.Errorf("a call was delivered %v after its end", out.late)
			}
		})
	}
}

// clairvoyant is a witness that knows the truth: each call has a thread of its own.
type clairvoyant struct {
	calls      map[uint16][]truth.Call
	ids        map[uint16][]int32
	statements map[uint16][]truth.Statement
}

func (c *clairvoyant) Worker(local, remote netip.AddrPort, from, to time.Time) (pid, tid int32) {
	a, b := unixSeconds(from), unixSeconds(to)
	longest := 0.0
	for i, call := range c.calls[remote.Port()] {
		if common := min(call.End, b) - max(call.Start, a); common > longest {
			longest, tid = common, c.ids[remote.Port()][i]
		}
	}
	const slack = 0.0005 // the server noted times in Python
	votes := map[int]int{}
	for _, s := range c.statements[local.Port()] {
		if s.Start > a-slack && s.Start < b+slack {
			votes[s.Owner]++
			if votes[s.Owner] > votes[int(tid)-1] && s.Owner >= 0 {
				tid = int32(s.Owner) + 1
			}
		}
	}
	if tid == 0 {
		return 0, 0
	}
	return 7, tid
}

func newClairvoyant(t *testing.T, name string) *clairvoyant {
	t.Helper()
	record, err := truth.Read(fixtures.Truth(t, name))
	if err != nil {
		t.Fatal(err)
	}
	c := &clairvoyant{calls: map[uint16][]truth.Call{}, ids: map[uint16][]int32{}, statements: map[uint16][]truth.Statement{}}
	for i, call := range record.Calls {
		c.calls[call.Port] = append(c.calls[call.Port], call)
		c.ids[call.Port] = append(c.ids[call.Port], int32(i)+1)
	}
	for _, s := range record.Statements {
		c.statements[s.Port] = append(c.statements[s.Port], s)
	}
	return c
}

func TestWitnessDecides(t *testing.T) {
	for _, name := range []string{"odoo18-e", "tryton60-c", "demo"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, score := watch(t, name, Config{Witness: newClairvoyant(t, name)})
			process, all := 0, 0
			for _, tr := range out.traces {
				for _, s := range tr.Spans {
					all++
					if s.By == Process {
						process++
					}
				}
			}
			t.Logf("%.2f %% right, %d of %d by process", 100*score.Attributed.Rate(), process, all)
			if score.Attributed.Rate() < 0.999 || float64(process) < 0.9*float64(all) {
				t.Errorf("%.2f %% right, %d of %d by process", 100*score.Attributed.Rate(), process, all)
			}
			if score.Sure.Right != score.Sure.Of {
				t.Errorf("%d of %d sure answers are wrong", score.Sure.Of-score.Sure.Right, score.Sure.Of)
			}
		})
	}
}

// TestWatchedWithoutTransactions plays servers whose connections never pause and hardly ever end a transaction: what
// ran outside of any is delivered soon, and what one long transaction after the other ran is not all held back.
func TestWatchedWithoutTransactions(t *testing.T) {
	const (
		connections = 40
		step        = time.Millisecond
		calls       = 60_000 // of Statement
	)
	for _, tt := range []struct {
		name string
		in   byte // the state of the transaction that the server reports
		most int  // statements that may be held back
	}{
		{"outside of any", 'I', 3000},
		{"in one that lasts", 'T', 12_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out listener
			a := New(Config{Live: true, Statements: 3000}, sqltrace.New(sqltrace.Config{}, &liveRelay{}).Dictionary(), nil, &out)
			at := time.Unix(1000, 0)
			sessions := make([]*sqltrace.Session, connections)
			for i := range sessions {
				sessions[i] = &sqltrace.Session{Opened: at}
				a.Opened(sessions[i])
			}
			worst := 0
			for n := range calls {
				at = at.Add(step)
				s := &sqltrace.Statement{ID: sqltrace.StatementID(n + 1), Session: sessions[n%connections], Kind: sqltrace.Query, Tx: tt.in,
					Start: at, First: at.Add(step / 4), End: at.Add(step / 2)}
				a.Statement(s)
				if n%100 == 0 {
					a.await()
					a.Advance(at)
				}
				if n%1000 == 999 {
					a.await()
					delivered := 0
					for _, b := range out.backgrounds {
						delivered += len(b.Spans)
					}
					worst = max(worst, n+1-delivered)
				}
			}
			if err := a.Flush(); err != nil {
				t.Fatal(err)
			}
			delivered := 0
			for _, b := range out.backgrounds {
				delivered += len(b.Spans)
			}
			if delivered != calls || worst > tt.most {
				t.Errorf("%d of %d statements were delivered; at the worst moment %d were held back", delivered, calls, worst)
			}
		})
	}
}

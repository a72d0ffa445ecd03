package analyzer

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

func TestSummarizer(t *testing.T) {
	s := NewSummarizer(SummaryConfig{}, testShapes)
	first := trace(100, stmt(selectPartner, 2, 12), stmt(selectPartner, 20, 30), stmt(updateQuant, 40, 45))
	first.Time = Breakdown{Application: ms(73), SQL: ms(25), Transfer: ms(2)}
	first.Findings = []Finding{{Rule: "n-plus-one", Title: "small", Fix: "f", Cost: ms(5), Spans: []int{0}}}
	second := trace(300, stmt(selectPartner, 2, 3))
	second.Spans[0].By = Timing
	second.Call.ID, second.Call.Error = 2, "odoo.exceptions.UserError"
	second.Time = Breakdown{Application: ms(297), SQL: ms(1), Transfer: ms(2)}
	second.Findings = []Finding{{Rule: "n-plus-one", Title: "large", Fix: "f", Cost: ms(9), Spans: []int{0}}}
	asset := trace(5000)
	asset.Call.ID, asset.Call.Class, asset.Call.Model, asset.Call.Path = 3, rpclog.Asset, "", "/web/assets/1"
	for _, tr := range []*Trace{first, second, asset} {
		if err := s.Trace(tr); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Background(&Background{Group: "cron", Start: at(0), End: at(9), Spans: []Span{stmt(selectOrder, 1, 9)}}); err != nil {
		t.Fatal(err)
	}
	got := s.Summary(Recording{Packets: 10, Bytes: 1000})

	if got.Calls != 3 || got.Errors != 1 || got.Statements != 5 || got.Attributed != 4 || got.Exact != 3 {
		t.Errorf("counts: %+v", got)
	}
	if got.Waited != ms(400) || got.Total.Application != ms(370) || got.Total.Sum() != got.Waited {
		t.Errorf("waited %v in %+v: the asset must not count", got.Waited, got.Total)
	}
	if len(got.Methods) != 1 || got.Methods[0].Key != "sale.order.action_confirm" || got.Methods[0].Calls != 2 || got.Methods[0].Max != ms(300) {
		t.Errorf("methods: %+v", got.Methods)
	}
	if len(got.Users) != 1 || got.Users[0].Key != "bruno" || len(got.Sessions) != 1 || got.Sessions[0].Key != "000000000000002a" {
		t.Errorf("users %+v, sessions %+v", got.Users, got.Sessions)
	}
	top := got.Shapes[0]
	if top.Text != testShapes[selectPartner].Text || top.Statements != 3 || top.Calls != 2 || top.Total != ms(21) ||
		!slices.Equal(top.Methods, []string{"sale.order.action_confirm"}) {
		t.Errorf("first shape: %+v", top)
	}
	if b := got.Shapes[1]; b.Background != ms(8) || b.Calls != 0 || b.Methods == nil {
		t.Errorf("background shape: %+v", b)
	}
	if len(got.Findings) != 1 || got.Findings[0].Title != "large" || got.Findings[0].Cost != ms(14) || got.Findings[0].Example != 2 {
		t.Errorf("findings: %+v", got.Findings)
	}
	if len(got.Notices) != 0 {
		t.Errorf("notices on a whole recording: %+v", got.Notices)
	}
}

func TestSummarizerOfTotals(t *testing.T) {
	whole, totals := NewSummarizer(SummaryConfig{}, testShapes), NewSummarizer(SummaryConfig{Totals: true}, testShapes)
	tr := trace(100, stmt(selectPartner, 2, 12), stmt(updateQuant, 40, 45))
	tr.Time = Breakdown{Application: ms(85), SQL: ms(15)}
	tr.Spans[1].By, tr.Spans[1].Probability = Timing, 0.75
	tr.Call.Gaps = rpclog.GapResponse
	tr.Findings = []Finding{{Rule: "n-plus-one", Title: "t", Fix: "f", Cost: ms(5), Spans: []int{0}}}
	for _, s := range []*Summarizer{whole, totals} {
		if err := s.Trace(tr); err != nil {
			t.Fatal(err)
		}
		if err := s.Background(&Background{Group: "unattributed", Start: at(0), End: at(200), Spans: []Span{stmt(selectOrder, 1, 9)}}); err != nil {
			t.Fatal(err)
		}
	}
	want, got := whole.Summary(Recording{Packets: 10, LostBytes: 7}), totals.Summary(Recording{Packets: 10, LostBytes: 7})
	if len(want.Methods) == 0 || len(want.Shapes) == 0 || len(want.Findings) == 0 || len(want.Notices) != 2 {
		t.Fatalf("the whole summary lacks something: %+v", want)
	}
	if len(got.Methods)+len(got.Models)+len(got.Users)+len(got.Sessions)+len(got.Shapes)+len(got.Findings) != 0 {
		t.Errorf("groups in %+v", got)
	}
	want.Methods, want.Models, want.Users, want.Sessions, want.Shapes, want.Findings =
		got.Methods, got.Models, got.Users, got.Sessions, got.Shapes, got.Findings
	if w, g := fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", got); g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

func TestSummarizerIsBounded(t *testing.T) {
	s := NewSummarizer(SummaryConfig{Groups: 10, Shapes: 10, Findings: 10}, testShapes)
	for i := range 100 {
		tr := trace(100, stmt(sqltrace.Fingerprint(i+1), 2, 12))
		tr.Call.ID, tr.Call.Method, tr.Call.Login = rpclog.CallID(i+1), fmt.Sprintf("m%d", i), fmt.Sprintf("u%d", i)
		tr.Findings = []Finding{{Rule: "slow-statement", Title: "t", Cost: ms(1)}}
		if err := s.Trace(tr); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Summary(Recording{Packets: 1})
	for name, list := range map[string][]Group{"methods": got.Methods, "users": got.Users} {
		if len(list) != 11 || list[0].Key != Other || list[0].Calls != 90 {
			t.Errorf("%s: %d groups, the first %+v; want 11 and 90 calls of others", name, len(list), list[0].Key)
		}
	}
	if len(got.Shapes) != 11 || got.Shapes[0].Text != Other || len(got.Findings) != 11 {
		t.Errorf("%d shapes, the first %q; %d findings", len(got.Shapes), got.Shapes[0].Text, len(got.Findings))
	}
}

func TestSketchWithinAccuracy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(1000, 60e9), 1, 200).Draw(t, "nanoseconds")
		var s sketch
		for _, v := range values {
			s.add(time.Duration(v))
		}
		slices.Sort(values)
		for _, q := range []float64{0, 0.5, 0.95, 0.99, 1} {
			exact := float64(values[max(1, int(math.Ceil(q*float64(len(values)))))-1])
			if got := float64(s.quantile(q)); got < exact*0.989 || got > exact*1.011 {
				t.Fatalf("quantile %v is %v, want %v ± 1 %%", q, got, exact)
			}
		}
	})
}

func TestNotices(t *testing.T) {
	whole := func(s *Summarizer) { _ = s.Trace(trace(100, stmt(selectPartner, 2, 12))) }
	tests := []struct {
		name string
		feed func(*Summarizer)
		rec  Recording
		want string
	}{
		{"empty", nil, Recording{}, "The recording holds no packets."},
		{"no calls", nil, Recording{Packets: 9}, "The recording holds no RPC calls."},
		{"all encrypted", nil, Recording{Packets: 9, EncryptedHTTP: 3}, "All RPC traffic is encrypted: 3 TLS connections."},
		{"no SQL", func(s *Summarizer) { _ = s.Trace(trace(100)) }, Recording{Packets: 9}, "The recording holds no PostgreSQL traffic: time in SQL is unknown."},
		{"SQL encrypted", func(s *Summarizer) { _ = s.Trace(trace(100)) }, Recording{Packets: 9, EncryptedSQL: 1}, "PostgreSQL traffic is encrypted: 1 connection."},
		{"loss", whole, Recording{Packets: 9, LostBytes: 2500, Gaps: 2}, "2.50 kB lost in 2 gaps; 0 calls marked."},
		{"snap length", whole, Recording{Packets: 9, Truncated: 1}, "1 packet cut short: 0 B lost in 0 gaps; 0 calls marked."},
		{"snap length known", whole, Recording{Packets: 9, Truncated: 2, SnapLength: 96, LostBytes: 2500, Gaps: 2}, "2 packets cut short by the snap length of 96 bytes: 2.50 kB lost in 2 gaps; 0 calls marked."},
		{"outside", nil, Recording{Packets: 9, Outside: 3, First: epoch, Last: epoch.Add(time.Hour)}, "No call begins in this range; the recording runs " + span(epoch, epoch.Add(time.Hour)) + "."},
		{"wrong RPC port", nil, Recording{Packets: 9, NoHTTP: []uint16{99, 98}, HTTPSeen: []uint16{8069}}, "No HTTP connection to port 99 or 98, which --rpc-port names."},
		{"wrong SQL port", func(s *Summarizer) { _ = s.Trace(trace(100)) }, Recording{Packets: 9, NoSQL: []uint16{99}}, "No PostgreSQL connection to port 99, which --pg-port names."},
		{"partial", whole, Recording{Packets: 9, Partial: "unexpected end of file"}, "The recording ends early: unexpected end of file."},
		{"growing, packets not counted", whole, Recording{Uncounted: true, Growing: true}, "The recording goes on: perfd is writing this store now."},
		{"unattributed", func(s *Summarizer) {
			whole(s)
			_ = s.Background(&Background{Group: "unattributed", Spans: []Span{stmt(selectOrder, 1, 2)}})
		}, Recording{Packets: 9}, "1 of 2 statements (50.0 %) may belong to a call, but to which could not be told."},
		{"cut", func(s *Summarizer) {
			tr := trace(100, stmt(selectPartner, 2, 12))
			tr.Call.Gaps = rpclog.GapUnanswered
			_ = s.Trace(tr)
		}, Recording{Packets: 9}, "1 call without an answer to the end."},
		{"nameless", func(s *Summarizer) {
			tr := trace(100, stmt(selectPartner, 2, 12))
			tr.Call.UID, tr.Call.Login = 0, ""
			_ = s.Trace(tr)
		}, Recording{Packets: 9}, "The user of 1 call is unknown."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSummarizer(SummaryConfig{}, testShapes)
			if tt.feed != nil {
				tt.feed(s)
			}
			var titles []string
			for _, n := range s.Summary(tt.rec).Notices {
				if n.Fix == "" {
					t.Errorf("notice %q has no fix", n.Title)
				}
				titles = append(titles, n.Title)
			}
			if !slices.Contains(titles, tt.want) {
				t.Errorf("got %q, want among them %q", strings.Join(titles, " | "), tt.want)
			}
		})
	}
	s := NewSummarizer(SummaryConfig{}, testShapes)
	whole(s)
	if n := s.Summary(Recording{Packets: 9}).Notices; len(n) != 0 {
		t.Errorf("notices on a whole recording: %v", n)
	}
}

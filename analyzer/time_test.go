package analyzer

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

func TestSplit(t *testing.T) {
	quick := func(s *Splitter) {
		for i := range 10 {
			s.Observe(stmt(updateQuant, float64(i), float64(i)+0.5).Statement)
			s.Observe(stmt(selectPartner, float64(i), float64(i)+0.5).Statement)
			s.Observe(stmt(selectForUpdate, float64(i), float64(i)+0.5).Statement)
		}
	}
	tests := []struct {
		name  string
		learn func(*Splitter)
		trace *Trace
		want  Breakdown
	}{
		{"no statements, none in the recording", nil, trace(100),
			Breakdown{Unknown: ms(98), Transfer: ms(2)}},
		{"no statements, others have some", quick, trace(100),
			Breakdown{Application: ms(98), Transfer: ms(2)}},
		{"short start is application", quick, trace(100, stmt(selectPartner, 5, 10)),
			Breakdown{Application: ms(4 + 89), SQL: ms(5), Transfer: ms(2)}},
		{"long start is a wait beyond the floor", quick, trace(100, stmt(selectPartner, 51, 61)),
			Breakdown{Wait: ms(45), Application: ms(5 + 38), SQL: ms(10), Transfer: ms(2)}},
		{"overlapping statements count once", quick, trace(100, stmt(selectPartner, 1, 50), stmt(selectOrder, 10, 20), stmt(selectOrder, 40, 60)),
			Breakdown{Application: ms(39), SQL: ms(59), Transfer: ms(2)}},
		{"unsorted spans", quick, trace(100, stmt(selectOrder, 40, 60), stmt(selectPartner, 1, 50)),
			Breakdown{Application: ms(39), SQL: ms(59), Transfer: ms(2)}},
		{"sleep after a serialization failure", quick, trace(1000, stmt(selectPartner, 1, 11),
			failed(stmt(updateQuant, 11, 21), "40001"), control(sqltrace.Rollback, 21, 22), control(sqltrace.Begin, 522, 523), stmt(updateQuant, 523, 533)),
			Breakdown{Application: ms(1000 - 1 - 533), SQL: ms(10 + 1 + 1 + 10), Lock: ms(10), Retry: ms(500), Transfer: ms(2)}},
		{"a gap after an ordinary rollback is no retry", quick, trace(1000, stmt(selectPartner, 1, 11),
			control(sqltrace.Rollback, 11, 12), stmt(updateQuant, 512, 522)),
			Breakdown{Application: ms(500 + 1000 - 1 - 522), SQL: ms(21), Transfer: ms(2)}},
		{"a write far slower than its shape waited for a lock", quick, trace(1000, stmt(updateQuant, 1, 401)),
			Breakdown{Application: ms(598), Lock: ms(400), Transfer: ms(2)}},
		{"so did a locking read", quick, trace(1000, stmt(selectForUpdate, 1, 401)),
			Breakdown{Application: ms(598), Lock: ms(400), Transfer: ms(2)}},
		{"a plain read so slow is only slow", quick, trace(1000, stmt(selectPartner, 1, 401)),
			Breakdown{Application: ms(598), SQL: ms(400), Transfer: ms(2)}},
		{"a write of an unknown shape is only slow", nil, trace(1000, stmt(updateQuant, 1, 401)),
			Breakdown{Application: ms(598), SQL: ms(400), Transfer: ms(2)}},
		{"a write below the floor is only slow", quick, trace(1000, stmt(updateQuant, 1, 91)),
			Breakdown{Application: ms(908), SQL: ms(90), Transfer: ms(2)}},
		{"statements after the response's start are hidden by the transfer", quick, trace(100, stmt(selectPartner, 1, 11), control(sqltrace.Commit, 99.2, 99.5)),
			Breakdown{Application: ms(88), SQL: ms(10), Transfer: ms(2)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSplitter(TimeConfig{}, testShapes)
			if tt.learn != nil {
				tt.learn(s)
			}
			got := s.Split(tt.trace)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("parts differ (-want +got):\n%s", d)
			}
		})
	}
}

func TestSplitGaps(t *testing.T) {
	s := NewSplitter(TimeConfig{}, testShapes)
	s.Observe(stmt(selectPartner, 0, 1).Statement)

	lost := trace(100, stmt(selectPartner, 1, 11))
	lost.Call.Gaps = rpclog.GapRequest | rpclog.GapResponse
	if got := s.Split(lost); got.Transfer != 0 || got.Unknown != ms(2) {
		t.Errorf("lost bytes: transfer %v, unknown %v; want 0 and 2ms", got.Transfer, got.Unknown)
	}

	cut := trace(100, stmt(selectPartner, 1, 11))
	cut.Call.Gaps, cut.Call.First = rpclog.GapUnanswered, time.Time{}
	if got := s.Split(cut); got.Unknown != ms(89) || got.SQL != ms(10) {
		t.Errorf("unanswered call: unknown %v, sql %v; want 89ms and 10ms", got.Unknown, got.SQL)
	}

	open := trace(100, stmt(selectPartner, 1, 50))
	open.Spans[0].Statement.Gaps = sqltrace.GapUnanswered
	if got := s.Split(open); got.Unknown != ms(49) || got.SQL != 0 {
		t.Errorf("unanswered statement: unknown %v, sql %v; want 49ms and 0", got.Unknown, got.SQL)
	}
}

// The parts never overlap and add up to the total, whatever the times; and where statements succeed and
// have no gaps, SQL and Lock together are the union of their intervals within the call's work.
func TestSplitLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := NewSplitter(TimeConfig{}, testShapes)
		instant := rapid.Int64Range(-50, 400)
		c := &rpclog.Call{Start: at(0), End: at(float64(rapid.Int64Range(-10, 300).Draw(t, "end")))}
		if rapid.Bool().Draw(t, "has sent") {
			c.Sent = at(float64(instant.Draw(t, "sent")))
		}
		if rapid.Bool().Draw(t, "has first") {
			c.First = at(float64(instant.Draw(t, "first")))
		}
		c.Gaps = rpclog.Gap(rapid.IntRange(0, 15).Draw(t, "gaps"))
		tr := &Trace{Call: c}
		clean := rapid.Bool().Draw(t, "clean")
		for range rapid.IntRange(0, 12).Draw(t, "spans") {
			from := instant.Draw(t, "from")
			sp := stmt(selectPartner, float64(from), float64(from+rapid.Int64Range(0, 80).Draw(t, "length")))
			if !clean {
				sp.Statement.Kind = sqltrace.Kind(rapid.IntRange(0, 7).Draw(t, "kind"))
				sp.Statement.SQLState = rapid.SampledFrom([]string{"", "40001", "55P03", "23505"}).Draw(t, "state")
				sp.Statement.Gaps = sqltrace.Gap(rapid.IntRange(0, 7).Draw(t, "statement gaps"))
			}
			tr.Spans = append(tr.Spans, sp)
		}
		before := slices.Clone(tr.Spans)
		b := s.Split(tr)
		if want := max(0, c.End.Sub(c.Start)); b.Sum() != want {
			t.Fatalf("parts %+v add up to %v, want %v", b, b.Sum(), want)
		}
		for _, d := range []time.Duration{b.Wait, b.Application, b.SQL, b.Lock, b.Retry, b.Transfer, b.Unknown} {
			if d < 0 {
				t.Fatalf("negative part in %+v", b)
			}
		}
		if !slices.Equal(before, tr.Spans) {
			t.Fatal("Split changed the trace's spans")
		}
		if clean && c.End.After(c.Start) {
			if want := union(c, tr.Spans); b.SQL+b.Lock != want {
				t.Fatalf("sql %v, want the union %v", b.SQL+b.Lock, want)
			}
		}
	})
}

// union counts the milliseconds of (sent, first) that some span covers.
func union(c *rpclog.Call, spans []Span) time.Duration {
	first := clamp(c.First, c.Start, c.End, c.End)
	sent := clamp(c.Sent, c.Start, first, c.Start)
	var n time.Duration
	for t := sent; t.Before(first); t = t.Add(time.Millisecond) {
		for i := range spans {
			if s := spans[i].Statement; !s.Start.After(t) && s.End.After(t) {
				n += time.Millisecond
				break
			}
		}
	}
	return n
}

func TestMedianWithinABucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, 20_000_000), 1, 50).Draw(t, "microseconds")
		var d durations
		for _, v := range values {
			d.add(time.Duration(v) * time.Microsecond)
		}
		slices.Sort(values)
		exact := time.Duration(values[(len(values)-1)/2]) * time.Microsecond
		if got := d.median(); got <= exact || float64(got) > float64(exact)*1.25+float64(time.Microsecond) {
			t.Fatalf("median %v, want just above %v", got, exact)
		}
	})
}

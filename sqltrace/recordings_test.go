package sqltrace_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/fixtures/truth"
	"github.com/perfd/perfd/sqltrace"
)

// found keeps the statements of a recording.
type found struct{ statements []*sqltrace.Statement }

func (f *found) Opened(*sqltrace.Session)            {}
func (f *found) Statement(st *sqltrace.Statement)    { f.statements = append(f.statements, st) }
func (f *found) Closed(*sqltrace.Session, time.Time) {}

// Every statement that the recorded servers noted is seen, with its length, in its time.
func TestRecordings(t *testing.T) {
	for _, name := range fixtures.Names() {
		t.Run(name, func(t *testing.T) {
			f := &found{}
			d := sqltrace.New(sqltrace.Config{}, f)
			e := capture.NewEngine(capture.Config{}, d)
			tap, err := capture.OpenFile(fixtures.Path(t, name))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tap.Close() }()
			if err := tap.Run(context.Background(), e); err != nil {
				t.Fatal(err)
			}
			e.Flush()
			answers := truth.Answers{}
			for _, st := range f.statements {
				control := st.Kind == sqltrace.Begin || st.Kind == sqltrace.Commit || st.Kind == sqltrace.Rollback || st.Kind == sqltrace.Reset
				answers.Statements = append(answers.Statements, truth.Given{Control: control, Statement: truth.Statement{
					Port: st.Session.Client.Port(), Start: float64(st.Start.UnixNano()) / 1e9,
					Duration: st.End.Sub(st.Start).Seconds(), Bytes: st.TextBytes, Owner: truth.Nobody,
				}})
				if st.Gaps != 0 || st.Tx == 0 || st.Fingerprint == 0 {
					t.Errorf("statement %+v", *st)
				}
			}
			// The truth lists a lease whole that began before the recording did.
			record, began := read(t, name), answers.Statements[0].Start
			record.Statements = slices.DeleteFunc(record.Statements, func(st truth.Statement) bool {
				return st.Start+st.Duration < began && st.Owner == truth.Nobody
			})
			score := truth.Judge(record, answers)
			if score.Found.Right != score.Found.Of || score.Found.Of == 0 {
				t.Errorf("%d of %d statements found", score.Found.Right, score.Found.Of)
			}
			if s := d.Stats(); s.Resyncs != 0 || s.LostBytes != 0 || s.Unknown != 0 || s.Unanswered != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func read(t *testing.T, name string) truth.Record {
	t.Helper()
	r, err := truth.Read(fixtures.Truth(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// BenchmarkStream decodes lock-step queries: statement after statement, and large results of 64 columns.
func BenchmarkStream(b *testing.B) {
	encode := func(msgs ...interface{ Encode([]byte) ([]byte, error) }) (out []byte) {
		for _, m := range msgs {
			var err error
			if out, err = m.Encode(out); err != nil {
				b.Fatal(err)
			}
		}
		return out
	}
	wide := &pgproto3.DataRow{}
	for i := range 64 {
		wide.Values = append(wide.Values, fmt.Appendf(nil, "value %d", i))
	}
	text := `SELECT "res_partner"."id", "res_partner"."name", "res_partner"."email" FROM "res_partner" WHERE "res_partner"."id" IN (%d, %d)`
	done, idle := &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}, &pgproto3.ReadyForQuery{TxStatus: 'T'}
	for _, c := range []struct {
		name    string
		rows    int
		repeats bool
	}{{"same text", 1, true}, {"new texts", 1, false}, {"1000 rows", 1000, false}} {
		b.Run(c.name, func(b *testing.B) {
			var rows []byte
			for range c.rows {
				rows = append(rows, encode(wide)...)
			}
			answer := append(rows, encode(done, idle)...)
			var questions [][]byte
			for i := range 50_000 {
				if c.repeats {
					i = 0
				}
				questions = append(questions, encode(&pgproto3.Query{String: fmt.Sprintf(text, 100_000+i, 200_000+i)}))
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(questions[0]) + len(answer)))
			s := sqltrace.New(sqltrace.Config{}, nothing{}).NewStream(capture.Conn{ID: 1, Joined: true})
			now := time.Unix(1, 0)
			n := 0
			for b.Loop() {
				s.Chunk(capture.Chunk{Dir: capture.ToServer, Time: now, Data: questions[n%len(questions)]})
				for rest := answer; len(rest) > 0; {
					piece := rest[:min(len(rest), 32<<10)]
					s.Chunk(capture.Chunk{Dir: capture.ToClient, Time: now, Data: piece})
					rest = rest[len(piece):]
				}
				n++
			}
		})
	}
}

type nothing struct{}

func (nothing) Opened(*sqltrace.Session)            {}
func (nothing) Statement(*sqltrace.Statement)       {}
func (nothing) Closed(*sqltrace.Session, time.Time) {}

// Example decodes a recording and prints its first statements' shapes.
func Example() {
	f := &found{}
	d := sqltrace.New(sqltrace.Config{}, f)
	stream := d.NewStream(capture.Conn{ID: 1, Joined: true})
	question := "Q\x00\x00\x00\x25SELECT name FROM t WHERE id = 42\x00"
	answer := "D\x00\x00\x00\x0e\x00\x01\x00\x00\x00\x04AgroC\x00\x00\x00\x0dSELECT 1\x00Z\x00\x00\x00\x05I"
	stream.Chunk(capture.Chunk{Dir: capture.ToServer, Data: []byte(question)})
	stream.Chunk(capture.Chunk{Dir: capture.ToClient, Data: []byte(answer)})
	for _, st := range f.statements {
		shape := d.Dictionary().Shape(st.Fingerprint)
		fmt.Println(st.Kind, shape.Text, shape.Tables, st.Rows)
	}
	// Output: query SELECT name FROM t WHERE id = ? [t] 1
}

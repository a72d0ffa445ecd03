package perfd_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures/truth"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// relay hands what the decoders find to an analyzer that is made after them, because it needs theirs.
type relay struct{ *analyzer.Analyzer }

// collector keeps traces and takes them down as answers.
type collector struct {
	traces      []*analyzer.Trace
	backgrounds []*analyzer.Background
}

func (c *collector) Trace(t *analyzer.Trace) error {
	c.traces = append(c.traces, t)
	return nil
}

func (c *collector) Background(b *analyzer.Background) error {
	c.backgrounds = append(c.backgrounds, b)
	return nil
}

// house is all stages, wired as cmd/perfd wires them.
type house struct {
	engine *capture.Engine
	calls  *rpclog.Decoder
	sql    *sqltrace.Decoder
	relay  relay
}

func newHouse(sink analyzer.Sink) *house { return newHouseWith(analyzer.Config{}, sink) }

func newHouseWith(c analyzer.Config, sink analyzer.Sink) *house {
	var h house
	h.calls = rpclog.New(rpclog.Config{}, &h.relay)
	h.sql = sqltrace.New(sqltrace.Config{}, &h.relay)
	c.Disordered = func() bool { return h.engine.Stats().Disordered() }
	h.relay.Analyzer = analyzer.New(c, h.sql.Dictionary(), h.calls.Identify, sink)
	h.engine = capture.NewEngine(capture.Config{}, h.calls, h.sql)
	return &h
}

// read sends a recording through all stages but does not end it.
func (h *house) read(ctx context.Context, recording io.Reader) error {
	file, err := capture.NewFile(recording)
	if err != nil {
		return err
	}
	return errors.Join(file.Run(ctx, h.engine), file.Close())
}

// flush ends the recording.
func (h *house) flush() error {
	h.engine.Flush()
	return h.relay.Flush()
}

// run sends a whole recording through all stages.
func run(t testing.TB, recording []byte) *collector {
	t.Helper()
	var out collector
	h := newHouse(&out)
	if err := h.read(t.Context(), bytes.NewReader(recording)); err != nil {
		t.Fatal(err)
	}
	if err := h.flush(); err != nil {
		t.Fatal(err)
	}
	return &out
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func (c *collector) answers() truth.Answers {
	var a truth.Answers
	for _, t := range c.traces {
		end := t.Call.End
		if end.IsZero() {
			end = t.Call.Start
		}
		owner := len(a.Calls)
		a.Calls = append(a.Calls, truth.Call{
			Port: t.Call.Client.Port(), Start: seconds(t.Call.Start), End: seconds(end),
			Path: t.Call.Path, Model: t.Call.Model, Method: t.Call.Method,
			UID: t.Call.UID, Status: t.Call.Status, Failed: t.Call.Error != "",
		})
		a.Statements = append(a.Statements, given(t.Spans, owner)...)
	}
	for _, b := range c.backgrounds {
		a.Statements = append(a.Statements, given(b.Spans, truth.Nobody)...)
	}
	return a
}

func given(spans []analyzer.Span, owner int) []truth.Given {
	var out []truth.Given
	for _, s := range spans {
		control := false
		switch s.Statement.Kind {
		case sqltrace.Begin, sqltrace.Commit, sqltrace.Rollback, sqltrace.Reset:
			control = true
		}
		out = append(out, truth.Given{
			Statement: truth.Statement{
				Port: s.Statement.Session.Client.Port(), Start: seconds(s.Statement.Start),
				Duration: s.Statement.End.Sub(s.Statement.Start).Seconds(), Bytes: s.Statement.TextBytes, Owner: owner,
			},
			Control: control, Sure: s.By.Exact(),
		})
	}
	return out
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/report"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
)

// runStore reports on a store, as `analyze` does on a capture.
func (o *analyzeOptions) runStore(ctx context.Context, t terminal, path string) (err error) {
	if o.store != "" || len(o.rpcPorts)+len(o.pgPorts) > 0 {
		return usagef("--store, --rpc-port and --pg-port are for captures, and %s is a perfd store", path)
	}
	reader, err := store.Open(path, store.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	stored, err := reader.Recording(ctx)
	if err != nil {
		return fmt.Errorf("read store: %w", err)
	}
	if stored.Counts.Calls == 0 && o.format == "text" && !o.serve {
		if list, err := reader.Benchmarks(ctx); err == nil && len(list) > 0 {
			return o.tellBenchmarks(t, path, list)
		}
	}
	var ln net.Listener
	if o.serve {
		if ln, err = listenOn(ctx, o.listen); err != nil {
			return err
		}
		defer func() { _ = ln.Close() }() // the server closes it too
	}
	if o.reports() {
		if err := o.reportStore(ctx, t, path, reader, stored); err != nil {
			return err
		}
	}
	if o.serve {
		if err := serve(ctx, t, ln, reader); err != nil {
			return err
		}
	}
	if !stored.Complete {
		stored.Summary.Partial = unfinished(path)
	}
	if stored.Summary.Partial != "" {
		return fmt.Errorf("store %s: %s: %w", path, stored.Summary.Partial, capture.ErrPartial)
	}
	return nil
}

// tellBenchmarks says what a store holds in which there are reports of replays and no calls.
func (o *analyzeOptions) tellBenchmarks(t terminal, path string, list []store.Benchmark) error {
	out, err := openOutput(o.output, t)
	if err != nil {
		return err
	}
	defer out.discard()
	last, name := &list[0], figures.Clean(filepath.Base(path))
	fmt.Fprintf(out, "%s holds no calls, and %s of perfd replay.\n\n", name, figures.Plural(int64(len(list)), "report"))
	fmt.Fprintf(out, "The last one is of %s, of %s:\n  %s\n\n", last.Made.UTC().Format("2006-01-02 15:04 UTC"), figures.Clean(last.Load), figures.Clean(last.Sentence))
	fmt.Fprintf(out, "perfd trend %s compares them; perfd analyze %s --serve shows them.\n", name, name)
	return out.commit()
}

// unfinished says what became of the writer of a store that is not complete; empty if it is at work, which the report
// has told.
func unfinished(path string) string {
	switch store.WriterOf(path) {
	case store.WriterAtWork:
		return ""
	case store.WriterGone:
		return "the perfd that wrote the store was killed"
	}
	return "the store was not ended: its writer was killed, or is not seen from here"
}

// unfinishedFix is what to do about it.
const unfinishedFix = "What was written is shown; perfd watch with this store goes on with it."

func (o *analyzeOptions) reportStore(ctx context.Context, t terminal, path string, reader store.Reader, stored store.Recording) error {
	from, err := parseMoment("from", o.from)
	if err != nil {
		return err
	}
	to, err := parseMoment("to", o.to)
	if err != nil {
		return err
	}
	out, err := openOutput(o.output, t)
	if err != nil {
		return err
	}
	defer out.discard()
	shapes := seenShapes{}
	res := &results{names: stored.Files, summarizer: analyzer.NewSummarizer(analyzer.SummaryConfig{}, shapes)}
	if a := stored.Agreement; a != nil {
		res.agreement = report.Agreement(a.Equal, a.Compared)
	}
	sinks := fanout{res.summarizer}
	if o.format == "json" {
		res.json = report.NewJSON(out, shapes)
		sinks = append(sinks, res.json)
	}
	w := &window{from: from, to: to, base: func() time.Time { return stored.Summary.From }, next: sinks}
	summary := stored.Summary
	// What a watch says of itself is of its last start, and a store is of many.
	if part := from.set || to.set || !stored.Complete || stored.Live; part || o.format == "json" {
		if err := retell(ctx, reader, shapes, w); err != nil {
			return err
		}
		if part {
			summary = o.partOf(path, stored, res.summarizer, w)
		}
	}
	if err := o.report(res, summary, t, out); err != nil {
		return err
	}
	return out.commit()
}

// partOf is the summary of a part of a recording: what the capture lacked is known of the whole only.
func (o *analyzeOptions) partOf(path string, stored store.Recording, s *analyzer.Summarizer, w *window) analyzer.Summary {
	whole := stored.Summary
	rec := analyzer.Recording{Packets: whole.Packets, Bytes: whole.Bytes, LostBytes: whole.LostBytes, Gaps: whole.Gaps, Partial: whole.Partial}
	w.narrow(&rec, whole.From, whole.To)
	if !stored.Complete || stored.Live {
		w.narrow(&rec, stored.Counts.First, stored.Counts.Last)
		rec.Uncounted = true // of the last start alone, if at all
	}
	if !stored.Complete {
		rec.Partial, rec.PartialFix = unfinished(path), unfinishedFix
		rec.Growing = rec.Partial == ""
	}
	return s.Summary(rec)
}

// seenShapes is the dictionary of what was read from a store so far.
type seenShapes map[sqltrace.Fingerprint]*sqltrace.Shape

func (d seenShapes) Shape(f sqltrace.Fingerprint) sqltrace.Shape {
	if sh := d[f]; sh != nil {
		return *sh
	}
	return sqltrace.Shape{Fingerprint: f}
}

// retellPage is the number of calls and groups read at a time.
const retellPage = 500

// retell gives the store's calls and background groups to sink, in order of start.
func retell(ctx context.Context, r store.Reader, shapes seenShapes, sink analyzer.Sink) error {
	groups, _, err := r.Background(ctx, store.BackgroundFilter{}, store.Page{Sort: "start"})
	if err != nil {
		return fmt.Errorf("read store: %w", err)
	}
	for page := (store.Page{Sort: "start", Limit: retellPage}); ; page.Offset += retellPage {
		calls, _, err := r.Calls(ctx, store.Filter{AllCalls: true}, page)
		if err != nil {
			return fmt.Errorf("read store: %w", err)
		}
		for i := range calls {
			for len(groups) > 0 && groups[0].Start.Before(calls[i].Start) {
				if err := retellGroup(ctx, r, &groups[0], shapes, sink); err != nil {
					return err
				}
				groups = groups[1:]
			}
			d, err := r.Call(ctx, calls[i].ID)
			if err != nil {
				return fmt.Errorf("read store: %w", err)
			}
			if err := sink.Trace(toTrace(d, shapes)); err != nil {
				return err
			}
		}
		if len(calls) < retellPage {
			break
		}
	}
	for i := range groups {
		if err := retellGroup(ctx, r, &groups[i], shapes, sink); err != nil {
			return err
		}
	}
	return nil
}

func retellGroup(ctx context.Context, r store.Reader, g *store.Background, shapes seenShapes, sink analyzer.Sink) error {
	session := toSession(g.Backend)
	b := &analyzer.Background{Session: session, Group: g.Kind, Start: g.Start, End: g.Start.Add(g.Duration), Spans: []analyzer.Span{}}
	err := r.BackgroundSpans(ctx, store.BackgroundFilter{ID: g.ID}, func(_ *store.Background, spans []store.Span) {
		b.Spans = toSpans(spans, g.Start, []*sqltrace.Session{session}, shapes)
	})
	if err != nil {
		return fmt.Errorf("read store: %w", err)
	}
	return sink.Background(b)
}

// toTrace makes the analyzer's form of a stored call.
func toTrace(d *store.Detail, shapes seenShapes) *analyzer.Trace {
	offset := func(o time.Duration) time.Time {
		if o < 0 {
			return time.Time{}
		}
		return d.Start.Add(o)
	}
	sessions := make([]*sqltrace.Session, 0, len(d.Leases))
	for _, b := range d.Leases {
		sessions = append(sessions, toSession(b))
	}
	t := &analyzer.Trace{
		Call: &rpclog.Call{
			ID: d.ID, Client: toAddr(d.Client), Server: toAddr(d.Server),
			Start: d.Start, Head: offset(d.Head), Sent: offset(d.Sent), First: offset(d.First), End: d.Start.Add(d.Duration),
			Transport: d.Transport, Class: d.Class, Verb: d.Verb, Path: d.Path, Service: d.Service, Model: d.Model, Method: d.Method,
			Database: d.Database, Status: d.Status, Error: d.Error, IDs: int(d.IDs), UID: d.UID, Login: d.Login, Session: d.Session,
			RequestBytes: d.RequestBytes, ResponseBytes: d.ResponseBytes, Gaps: d.Gaps,
		},
		Time: d.Time, Spans: toSpans(d.Spans, d.Start, sessions, shapes), Findings: []analyzer.Finding{},
	}
	if f := d.Front; f != nil {
		t.Front = &analyzer.Hop{Client: toAddr(f.Client), Server: toAddr(f.Server), Start: d.Start.Add(f.Start), End: d.Start.Add(f.End)}
	}
	for _, f := range d.Findings {
		t.Findings = append(t.Findings, analyzer.Finding{Rule: f.Rule, Title: f.Title, Fix: f.Fix, Cost: f.Cost, Spans: f.Spans})
	}
	return t
}

func toSpans(spans []store.Span, base time.Time, sessions []*sqltrace.Session, shapes seenShapes) []analyzer.Span {
	list := make([]analyzer.Span, 0, len(spans))
	for i := range spans {
		s := &spans[i]
		session := &sqltrace.Session{}
		if s.Lease >= 0 && s.Lease < len(sessions) {
			session = sessions[s.Lease]
		}
		start := base.Add(s.Start)
		st := &sqltrace.Statement{
			Session: session, Start: start, End: start.Add(s.Duration), Kind: s.Kind, Fingerprint: s.Shape.Fingerprint, TextBytes: s.TextBytes,
			Rows: s.Rows, In: s.In, Out: s.Out, SQLState: s.SQLState, Tx: s.Tx, Extended: s.Extended, Gaps: s.Gaps,
		}
		if s.First >= 0 {
			st.First = start.Add(s.First)
		}
		shapes[s.Shape.Fingerprint] = s.Shape
		list = append(list, analyzer.Span{Statement: st, Lease: s.Lease, By: s.By, Probability: s.Probability})
	}
	return list
}

func toSession(b store.Backend) *sqltrace.Session {
	return &sqltrace.Session{
		Client: toAddr(b.Client), Server: toAddr(b.Server), Backend: b.PID,
		Database: b.Database, User: b.User, Application: b.Application,
	}
}

// toAddr reads an address that perfd wrote; the zero value stands for one it did not know.
func toAddr(s string) netip.AddrPort {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrPort{}
	}
	return a
}

package store

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
)

// trace stores one call under the given id, its statements and findings too unless it is counted only.
func (w *Recorder) trace(id rpclog.CallID, t *analyzer.Trace, name string, counted bool) error {
	c := t.Call
	probability, exact, rules, found := 1.0, int64(0), uint64(0), 0
	for i := range t.Spans {
		probability = min(probability, t.Spans[i].Probability)
		if t.Spans[i].By.Exact() {
			exact++
		}
	}
	if !counted {
		found = len(t.Findings)
		if err := w.pack(c.Start, t.Spans); err != nil {
			return err
		}
		var err error
		if rules, err = w.findings(id, t.Findings); err != nil {
			return err
		}
	}
	ids, err := w.callWords(c, name)
	if err != nil {
		return err
	}
	failed := c.Error != "" || c.Status >= 400
	b := &t.Time
	w.args = append(w.args[:0], int64(id), c.Start.UnixNano(), int64(duration(c)),
		offset(c, c.Head), offset(c, c.Sent), offset(c, c.First),
		int64(c.Transport), int64(c.Class), ids.verb, ids.path, ids.method, ids.db, ids.user, ids.session,
		ids.client, int64(c.Client.Port()), ids.server, int64(c.Server.Port()),
		int64(c.Status), ids.err, failed, int64(c.IDs), c.RequestBytes, c.ResponseBytes, int64(c.Gaps),
		int64(len(t.Spans)), float64(probUnit-shortfall(probability))/probUnit, int64(rules), int64(found),
		int64(b.Wait), int64(b.Application), int64(b.SQL), int64(b.Lock), int64(b.Retry), int64(b.Transfer), int64(b.Unknown),
		exact, counted)
	if err := w.call.exec(w.args...); err != nil {
		return err
	}
	if len(t.Spans) > 0 && !counted {
		if err := w.spans.exec(int64(id), w.packed); err != nil {
			return err
		}
		w.index(id)
	}
	w.posts.add(byMethod, ids.method, int64(id))
	w.posts.add(byUser, ids.user, int64(id))
	w.posts.add(bySession, ids.session, int64(id))
	if f := t.Front; f != nil {
		if _, err = w.front.Exec(int64(id), f.Client.String(), f.Server.String(), int64(f.Start.Sub(c.Start)), int64(f.End.Sub(c.Start))); err != nil {
			return err
		}
	}
	w.now.add(c, failed, int64(len(t.Spans)), exact)
	return nil
}

// findings stores what was found in a call and returns the bits of the rules.
func (w *Recorder) findings(id rpclog.CallID, list []analyzer.Finding) (rules uint64, err error) {
	for i, f := range list {
		rule, err := w.rule(f.Rule)
		if err != nil {
			return 0, err
		}
		rules |= 1 << (rule - 1)
		spans := []byte{}
		for _, s := range f.Spans {
			spans = binary.AppendUvarint(spans, uint64(max(s, 0)))
		}
		if _, err := w.finding.Exec(int64(id), i, rule, f.Title, f.Fix, int64(f.Cost), spans); err != nil {
			return 0, err
		}
	}
	return rules, nil
}

// index notes which shapes the call ran, each once.
func (w *Recorder) index(id rpclog.CallID) {
	w.used = w.used[:0]
	for i := range w.buf {
		w.used = append(w.used, w.buf[i].shape)
	}
	slices.Sort(w.used)
	for _, shape := range slices.Compact(w.used) {
		w.posts.add(byShape, int64(shape), int64(id))
	}
}

func (w *Recorder) group(id int64, g *analyzer.Background) error {
	if err := w.pack(g.Start, g.Spans); err != nil {
		return err
	}
	kind, err := w.word(g.Group)
	if err != nil {
		return err
	}
	backend, err := w.backend(g.Session)
	if err != nil {
		return err
	}
	var total time.Duration
	for i := range w.buf {
		total += w.buf[i].Duration
	}
	length := max(g.End.Sub(g.Start), 0)
	if _, err = w.background.Exec(id, g.Start.UnixNano(), int64(length), int64(kind), int64(backend),
		len(g.Spans), int64(total), w.packed); err != nil {
		return err
	}
	w.now.groups++
	w.now.unowned += int64(len(g.Spans))
	w.now.last = max(w.now.last, g.Start.UnixNano()+int64(length))
	return nil
}

// pack fills w.buf and w.packed from spans.
func (w *Recorder) pack(start time.Time, spans []analyzer.Span) error {
	w.buf, w.leases = w.buf[:0], w.leases[:0]
	for i := range spans {
		sp := &spans[i]
		s := sp.Statement
		lease := min(max(sp.Lease, 0), len(spans))
		for len(w.leases) <= lease {
			w.leases = append(w.leases, 0)
		}
		if w.leases[lease] == 0 {
			id, err := w.backend(s.Session)
			if err != nil {
				return err
			}
			w.leases[lease] = id
		}
		shape, err := w.shapeID(s.Fingerprint)
		if err != nil {
			return err
		}
		first := time.Duration(-1)
		if !s.First.IsZero() {
			first = max(s.First.Sub(s.Start), 0)
		}
		var length time.Duration
		if !s.End.IsZero() {
			length = max(s.End.Sub(s.Start), 0)
		}
		w.buf = append(w.buf, Span{Start: s.Start.Sub(start), First: first, Duration: length, Lease: lease,
			Kind: s.Kind, Rows: s.Rows, TextBytes: s.TextBytes, In: s.In, Out: s.Out, SQLState: s.SQLState, Tx: s.Tx,
			Extended: s.Extended, Gaps: s.Gaps, By: sp.By, Probability: sp.Probability, shape: shape, dupOf: s.TextHash})
	}
	duplicates(w.buf, w.seen)
	w.packed = appendSpans(w.packed[:0], w.leases, w.buf)
	return nil
}

// duration of a call, to its last byte seen where the response never ended.
func duration(c *rpclog.Call) time.Duration {
	end := c.Start
	for _, t := range [...]time.Time{c.Head, c.Sent, c.First, c.End} {
		if t.After(end) {
			end = t
		}
	}
	return end.Sub(c.Start)
}

func offset(c *rpclog.Call, t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return int64(max(t.Sub(c.Start), 0))
}

func host(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.Addr().String()
}

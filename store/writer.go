package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// Recorder writes a SQLite store. Transactions hold Config.Batch traces each: a crash loses at most the
// last batch.
type Recorder struct {
	db         *sql.DB
	conn       *sql.Conn
	path, name string
	dict       sqltrace.Dictionary
	cfg        Config

	words    dictionary[string]
	paths    dictionary[string]
	models   dictionary[string]
	rules    dictionary[string]
	methods  dictionary[methodKey]
	users    dictionary[userKey]
	sessions dictionary[rpclog.SessionKey]
	backends dictionary[Backend]
	shapes   map[sqltrace.Fingerprint]uint64

	call, spans, front, shapeCall, finding, background, shape *sql.Stmt

	pending int // traces in the open transaction
	open    bool
	done    bool
	nextBG  int64

	packed []byte // scratch
	buf    []Span
	leases []uint64
	used   []uint64
	seen   map[uint64]int
	args   []any
}

var _ Writer = (*Recorder)(nil)

type methodKey struct {
	name, service, method string
	model                 uint64
}

type userKey struct {
	uid   int64
	login string
}

// maxRules is what the bits of calls.rules can tell apart.
const maxRules = 63

func newRecorder(db *sql.DB, path, name string, dict sqltrace.Dictionary, cfg Config) (*Recorder, error) {
	if err := migrate(db, 0); err != nil {
		return nil, err
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		return nil, err
	}
	w := &Recorder{db: db, conn: conn, path: path, name: name, dict: dict, cfg: cfg,
		shapes: map[sqltrace.Fingerprint]uint64{}, seen: map[uint64]int{}}
	if w.cfg.Batch <= 0 {
		w.cfg.Batch = 500
	}
	if err := w.prepare(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return w, nil
}

func (w *Recorder) prepare() error {
	const emptyWords = `INSERT INTO words VALUES (0, ''); INSERT INTO paths VALUES (0, ''); INSERT INTO models VALUES (0, '');
INSERT INTO methods VALUES (0, '', '', 0, ''); INSERT INTO users VALUES (0, 0, ''); INSERT INTO sessions VALUES (0, 0);
INSERT INTO backends VALUES (0, '', '', '', '', '', 0); INSERT INTO shapes VALUES (0, 0, 0, '', '[]', '');`
	ctx := context.Background()
	if _, err := w.conn.ExecContext(ctx, emptyWords); err != nil {
		return fmt.Errorf("prepare store: %w", err)
	}
	w.shapes[0] = 0
	for _, s := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&w.words.insert, "INSERT INTO words VALUES (?, ?)"},
		{&w.paths.insert, "INSERT INTO paths VALUES (?, ?)"},
		{&w.models.insert, "INSERT INTO models VALUES (?, ?)"},
		{&w.rules.insert, "INSERT INTO rules VALUES (?, ?)"},
		{&w.methods.insert, "INSERT INTO methods VALUES (?, ?, ?, ?, ?)"},
		{&w.users.insert, "INSERT INTO users VALUES (?, ?, ?)"},
		{&w.sessions.insert, "INSERT INTO sessions VALUES (?, ?)"},
		{&w.backends.insert, "INSERT INTO backends VALUES (?, ?, ?, ?, ?, ?, ?)"},
		{&w.shape, "INSERT INTO shapes VALUES (?, ?, ?, ?, ?, ?)"},
		{&w.call, "INSERT INTO calls VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"},
		{&w.spans, "INSERT INTO spans VALUES (?, ?)"},
		{&w.front, "INSERT INTO fronts VALUES (?, ?, ?, ?, ?)"},
		{&w.shapeCall, "INSERT INTO shape_calls VALUES (?, ?)"},
		{&w.finding, "INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?, ?)"},
		{&w.background, "INSERT INTO background VALUES (?, ?, ?, ?, ?, ?, ?, ?)"},
	} {
		var err error
		if *s.stmt, err = w.conn.PrepareContext(ctx, s.text); err != nil {
			return fmt.Errorf("prepare %q: %w", s.text, err)
		}
	}
	return nil
}

// Trace stores one call.
func (w *Recorder) Trace(t *analyzer.Trace) error {
	if err := w.begin(); err != nil {
		return err
	}
	if err := w.trace(t); err != nil {
		return explain("write store", w.path, fmt.Errorf("write call %d: %w", t.Call.ID, err))
	}
	return w.commitFull()
}

func (w *Recorder) trace(t *analyzer.Trace) error {
	c := t.Call
	if err := w.pack(c.Start, t.Spans); err != nil {
		return err
	}
	probability := 1.0
	for i := range t.Spans {
		probability = min(probability, t.Spans[i].Probability)
	}
	var rules uint64
	for i, f := range t.Findings {
		rule, err := w.rules.id(f.Rule, func(id uint64) []any { return []any{id, f.Rule} })
		if err != nil {
			return err
		}
		if rule > maxRules {
			return fmt.Errorf("more than %d rules", maxRules)
		}
		rules |= 1 << (rule - 1)
		var spans []byte
		for _, s := range f.Spans {
			spans = binary.AppendUvarint(spans, uint64(max(s, 0)))
		}
		if spans == nil {
			spans = []byte{}
		}
		if _, err := w.finding.Exec(c.ID, i, rule, f.Title, f.Fix, int64(f.Cost), spans); err != nil {
			return err
		}
	}
	ids, err := w.callWords(c)
	if err != nil {
		return err
	}
	failed := c.Error != "" || c.Status >= 400
	b := &t.Time
	w.args = append(w.args[:0], int64(c.ID), c.Start.UnixNano(), int64(duration(c)),
		offset(c, c.Head), offset(c, c.Sent), offset(c, c.First),
		int64(c.Transport), int64(c.Class), ids.verb, ids.path, ids.method, ids.db, ids.user, ids.session,
		ids.client, int64(c.Client.Port()), ids.server, int64(c.Server.Port()),
		int64(c.Status), ids.err, failed, int64(c.IDs), c.RequestBytes, c.ResponseBytes, int64(c.Gaps),
		int64(len(t.Spans)), float64(probUnit-shortfall(probability))/probUnit, int64(rules), int64(len(t.Findings)),
		int64(b.Wait), int64(b.Application), int64(b.SQL), int64(b.Lock), int64(b.Retry), int64(b.Transfer), int64(b.Unknown))
	if _, err := w.call.Exec(w.args...); err != nil {
		return err
	}
	if len(t.Spans) > 0 {
		if _, err := w.spans.Exec(int64(c.ID), w.packed); err != nil {
			return err
		}
		if err := w.index(c.ID); err != nil {
			return err
		}
	}
	if f := t.Front; f != nil {
		_, err = w.front.Exec(int64(c.ID), f.Client.String(), f.Server.String(), int64(f.Start.Sub(c.Start)), int64(f.End.Sub(c.Start)))
	}
	return err
}

// index notes which shapes the call ran, each once.
func (w *Recorder) index(id rpclog.CallID) error {
	w.used = w.used[:0]
	for i := range w.buf {
		w.used = append(w.used, w.buf[i].shape)
	}
	slices.Sort(w.used)
	for _, shape := range slices.Compact(w.used) {
		if _, err := w.shapeCall.Exec(int64(shape), int64(id)); err != nil {
			return err
		}
	}
	return nil
}

// Background stores statements that no call owns.
func (w *Recorder) Background(g *analyzer.Background) error {
	if err := w.begin(); err != nil {
		return err
	}
	w.nextBG++
	if err := w.group(w.nextBG, g); err != nil {
		return explain("write store", w.path, fmt.Errorf("write background group %d: %w", w.nextBG, err))
	}
	return w.commitFull()
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
	_, err = w.background.Exec(id, g.Start.UnixNano(), int64(max(g.End.Sub(g.Start), 0)), int64(kind), int64(backend),
		len(g.Spans), int64(total), w.packed)
	return err
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

func (w *Recorder) begin() error {
	if w.done {
		return errors.New("write store: the recording is finished")
	}
	if w.open {
		return nil
	}
	if _, err := w.conn.ExecContext(context.Background(), "BEGIN"); err != nil {
		return explain("write store", w.path, fmt.Errorf("begin batch: %w", err))
	}
	w.open = true
	return nil
}

func (w *Recorder) commitFull() error {
	if w.pending++; w.pending < w.cfg.Batch {
		return nil
	}
	return w.commit()
}

func (w *Recorder) commit() error {
	if !w.open {
		return nil
	}
	w.open, w.pending = false, 0
	if _, err := w.conn.ExecContext(context.Background(), "COMMIT"); err != nil {
		return explain("write store", w.path, fmt.Errorf("commit batch: %w", err))
	}
	return nil
}

// Finish stores the summary and folds the write-ahead log into the file.
func (w *Recorder) Finish(src Source, sum analyzer.Summary) error {
	if err := w.begin(); err != nil {
		return err
	}
	text, err := json.Marshal(finished{src, sum})
	if err != nil {
		return fmt.Errorf("encode summary: %w", err)
	}
	ctx := context.Background()
	if _, err := w.conn.ExecContext(ctx, "INSERT INTO meta VALUES ('recording', ?)", string(text)); err != nil {
		return explain("write store", w.path, fmt.Errorf("write summary: %w", err))
	}
	if err := w.commit(); err != nil {
		return err
	}
	w.done = true
	if w.path == Memory {
		return nil
	}
	// Statements of its own would hold the log: leaving WAL mode makes one self-contained file of it.
	if _, err := w.conn.ExecContext(ctx, "PRAGMA journal_mode = delete"); err != nil {
		return explain("write store", w.path, fmt.Errorf("close log: %w", err))
	}
	return nil
}

// finished is the JSON form of meta's "recording".
type finished struct {
	Source  Source
	Summary analyzer.Summary
}

// Reader opens the store for reading, in memory too. What was not committed yet is not seen.
func (w *Recorder) Reader() (*SQLite, error) {
	name := w.name
	if w.path != Memory {
		name = dsn(w.path, "ro", "query_only(1)")
	}
	r, err := openReader(w.path, name, w.cfg)
	if err != nil {
		return nil, explain("read store", w.path, err)
	}
	if err := r.reload(); err != nil {
		return nil, errors.Join(explain("read store", w.path, err), r.Close())
	}
	return r, nil
}

// Close commits what is pending and releases the database.
func (w *Recorder) Close() error {
	if w.conn == nil {
		return nil
	}
	err := errors.Join(w.commit(), w.conn.Close(), w.db.Close())
	w.conn = nil
	return err
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

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// Recorder writes a SQLite store. Transactions hold Config.Batch traces each: the death of the process loses
// the last, uncommitted batch at most. It is used by one goroutine; Stats alone may be called from others.
type Recorder struct {
	db         *sql.DB
	conn       *sql.Conn
	path, name string
	held       string
	dict       sqltrace.Dictionary
	cfg        Config
	live       bool  // made by Append
	lock       *lock // nil unless live

	words    dictionary[string]
	paths    dictionary[string]
	models   dictionary[string]
	methods  dictionary[methodKey]
	users    dictionary[userKey]
	sessions dictionary[rpclog.SessionKey]
	backends dictionary[Backend]
	shapes   dictionary[sqltrace.Fingerprint]
	rules    map[string]uint64
	minute   int64 // the highest seen, since 1970
	trends   trends
	posts    postings

	stmts                                                []*sql.Stmt
	front, finding, background, newRule, findShape, save *sql.Stmt
	call, spans                                          statement

	now, saved state // with what is pending, and as committed
	pending    int   // traces in the open transaction
	open       bool
	done       bool
	stale      bool // a rollback undid what is remembered
	refusal    error
	header     finished
	headerNew  bool // header is to be written with the next commit
	flushed    time.Time
	prune      pruner
	wal        wal
	stats      counters

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

// newRecorder writes to a database of the present schema.
func newRecorder(db *sql.DB, path, name string, dict sqltrace.Dictionary, cfg Config) (*Recorder, error) {
	conn, err := db.Conn(context.Background())
	if err != nil {
		return nil, err
	}
	w := &Recorder{db: db, conn: conn, path: path, name: name, dict: dict, cfg: cfg.orDefaults(), seen: map[uint64]int{}}
	if err := errors.Join(w.prepare(), w.reload()); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return w, nil
}

func (w *Recorder) prepare() error {
	ctx := context.Background()
	for _, s := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&w.newRule, "INSERT INTO rules VALUES (?, ?)"},
		{&w.findShape, "SELECT id, used FROM shapes WHERE fingerprint = ?"},
		{&w.front, "INSERT INTO fronts VALUES (?, ?, ?, ?, ?)"},
		{&w.finding, "INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?, ?)"},
		{&w.background, "INSERT INTO background VALUES (?, ?, ?, ?, ?, ?, ?, ?)"},
		{&w.save, "UPDATE state SET (" + stateColumns + ") = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
		{&w.trends.find, "SELECT " + trendColumns + " FROM trends WHERE hour = ? AND method = ?"},
		{&w.trends.write, "INSERT OR REPLACE INTO trends VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
	} {
		var err error
		if *s.stmt, err = w.conn.PrepareContext(ctx, s.text); err != nil {
			return fmt.Errorf("prepare %q: %w", s.text, err)
		}
		w.stmts = append(w.stmts, *s.stmt)
	}
	for _, s := range []struct {
		stmt *statement
		text string
	}{
		{&w.call, "INSERT INTO calls VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"},
		{&w.spans, "INSERT INTO spans VALUES (?, ?)"},
		{&w.posts.insert, "INSERT INTO postings VALUES (?, ?, ?, ?, ?)"},
	} {
		if err := s.stmt.prepare(w.conn, s.text); err != nil {
			return err
		}
	}
	return w.prepareWords()
}

// reload remembers what the store holds, and nothing else.
func (w *Recorder) reload() error {
	w.posts.reset()
	if err := errors.Join(w.loadWords(), w.loadState()); err != nil {
		return err
	}
	w.stale = false
	return nil
}

// Trace stores one call with its statements and findings. After an error the call is counted as lost, with
// those of the open batch, and the recorder goes on.
func (w *Recorder) Trace(t *analyzer.Trace) error { return w.store(t, false) }

// Count stores one call whose statements are counted and not kept (Call.Counted), and not its findings.
func (w *Recorder) Count(t *analyzer.Trace) error { return w.store(t, true) }

// Tally adds one call to the trends and stores nothing of it: for what has to be shed, or is not asked for.
func (w *Recorder) Tally(t *analyzer.Trace) { w.tally(t, analyzer.MethodOf(t.Call)) }

func (w *Recorder) tally(t *analyzer.Trace, name string) {
	if t.Call.Class == rpclog.Ordinary {
		w.trends.add(t, name, w.cfg.TrendMethods)
	}
}

func (w *Recorder) store(t *analyzer.Trace, counted bool) error {
	name := analyzer.MethodOf(t.Call)
	w.tally(t, name)
	w.minute = max(w.minute, minuteOf(t.Call.Start))
	if err := w.admit(); err != nil {
		return w.fail(err)
	}
	id := t.Call.ID
	if w.live {
		id = rpclog.CallID(w.now.lastCall + 1)
	}
	w.now.lastCall = max(w.now.lastCall, int64(id))
	if err := w.trace(id, t, name, counted); err != nil {
		return w.fail(fmt.Errorf("write call %d: %w", t.Call.ID, err))
	}
	return w.commitFull()
}

// LastCall returns the id under which the last call was stored. Append gives ids in order of writing, above
// all that the store ever held, whatever number the call bore.
func (w *Recorder) LastCall() rpclog.CallID { return rpclog.CallID(w.now.lastCall) }

// Background stores statements that no call owns.
func (w *Recorder) Background(g *analyzer.Background) error {
	w.minute = max(w.minute, minuteOf(g.Start))
	if err := w.admit(); err != nil {
		return w.fail(err)
	}
	w.now.lastGroup++
	if err := w.group(w.now.lastGroup, g); err != nil {
		return w.fail(fmt.Errorf("write background group %d: %w", w.now.lastGroup, err))
	}
	return w.commitFull()
}

var errDone = errors.New("the recording is finished")

// admit begins a batch for a trace, unless a limit stands in the way. What is flushed or deleted may pass.
func (w *Recorder) admit() error {
	if w.refusal != nil && !w.done {
		return w.refusal
	}
	return w.begin()
}

func (w *Recorder) begin() error {
	if w.done {
		return errDone
	}
	if w.open {
		return nil
	}
	if w.stale {
		if err := w.reload(); err != nil {
			return err
		}
	}
	if _, err := w.conn.ExecContext(context.Background(), "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin batch: %w", err)
	}
	w.open = true
	return nil
}

// fail gives up the open batch and the trace in hand: they are counted as lost, and the next one begins anew.
func (w *Recorder) fail(err error) error {
	if errors.Is(err, errDone) {
		return fmt.Errorf("write store: %w", err)
	}
	if w.refusal != nil && errors.Is(err, w.refusal) { // what is pending is not touched
		w.stats.lost.Add(1)
		return explain("write store", w.path, err)
	}
	return w.rollback(err, 1)
}

func (w *Recorder) rollback(err error, inHand int) error {
	w.stats.lost.Add(int64(w.pending + inHand))
	if w.open {
		// SQLite may have rolled back by itself, and then says that there is nothing to roll back.
		_, _ = w.conn.ExecContext(context.Background(), "ROLLBACK")
	}
	w.open, w.pending, w.stale, w.now = false, 0, true, w.saved
	w.trends.redo()
	w.posts.reset()
	w.prune.purged = 0
	w.headerNew = w.headerNew || w.header.State != ""
	return explain("write store", w.path, err)
}

func (w *Recorder) commitFull() error {
	if w.pending++; w.pending < w.cfg.Batch {
		return nil
	}
	return w.commit()
}

// Flush commits what is pending, so that readers see it and a crash does not lose it.
func (w *Recorder) Flush() error {
	if w.done {
		return nil
	}
	if !w.open && !w.headerNew && !w.trends.dirty() {
		return nil
	}
	if err := w.begin(); err != nil {
		return w.rollback(err, 0)
	}
	return w.commit()
}

func (w *Recorder) commit() error {
	if !w.open {
		return nil
	}
	err := errors.Join(w.posts.write(), w.writeTrends(), w.writeHeader())
	if err == nil {
		err = w.saveState()
	}
	if err == nil {
		_, err = w.conn.ExecContext(context.Background(), "COMMIT")
	}
	if err != nil {
		return w.rollback(fmt.Errorf("commit batch: %w", err), 0)
	}
	w.stats.stored.Add(int64(w.pending))
	w.stats.commits.Add(1)
	w.open, w.pending, w.saved, w.headerNew = false, 0, w.now, false
	w.trends.settle(w.minute / 60)
	return w.watchLog()
}

// finished is the JSON form of meta's "recording".
type finished struct {
	Source  Source
	Summary analyzer.Summary
	State   string `json:",omitempty"` // empty: complete
}

// States of a recording that Append writes.
const (
	stateLive    = "live"    // being written, or its writer died
	stateStopped = "stopped" // its writer came to its end; another may go on
)

// Describe tells readers of a live store what is being recorded and how it goes: what they see as the
// recording's source, summary and notices. It is written with the next commit.
func (w *Recorder) Describe(src Source, sum analyzer.Summary) {
	w.header, w.headerNew = finished{src, sum, stateLive}, true
}

func (w *Recorder) writeHeader() error {
	if !w.headerNew {
		return nil
	}
	text, err := json.Marshal(w.header)
	if err != nil {
		return fmt.Errorf("encode summary: %w", err)
	}
	if _, err := w.conn.ExecContext(context.Background(), "INSERT OR REPLACE INTO meta VALUES ('recording', ?)", string(text)); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	return nil
}

// Finish stores the summary and folds the write-ahead log into the file. No Trace or Background may follow.
func (w *Recorder) Finish(src Source, sum analyzer.Summary) error {
	w.header, w.headerNew = finished{Source: src, Summary: sum}, true
	if w.live {
		w.header.State = stateStopped
	}
	if err := w.Flush(); err != nil {
		return err
	}
	w.done = true
	if w.path == Memory {
		return nil
	}
	// Statements of its own would hold the log: leaving WAL mode makes one self-contained file of it.
	if _, err := w.conn.ExecContext(context.Background(), "PRAGMA journal_mode = delete"); err != nil && (!w.live || !busy(err)) {
		return explain("write store", w.path, fmt.Errorf("close log: %w", err))
	}
	return nil // of a live store that is being read, the last reader folds the log
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
	return r, nil
}

// Close commits what is pending and releases the database.
func (w *Recorder) Close() error {
	if w.conn == nil {
		return nil
	}
	err := w.Flush()
	for _, s := range w.stmts { // SQLite keeps a connection, and its locks, until the last one is closed
		err = errors.Join(err, s.Close())
	}
	for _, s := range [...]*statement{&w.call, &w.spans, &w.posts.insert} {
		err = errors.Join(err, s.close())
	}
	err = errors.Join(err, w.conn.Close(), w.db.Close())
	release(w.held)
	w.conn = nil
	return errors.Join(err, w.lock.unlock())
}

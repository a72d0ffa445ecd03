package store_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/store/storetest"
)

func appendTo(t testing.TB, path string, s *storetest.Sample, cfg store.Config) *store.Recorder {
	t.Helper()
	w, err := store.Append(path, s.Dictionary, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func readerOf(t testing.TB, w *store.Recorder) *store.SQLite {
	t.Helper()
	r, err := w.Reader()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func check(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func appending(cfg store.Config) storetest.Store {
	return storetest.Store{Create: func(t *testing.T, dict sqltrace.Dictionary) (store.Writer, func() (store.Reader, error)) {
		path := filepath.Join(t.TempDir(), "live.perfd")
		w, err := store.Append(path, dict, cfg)
		check(t, err)
		return w, func() (store.Reader, error) {
			if err := w.Flush(); err != nil {
				return nil, err
			}
			return store.Open(path, cfg)
		}
	}, Benchmarks: func(t *testing.T) (func(store.Benchmark) (int64, error), func() (storetest.Benchmarks, error)) {
		path := filepath.Join(t.TempDir(), "live.perfd")
		w, err := store.Append(path, storetest.Generate(storetest.SampleConfig{Seed: 1, Calls: 1}).Dictionary, cfg)
		check(t, err)
		t.Cleanup(func() { check(t, w.Close()) })
		return keeping(t, path, cfg)
	}}
}

// keeping keeps benchmarks in a file.
func keeping(t *testing.T, path string, cfg store.Config) (func(store.Benchmark) (int64, error), func() (storetest.Benchmarks, error)) {
	t.Helper()
	keep := func(b store.Benchmark) (int64, error) { return store.KeepBenchmark(t.Context(), path, b) }
	return keep, func() (storetest.Benchmarks, error) { return store.Open(path, cfg) }
}

func TestAppend(t *testing.T)        { storetest.Run(t, appending(store.Config{Batch: 50})) }
func TestAppendNoCache(t *testing.T) { storetest.Run(t, appending(store.Config{CacheCalls: -1})) }

// TestRestarts writes one recording in three runs, of which only the first one ends well, and reads it as one.
func TestRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.perfd")
	sample := storetest.Generate(storetest.SampleConfig{Seed: 4, Calls: 90})
	for run := range 3 {
		w, err := store.Append(path, sample.Dictionary, store.Config{})
		check(t, err)
		r, err := w.Reader()
		check(t, err)
		rec, err := r.Recording(t.Context())
		check(t, err)
		if rec.Complete || !rec.Live || rec.Counts.Calls != int64(run)*90 {
			t.Errorf("run %d begins with %+v", run, rec)
		}
		check(t, sample.WriteTo(w))
		if id := w.LastCall(); int(id) != (run+1)*90 {
			t.Errorf("run %d ends with call %d", run, id)
		}
		if run == 0 {
			check(t, w.Finish(store.Source{Files: []string{"lo"}, Agreement: &store.Agreement{Compared: 9, Equal: 8}}, analyzer.Summary{Packets: 7}))
		}
		check(t, r.Close(), w.Close())
	}
	r, err := store.Open(path, store.Config{})
	check(t, err)
	defer r.Close()
	rec, err := r.Recording(t.Context())
	check(t, err)
	if c := rec.Counts; c.Calls != 270 || c.Background != int64(3*len(sample.Background)) || rec.Complete || len(rec.Files) != 1 || rec.Agreement == nil || *rec.Agreement != (store.Agreement{Compared: 9, Equal: 8}) {
		t.Errorf("three runs make %+v", rec)
	}
	users, err := store.Groups(t.Context(), r, store.Filter{}, store.ByUser)
	check(t, err)
	if int(rec.Counts.Users) != len(users) {
		t.Errorf("%d users are counted, %d listed", rec.Counts.Users, len(users))
	}
	for _, g := range users {
		if g.Calls%3 != 0 {
			t.Errorf("%s made %d calls, in three equal runs", g.Name, g.Calls)
		}
	}
}

// TestReadWhileWriting holds the answers of one reader, which stays open, against what was flushed.
func TestReadWhileWriting(t *testing.T) {
	for name, cfg := range map[string]store.Config{"in memory": {}, "from the file": {CacheCalls: -1}} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "live.perfd")
			sample := storetest.Generate(storetest.SampleConfig{Seed: 4, Calls: 120})
			w := appendTo(t, path, sample, cfg)
			r, err := store.Open(path, cfg)
			check(t, err)
			defer r.Close()
			last := int64(-1)
			for i, tr := range sample.Traces {
				check(t, w.Trace(tr))
				if i%7 != 0 {
					continue
				}
				before, err := r.State(t.Context())
				check(t, err)
				if last >= 0 && before != last {
					t.Fatal("the state changed without a commit")
				}
				check(t, w.Tick(time.Unix(int64(i), 0)))
				last, err = r.State(t.Context())
				check(t, err)
				if last == before {
					t.Fatal("a commit leaves the state as it was")
				}
				n := 0
				check(t, r.Scan(t.Context(), store.Filter{AllCalls: true}, func(b *store.Brief) {
					if want := sample.Traces[n].Call; b.Name != analyzer.MethodOf(want) || b.Login != want.Login || b.Session != want.Session {
						t.Fatalf("call %d is %+v", n, b)
					}
					n++
				}))
				rec, err := r.Recording(t.Context())
				check(t, err)
				newest, _, err := r.Calls(t.Context(), store.Filter{AllCalls: true, After: w.LastCall() - 1}, store.Page{Limit: 10})
				check(t, err)
				if n != i+1 || rec.Counts.Calls != int64(n) || !rec.Counts.Last.After(rec.Counts.First) || len(newest) != 1 || newest[0].ID != w.LastCall() {
					t.Fatalf("after %d calls %d are scanned, %+v, newest %v", i+1, n, rec.Counts, newest)
				}
				_, err = store.Summarize(t.Context(), r, store.Filter{}, 50, 5)
				check(t, err)
			}
		})
	}
}

// TestCounted stores calls whose statements are shed.
func TestCounted(t *testing.T) {
	sample := storetest.Generate(storetest.SampleConfig{Calls: 40})
	w := appendTo(t, filepath.Join(t.TempDir(), "live.perfd"), sample, store.Config{})
	for i, tr := range sample.Traces {
		switch i % 3 {
		case 0:
			check(t, w.Trace(tr))
		case 1:
			check(t, w.Count(tr))
		default:
			w.Tally(tr)
		}
	}
	check(t, w.Flush())
	r := readerOf(t, w)
	calls, _, err := r.Calls(t.Context(), store.Filter{AllCalls: true}, store.Page{Limit: 100})
	check(t, err)
	for i := range calls {
		c, want := &calls[i], sample.Traces[i/2*3+i%2]
		d, err := r.Call(t.Context(), c.ID)
		check(t, err)
		if c.Counted != (i%2 == 1) || c.Statements != int64(len(want.Spans)) || c.Time != want.Time || c.Counted && len(d.Spans)+len(d.Findings) > 0 || !c.Counted && len(d.Spans) != len(want.Spans) {
			t.Errorf("call %d: counted %v, %d statements, %d kept", c.ID, c.Counted, c.Statements, len(d.Spans))
		}
	}
	ordinary := int64(0)
	for _, tr := range sample.Traces {
		if tr.Call.Class == 0 {
			ordinary++
		}
	}
	trends, err := store.Trends(t.Context(), r, store.TrendFilter{}, time.Hour)
	check(t, err)
	if len(trends) != 1 || trends[0].Calls != ordinary {
		t.Errorf("trends of %+v, want all %d ordinary calls", trends, ordinary)
	}
}

// TestOneWriter refuses a second writer, and lets it in when the first is gone.
func TestOneWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.perfd")
	w, err := store.Append(path, nil, store.Config{})
	check(t, err)
	_, err = store.Append(path, nil, store.Config{})
	var known *store.Error
	if !errors.Is(err, store.ErrInUse) || !errors.As(err, &known) || known.Hint == "" {
		t.Errorf("a second writer gets %v", err)
	}
	check(t, w.Close())
	w, err = store.Append(path, nil, store.Config{})
	check(t, err)
	check(t, w.Finish(store.Source{}, analyzer.Summary{}), w.Close())
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("a finished store is %v, %v", files, err)
	}
}

// TestWriterOf tells a writer at work from one that left its lock behind.
func TestWriterOf(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "live.perfd"), filepath.Join(dir, "link.perfd")
	w, err := store.Append(path, nil, store.Config{})
	check(t, err, os.Symlink(path, link))
	for _, name := range []string{path, link} {
		if got := store.WriterOf(name); got != store.WriterAtWork {
			t.Errorf("%s while it is written: %v", filepath.Base(name), got)
		}
	}
	check(t, w.Close())
	if got := store.WriterOf(path); got != store.WriterUnknown {
		t.Errorf("after its end: %v", got)
	}
	check(t, os.WriteFile(path+"-lock", nil, 0o600))
	if got := store.WriterOf(path); got != store.WriterGone {
		t.Errorf("with a lock that nobody holds: %v", got)
	}
}

// TestAppendRefuses does not write to what is not a perfd store.
func TestAppendRefuses(t *testing.T) {
	dir := t.TempDir()
	capture, foreign := filepath.Join(dir, "tap.pcap"), filepath.Join(dir, "foreign.db")
	check(t, os.WriteFile(capture, []byte("\xd4\xc3\xb2\xa1 and so on, for a while"), 0o600))
	db, err := sql.Open("sqlite", foreign)
	check(t, err)
	_, err = db.Exec("CREATE TABLE t (x)")
	check(t, err, db.Close())
	for _, path := range []string{capture, foreign} {
		before, err := os.ReadFile(path)
		check(t, err)
		_, err = store.Append(path, nil, store.Config{})
		expect(t, "append to "+path, err, "not a perfd store")
		after, err := os.ReadFile(path)
		if err != nil || string(before) != string(after) {
			t.Errorf("%s was written to: %v", path, err)
		}
	}
	_, err = store.Append(filepath.Join(dir, "nowhere", "a.perfd"), nil, store.Config{})
	expect(t, "append in no folder", err, "no such file")
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("refusals leave %v, %v", left, err)
	}
}

// TestMigration opens a store of the first version for reading and for writing, and finds all that was in it.
func TestMigration(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "v1.sql"))
	check(t, err)
	old := func() string {
		path := filepath.Join(t.TempDir(), "old.perfd")
		db, err := sql.Open("sqlite", path)
		check(t, err)
		_, err = db.Exec(string(text))
		check(t, err, db.Close())
		return path
	}
	sample := storetest.Generate(storetest.SampleConfig{Seed: 11, Calls: 20, Users: 3, Methods: 6})
	verify := func(t *testing.T, r store.Reader, calls int, live bool) {
		rec, err := r.Recording(t.Context())
		check(t, err)
		if rec.Counts.Calls != int64(calls) || rec.Version != "v0.1.0" || rec.Live != live || rec.Complete == live || rec.Counts.Exact == 0 {
			t.Errorf("%+v", rec)
		}
		for i, tr := range sample.Traces {
			d, err := r.Call(t.Context(), tr.Call.ID)
			check(t, err)
			if d.Name != analyzer.MethodOf(tr.Call) || d.Login != tr.Call.Login || len(d.Spans) != len(tr.Spans) || d.Counted {
				t.Errorf("call %d is %+v", i, d.Call)
			}
		}
		for _, tr := range sample.Traces {
			session, shape := tr.Call.Session, sqltrace.Fingerprint(0)
			f := store.Filter{Sessions: []rpclog.SessionKey{session}, AllCalls: true, To: sample.Summary.To}
			if len(tr.Spans) > 0 {
				shape = tr.Spans[0].Statement.Fingerprint
				f.Shapes = []sqltrace.Fingerprint{shape}
			}
			want := 0
			for _, o := range sample.Traces {
				if o.Call.Session == session && o.Call.Start.Before(f.To) && (shape == 0 || slices.ContainsFunc(o.Spans, func(s analyzer.Span) bool { return s.Statement.Fingerprint == shape })) {
					want++
				}
			}
			if _, n, err := r.Calls(t.Context(), f, store.Page{Limit: 1}); int(n) != want || want == 0 || err != nil {
				t.Errorf("%d calls of session %x that ran %x, want %d: %v", n, session, shape, want, err)
			}
		}
		all, err := store.Groups(t.Context(), r, store.Filter{To: sample.Summary.To}, store.ByMethod)
		check(t, err)
		trends, err := store.TrendMethods(t.Context(), r, store.TrendFilter{To: sample.Summary.To})
		check(t, err)
		if len(trends) != len(all) {
			t.Fatalf("trends of %d methods, want %d", len(trends), len(all))
		}
		for i, g := range all {
			if m := trends[i]; m.Name != g.Name || m.Calls != g.Calls || m.Time != g.Time || m.Max != g.Max {
				t.Errorf("trend %+v, want %+v", m.Name, g)
			}
		}
	}
	t.Run("read", func(t *testing.T) {
		r, err := store.Open(old(), store.Config{})
		check(t, err)
		defer r.Close()
		verify(t, r, 20, false)
	})
	t.Run("write", func(t *testing.T) {
		path := old()
		later := storetest.Generate(storetest.SampleConfig{Seed: 12, Calls: 10, Users: 3, Start: sample.Summary.To.Add(5 * time.Hour)})
		w := appendTo(t, path, later, store.Config{MaxAge: -1})
		check(t, later.WriteTo(w))
		for at := later.Summary.To; ; { // words are gone through: none that the old rows use may vanish
			more, err := w.Prune(at)
			check(t, err)
			if !more {
				break
			}
		}
		verify(t, readerOf(t, w), 30, true)
	})
}

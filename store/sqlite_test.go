package store_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/store/storetest"
)

func create(path string, cfg store.Config) storetest.Store {
	s := storetest.Store{Create: func(t *testing.T, dict sqltrace.Dictionary) (store.Writer, func() (store.Reader, error)) {
		name := path
		if name != store.Memory {
			name = filepath.Join(t.TempDir(), "a b?c%20.perfd")
		}
		w, err := store.Create(name, dict, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return w, func() (store.Reader, error) {
			if name == store.Memory {
				return w.Reader()
			}
			return store.Open(name, cfg)
		}
	}}
	if path != store.Memory {
		s.Benchmarks = func(t *testing.T) (func(store.Benchmark) (int64, error), func() (storetest.Benchmarks, error)) {
			return keeping(t, filepath.Join(t.TempDir(), "a b?c%20.perfd"), cfg)
		}
	}
	return s
}

func TestFile(t *testing.T)    { storetest.Run(t, create("", store.Config{Batch: 50})) }
func TestNoCache(t *testing.T) { storetest.Run(t, create("", store.Config{Batch: 1, CacheCalls: -1})) }
func TestMemory(t *testing.T)  { storetest.Run(t, create(store.Memory, store.Config{Batch: 20})) }

func TestSelfContained(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "one.perfd")
	finish(t, path)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("a finished store is %d files, %v", len(files), err)
	}
	if !store.IsStore(path) {
		t.Error("a store is not taken for one")
	}
}

func finish(t *testing.T, path string) {
	t.Helper()
	sample := storetest.Generate(storetest.SampleConfig{Calls: 30})
	w, err := store.Create(path, sample.Dictionary, store.Config{Replace: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sample.WriteTo(w), w.Finish(store.Source{}, sample.Summary), w.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	execute := func(name, statement string) {
		db, err := sql.Open("sqlite", path(name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	write("capture.pcap", "\xd4\xc3\xb2\xa1 and so on, for a while")
	write("broken.perfd", "SQLite format 3\x00 and then nothing that makes sense")
	execute("foreign.db", "CREATE TABLE t (x)")
	finish(t, path("newer.perfd"))
	execute("newer.perfd", "PRAGMA user_version = 99")
	finish(t, path("mine.perfd"))
	for _, c := range []struct{ name, file, wants string }{
		{"no file", "missing.perfd", "no such file"},
		{"a capture", "capture.pcap", "not a perfd store"},
		{"a damaged file", "broken.perfd", "not a database"},
		{"a foreign database", "foreign.db", "not a perfd store"},
		{"a newer store", "newer.perfd", "schema 99"},
	} {
		_, err := store.Open(path(c.file), store.Config{})
		expect(t, "open "+c.name, err, c.wants)
	}
	for _, c := range []struct {
		name, file, wants string
		replace           bool
	}{
		{"over a store", "mine.perfd", "file already exists", false},
		{"instead of a capture", "capture.pcap", "not a perfd store", true},
		{"instead of a foreign database", "foreign.db", "not a perfd store", true},
		{"in no folder", "nowhere/a.perfd", "no such file", false},
	} {
		_, err := store.Create(path(c.file), nil, store.Config{Replace: c.replace})
		expect(t, "create "+c.name, err, c.wants)
	}
	if store.IsStore(path("capture.pcap")) || store.IsStore(path("missing.perfd")) {
		t.Error("something else is taken for a store")
	}
}

func expect(t *testing.T, what string, err error, wants string) {
	t.Helper()
	var known *store.Error
	if !errors.As(err, &known) || known.Hint == "" || !strings.Contains(err.Error(), wants) {
		t.Errorf("%s gives %v, want %q and a hint", what, err, wants)
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.perfd")
	finish(t, path)
	finish(t, path)
	r, err := store.Open(path, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rec, err := r.Recording(t.Context())
	if err != nil || rec.Counts.Calls != 30 {
		t.Errorf("after replacing: %d calls, %v", rec.Counts.Calls, err)
	}
}

// TestCrash opens what is on disk while a writer is at work: as after its death, all whole batches are there.
func TestCrash(t *testing.T) {
	dir, after := t.TempDir(), t.TempDir()
	sample := storetest.Generate(storetest.SampleConfig{Calls: 90})
	w, err := store.Create(filepath.Join(dir, "a.perfd"), sample.Dictionary, store.Config{Batch: 40})
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range sample.Traces {
		if err := w.Trace(tr); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v, %v", f.Name(), info.Mode(), err)
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(after, f.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := store.Open(filepath.Join(after, "a.perfd"), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := r.Recording(t.Context())
	if err != nil || rec.Complete || rec.Counts.Calls != 80 {
		t.Errorf("after a crash: %d calls, complete: %v, %v", rec.Counts.Calls, rec.Complete, err)
	}
	if err := errors.Join(r.Close(), w.Close()); err != nil {
		t.Error(err)
	}
}

// TestDeterministic writes one recording twice and expects equal files.
func TestDeterministic(t *testing.T) {
	dir := t.TempDir()
	var files [2]string
	for i, name := range []string{"a.perfd", "b.perfd"} {
		finish(t, filepath.Join(dir, name))
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[i] = string(b)
	}
	if files[0] != files[1] {
		t.Error("the same recording makes two different stores")
	}
}

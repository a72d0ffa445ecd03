package store_test

import (
	"bufio"
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/store/storetest"
)

// writerEnv names the store that the test binary, run again, writes to until it is killed.
const writerEnv = "PERFD_TEST_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerEnv); path != "" {
		if err := writeForever(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// writeForever stores calls, and prints the id of the last one that each commit made safe.
func writeForever(path string) error {
	sample := storetest.Generate(storetest.SampleConfig{Calls: 400})
	w, err := store.Append(path, sample.Dictionary, store.Config{MaxBytes: 1 << 20, MaxAge: -1, FlushEvery: 20 * time.Millisecond})
	if err != nil {
		return err
	}
	commits := int64(0)
	for {
		for i, t := range sample.Traces {
			if i%20 == 0 {
				if err := w.Background(sample.Background[i/20]); err != nil && !errors.Is(err, store.ErrFull) {
					return err
				}
			}
			if err := errors.Join(w.Trace(t), w.Tick(time.Now())); err != nil && !errors.Is(err, store.ErrFull) {
				return err
			}
			if n := w.Stats().Commits; n > commits && i%5 == 0 {
				if err := w.Flush(); err != nil {
					return err
				}
				commits = w.Stats().Commits
				fmt.Println(w.LastCall())
			}
		}
	}
}

// TestKilled kills a writer many times, in the midst of writing and deleting. The store opens clean each time,
// holds all that was acknowledged, and no half of anything.
func TestKilled(t *testing.T) {
	self, err := os.Executable()
	check(t, err)
	path := filepath.Join(t.TempDir(), "live.perfd")
	before, pruned := int64(0), false
	for run := range 24 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), writerEnv+"="+path)
		var problems bytes.Buffer
		cmd.Stderr = &problems
		out, err := cmd.StdoutPipe()
		check(t, err, cmd.Start())
		acknowledged, last := int64(0), time.Now()
		lines := bufio.NewScanner(out)
		for n := 1 + rand.IntN(12); n > 0 || run == 0 && acknowledged < 1500; n-- {
			if !lines.Scan() {
				t.Fatalf("run %d: the writer ended: %s", run, problems.String())
			}
			_, err := fmt.Sscan(lines.Text(), &acknowledged)
			check(t, err)
			last = time.Now()
		}
		check(t, cmd.Process.Kill())
		if silent := time.Since(last); silent > time.Second {
			t.Errorf("run %d: nothing was committed for %v", run, silent)
		}
		for lines.Scan() { // what it said before it died
			_, err := fmt.Sscan(lines.Text(), &acknowledged)
			check(t, err)
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "kill") {
			t.Fatalf("run %d: the writer ended with %v", run, err)
		}
		if run%3 == 0 {
			if err := os.Remove(path + "-shm"); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
		highest, calls := verify(t, path)
		if highest < acknowledged || highest < before {
			t.Errorf("run %d: call %d was acknowledged, %d was there before, %d is the last", run, acknowledged, before, highest)
		}
		before, pruned = highest, pruned || calls < highest
	}
	if !pruned {
		t.Error("no call was ever deleted")
	}
}

// verify opens a store and checks that its parts fit together; it returns the last call's id and how many there are.
func verify(t *testing.T, path string) (highest, calls int64) {
	t.Helper()
	r, err := store.Open(path, store.Config{})
	check(t, err)
	rec, err := r.Recording(t.Context())
	check(t, err, r.Spans(t.Context(), store.Filter{AllCalls: true}, func(b *store.Brief, spans []store.Span) {
		if b.Statements != int64(len(spans)) || b.Name == "" {
			t.Errorf("call %d %q has %d of %d statements", b.ID, b.Name, len(spans), b.Statements)
		}
		for i := range spans {
			if spans[i].Shape.Text == "" {
				t.Errorf("call %d: statement %d has no text", b.ID, i)
			}
		}
	}), r.Close())
	db, err := sql.Open("sqlite", path)
	check(t, err)
	defer db.Close()
	for query, want := range map[string]string{
		"PRAGMA integrity_check": "ok",
		"SELECT count(*) FROM calls WHERE statements > 0 AND counted = 0 AND id NOT IN (SELECT call FROM spans)":                            "0",
		"SELECT count(*) FROM spans WHERE call NOT IN (SELECT id FROM calls)":                                                               "0",
		"SELECT count(*) FROM spans WHERE call NOT IN (SELECT first + value FROM postings, json_each(calls) WHERE kind = 4)":                "0",
		"SELECT count(*) FROM postings WHERE segment < (SELECT min(id) FROM calls) >> 12":                                                   "0",
		"SELECT count(*) FROM calls WHERE (method, id) NOT IN (SELECT word, first + value FROM postings, json_each(calls) WHERE kind = 1)":  "0",
		"SELECT count(*) FROM calls WHERE (user, id) NOT IN (SELECT word, first + value FROM postings, json_each(calls) WHERE kind = 2)":    "0",
		"SELECT count(*) FROM calls WHERE (session, id) NOT IN (SELECT word, first + value FROM postings, json_each(calls) WHERE kind = 3)": "0",
		"SELECT count(*) FROM fronts WHERE call NOT IN (SELECT id FROM calls)":                                                              "0",
		"SELECT count(*) FROM findings WHERE call NOT IN (SELECT id FROM calls)":                                                            "0",
		"SELECT count(*) FROM calls WHERE findings <> (SELECT count(*) FROM findings f WHERE f.call = calls.id)":                            "0",
		"SELECT count(*) FROM calls WHERE path NOT IN (SELECT id FROM paths) OR method NOT IN (SELECT id FROM methods)":                     "0",
		"SELECT count(*) FROM calls WHERE user NOT IN (SELECT id FROM users) OR session NOT IN (SELECT id FROM sessions)":                   "0",
		"SELECT count(*) FROM background WHERE backend NOT IN (SELECT id FROM backends)":                                                    "0",
		`SELECT count(*) FROM state WHERE calls <> (SELECT count(*) FROM calls) OR attributed <> (SELECT sum(statements) FROM calls)
OR groups <> (SELECT count(*) FROM background) OR last_call < (SELECT max(id) FROM calls) OR errors <> (SELECT count(*) FROM calls WHERE class = 0 AND failed)
OR exact <> (SELECT sum(exact) FROM calls WHERE class = 0)`: "0",
	} {
		var got string
		check(t, db.QueryRow(query).Scan(&got))
		if got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	check(t, db.QueryRow("SELECT last_call FROM state").Scan(&highest))
	return highest, rec.Counts.Calls
}

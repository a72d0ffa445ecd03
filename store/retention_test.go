package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/store/storetest"
)

// stream writes a sample again and again, each time later, as a server that works for long would.
type stream struct {
	sample *storetest.Sample
	at     time.Duration // of the next round
	length time.Duration
}

func newStream(seed uint64, calls int, length time.Duration) *stream {
	return &stream{sample: storetest.Generate(storetest.SampleConfig{Seed: seed, Calls: calls, Length: length}), length: length}
}

// round writes the sample once, and calls after with the time after every few calls.
func (s *stream) round(t *testing.T, w *store.Recorder, after func(now time.Time)) {
	t.Helper()
	for i, tr := range s.sample.Traces {
		c := *tr.Call
		c.Start = c.Start.Add(s.at)
		for _, p := range []*time.Time{&c.Head, &c.Sent, &c.First, &c.End} {
			if !p.IsZero() {
				*p = p.Add(s.at)
			}
		}
		moved := &analyzer.Trace{Call: &c, Spans: make([]analyzer.Span, len(tr.Spans)), Time: tr.Time, Findings: tr.Findings, Front: tr.Front}
		for j, sp := range tr.Spans {
			st := *sp.Statement
			st.Start, st.First, st.End = st.Start.Add(s.at), st.First.Add(s.at), st.End.Add(s.at)
			sp.Statement = &st
			moved.Spans[j] = sp
		}
		check(t, w.Trace(moved))
		if i%60 == 0 {
			after(c.Start)
		}
	}
	s.at += s.length
}

func prune(t *testing.T, w *store.Recorder, now time.Time) {
	t.Helper()
	for {
		more, err := w.Prune(now)
		check(t, err)
		if !more {
			return
		}
	}
}

func diskUse(t *testing.T, path string) (n int64) {
	t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(path + suffix); err == nil {
			n += info.Size()
		}
	}
	return n
}

// TestBytes writes twenty times what the file may hold.
func TestBytes(t *testing.T) {
	const limit = 1 << 20
	path := filepath.Join(t.TempDir(), "live.perfd")
	s := newStream(7, 500, 5*time.Minute)
	w := appendTo(t, path, s.sample, store.Config{MaxBytes: limit, MaxAge: -1, MaxTrendAge: 20 * time.Hour})
	most, written, each := int64(0), 0, 1
	for written*each < 20*limit {
		s.round(t, w, func(now time.Time) {
			check(t, w.Tick(now))
			prune(t, w, now) // a Tick's steps are bounded in time, which a slow machine has less of
			most = max(most, diskUse(t, path))
		})
		if written += len(s.sample.Traces); written == len(s.sample.Traces) {
			each = int(w.Stats().UsedBytes) / written
		}
	}
	check(t, w.Flush())
	t.Logf("%d calls of %d bytes; file and log took %d bytes of %d", written, each, most, limit)
	if most > limit+limit/5 {
		t.Errorf("file and log took %d bytes, the limit is %d", most, limit)
	}
	stats := w.Stats()
	_, left := verify(t, path)
	if left < 200 || stats.Lost != 0 || stats.Pruned == 0 || stats.Stored != int64(written) {
		t.Errorf("%d of %d calls are left; %+v", left, written, stats)
	}
	r := readerOf(t, w)
	trends, err := store.Trends(t.Context(), r, store.TrendFilter{}, time.Hour)
	check(t, err)
	if n := len(trends); n < 3 || trends[0].Calls < 1000 {
		t.Errorf("%d hours of trends", n)
	}
	rec, err := r.Recording(t.Context())
	check(t, err)
	if !rec.Counts.First.After(trends[0].Start.Add(time.Hour)) {
		t.Error("the trends do not reach further back than the calls")
	}
}

// TestAge deletes calls at their age, words that no row uses any more, then trends, and gives pages back.
func TestAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.perfd")
	old, young := newStream(7, 6000, 3*time.Hour), newStream(8, 100, time.Hour)
	for _, tr := range old.sample.Traces {
		tr.Call.Path = "/old" + tr.Call.Path
		tr.Call.Login = "old." + tr.Call.Login
	}
	young.at = 80 * time.Hour
	w := appendTo(t, path, old.sample, store.Config{})
	r := readerOf(t, w)
	begin := old.sample.Summary.From
	old.round(t, w, func(now time.Time) { check(t, w.Tick(now)) })
	prune(t, w, begin.Add(4*time.Hour))
	full := w.Stats().FileBytes
	young.round(t, w, func(time.Time) {})
	prune(t, w, begin.Add(81*time.Hour))
	prune(t, w, begin.Add(82*time.Hour))
	rec, err := r.Recording(t.Context())
	check(t, err)
	if rec.Counts.Calls != 100 || rec.Counts.First.Before(begin.Add(79*time.Hour)) {
		t.Errorf("after three days there is %+v", rec.Counts)
	}
	if now := w.Stats().FileBytes; now > full/2 {
		t.Errorf("the file has %d bytes of %d", now, full)
	}
	words := func(query string) (n int) {
		db, err := sql.Open("sqlite", path)
		check(t, err)
		defer db.Close()
		check(t, db.QueryRow(query).Scan(&n))
		return n
	}
	if n := words("SELECT (SELECT count(*) FROM paths WHERE text LIKE '/old%') + (SELECT count(*) FROM users WHERE login LIKE 'old.%')"); n > 1 {
		t.Errorf("%d words are left of what is gone", n) // the one of the highest id may be
	}
	if n := words("SELECT count(*) FROM methods"); n < 10 {
		t.Errorf("%d methods are left, and trends name them", n)
	}
	hours := func() int {
		trends, err := store.Trends(t.Context(), r, store.TrendFilter{}, time.Hour)
		check(t, err)
		return len(trends)
	}
	if n := hours(); n != 4 {
		t.Errorf("%d hours of trends, want 4", n)
	}
	prune(t, w, begin.Add(91*24*time.Hour))
	if n := hours(); n != 1 {
		t.Errorf("after 91 days %d hours of trends, want that of the %d", n, 80)
	}
	verify(t, path)
}

// TestPurge forgets a user, and looks for the login in every byte on the disk.
func TestPurge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.perfd")
	s := newStream(7, 400, time.Hour)
	who := "a.rare.login@example.org"
	mine := 0
	for _, tr := range s.sample.Traces {
		if tr.Call.Login == "user02" {
			tr.Call.Login = who
			mine++
		}
	}
	w := appendTo(t, path, s.sample, store.Config{MaxAge: -1})
	r := readerOf(t, w)
	s.round(t, w, func(time.Time) {})
	check(t, w.Flush())
	named := func() int {
		_, n, err := r.Calls(t.Context(), store.Filter{Users: []string{who}, AllCalls: true}, store.Page{Limit: 1})
		check(t, err)
		return int(n)
	}
	if named() != mine || mine == 0 {
		t.Fatalf("%d calls of the user, want %d", named(), mine)
	}
	n, err := w.PurgeUser(who)
	check(t, err)
	if int(n) != mine || named() != 0 {
		t.Errorf("%d calls are to go of %d, and %d bear the name", n, mine, named())
	}
	check(t, r.Scan(t.Context(), store.Filter{}, func(b *store.Brief) {
		if b.Login == who {
			t.Errorf("call %d is still that of %s", b.ID, who)
		}
	}))
	check(t, w.Close()) // the rest is done by whoever writes next
	w = appendTo(t, path, s.sample, store.Config{MaxAge: -1})
	prune(t, w, s.sample.Summary.From)
	check(t, w.Tick(s.sample.Summary.From))
	if _, left := verify(t, path); int(left) != 400-mine {
		t.Errorf("%d calls are left, want %d", left, 400-mine)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		b, err := os.ReadFile(path + suffix)
		if err == nil && bytes.Contains(b, []byte(who)) {
			t.Errorf("the login stands in the store%s", suffix)
		}
	}
	if n, err := w.PurgeUser("nobody"); n != 0 || err != nil {
		t.Errorf("purging nobody: %d, %v", n, err)
	}
	prune(t, w, s.sample.Summary.From) // and once more, of another user
	other, err := w.PurgeUser("user01")
	check(t, err)
	prune(t, w, s.sample.Summary.From)
	check(t, w.Flush())
	if _, left := verify(t, path); other == 0 || left != 400-int64(mine)-other {
		t.Errorf("%d calls are left of 400 without %d and %d", left, mine, other)
	}
}

// TestLongReader keeps the log from being folded: it grows to its bound and no further, what cannot be written
// is counted, and all goes on when the reader lets go.
func TestLongReader(t *testing.T) {
	const limit = 6 << 20
	path := filepath.Join(t.TempDir(), "live.perfd")
	s := newStream(7, 400, time.Minute)
	w := appendTo(t, path, s.sample, store.Config{MaxBytes: 1 << 30, MaxLogBytes: limit, MaxAge: -1})
	s.round(t, w, func(time.Time) {})
	check(t, w.Flush())
	db, err := sql.Open("sqlite", path)
	check(t, err)
	defer db.Close()
	tx, err := db.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true})
	check(t, err)
	var seen, again int64
	check(t, tx.QueryRow("SELECT count(*) FROM calls").Scan(&seen))
	var refused error
	now := time.Now()
	for range 200 {
		now = now.Add(time.Second)
		for _, tr := range s.sample.Traces[:50] {
			if err := w.Trace(tr); err != nil {
				refused = err
			}
		}
		if err := w.Tick(now); err != nil {
			refused = err
		}
	}
	var known *store.Error
	if !errors.Is(refused, store.ErrFull) || !errors.As(refused, &known) || known.Hint == "" {
		t.Errorf("the writer is told %v", refused)
	}
	if size := w.Stats().LogBytes; size > limit+limit/2 || size < limit {
		t.Errorf("the log has %d bytes, the limit is %d", size, limit)
	}
	stats := w.Stats()
	if stats.Lost == 0 || stats.Blocked == 0 || stats.Stored+stats.Lost != 400+200*50 {
		t.Errorf("%+v of %d", stats, 400+200*50)
	}
	check(t, tx.QueryRow("SELECT count(*) FROM calls").Scan(&again), tx.Rollback())
	if again != seen {
		t.Errorf("one transaction saw %d calls, then %d", seen, again)
	}
	check(t, w.Tick(now.Add(time.Second)))
	check(t, w.Trace(s.sample.Traces[0]), w.Flush())
	if after := w.Stats(); after.Lost != stats.Lost || after.LogBytes > limit {
		t.Errorf("after the reader: %+v", after)
	}
	verify(t, path)
}

package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
)

// TestFull lets SQLite run out of pages in the midst of writing, and then have more.
func TestFull(t *testing.T) {
	w, err := Append(filepath.Join(t.TempDir(), "live.perfd"), nil, Config{Batch: 20})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	limit := func(pages int) {
		if _, err := w.conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	written := int64(0)
	write := func(until func(err error) bool) {
		for {
			written++
			at := begin.Add(time.Duration(written) * time.Millisecond)
			err := w.Trace(&analyzer.Trace{Call: &rpclog.Call{ID: 1, Start: at, End: at.Add(time.Millisecond), Verb: "GET",
				Path: fmt.Sprintf("/page/%d", written), Login: fmt.Sprintf("user%d", written%7)}})
			if until(err) {
				return
			}
		}
	}
	limit(120)
	write(func(err error) bool {
		var known *Error
		if err != nil && (!errors.Is(err, ErrFull) || !errors.As(err, &known) || known.Hint == "") {
			t.Fatal(err)
		}
		return err != nil
	})
	lost := w.Stats().Lost
	failures := 0
	write(func(err error) bool { // full for a while
		if err != nil {
			failures++
		}
		return failures == 3
	})
	if stats := w.Stats(); lost == 0 || stats.Lost <= lost || stats.Stored+stats.Lost != written {
		t.Errorf("of %d calls %+v", written, stats)
	}
	limit(100000)
	good := int64(0)
	write(func(err error) bool {
		if err != nil {
			t.Fatal(err)
		}
		good++
		return good == 500
	})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	r, err := w.Reader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := int64(0)
	if err := r.Scan(t.Context(), Filter{}, func(b *Brief) {
		n++
		number := b.Start.Sub(begin).Milliseconds()
		if want := fmt.Sprintf("user%d", number%7); b.User != want {
			t.Fatalf("call %d is that of %q, want %q", number, b.User, want)
		}
	}); err != nil {
		t.Fatal(err)
	}
	calls, total, err := r.Calls(t.Context(), Filter{Text: fmt.Sprintf("page/%d", written)}, Page{Limit: 5})
	if err != nil || total != 1 || calls[0].Start.Sub(begin).Milliseconds() != written {
		t.Errorf("the last call is %+v, %v", calls, err)
	}
	if stats := w.Stats(); n != stats.Stored || n+stats.Lost != written {
		t.Errorf("%d calls are read, %+v of %d", n, stats, written)
	}
	trends, err := Trends(t.Context(), r, TrendFilter{}, time.Hour)
	if err != nil || len(trends) != 1 || trends[0].Calls != written {
		t.Errorf("trends count %+v, want all %d calls; %v", trends, written, err)
	}
}

// TestWords shows that a dictionary that is full forgets and that nothing depends on what it remembered.
func TestWords(t *testing.T) {
	w, err := Append(filepath.Join(t.TempDir(), "live.perfd"), nil, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.begin(); err != nil {
		t.Fatal(err)
	}
	first, err := w.word("first")
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxWords + 10 {
		if _, err := w.word(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		if len(w.words.ids) > maxWords {
			t.Fatalf("%d words are remembered", len(w.words.ids))
		}
	}
	again, err := w.word("first")
	if err != nil || again <= first {
		t.Errorf("a forgotten word has id %d, then %d, %v", first, again, err)
	}
	for f := range 3 { // fingerprints are unique even so
		w.shapes.ids = nil
		id, err := w.shapeID(77)
		if err != nil || id != 1 {
			t.Errorf("time %d: shape %d, %v", f, id, err)
		}
	}
}

func FuzzReadDurations(f *testing.F) {
	var counts [trendBuckets]uint32
	counts[0], counts[7], counts[trendBuckets-1] = 1, 300, 1<<32-1
	f.Add(appendDurations(nil, &counts))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1})
	f.Fuzz(func(t *testing.T, blob []byte) {
		var counts, twice [trendBuckets]uint32
		if readDurations(blob, func(i int, n uint32) { counts[i] += n }) != nil {
			return
		}
		if err := readDurations(appendDurations(nil, &counts), func(i int, n uint32) { twice[i] += n }); err != nil || twice != counts {
			t.Fatalf("%v: %v, then %v", err, counts, twice)
		}
	})
}

package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/perfd/perfd/store"
)

// TestRetain changes what is kept while the store is being written.
func TestRetain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.perfd")
	s := newStream(7, 200, 3*time.Hour)
	w := appendTo(t, path, s.sample, store.Config{MaxAge: -1, MaxTrendAge: -1})
	r := readerOf(t, w)
	begin := s.sample.Summary.From
	s.round(t, w, func(time.Time) {})
	kept := func() (calls int64, hours int) {
		t.Helper()
		rec, err := r.Recording(t.Context())
		check(t, err)
		trends, err := store.Trends(t.Context(), r, store.TrendFilter{}, time.Hour)
		check(t, err)
		return rec.Counts.Calls, len(trends)
	}
	late := begin.Add(1000 * 24 * time.Hour)
	prune(t, w, late)
	if calls, hours := kept(); calls != 200 || hours < 3 {
		t.Errorf("without an age there are %d calls and %d hours of trends", calls, hours)
	}
	w.Retain(store.Config{MaxAge: time.Hour, MaxTrendAge: -1})
	prune(t, w, late)
	if calls, hours := kept(); calls != 0 || hours < 3 {
		t.Errorf("with an age of calls there are %d calls and %d hours of trends", calls, hours)
	}
	w.Retain(store.Config{MaxAge: time.Hour, MaxTrendAge: 24 * time.Hour})
	prune(t, w, late)
	if _, hours := kept(); hours != 0 {
		t.Errorf("%d hours of trends are left", hours)
	}
}

package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/store"
)

// TestCrowd asks everything that the pages ask, from many goroutines, while one writes and deletes: no answer
// fails or contradicts itself, and nothing that is written is lost.
func TestCrowd(t *testing.T) {
	for name, cfg := range map[string]store.Config{"in memory": {}, "from the file": {CacheCalls: -1}} {
		t.Run(name, func(t *testing.T) {
			cfg.MaxBytes, cfg.MaxAge = 640<<10, -1
			path := filepath.Join(t.TempDir(), "live.perfd")
			s := newStream(9, 300, time.Minute)
			w := appendTo(t, path, s.sample, cfg)
			s.round(t, w, func(time.Time) {})
			check(t, w.Flush())
			r, err := store.Open(path, cfg)
			check(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			var readers sync.WaitGroup
			questions := 0
			var mu sync.Mutex
			for i := range 6 {
				readers.Go(func() {
					for ctx.Err() == nil {
						if err := ask(ctx, r, i); err != nil && !errors.Is(err, context.Canceled) {
							t.Error(err)
							return
						}
						mu.Lock()
						questions++
						mu.Unlock()
					}
				})
			}
			for range 4 {
				s.round(t, w, func(now time.Time) {
					for range 3 { // a step deletes as little as 50 calls where the race detector slows it, and 60 have come
						check(t, w.Tick(now))
					}
				})
			}
			cancel()
			readers.Wait()
			check(t, r.Close())
			if stats := w.Stats(); stats.Lost != 0 || stats.Pruned == 0 || questions == 0 {
				t.Errorf("%+v beside %d questions", stats, questions)
			}
			check(t, w.Flush())
			verify(t, path)
		})
	}
}

// ask asks one of the pages' questions, and checks what has to be true of any answer.
func ask(ctx context.Context, r store.Reader, i int) error {
	switch i % 6 {
	case 0:
		rec, err := r.Recording(ctx)
		if err == nil && (rec.Counts.Calls < rec.Counts.Ordinary || rec.Counts.Ordinary < rec.Counts.Errors || rec.Counts.Errors < 0) {
			return errors.New("the counts are impossible")
		}
		return err
	case 1:
		calls, total, err := r.Calls(ctx, store.Filter{Users: []string{"user01"}}, store.Page{Sort: "duration", Desc: true, Limit: 50})
		if err != nil || len(calls) == 0 {
			return err
		}
		if total < int64(len(calls)) {
			return errors.New("a page is longer than its list")
		}
		d, err := r.Call(ctx, calls[0].ID)
		if errors.Is(err, store.ErrNotFound) { // deleted since
			return nil
		}
		if err == nil && (d.Login != "user01" || d.Name == "" || int64(len(d.Spans)) != d.Statements) {
			return errors.New("a call is not whole")
		}
		return err
	case 2:
		last := time.Time{}
		disorder := false
		err := r.Scan(ctx, store.Filter{}, func(b *store.Brief) {
			disorder = disorder || b.Start.Before(last) || b.Name == "" || b.User == ""
			last = b.Start
		})
		if disorder {
			return errors.New("the scan is out of order, or lacks words")
		}
		return err
	case 3:
		torn := false
		err := r.Spans(ctx, store.Filter{}, func(b *store.Brief, spans []store.Span) {
			torn = torn || int64(len(spans)) != b.Statements || len(spans) > 0 && spans[0].Shape.Text == ""
		})
		if torn {
			return errors.New("the spans are not whole")
		}
		return err
	case 4:
		_, err := store.Summarize(ctx, r, store.Filter{}, 60, 5)
		return err
	}
	trends, err := store.Trends(ctx, r, store.TrendFilter{}, time.Hour)
	for _, t := range trends {
		if t.Time == (analyzer.Breakdown{}) || t.P50 > t.P99 || t.P99 > t.Max {
			return errors.New("a trend is impossible")
		}
	}
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/bench"
	"github.com/perfd/perfd/replay/observe"
	"github.com/perfd/perfd/store"
)

// onlooking is what sees the target during a replay: a tap of its own, or the store of a perfd that watches.
type onlooking interface {
	// around sends a pass, and tells the study of it.
	around(ctx context.Context, p bench.Pass, send func(context.Context) error) error
	sent(*replay.Result)
	// close says what was seen.
	close(context.Context) (*observe.Result, error)
}

var (
	_ onlooking = (*replayTap)(nil)
	_ onlooking = (*watchedStore)(nil)
)

// look begins to look at the target, if it is asked for.
func (o *replayOptions) look(ctx context.Context, t terminal, product string) (onlooking, error) {
	switch {
	case len(o.tap) > 0:
		return o.openReplayTap(ctx, t, product)
	case o.watched != "":
		return openWatched(o.watched)
	}
	return nil, nil //nolint:nilnil // nobody looks
}

// watchedStore is the store that a perfd watch beside the target writes meanwhile.
type watchedStore struct {
	reader   *store.SQLite
	study    *observe.Study
	shapes   seenShapes
	from, to time.Time
}

func openWatched(path string) (*watchedStore, error) {
	if _, err := os.Stat(path); err == nil && !store.IsStore(path) {
		return nil, hinted{fmt.Errorf("open store %s: not a perfd store", path), "--watched takes the store that a perfd watch beside the target writes"}
	}
	r, err := store.Open(path, store.Config{})
	if err != nil {
		return nil, err
	}
	w := &watchedStore{reader: r, shapes: seenShapes{}}
	w.study = observe.New(observe.Config{}, w.shapes)
	return w, nil
}

func (w *watchedStore) around(ctx context.Context, p bench.Pass, send func(context.Context) error) error {
	if p.Round == 0 {
		return send(ctx)
	}
	now := time.Now()
	if w.from.IsZero() {
		w.from = now
	}
	w.study.Begin(p.Arm, p.Round, now)
	err := send(ctx)
	w.to = time.Now()
	w.study.End(w.to, 0, err == nil)
	return err
}

func (w *watchedStore) sent(x *replay.Result) {
	if !x.Cached {
		w.study.Sent(x.Name)
	}
}

// A store is complete some time after the last call: when so many looks at it, that far apart, found nothing new.
const (
	lookAgain   = 500 * time.Millisecond
	looksAlike  = 4
	mostLooks   = 20
	watchedPage = 500 // calls read at a time
)

func (w *watchedStore) close(ctx context.Context) (_ *observe.Result, err error) {
	defer func() { err = errors.Join(err, w.reader.Close()) }()
	ctx = context.WithoutCancel(ctx) // a replay that was interrupted is told of too
	if !w.from.IsZero() {
		if err := w.settle(ctx); err != nil {
			return w.study.Result(observe.Sight{}), err
		}
		err = w.retell(ctx)
	}
	return w.study.Result(observe.Sight{}), err
}

// settle waits until nothing more comes of the time of the replay.
func (w *watchedStore) settle(ctx context.Context) error {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	var last int64 = -1
	for alike, looks := 0, 0; alike < looksAlike && looks < mostLooks; looks++ {
		<-tick.C
		_, n, err := w.reader.Calls(ctx, w.filter(), store.Page{Limit: 1})
		if err != nil {
			return fmt.Errorf("read store: %w", err)
		}
		if alike++; n != last {
			alike, last = 0, n
		}
	}
	return nil
}

func (w *watchedStore) filter() store.Filter {
	return store.Filter{From: w.from, To: w.to.Add(1), AllCalls: true}
}

// retell gives the study what the store has of the time of the replay.
func (w *watchedStore) retell(ctx context.Context) error {
	for page := (store.Page{Sort: "start", Limit: watchedPage}); ; page.Offset += watchedPage {
		calls, _, err := w.reader.Calls(ctx, w.filter(), page)
		if err != nil {
			return fmt.Errorf("read store: %w", err)
		}
		for i := range calls {
			d, err := w.reader.Call(ctx, calls[i].ID)
			if err != nil {
				return fmt.Errorf("read store: %w", err)
			}
			if err := w.study.Trace(toTrace(d, w.shapes)); err != nil {
				return err
			}
		}
		if len(calls) < watchedPage {
			break
		}
	}
	groups, _, err := w.reader.Background(ctx, store.BackgroundFilter{From: w.from, To: w.to}, store.Page{Sort: "start"})
	if err != nil {
		return fmt.Errorf("read store: %w", err)
	}
	for i := range groups {
		if err := retellGroup(ctx, w.reader, &groups[i], w.shapes, w.study); err != nil {
			return err
		}
	}
	return nil
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

const (
	// busyMillis is how long a connection waits for another's lock, and liveBusy how long the writer does.
	busyMillis = 5000
	liveBusy   = 500

	// tickTime bounds a Tick's deleting where the file is close to its limit, and overTime where it is beyond: what
	// comes would soon be refused.
	tickTime = 25 * time.Millisecond
	overTime = 150 * time.Millisecond

	liveBatch = 5000
	pageSize  = 4096
	// writerCache bounds the pages that the writer keeps in memory, in KiB. A reader's connection keeps 2 MB,
	// which is SQLite's default.
	writerCache = 8 << 10
)

// Append opens the store at path for continuous writing, or makes one, while it is being read by anybody.
// A store of an older version is brought to the present one. The caller drives it: Trace, Background, and a
// Tick at least every FlushEvery.
//
// The death of the process, whatever its cause, loses what was not committed: the last FlushEvery. A power
// failure may lose what was committed since the log was last folded into the file; the file is whole either way.
func Append(path string, dict sqltrace.Dictionary, cfg Config) (*Recorder, error) {
	const op = "open store"
	if cfg.Batch <= 0 {
		cfg.Batch = liveBatch
	}
	cfg = cfg.orDefaults()
	if path == Memory {
		w, err := Create(path, dict, cfg)
		if err == nil {
			err = w.goLive()
		}
		return w, err
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := claim(path); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
	}
	l, err := lockWriter(path)
	if err != nil {
		return nil, explain(op, path, err)
	}
	from, err := versionAt(path)
	if err != nil {
		return nil, errors.Join(explain(op, path, err), l.unlock())
	}
	// A page that is given back to the system has to be found again: auto_vacuum, which only a new file can get.
	pragmas := []string{"auto_vacuum(incremental)", "journal_mode(wal)", "synchronous(normal)",
		fmt.Sprintf("wal_autocheckpoint(%d)", foldPages(&cfg)), fmt.Sprintf("journal_size_limit(%d)", 2*pageSize*foldPages(&cfg)),
		fmt.Sprintf("cache_size(-%d)", writerCache)}
	w, err := record(op, path, dsn(path, "rwc", pragmas...), dict, cfg, from)
	if err != nil {
		return nil, errors.Join(err, l.unlock())
	}
	w.lock = l
	if err := w.goLive(); err != nil {
		return nil, errors.Join(explain(op, path, err), w.Close())
	}
	return w, nil
}

// foldPages is the length of the log at which it is folded into the file: 4 MB, and less for a small store.
func foldPages(cfg *Config) int64 {
	if cfg.MaxBytes < 0 {
		return 1000
	}
	return min(max(cfg.MaxBytes/64/pageSize, 16), 1000)
}

// versionAt returns the schema version of the store at path, 0 for an empty file.
func versionAt(path string) (int, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if info.Size() == 0 {
		return 0, nil
	}
	if !IsStore(path) {
		return 0, errForeign
	}
	db, err := sql.Open("sqlite", dsn(path, "ro"))
	if err != nil {
		return 0, err
	}
	v, err := version(db)
	return v, errors.Join(err, db.Close())
}

// goLive marks the recording as one that is being written.
func (w *Recorder) goLive() error {
	w.live = true
	var old Recording
	err := readHeader(context.Background(), w.conn, &old)
	if err != nil {
		return err
	}
	w.header, w.headerNew = finished{Source: old.Source, State: stateLive}, true
	if err := w.prune.begin(w); err != nil {
		return err
	}
	if _, err := w.exec(fmt.Sprintf("PRAGMA busy_timeout = %d", liveBusy)); err != nil {
		return err
	}
	return w.Flush()
}

// Tick commits what is pending where that is due, and takes a step of what the store has to do beside: deleting
// what is too old or too much, folding the log. That takes some 40 ms at most, and overTime where the file has
// outgrown its limit.
func (w *Recorder) Tick(now time.Time) error {
	if w.flushed.IsZero() || now.Before(w.flushed) || now.Sub(w.flushed) >= w.cfg.FlushEvery {
		w.flushed = now
		if err := w.watchLog(); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if !w.prune.due(now) {
		return nil
	}
	for start := time.Now(); ; {
		more, err := w.Prune(now)
		if err != nil || !more || time.Since(start) > w.haste() {
			return err
		}
	}
}

// Retain changes what Config said of MaxAge, MaxTrendAge and MaxBytes, for all to come. It is of the goroutine that
// writes.
func (w *Recorder) Retain(cfg Config) {
	cfg = cfg.orDefaults()
	w.cfg.MaxAge, w.cfg.MaxTrendAge, w.cfg.MaxBytes = cfg.MaxAge, cfg.MaxTrendAge, cfg.MaxBytes
}

// haste is how long a Tick may delete, beyond its first step, lest the file outgrow its limit.
func (w *Recorder) haste() time.Duration {
	switch used := w.stats.used.Load(); {
	case w.cfg.MaxBytes <= 0 || used <= w.cfg.MaxBytes/100*93:
		return 0
	case used <= w.cfg.MaxBytes:
		return tickTime
	}
	return overTime
}

// counters are what Stats reads from other goroutines.
type counters struct {
	stored, lost, commits, pruned, folds, blocked, file, log, used atomic.Int64
	slowest                                                        atomic.Int64
}

// RecorderStats tells how writing goes.
type RecorderStats struct {
	Stored  int64 // calls and background groups committed
	Lost    int64 // those that could not be
	Commits int64
	Pruned  int64 // calls and background groups deleted

	FileBytes, UsedBytes, LogBytes int64         // of the file, of that in use, of the write-ahead log beside it
	Folds, Blocked                 int64         // attempts to fold a long log into the file, and those that a reader stood in the way of
	Slowest                        time.Duration // the longest step of deleting
}

// Stats is safe from any goroutine.
func (w *Recorder) Stats() RecorderStats {
	c := &w.stats
	return RecorderStats{Stored: c.stored.Load(), Lost: c.lost.Load(), Commits: c.commits.Load(), Pruned: c.pruned.Load(),
		FileBytes: c.file.Load(), UsedBytes: c.used.Load(), LogBytes: c.log.Load(), Folds: c.folds.Load(), Blocked: c.blocked.Load(),
		Slowest: time.Duration(c.slowest.Load())}
}

// wal is what is known of the write-ahead log.
type wal struct {
	wipe bool // the log holds what was purged: fold it whatever its length
}

var (
	errLog  = fmt.Errorf("%w: a reader keeps the write-ahead log from being folded", ErrFull)
	errFile = fmt.Errorf("%w: old calls are not deleted as fast as new ones come", ErrFull)
)

// watchLog looks at the length of the log. A log longer than SQLite keeps it by itself is one that a reader
// holds: folding it is tried again with every flush, and beyond MaxLogBytes nothing more is written.
func (w *Recorder) watchLog() error {
	if !w.live || w.path == Memory {
		return nil
	}
	var size int64
	if info, err := os.Stat(w.path + "-wal"); err == nil {
		size = info.Size()
	}
	if w.wal.wipe || size > min(3*pageSize*foldPages(&w.cfg), w.cfg.MaxLogBytes/2) {
		folded, err := w.fold()
		if err != nil {
			return err
		}
		if folded && w.wal.wipe {
			w.wal.wipe = false
			if err := w.secureDelete(false); err != nil {
				return err
			}
		}
		if info, err := os.Stat(w.path + "-wal"); err == nil {
			size = info.Size()
		}
	}
	w.stats.log.Store(size)
	w.refusal = nil
	if size > w.cfg.MaxLogBytes {
		w.refusal = errLog
	} else if file := w.stats.file.Load(); w.cfg.MaxBytes > 0 && file > w.cfg.MaxBytes+w.cfg.MaxBytes/10 && w.stats.used.Load() > w.cfg.MaxBytes {
		w.refusal = errFile
	}
	return nil
}

// fold writes the log into the file and cuts it, unless a reader needs it.
func (w *Recorder) fold() (bool, error) {
	ctx := context.Background()
	var blocked, pages, done int64
	_, err := w.conn.ExecContext(ctx, "PRAGMA busy_timeout = 0") // a reader is not waited for
	if err == nil {
		err = w.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&blocked, &pages, &done)
	}
	_, after := w.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", liveBusy))
	w.stats.folds.Add(1)
	held := blocked != 0 || busy(err)
	if held {
		w.stats.blocked.Add(1)
		err = nil
	}
	if err = errors.Join(err, after); err != nil {
		return false, explain("fold log of store", w.path, err)
	}
	return !held, nil
}

package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"
)

// pruner deletes what is too old or too much, a step at a time, each in a transaction of its own.
type pruner struct {
	chunk  int       // rows a step takes: what fits stepTime
	next   time.Time // when to look again
	more   bool      // the last step left something to do
	purge  bool      // the calls of purged users are being deleted
	purged int64     // the id up to which that is done
	words  time.Time // when the words were last gone through
	steps  int
	table  int // of the words being gone through, and how far
	cursor int64
	gone   bool // words vanished since words
}

const (
	pruneEvery = time.Second
	wordsEvery = 5 * time.Minute
	stepTime   = 15 * time.Millisecond
	minChunk   = 50
	maxChunk   = 2000
	wordChunk  = 5000
	purgeChunk = 10000
	// freeShare of the file may be free pages before some are given back to the system.
	freeShare = 4
	freePages = 64
)

// begin finds out where the writer before was.
func (p *pruner) begin(w *Recorder) error {
	p.chunk = 2 * minChunk
	if err := w.conn.QueryRowContext(context.Background(), "SELECT count(*) > 0 FROM purges").Scan(&p.purge); err != nil {
		return fmt.Errorf("read purges: %w", err)
	}
	return nil
}

// due reports whether there is something to do, or to look for. A clock that went back makes it so, too.
func (p *pruner) due(now time.Time) bool {
	return p.more || !now.Before(p.next) || p.next.Sub(now) > 2*pruneEvery
}

// wordsDue reports whether the words are being gone through, or it is time to.
func (p *pruner) wordsDue(now time.Time) bool {
	return p.table > 0 || p.cursor > 0 || now.Sub(p.words) >= wordsEvery || now.Before(p.words)
}

// Prune takes one bounded step of deleting what Config and PurgeUser say, as Tick does; more says that another
// one is needed. A step that took long makes the next one smaller.
func (w *Recorder) Prune(now time.Time) (more bool, err error) {
	if w.done {
		return false, nil
	}
	if err := w.Flush(); err != nil {
		return true, err
	}
	if err := w.begin(); err != nil {
		return true, w.rollback(err, 0)
	}
	p := &w.prune
	if p.chunk < minChunk {
		p.chunk = minChunk
	}
	start := time.Now()
	n, more, err := w.step(now)
	if err != nil {
		return true, w.rollback(fmt.Errorf("prune: %w", err), 0)
	}
	took := time.Since(start) // without the commit, which may have a log to fold
	if err := w.commit(); err != nil {
		p.purge = p.purge || w.wal.wipe // the end of a purge, if it was one, is to be reached again
		return true, err
	}
	w.stats.pruned.Add(int64(n))
	w.stats.slowest.Store(max(w.stats.slowest.Load(), int64(time.Since(start))))
	switch {
	case took > stepTime:
		p.chunk = max(p.chunk/2, minChunk)
	case n > 0 && took < stepTime/2:
		p.chunk = min(p.chunk*3/2, maxChunk)
	}
	p.more, p.next = more, now.Add(pruneEvery)
	return more, nil
}

// step deletes one chunk of the first thing that has to go, and returns how many calls and groups that were.
func (w *Recorder) step(now time.Time) (n int, more bool, err error) {
	p := &w.prune
	if p.steps++; p.steps%4 == 0 && p.wordsDue(now) { // there may never be a time without calls to delete
		return 0, true, w.pruneWords(now)
	}
	if p.purge {
		return w.purgeStep()
	}
	if age := w.cfg.MaxAge; age > 0 {
		if n, err = w.deleteBefore(now.Add(-age).UnixNano()); n > 0 || err != nil {
			return n, true, err
		}
	}
	free, pages, err := w.pages()
	if err != nil {
		return 0, false, err
	}
	if limit := w.cfg.MaxBytes; limit > 0 && (pages-free)*pageSize > limit/10*9 {
		n, err = w.deleteOldest()
		return n, n > 0, err
	}
	if age := w.cfg.MaxTrendAge; age > 0 {
		hour := now.Add(-age).UnixNano() / hourLength
		gone, err := w.exec("DELETE FROM trends WHERE hour < ? AND hour = (SELECT min(hour) FROM trends)", hour)
		if gone > 0 || err != nil {
			return 0, true, err
		}
	}
	if p.wordsDue(now) {
		return 0, true, w.pruneWords(now)
	}
	if free > pages/freeShare && free > freePages {
		return 0, true, w.giveBack(min(free-pages/freeShare, 4*freePages))
	}
	return 0, false, nil
}

// pages returns the number of pages of the file, and how many of them are free.
func (w *Recorder) pages() (free, all int64, err error) {
	ctx := context.Background()
	if err := w.conn.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free); err != nil {
		return 0, 0, fmt.Errorf("count free pages: %w", err)
	}
	if err := w.conn.QueryRowContext(ctx, "PRAGMA page_count").Scan(&all); err != nil {
		return 0, 0, fmt.Errorf("count pages: %w", err)
	}
	w.stats.file.Store(all * pageSize)
	w.stats.used.Store((all - free) * pageSize)
	return free, all, nil
}

func (w *Recorder) exec(query string, args ...any) (int64, error) {
	r, err := w.conn.ExecContext(context.Background(), query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// ids runs a query for ids.
func (w *Recorder) ids(query string, args ...any) ([]int64, error) {
	var list []int64
	rows, err := w.conn.QueryContext(context.Background(), query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		list = append(list, id)
	}
	return list, rows.Err()
}

// deleteBefore deletes one chunk of what started before the given moment.
func (w *Recorder) deleteBefore(start int64) (int, error) {
	calls, err := w.ids("SELECT id FROM calls WHERE start < ? ORDER BY start LIMIT ?", start, w.prune.chunk)
	if err != nil {
		return 0, err
	}
	groups, err := w.ids("SELECT id FROM background WHERE start < ? ORDER BY start LIMIT ?", start, w.prune.chunk)
	if err != nil {
		return 0, err
	}
	return w.delete(calls, groups)
}

// deleteOldest deletes the oldest chunk, however young it is, and of the trends where nothing else is left.
func (w *Recorder) deleteOldest() (int, error) {
	var last sql.NullInt64
	err := w.conn.QueryRowContext(context.Background(), "SELECT max(start) FROM (SELECT start FROM calls ORDER BY start LIMIT ?)", w.prune.chunk).Scan(&last)
	if err != nil {
		return 0, err
	}
	if last.Valid {
		return w.deleteBefore(last.Int64 + 1)
	}
	groups, err := w.ids("SELECT id FROM background ORDER BY start LIMIT ?", w.prune.chunk)
	if err != nil {
		return 0, err
	}
	if len(groups) > 0 {
		return w.delete(nil, groups)
	}
	n, err := w.exec("DELETE FROM trends WHERE hour < ? AND hour = (SELECT min(hour) FROM trends)", w.minute/60)
	return int(n), err
}

// list writes ids as a JSON array, which one statement takes for all of them.
func list(ids []int64) string {
	b := []byte{'['}
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(append(b, ']'))
}

const inList = " IN (SELECT value FROM json_each(?))"

// delete removes calls and background groups with all that belongs to them.
func (w *Recorder) delete(calls, groups []int64) (int, error) {
	ctx := context.Background()
	s := &w.now
	if len(calls) > 0 {
		var n, ordinary, failed, attributed, exact int64
		err := w.conn.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE class = 0), count(*) FILTER (WHERE class = 0 AND failed),
coalesce(sum(statements), 0), coalesce(sum(exact) FILTER (WHERE class = 0), 0) FROM calls WHERE id`+inList, list(calls)).
			Scan(&n, &ordinary, &failed, &attributed, &exact)
		if err != nil {
			return 0, err
		}
		s.calls, s.ordinary, s.errors = s.calls-n, s.ordinary-ordinary, s.errors-failed
		s.attributed, s.exact = s.attributed-attributed, s.exact-exact
		for _, statement := range [...]string{"DELETE FROM spans WHERE call", "DELETE FROM fronts WHERE call", "DELETE FROM findings WHERE call", "DELETE FROM calls WHERE id"} {
			if _, err := w.exec(statement+inList, list(calls)); err != nil {
				return 0, err
			}
		}
		if err := w.unpost(len(calls)); err != nil {
			return 0, err
		}
	}
	if len(groups) > 0 {
		var n, statements int64
		err := w.conn.QueryRowContext(ctx, "SELECT count(*), coalesce(sum(statements), 0) FROM background WHERE id"+inList, list(groups)).Scan(&n, &statements)
		if err != nil {
			return 0, err
		}
		s.groups, s.unowned = s.groups-n, s.unowned-statements
		if _, err := w.exec("DELETE FROM background WHERE id"+inList, list(groups)); err != nil {
			return 0, err
		}
	}
	return len(calls) + len(groups), nil
}

// giveBack returns free pages to the system. It does nothing for a file that was made by Create.
func (w *Recorder) giveBack(pages int64) error {
	rows, err := w.conn.QueryContext(context.Background(), fmt.Sprintf("PRAGMA incremental_vacuum(%d)", pages))
	if err != nil {
		return fmt.Errorf("give pages back: %w", err)
	}
	defer rows.Close()
	for rows.Next() { // a page a row
	}
	return rows.Err()
}

package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// pruneWords goes through one chunk of the dictionaries and deletes the words that no row can refer to any
// more: those last used in a minute before that of the oldest row. The row of the highest id stays: ids are not reused.
func (w *Recorder) pruneWords(now time.Time) error {
	p := &w.prune
	ctx := context.Background()
	var oldest, trend sql.NullInt64
	err := w.conn.QueryRowContext(ctx, "SELECT min(start) FROM (SELECT min(start) AS start FROM calls UNION ALL SELECT min(start) FROM background)").Scan(&oldest)
	if err == nil {
		err = w.conn.QueryRowContext(ctx, "SELECT min(hour) FROM trends").Scan(&trend)
	}
	if err != nil {
		return fmt.Errorf("find oldest row: %w", err)
	}
	minute := w.minute
	if oldest.Valid {
		minute = min(minute, minuteOf(time.Unix(0, oldest.Int64)))
	}
	tables := [...]struct {
		name   string
		forget func(minute int64)
		trends bool // its words are named by trends, too
	}{
		{"words", w.words.forget, false}, {"paths", w.paths.forget, false}, {"users", w.users.forget, false},
		{"sessions", w.sessions.forget, false}, {"backends", w.backends.forget, false}, {"shapes", w.shapes.forget, false},
		{"methods", w.methods.forget, true}, {"models", w.models.forget, true},
	}
	t := &tables[p.table]
	if t.trends && trend.Valid {
		minute = min(minute, trend.Int64*60)
	}
	var upper sql.NullInt64
	err = w.conn.QueryRowContext(ctx, "SELECT max(id) FROM (SELECT id FROM "+t.name+" WHERE id > ? ORDER BY id LIMIT ?)", p.cursor, wordChunk).Scan(&upper)
	if err != nil {
		return fmt.Errorf("go through %s: %w", t.name, err)
	}
	if upper.Valid {
		n, err := w.exec("DELETE FROM "+t.name+" WHERE id > ? AND id <= ? AND id < (SELECT max(id) FROM "+t.name+") AND used < ?", p.cursor, upper.Int64, minute)
		if err != nil {
			return fmt.Errorf("delete %s: %w", t.name, err)
		}
		p.cursor = upper.Int64
		if n > 0 {
			p.gone = true
			t.forget(minute)
		}
		return nil
	}
	p.cursor = 0
	if p.table++; p.table < len(tables) {
		return nil
	}
	p.table, p.words = 0, now
	if p.gone {
		p.gone = false
		w.now.epoch++
	}
	return nil
}

// PurgeUser forgets a user, named by login, "7" or "uid 7": who it was at once, and its calls, of which the
// number is returned, in the following steps of Prune, also after a restart. What is deleted is overwritten. Trends, which name
// no user, stay.
func (w *Recorder) PurgeUser(who string) (calls int64, err error) {
	if who == "" {
		return 0, nil
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	if err := w.secureDelete(true); err != nil {
		return 0, err
	}
	if err := w.begin(); err != nil {
		return 0, w.rollback(err, 0)
	}
	uid, _ := userID(who)
	calls, err = w.markPurged(who, uid)
	if err != nil {
		return 0, w.rollback(fmt.Errorf("purge user: %w", err), 0)
	}
	for k := range w.users.ids {
		if k.login == who || uid != 0 && k.uid == uid {
			delete(w.users.ids, k)
		}
	}
	w.now.epoch++
	if err := w.commit(); err != nil {
		return 0, err
	}
	w.prune.purge, w.prune.more, w.prune.purged = true, true, 0
	return calls, nil
}

func (w *Recorder) markPurged(who string, uid int64) (calls int64, err error) {
	if _, err := w.exec("INSERT OR IGNORE INTO purges SELECT id FROM users WHERE id > 0 AND (login = ? OR uid = ? AND uid <> 0)", who, uid); err != nil {
		return 0, err
	}
	if _, err := w.exec("UPDATE users SET login = '', uid = 0 WHERE id IN (SELECT user FROM purges)"); err != nil {
		return 0, err
	}
	err = w.conn.QueryRowContext(context.Background(), "SELECT count(*) FROM calls WHERE id IN "+posted(byUser, "SELECT user FROM purges")).Scan(&calls)
	return calls, err
}

// purgeStep deletes one chunk of the calls of purged users, and in the end the traces in the log.
func (w *Recorder) purgeStep() (n int, more bool, err error) {
	if err := w.secureDelete(true); err != nil {
		return 0, false, err
	}
	p := &w.prune
	var last sql.NullInt64 // of those that are looked at now
	err = w.conn.QueryRowContext(context.Background(), "SELECT max(id) FROM (SELECT id FROM calls WHERE id > ? ORDER BY id LIMIT ?)", p.purged, purgeChunk).Scan(&last)
	if err != nil {
		return 0, false, err
	}
	if last.Valid {
		calls, err := w.ids("SELECT id FROM calls WHERE id > ? AND id <= ? AND user IN (SELECT user FROM purges) LIMIT ?", p.purged, last.Int64, p.chunk)
		if err != nil {
			return 0, false, err
		}
		if len(calls) < p.chunk {
			p.purged = last.Int64
		}
		n, err = w.delete(calls, nil)
		return n, true, err
	}
	if _, err := w.exec(unposted(byUser, "SELECT user FROM purges")); err != nil {
		return 0, false, err
	}
	if _, err := w.exec("DELETE FROM purges"); err != nil {
		return 0, false, err
	}
	p.purge = false
	w.wal.wipe = true
	return 0, true, nil
}

// secureDelete makes SQLite overwrite what it deletes.
func (w *Recorder) secureDelete(on bool) error {
	var now int
	err := w.conn.QueryRowContext(context.Background(), fmt.Sprintf("PRAGMA secure_delete = %t", on)).Scan(&now)
	if err != nil {
		return explain("purge store", w.path, err)
	}
	return nil
}

package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"modernc.org/sqlite" // also the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/perfd/perfd/sqltrace"
)

// Memory as a path makes Create keep the store in memory; it is gone when the last of its writer and
// readers is closed.
const Memory = ":memory:"

var memories atomic.Int64 // to name stores in memory apart

const sqliteMagic = "SQLite format 3\x00"

// IsStore reports whether the file at path is a SQLite database, which a capture never is. Open tells
// whether it is one of perfd's.
func IsStore(path string) bool {
	if inUse(path) {
		return true
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false // what is read of a pipe is gone
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(sqliteMagic))
	if _, err := io.ReadFull(f, head); err != nil {
		return false
	}
	return bytes.Equal(head, []byte(sqliteMagic))
}

// Create makes a new store at path, which dict's shapes are written to as they are used. An existing file
// is refused, unless cfg.Replace is set and it is a perfd store.
func Create(path string, dict sqltrace.Dictionary, cfg Config) (*Recorder, error) {
	name := dsn(path, "rwc", "journal_mode(wal)", "synchronous(normal)")
	if path == Memory {
		id := "/perfd-" + strconv.FormatInt(memories.Add(1), 10)
		name = "file:" + id + "?vfs=memdb&_pragma=" + url.QueryEscape("synchronous(off)")
	} else if err := makeRoom(path, cfg.Replace); err != nil {
		return nil, err
	}
	return record("create store", path, name, dict, cfg, 0)
}

// record opens a database for writing, after bringing it from the given version to the present one.
func record(op, path, name string, dict sqltrace.Dictionary, cfg Config, from int) (*Recorder, error) {
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, explain(op, path, err)
	}
	db.SetMaxOpenConns(1)
	var r *Recorder
	if err = migrate(db, from); err == nil {
		r, err = newRecorder(db, path, name, dict, cfg)
	}
	if err != nil {
		return nil, errors.Join(explain(op, path, err), db.Close())
	}
	r.held = hold(path)
	return r, nil
}

// makeRoom makes an empty file at path that its owner alone can read: a recording tells who did what.
func makeRoom(path string, replace bool) error {
	_, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return claim(path)
	}
	if err != nil {
		return &Error{Op: "create store", Path: path, Hint: "choose another path", Err: err}
	}
	if !replace {
		return &Error{Op: "create store", Path: path, Hint: "choose another name, or remove the file", Err: os.ErrExist}
	}
	old, err := Open(path, Config{})
	if err != nil {
		return &Error{Op: "replace store", Path: path, Hint: "only a perfd store is replaced; choose another name", Err: err}
	}
	if err := old.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	for _, suffix := range [...]string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove store: %w", err)
		}
	}
	return claim(path)
}

func claim(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		return nil
	}
	e := &Error{Op: "create store", Path: path, Hint: "choose a folder that you may write to", Err: err}
	if errors.Is(err, os.ErrNotExist) {
		e.Hint = "make the folder " + filepath.Dir(path) + " first"
	}
	return e
}

// Open opens an existing store for reading, after bringing an older schema to the present one.
func Open(path string, cfg Config) (*SQLite, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, &Error{Op: "open store", Path: path, Hint: "check the path", Err: err}
	}
	if !IsStore(path) {
		return nil, explain("open store", path, errForeign)
	}
	s, err := openReader(path, dsn(path, "ro", "query_only(1)"), cfg)
	if err != nil {
		return nil, explain("open store", path, err)
	}
	v, err := version(s.db)
	if err == nil && v < len(migrations) {
		err = upgrade(path, v)
	}
	if err != nil {
		return nil, errors.Join(explain("open store", path, err), s.Close())
	}
	return s, nil
}

func upgrade(path string, from int) error {
	db, err := sql.Open("sqlite", dsn(path, "rw"))
	if err != nil {
		return err
	}
	return errors.Join(migrate(db, from), db.Close())
}

// dsn names a database file for the driver, with what each connection has to set.
func dsn(path, mode string, pragmas ...string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = path
	}
	q := url.Values{"mode": {mode}, "_pragma": {"busy_timeout(" + strconv.Itoa(busyMillis) + ")"}}
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(abs), RawQuery: q.Encode()}
	return u.String()
}

// openReader opens a pool of reading connections and keeps one open, so that a store in memory lives.
func openReader(path, name string, cfg Config) (*SQLite, error) {
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	keep, err := db.Conn(context.Background())
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &SQLite{db: db, keep: keep, held: hold(path), cacheCalls: cfg.orDefaults().CacheCalls}, nil
}

// explain adds to an error what its reader can do about it.
func explain(op, path string, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	e := &Error{Op: op, Path: path, Err: err}
	switch {
	case errors.Is(err, errForeign):
		e.Hint = "give a file written by perfd analyze --store, or a capture (pcap, pcapng)"
	case full(err):
		e.Hint = "make room on the disk, or lower the store's limit of bytes"
		if !errors.Is(err, ErrFull) {
			e.Err = fmt.Errorf("%w: %w", ErrFull, err)
		}
	case errors.Is(err, ErrInUse):
		e.Hint = "stop the other perfd, or choose another store"
	case errors.Is(err, errNewer):
		e.Hint = "update perfd, or analyze the capture again with this one"
	default:
		e.Hint = "check that the file and its folder can be read and written, and that the disk has room"
	}
	return e
}

// full reports whether there was no room for what was to be written.
func full(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return errors.Is(err, ErrFull)
	}
	return e.Code()&0xff == sqlite3.SQLITE_FULL || e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE
}

// busy reports whether another connection held what was needed.
func busy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_BUSY || e.Code()&0xff == sqlite3.SQLITE_LOCKED)
}

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/sqltrace"
)

// Benchmark is the report of a replay as a store keeps it, so that later ones can be put beside it.
type Benchmark struct {
	ID                            int64
	Made                          time.Time
	Load, A, B, Verdict, Sentence string
	// P50 and P95 of all calls, of the arm that was tried; 0 if not known.
	P50, P95 time.Duration
	// Document is the report in its JSON form, and Version that of the form, as whoever writes it counts; 1 where none was
	// noted. Lists leave the document out.
	Document json.RawMessage
	Version  int
}

// Bounds of what is kept of benchmarks.
const (
	maxBenchmarks = 1000     // the oldest go
	maxDocument   = 64 << 20 // bytes
)

// benchmarkTable is made when a store first gets one: perfd before it reads such a store as it reads any other.
const benchmarkTable = `CREATE TABLE IF NOT EXISTS benchmarks (id INTEGER PRIMARY KEY AUTOINCREMENT, made INTEGER NOT NULL,
  load TEXT NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL, verdict TEXT NOT NULL, sentence TEXT NOT NULL,
  p50 INTEGER NOT NULL, p95 INTEGER NOT NULL, document TEXT NOT NULL, version INTEGER NOT NULL DEFAULT 1)`

// benchmarkVersion is what a table lacks that was made before versions were noted. Who does not know of the column reads and
// writes such a table as before.
const benchmarkVersion = `ALTER TABLE benchmarks ADD COLUMN version INTEGER NOT NULL DEFAULT 1`

// KeepBenchmark adds a benchmark to the store at path, also while others write or read it, and makes a store if there is
// none. Of a thousand and more the oldest go.
func KeepBenchmark(ctx context.Context, path string, b Benchmark) (id int64, err error) {
	k, err := OpenKeeper(ctx, path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	return k.Keep(ctx, b)
}

// Keeper is a store that will get a benchmark. That it can be written is known before there is one.
type Keeper struct {
	path  string
	db    *sql.DB
	held  string
	empty bool // it was made here, and nothing is in it yet
}

// OpenKeeper opens the store at path for benchmarks, also while others write or read it, and makes one if there is none.
func OpenKeeper(ctx context.Context, path string) (_ *Keeper, err error) {
	const op = "open store"
	k := &Keeper{path: path}
	if info, err := os.Stat(path); errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 && info.Mode().IsRegular() {
		if err := emptyStore(path, err == nil); err != nil {
			return nil, err
		}
		k.empty = true
	}
	from, err := versionAt(path)
	if err != nil {
		return nil, notKept(op, path, err)
	}
	if k.db, err = sql.Open("sqlite", dsn(path, "rw")); err != nil {
		return nil, explain(op, path, err)
	}
	k.held = hold(path)
	if err = migrate(k.db, from); err == nil {
		err = prepareBenchmarks(ctx, k.db)
	}
	if err != nil {
		return nil, errors.Join(explain(op, path, err), k.Close())
	}
	return k, nil
}

// notKept says what to do about a file that is no store: nobody has asked for a capture.
func notKept(op, path string, err error) error {
	if errors.Is(err, errForeign) {
		return &Error{Op: op, Path: path, Hint: "name a perfd store, or a file that is not there yet", Err: err}
	}
	return explain(op, path, err)
}

// Keep adds a benchmark. Of a thousand and more the oldest go.
func (k *Keeper) Keep(ctx context.Context, b Benchmark) (id int64, err error) {
	if len(b.Document) > maxDocument || !json.Valid(b.Document) {
		return 0, &Error{Op: "write store", Path: k.path, Hint: "report this", Err: fmt.Errorf("a report of %d bytes is too long, or no JSON", len(b.Document))}
	}
	if id, err = keepBenchmark(ctx, k.db, &b); err != nil {
		return 0, explain("write store", k.path, err)
	}
	k.empty = false
	return id, nil
}

// Close closes the store, and removes it if it was made for a benchmark that did not come. It may be called again.
func (k *Keeper) Close() error {
	if k.db == nil {
		return nil
	}
	err := k.db.Close()
	k.db = nil
	release(k.held)
	if k.empty {
		for _, suffix := range [...]string{"", "-wal", "-shm"} {
			if gone := os.Remove(k.path + suffix); gone != nil && !errors.Is(gone, os.ErrNotExist) {
				err = errors.Join(err, gone)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// emptyStore makes a store that holds no calls and is complete.
func emptyStore(path string, there bool) error {
	if there { // an empty file, as mktemp makes
		if err := os.Remove(path); err != nil {
			return &Error{Op: "create store", Path: path, Hint: "choose a folder that you may write to", Err: err}
		}
	}
	w, err := Create(path, noShapes{}, Config{})
	if err != nil {
		return err
	}
	return errors.Join(w.Finish(Source{}, analyzer.Summary{}), w.Close())
}

// noShapes is the dictionary of a store without statements.
type noShapes struct{}

func (noShapes) Shape(f sqltrace.Fingerprint) sqltrace.Shape { return sqltrace.Shape{Fingerprint: f} }

// prepareBenchmarks makes the table, or what it lacks. It fails where nothing can be written.
func prepareBenchmarks(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit there is nothing to roll back
	if _, err := tx.ExecContext(ctx, benchmarkTable); err != nil {
		return err
	}
	columns, err := benchmarkColumns(ctx, tx)
	if err == nil && !columns["version"] {
		_, err = tx.ExecContext(ctx, benchmarkVersion)
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, "DELETE FROM benchmarks WHERE id < 0") // none, but it takes the right to write
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

func keepBenchmark(ctx context.Context, db *sql.DB, b *Benchmark) (int64, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }() // after Commit there is nothing to roll back
	r, err := tx.ExecContext(ctx, "INSERT INTO benchmarks (made, load, a, b, verdict, sentence, p50, p95, document, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		b.Made.UnixNano(), b.Load, b.A, b.B, b.Verdict, b.Sentence, int64(b.P50), int64(b.P95), string(b.Document), max(b.Version, 1))
	if err != nil {
		return 0, err
	}
	id, err := r.LastInsertId()
	if err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM benchmarks WHERE id <= ?", id-maxBenchmarks); err != nil {
		return 0, err
	}
	return id, tx.Commit()
}

// Benchmarks returns those that the store has, the latest first, without their documents.
func (s *SQLite) Benchmarks(ctx context.Context) ([]Benchmark, error) {
	out := []Benchmark{}
	version, err := s.benchmarkVersion(ctx)
	if err != nil || version == "" {
		return out, err
	}
	err = each(ctx, s.db, "SELECT id, made, load, a, b, verdict, sentence, p50, p95, "+version+" FROM benchmarks ORDER BY made DESC, id DESC", nil, func(rows *sql.Rows) error {
		var b Benchmark
		var made int64
		if err := rows.Scan(&b.ID, &made, &b.Load, &b.A, &b.B, &b.Verdict, &b.Sentence, &b.P50, &b.P95, &b.Version); err != nil {
			return err
		}
		b.Made = time.Unix(0, made)
		out = append(out, b)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read benchmarks: %w", err)
	}
	return out, nil
}

// Benchmark returns one with its document, or ErrNotFound.
func (s *SQLite) Benchmark(ctx context.Context, id int64) (Benchmark, error) {
	b := Benchmark{ID: id}
	version, err := s.benchmarkVersion(ctx)
	if err != nil {
		return b, err
	}
	if version == "" {
		return b, fmt.Errorf("read benchmark %d: %w", id, ErrNotFound)
	}
	var made int64
	var document string
	err = s.db.QueryRowContext(ctx, "SELECT made, load, a, b, verdict, sentence, p50, p95, document, "+version+" FROM benchmarks WHERE id = ?", id).
		Scan(&made, &b.Load, &b.A, &b.B, &b.Verdict, &b.Sentence, &b.P50, &b.P95, &document, &b.Version)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return b, fmt.Errorf("read benchmark %d: %w", id, err)
	}
	b.Made, b.Document = time.Unix(0, made), json.RawMessage(document)
	return b, nil
}

// benchmarkVersion is what to ask the table for the version of a document; empty if there is no table.
func (s *SQLite) benchmarkVersion(ctx context.Context) (string, error) {
	columns, err := benchmarkColumns(ctx, s.db)
	switch {
	case err != nil:
		return "", fmt.Errorf("read benchmarks: %w", err)
	case len(columns) == 0:
		return "", nil
	case !columns["version"]:
		return "1", nil
	}
	return "version", nil
}

// benchmarkColumns are the columns of the table; none if there is no table.
func benchmarkColumns(ctx context.Context, from interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}) (map[string]bool, error) {
	rows, err := from.QueryContext(ctx, "SELECT name FROM pragma_table_info('benchmarks')")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		columns[name] = true
	}
	return columns, rows.Err()
}

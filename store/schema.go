package store

import (
	"database/sql"
	"errors"
	"fmt"
)

// applicationID marks a SQLite file as a perfd store (SQLite's application_id): "PRFD".
const applicationID = 0x50524644

// migration brings a store from one version to the next.
type migration struct {
	schema string
	fill   func(*sql.Tx) error // what SQL alone cannot compute of the rows that are there; may be nil
}

// migrations bring a store from version i to i+1; PRAGMA user_version counts those that ran. Only append.
var migrations = []migration{
	// 1: the first schema. Times are Unix nanoseconds, durations nanoseconds. Words are referred to by id;
	// id 0 is the empty word.
	{schema: `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE words    (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE paths    (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE models   (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE methods  (id INTEGER PRIMARY KEY, name TEXT NOT NULL, service TEXT NOT NULL, model INTEGER NOT NULL REFERENCES models, method TEXT NOT NULL);
CREATE TABLE users    (id INTEGER PRIMARY KEY, uid INTEGER NOT NULL, login TEXT NOT NULL);
CREATE TABLE sessions (id INTEGER PRIMARY KEY, key INTEGER NOT NULL);
CREATE TABLE rules    (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE backends (id INTEGER PRIMARY KEY, client TEXT NOT NULL, server TEXT NOT NULL, db TEXT NOT NULL,
  user TEXT NOT NULL, application TEXT NOT NULL, pid INTEGER NOT NULL);
CREATE TABLE shapes   (id INTEGER PRIMARY KEY, fingerprint INTEGER NOT NULL UNIQUE, kind INTEGER NOT NULL,
  text TEXT NOT NULL, tables TEXT NOT NULL, written TEXT NOT NULL);

CREATE TABLE calls (
  id INTEGER PRIMARY KEY, start INTEGER NOT NULL, duration INTEGER NOT NULL,
  head INTEGER NOT NULL, sent INTEGER NOT NULL, first INTEGER NOT NULL, -- from start; -1 unknown
  transport INTEGER NOT NULL, class INTEGER NOT NULL, verb INTEGER NOT NULL REFERENCES words,
  path INTEGER NOT NULL REFERENCES paths, method INTEGER NOT NULL REFERENCES methods, db INTEGER NOT NULL REFERENCES words,
  user INTEGER NOT NULL REFERENCES users, session INTEGER NOT NULL REFERENCES sessions,
  client INTEGER NOT NULL REFERENCES words, client_port INTEGER NOT NULL,
  server INTEGER NOT NULL REFERENCES words, server_port INTEGER NOT NULL,
  status INTEGER NOT NULL, error INTEGER NOT NULL REFERENCES words, failed INTEGER NOT NULL, ids INTEGER NOT NULL,
  request_bytes INTEGER NOT NULL, response_bytes INTEGER NOT NULL, gaps INTEGER NOT NULL,
  statements INTEGER NOT NULL, probability REAL NOT NULL,
  rules INTEGER NOT NULL,    -- bit i: a finding of rule i
  findings INTEGER NOT NULL, -- how many
  wait INTEGER NOT NULL, application INTEGER NOT NULL, sql INTEGER NOT NULL, lock INTEGER NOT NULL,
  retry INTEGER NOT NULL, transfer INTEGER NOT NULL, unknown INTEGER NOT NULL);
CREATE INDEX calls_start ON calls (start);
CREATE INDEX calls_duration ON calls (duration);
CREATE INDEX calls_method ON calls (method, start);
CREATE INDEX calls_user ON calls (user, start);
CREATE INDEX calls_session ON calls (session, start);

CREATE TABLE spans (call INTEGER PRIMARY KEY REFERENCES calls, data BLOB NOT NULL); -- see spans.go
CREATE TABLE fronts (call INTEGER PRIMARY KEY REFERENCES calls, client TEXT NOT NULL, server TEXT NOT NULL,
  starts INTEGER NOT NULL, ends INTEGER NOT NULL); -- from the call's start
CREATE TABLE shape_calls (shape INTEGER NOT NULL REFERENCES shapes, call INTEGER NOT NULL REFERENCES calls,
  PRIMARY KEY (shape, call)) WITHOUT ROWID;
CREATE TABLE findings (call INTEGER NOT NULL REFERENCES calls, position INTEGER NOT NULL, rule INTEGER NOT NULL REFERENCES rules,
  title TEXT NOT NULL, fix TEXT NOT NULL, cost INTEGER NOT NULL, spans BLOB NOT NULL, -- uvarints
  PRIMARY KEY (call, position)) WITHOUT ROWID;

CREATE TABLE background (id INTEGER PRIMARY KEY, start INTEGER NOT NULL, duration INTEGER NOT NULL,
  kind INTEGER NOT NULL REFERENCES words, backend INTEGER NOT NULL REFERENCES backends,
  statements INTEGER NOT NULL, sql INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX background_start ON background (start);
`},
	// 2: a store that is written for weeks. Words know the minute (Unix time / 60 s) in which they were last
	// used, so that those that no row refers to any more can go; what counting would take long for is kept in
	// state; trends outlive the calls they sum up.
	{schema: `
ALTER TABLE words    ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
ALTER TABLE paths    ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
ALTER TABLE models   ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
ALTER TABLE methods  ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users    ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
ALTER TABLE backends ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
ALTER TABLE shapes   ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calls    ADD COLUMN exact INTEGER NOT NULL DEFAULT 0;   -- statements that are its beyond doubt
ALTER TABLE calls    ADD COLUMN counted INTEGER NOT NULL DEFAULT 0; -- 1: its statements were counted and not kept

DROP INDEX calls_start;
CREATE INDEX calls_start ON calls (start, class); -- counts and orders the calls of a class without reading them

CREATE TABLE trends (hour INTEGER NOT NULL, method INTEGER NOT NULL REFERENCES methods, -- ordinary calls by hour of start
  calls INTEGER NOT NULL, errors INTEGER NOT NULL, statements INTEGER NOT NULL, longest INTEGER NOT NULL,
  wait INTEGER NOT NULL, application INTEGER NOT NULL, sql INTEGER NOT NULL, lock INTEGER NOT NULL,
  retry INTEGER NOT NULL, transfer INTEGER NOT NULL, unknown INTEGER NOT NULL,
  durations BLOB NOT NULL, -- see trends.go
  PRIMARY KEY (hour, method)) WITHOUT ROWID;
CREATE TABLE purges (user INTEGER PRIMARY KEY); -- whose calls are to be deleted
CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1),
  commits INTEGER NOT NULL, epoch INTEGER NOT NULL, -- of the data; of the words, which vanish or change with a new one
  last_call INTEGER NOT NULL, last_group INTEGER NOT NULL, -- the highest ids ever given
  calls INTEGER NOT NULL, ordinary INTEGER NOT NULL, errors INTEGER NOT NULL, attributed INTEGER NOT NULL, exact INTEGER NOT NULL,
  groups INTEGER NOT NULL, unowned INTEGER NOT NULL, last INTEGER NOT NULL);
INSERT INTO state SELECT 1, 1, 1, coalesce(max(id), 0), (SELECT coalesce(max(id), 0) FROM background), count(*),
  count(*) FILTER (WHERE class = 0), count(*) FILTER (WHERE class = 0 AND failed), coalesce(sum(statements), 0), 0,
  (SELECT count(*) FROM background), (SELECT coalesce(sum(statements), 0) FROM background),
  max(coalesce(max(start + duration), 0), (SELECT coalesce(max(start + duration), 0) FROM background)) FROM calls;
UPDATE words    SET used = (SELECT last / 60000000000 FROM state);
UPDATE paths    SET used = (SELECT last / 60000000000 FROM state);
UPDATE models   SET used = (SELECT last / 60000000000 FROM state);
UPDATE methods  SET used = (SELECT last / 60000000000 FROM state);
UPDATE users    SET used = (SELECT last / 60000000000 FROM state);
UPDATE sessions SET used = (SELECT last / 60000000000 FROM state);
UPDATE backends SET used = (SELECT last / 60000000000 FROM state);
UPDATE shapes   SET used = (SELECT last / 60000000000 FROM state);
`, fill: fillTrends},
	// 3: postings instead of an index entry for each call (see postings.go).
	{schema: `
CREATE TABLE postings (segment INTEGER NOT NULL, kind INTEGER NOT NULL, word INTEGER NOT NULL,
  first INTEGER NOT NULL, calls TEXT NOT NULL, -- JSON array, of distances from first
  PRIMARY KEY (segment, kind, word, first)) WITHOUT ROWID;
INSERT INTO postings SELECT id >> 12, 1, method, id >> 12 << 12, json_group_array(id & 4095) FROM calls GROUP BY 1, 3;
INSERT INTO postings SELECT id >> 12, 2, user, id >> 12 << 12, json_group_array(id & 4095) FROM calls GROUP BY 1, 3;
INSERT INTO postings SELECT id >> 12, 3, session, id >> 12 << 12, json_group_array(id & 4095) FROM calls GROUP BY 1, 3;
INSERT INTO postings SELECT call >> 12, 4, shape, call >> 12 << 12, json_group_array(call & 4095) FROM shape_calls GROUP BY 1, 3;
DROP TABLE shape_calls;
DROP INDEX calls_method;
DROP INDEX calls_user;
DROP INDEX calls_session;
`},
}

// emptyWords are the words of id 0. Every new store gets them.
const emptyWords = `INSERT INTO words VALUES (0, '', 0); INSERT INTO paths VALUES (0, '', 0); INSERT INTO models VALUES (0, '', 0);
INSERT INTO methods VALUES (0, '', '', 0, '', 0); INSERT INTO users VALUES (0, 0, '', 0); INSERT INTO sessions VALUES (0, 0, 0);
INSERT INTO backends VALUES (0, '', '', '', '', '', 0, 0); INSERT INTO shapes VALUES (0, 0, 0, '', '[]', '', 0);`

var (
	errForeign = errors.New("not a perfd store")
	errNewer   = errors.New("made by a newer perfd")
)

// version reads the schema version; errForeign if the database is not a perfd store.
func version(db querier) (int, error) {
	var app, v int
	if err := db.QueryRow("PRAGMA application_id").Scan(&app); err != nil {
		return 0, err
	}
	if app != applicationID {
		return 0, errForeign
	}
	if err := db.QueryRow("PRAGMA user_version").Scan(&v); err != nil {
		return 0, err
	}
	if v > len(migrations) {
		return v, fmt.Errorf("%w: schema %d, this one reads up to %d", errNewer, v, len(migrations))
	}
	return v, nil
}

// migrate brings the database from the given version to the newest, each step in its own transaction.
func migrate(db *sql.DB, from int) error {
	for v := from; v < len(migrations); v++ {
		tx, err := db.Begin()
		if err != nil {
			return fmt.Errorf("begin migration: %w", err)
		}
		step := fmt.Sprintf("%s\nPRAGMA application_id = %d; PRAGMA user_version = %d;", migrations[v].schema, applicationID, v+1)
		if _, err := tx.Exec(step); err != nil {
			return errors.Join(fmt.Errorf("migrate to schema %d: %w", v+1, err), tx.Rollback())
		}
		if fill := migrations[v].fill; fill != nil && from > 0 {
			if err := fill(tx); err != nil {
				return errors.Join(fmt.Errorf("migrate to schema %d: %w", v+1, err), tx.Rollback())
			}
		}
		if err := tx.Commit(); err != nil {
			return fmt.Errorf("commit migration: %w", err)
		}
	}
	if from == 0 {
		if _, err := db.Exec(emptyWords); err != nil {
			return fmt.Errorf("prepare store: %w", err)
		}
	}
	return nil
}

type querier interface {
	QueryRow(query string, args ...any) *sql.Row
}

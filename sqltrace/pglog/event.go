package pglog

import (
	"bytes"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// EventKind tells events apart.
type EventKind uint8

// Kinds of events.
const (
	LockWait     EventKind = iota // a session waits longer than deadlock_timeout (log_lock_waits)
	LockAcquired                  // and has got the lock
	Deadlock                      // it was found to wait in a circle
	TempFile                      // a statement wrote to disk what work_mem did not hold (log_temp_files)
	Vacuum                        // autovacuum (log_autovacuum_min_duration)
	Analyze
	Checkpoint // log_checkpoints
)

var eventNames = [...]string{"lock wait", "lock acquired", "deadlock", "temporary file", "vacuum", "analyze", "checkpoint"}

// String returns a name for people.
func (k EventKind) String() string { return eventNames[k] }

// Event is something that the server tells of itself besides statements.
type Event struct {
	Kind     EventKind
	At       time.Time
	Session  *sqltrace.Session // that it is of; nil for the server's own processes
	Duration time.Duration     // waited, or taken
	Bytes    int64             // of a temporary file
	Lock     string            // its mode, as ShareLock
	Object   string            // what kind of thing is locked: transaction, tuple, relation
	Holders  []int32           // processes that hold the lock
	Table    string            // database.schema.table that autovacuum worked on
	// Fingerprint is that of the statement that the session ran; 0 if the log does not tell.
	Fingerprint sqltrace.Fingerprint
}

// EventSink is a Sink that takes events.
type EventSink interface {
	Event(*Event)
}

// event takes an entry that may be of an event.
func (d *Decoder) event(e *entry) {
	if d.events == nil {
		return
	}
	ev := &Event{At: e.at}
	if !ev.read(e.message, e.detail) {
		return
	}
	if ev.Kind < Vacuum {
		if s := d.session(e); s != nil {
			ev.Session = s.Session
			d.announce(s)
			if len(e.query) > 0 && !e.cut {
				ev.Fingerprint = d.sql.NewStatement(s.Session, e.query, nil).Fingerprint
			}
		}
	}
	ev.Table = d.names.Intern([]byte(ev.Table))
	d.stats.Events++
	d.events.Event(ev)
}

// read reads a message and reports whether it is of an event.
func (ev *Event) read(message, detail []byte) bool {
	if text, ok := after(message, "process "); ok {
		return ev.lock(text, detail)
	}
	if text, ok := after(message, "temporary file: path "); ok {
		n := bytes.LastIndex(text, []byte(" size "))
		if n < 0 {
			return false
		}
		ev.Kind = TempFile
		ev.Bytes, ok = number(text[n+6:])
		return ok
	}
	if text, ok := after(message, "checkpoint complete: "); ok {
		ev.Kind = Checkpoint
		ev.Duration = secondsAfter(text, "total=")
		return true
	}
	if text, ok := after(message, "automatic "); ok {
		what, text, ok := bytes.Cut(text, []byte(` of table "`))
		table, text, closed := bytes.Cut(text, []byte(`"`))
		if !ok || !closed || len(table) > 256 {
			return false
		}
		ev.Kind, ev.Table = Vacuum, string(table)
		if string(what) == "analyze" {
			ev.Kind = Analyze
		}
		ev.Duration = secondsAfter(text, "elapsed: ")
		return true
	}
	return false
}

// lock reads what follows the word process in the messages of log_lock_waits.
func (ev *Event) lock(text, detail []byte) bool {
	_, text, ok := bytes.Cut(text, []byte(" "))
	if !ok {
		return false
	}
	for _, m := range []struct {
		words string
		kind  EventKind
	}{
		{"still waiting for ", LockWait}, {"acquired ", LockAcquired}, {"detected deadlock while waiting for ", Deadlock},
		{"avoided deadlock for ", LockWait}, {"failed to acquire ", LockWait},
	} {
		rest, ok := after(text, m.words)
		if !ok {
			continue
		}
		mode, rest, ok := bytes.Cut(rest, []byte(" on "))
		object, rest, ok2 := bytes.Cut(rest, []byte(" "))
		n := bytes.LastIndex(rest, []byte(" after "))
		if !ok || !ok2 || n < 0 || len(mode) > 32 || len(object) > 32 {
			return false
		}
		ev.Kind, ev.Lock, ev.Object = m.kind, string(mode), string(object)
		ev.Duration, _, ok = millis(rest[n+7:])
		ev.Holders = holders(detail)
		return ok
	}
	return false
}

// holders reads: Process holding the lock: 17. Wait queue: 18.
func holders(detail []byte) (pids []int32) {
	_, text, ok := bytes.Cut(detail, []byte(" holding the lock: "))
	if !ok {
		return nil
	}
	list, _, _ := bytes.Cut(text, []byte("."))
	for len(list) > 0 && len(pids) < 64 {
		var one []byte
		one, list, _ = bytes.Cut(list, []byte(", "))
		if n, ok := number(one); ok && n < 1<<31 {
			pids = append(pids, int32(n))
		}
	}
	return pids
}

// secondsAfter reads the seconds that follow a word, 0 if there are none.
func secondsAfter(text []byte, word string) time.Duration {
	n := bytes.LastIndex(text, []byte(word))
	if n < 0 {
		return 0
	}
	d, _, ok := millis(text[n+len(word):])
	if !ok || d > time.Hour {
		return 0
	}
	return d * 1000 // they are seconds
}

package pglog

import (
	"bytes"
	"strconv"
	"time"
)

// Stats counts what a decoder met.
type Stats struct {
	Format     Format        // that was found, if it was not given
	Prefix     string        // that was found, if it was not given
	Resolution time.Duration // of the log's clock
	Last       time.Time     // of the last entry

	Lines, Bytes, Entries int64
	Unread                int64 // lines that could not be read as part of any entry
	UnknownZones          int64 // hours whose time zone is not known: taken as Config.Location
	Sessions              int64
	Statements            int64 // delivered
	Timed                 int64 // of those, with a duration
	Untimed               int64 // of those, logged when they began and not when they ended
	Failed                int64 // of those, with an error
	Planned               int64 // of those, known from a plan alone
	Boundaries            int64 // of those, BEGIN, COMMIT and ROLLBACK
	Errors                int64 // entries of errors, those of no statement included
	Nameless              int64 // durations without a text: of Parse and Bind, and of statements too short to be logged
	Plans, Events         int64

	Shortest time.Duration // duration logged with a text
	// Threshold is log_min_duration_statement as a reload told it; negative for -1. Valid if ThresholdTold.
	Threshold     time.Duration
	ThresholdTold bool

	// Transactions counts those that the server's backends ran, as their numbers in the log tell (csvlog,
	// jsonlog, %v), and TransactionsSeen those of which anything was logged.
	Transactions, TransactionsSeen int64
}

// Stats returns what was counted so far.
func (d *Decoder) Stats() Stats {
	s := d.stats
	s.Format, s.UnknownZones = d.format, d.clock.unknown
	return s
}

func (s *Stats) timed(took time.Duration) {
	if s.Timed == 0 || took < s.Shortest {
		s.Shortest = took
	}
	s.Timed++
}

// threshold reads a setting's value: milliseconds unless it names its unit.
func (s *Stats) threshold(value string) {
	d, err := time.ParseDuration(value)
	if err != nil {
		n, err := strconv.Atoi(value)
		if err != nil {
			return
		}
		d = time.Duration(n) * time.Millisecond
	}
	s.Threshold, s.ThresholdTold = d, true
}

// enough is how many of a thing have to be seen before they tell something of those unseen.
const enough = 100

// Hidden returns below what duration statements are not logged, so far as it is known: told by a reload, or
// the shortest of many. 0 means that all seem to be logged.
func (s Stats) Hidden() (time.Duration, bool) {
	switch {
	case s.ThresholdTold && s.Threshold >= 0:
		return s.Threshold, true
	case s.Timed < enough:
		return 0, false
	case s.Shortest >= time.Millisecond:
		return s.Shortest.Truncate(time.Millisecond), true
	}
	return 0, true
}

// Share estimates what share of the server's work is seen: of its statements, if all are logged or log_duration
// tells of each, or else of its transactions, if the log numbers them. It is rather too low than too high: the
// durations of Parse and Bind have no text either, and a connection's start is a transaction too. False if
// nothing tells.
func (s Stats) Share() (float64, bool) {
	hidden, known := s.Hidden()
	switch {
	case known && hidden == 0 && s.Boundaries > 0:
		return 1, true
	case known && hidden > 0 && s.Nameless > 0:
		return float64(s.Timed) / float64(s.Timed+s.Nameless), true
	case s.Transactions >= enough:
		return min(float64(s.TransactionsSeen)/float64(s.Transactions), 1), true
	}
	return 0, false
}

// maxSlots bounds the backends whose transactions are counted.
const maxSlots = 1 << 16

// transaction reads the number in a virtual transaction id, as 3/4711: 0 outside of any.
func transaction(vxid []byte) (n int64, ok bool) {
	_, text, ok := bytes.Cut(vxid, []byte("/"))
	if !ok {
		return 0, false
	}
	return number(text)
}

// transactions counts by what an entry tells of its transaction. alone says that it is of a statement that
// had a transaction of its own if it stands in none now.
func (d *Decoder) transactions(e *entry, alone bool) {
	n, ok := transaction(e.vxid)
	if !ok {
		return
	}
	slot := e.vxid[:bytes.IndexByte(e.vxid, '/')]
	last, seen := d.slots[string(slot)]
	if n == 0 && alone {
		n = int64(last) + 1
	}
	switch {
	case n == 0:
		return
	case !seen && len(d.slots) >= maxSlots:
		return
	case !seen:
		d.stats.Transactions++
		d.stats.TransactionsSeen++
	case uint64(n) > last:
		d.stats.Transactions += n - int64(last)
		d.stats.TransactionsSeen++
	default:
		return // the same one, or the server was started again
	}
	d.slots[string(slot)] = uint64(n)
}

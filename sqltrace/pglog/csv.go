package pglog

import (
	"bytes"
	"time"
)

// Columns of a csvlog record.
const (
	csvTime = iota
	csvUser
	csvDatabase
	csvPID
	csvClient
	csvSession
	csvLine
	csvTag
	csvStart
	csvVXID
	csvXID
	csvSeverity
	csvState
	csvMessage
	csvDetail
	csvHint
	csvInternalQuery
	csvInternalPosition
	csvContext
	csvQuery
	csvPosition
	csvLocation
	csvApplication
	csvColumns // the fewest of any version: later ones append to them
)

// csvRecord is a record whose values may hold newlines, while it is put together.
type csvRecord struct {
	buf    []byte
	quoted bool // a value is open
	cut    bool // what does not fit was left out: nothing of the record can be read
}

// beginsRecord reports whether line begins as a record does: with a time and a comma.
func beginsRecord(line []byte) bool {
	c := clock{location: time.UTC}
	_, _, rest, ok := c.read(line[:min(len(line), 40)])
	return ok && len(rest) > 0 && rest[0] == ','
}

// csvLine takes a line of a csvlog.
func (d *Decoder) csvLine(line []byte) {
	r := &d.csv
	switch {
	case !r.quoted && len(r.buf) == 0:
		if len(line) < 24 || line[4] != '-' || line[10] != ' ' || line[0] != '2' {
			d.stats.Unread++ // the log was joined within a record
			return
		}
	case r.cut && beginsRecord(line): // where the quotes of what was left out stand is not known
		r.buf, r.quoted, r.cut = r.buf[:0], false, false
		d.stats.Unread++
	default:
		r.buf = append(r.buf, '\n')
	}
	if bytes.Count(line, quote)%2 == 1 {
		r.quoted = !r.quoted
	}
	if len(r.buf)+len(line) > 4*d.cfg.MaxEntry {
		r.cut, r.quoted = true, true
		return
	}
	r.buf = append(r.buf, line...)
	if r.quoted {
		return
	}
	d.csvEntry(r.buf)
	r.buf = r.buf[:0]
}

var quote = []byte{'"'}

// csvEntry takes a whole record.
func (d *Decoder) csvEntry(record []byte) {
	d.room, d.values = d.room[:0], d.values[:0]
	if cap(d.room) < len(record) {
		d.room = make([]byte, 0, 2*len(record)) // values are slices of it: it must not grow while they are read
	}
	for at := 0; at <= len(record); {
		if at == len(record) || record[at] != '"' {
			n := bytes.IndexByte(record[at:], ',')
			if n < 0 {
				n = len(record) - at
			}
			d.values = append(d.values, record[at:at+n])
			at += n + 1
			continue
		}
		start := len(d.room)
		for at++; at < len(record); {
			n := bytes.IndexByte(record[at:], '"')
			if n < 0 {
				n = len(record) - at
			}
			d.room = append(d.room, record[at:at+n]...)
			at += n + 1
			if at >= len(record) || record[at] != '"' {
				break
			}
			d.room = append(d.room, '"')
			at++
		}
		d.values = append(d.values, d.room[start:len(d.room):len(d.room)])
		if at < len(record) && record[at] != ',' {
			d.stats.Unread++
			return
		}
		at++
	}
	v := d.values
	if len(v) < csvColumns {
		d.stats.Unread++
		return
	}
	e := entry{
		level: levelOf(v[csvSeverity]), user: v[csvUser], db: v[csvDatabase], app: v[csvApplication], client: v[csvClient],
		id: v[csvSession], vxid: v[csvVXID], state: v[csvState], hasUser: true,
		message: v[csvMessage], detail: v[csvDetail], context: v[csvContext], query: v[csvQuery],
	}
	pid, ok := number(v[csvPID])
	if !d.dated(&e, v[csvTime]) || !ok || pid > 1<<31-1 || e.level == levelNone {
		d.stats.Unread++
		return
	}
	e.pid = int32(pid)
	e.cut = len(e.message) > d.cfg.MaxEntry
	d.take(&e)
}

// dated reads the time of an entry.
func (d *Decoder) dated(e *entry, text []byte) bool {
	at, resolution, rest, ok := d.clock.read(text)
	e.at, e.resolution = at, resolution
	return ok && len(rest) == 0
}

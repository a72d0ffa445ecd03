package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/sqltrace"
)

// The spans of a call or background group are packed into one blob. Numbers are varints (encoding/binary);
// durations are nanoseconds.
//
//	byte     version, 1
//	uvarint  number of leases, then for each: uvarint id of its backend
//	uvarint  number of spans, then for each:
//	  varint   start, from the start of the span before (of the call for the first one)
//	  uvarint  duration
//	  uvarint  first row or tag, from the span's start, plus 1; 0 is unknown
//	  uvarint  id of the shape
//	  uvarint  lease
//	  byte     kind (bits 0–2), evidence (bits 3–5), extended (bit 6), rare fields follow (bit 7)
//	  byte     transaction state: 0 unknown, 1 'I', 2 'T', 3 'E'
//	  uvarint  rows plus 1; 0 is unknown
//	  uvarint  text bytes
//	  uvarint  bytes in
//	  uvarint  bytes out
//	  uvarint  ten-thousandths by which the probability falls short of 1
//	  uvarint  number of the group of equal texts, 0 for a text that ran once
//	  rare:    byte gaps, byte length of SQLSTATE, SQLSTATE
const spansVersion = 1

const (
	minSpanBytes = 13 // the least that one span takes
	maxSQLState  = 5
	probUnit     = 10000
)

var errSpans = errors.New("malformed spans")

// spansVersionError tells a blob of a newer version from a damaged one.
type spansVersionError byte

func (v spansVersionError) Error() string {
	return fmt.Sprintf("spans of version %d, this perfd reads version %d", byte(v), spansVersion)
}

const txStates = "\x00ITE"

// appendSpans packs spans, whose shape and dupOf are set, after b.
func appendSpans(b []byte, leases []uint64, spans []Span) []byte {
	b = append(b, spansVersion)
	b = binary.AppendUvarint(b, uint64(len(leases)))
	for _, l := range leases {
		b = binary.AppendUvarint(b, l)
	}
	b = binary.AppendUvarint(b, uint64(len(spans)))
	var last time.Duration
	for i := range spans {
		s := &spans[i]
		b = binary.AppendVarint(b, int64(s.Start-last))
		last = s.Start
		b = binary.AppendUvarint(b, uint64(max(s.Duration, 0)))
		b = binary.AppendUvarint(b, uint64(max(s.First, -1)+1))
		b = binary.AppendUvarint(b, s.shape)
		b = binary.AppendUvarint(b, uint64(max(s.Lease, 0)))
		flags := byte(s.Kind)&7 | byte(s.By)&7<<3
		if s.Extended {
			flags |= 1 << 6
		}
		rare := s.Gaps != 0 || s.SQLState != ""
		if rare {
			flags |= 1 << 7
		}
		var tx byte
		switch s.Tx {
		case 'I':
			tx = 1
		case 'T':
			tx = 2
		case 'E':
			tx = 3
		}
		b = append(b, flags, tx)
		b = binary.AppendUvarint(b, uint64(max(s.Rows, -1)+1))
		b = binary.AppendUvarint(b, uint64(max(s.TextBytes, 0)))
		b = binary.AppendUvarint(b, uint64(max(s.In, 0)))
		b = binary.AppendUvarint(b, uint64(max(s.Out, 0)))
		b = binary.AppendUvarint(b, shortfall(s.Probability))
		b = binary.AppendUvarint(b, uint64(max(s.Duplicate, 0)))
		if rare {
			state := s.SQLState[:min(len(s.SQLState), maxSQLState)]
			b = append(b, byte(s.Gaps), byte(len(state)))
			b = append(b, state...)
		}
	}
	return b
}

func shortfall(p float64) uint64 {
	if !(p > 0) { // NaN included
		return probUnit
	}
	return uint64(math.Round((1 - min(p, 1)) * probUnit))
}

// readSpans unpacks a blob, appending to spans[:0] and leases[:0]. Shape is left nil and shape set. Every
// length is checked: a damaged blob yields an error, never a panic nor an allocation beyond its own size.
func readSpans(b []byte, leases []uint64, spans []Span) ([]uint64, []Span, error) {
	leases, spans = leases[:0], spans[:0]
	if len(b) == 0 {
		return leases, spans, errSpans
	}
	if b[0] != spansVersion {
		return leases, spans, spansVersionError(b[0])
	}
	r := blobReader{b: b[1:]}
	n := r.uint()
	if n > uint64(len(r.b)) {
		return leases, spans, errSpans
	}
	for range n {
		leases = append(leases, r.uint())
	}
	n = r.uint()
	if n > uint64(len(r.b)/minSpanBytes) {
		return leases, spans, errSpans
	}
	var last time.Duration
	for range n {
		var s Span
		last += time.Duration(r.int())
		s.Start = last
		s.Duration = time.Duration(r.nonNegative())
		s.First = time.Duration(r.nonNegative()) - 1
		s.shape = r.uint()
		lease := r.uint()
		flags, tx := r.byte(), r.byte()
		s.Kind = sqltrace.Kind(flags & 7)
		s.By = analyzer.Evidence(flags >> 3 & 7)
		s.Extended = flags&(1<<6) != 0
		s.Rows = r.nonNegative() - 1
		s.TextBytes = r.nonNegative()
		s.In = r.nonNegative()
		s.Out = r.nonNegative()
		short := r.uint()
		dup := r.uint()
		if flags&(1<<7) != 0 {
			s.Gaps = sqltrace.Gap(r.byte())
			s.SQLState = r.string(maxSQLState)
		}
		if r.bad || tx > 3 || s.By > analyzer.Process || short > probUnit || dup > n ||
			lease != 0 && lease >= uint64(len(leases)) {
			return leases, spans[:0], errSpans
		}
		s.Tx = txStates[tx]
		s.Lease, s.Duplicate = int(lease), int(dup)
		s.Probability = float64(probUnit-short) / probUnit
		spans = append(spans, s)
	}
	if r.bad || len(r.b) != 0 {
		return leases, spans[:0], errSpans
	}
	return leases, spans, nil
}

// blobReader takes numbers off a blob; bad is set once one is missing or malformed, and stays.
type blobReader struct {
	b   []byte
	bad bool
}

func (r *blobReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *blobReader) nonNegative() int64 {
	v := r.uint()
	if v > math.MaxInt64 {
		r.bad = true
		return 0
	}
	return int64(v)
}

func (r *blobReader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *blobReader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *blobReader) string(limit int) string {
	n := int(r.byte())
	if n > limit || n > len(r.b) {
		r.bad = true
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// duplicates numbers the groups of equal texts among the spans, by dupOf (the hash of the exact text).
func duplicates(spans []Span, seen map[uint64]int) {
	clear(seen)
	for i := range spans {
		if h := spans[i].dupOf; h != 0 {
			seen[h]++
		}
	}
	next := 0
	for i := range spans {
		h := spans[i].dupOf
		switch n := seen[h]; {
		case h == 0 || n == 1:
			spans[i].Duplicate = 0
		case n > 1:
			next++
			seen[h] = -next
			spans[i].Duplicate = next
		default:
			spans[i].Duplicate = -n
		}
	}
}

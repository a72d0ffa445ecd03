package report

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/perfd/perfd/analyzer"
)

func appendFinding(b []byte, f *analyzer.Finding) []byte {
	b = append(b, `{"rule":`...)
	b = appendString(b, f.Rule)
	b = append(b, `,"title":`...)
	b = appendString(b, f.Title)
	b = append(b, `,"cost":`...)
	b = appendSeconds(b, f.Cost)
	b = append(b, `,"fix":`...)
	b = appendString(b, f.Fix)
	b = append(b, `,"statements":[`...)
	for i, n := range f.Spans {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return append(b, ']', '}')
}

func appendBreakdown(b []byte, t analyzer.Breakdown) []byte {
	b = append(b, `{"wait":`...)
	b = appendSeconds(b, t.Wait)
	b = append(b, `,"application":`...)
	b = appendSeconds(b, t.Application)
	b = append(b, `,"sql":`...)
	b = appendSeconds(b, t.SQL)
	b = append(b, `,"lock":`...)
	b = appendSeconds(b, t.Lock)
	b = append(b, `,"retry":`...)
	b = appendSeconds(b, t.Retry)
	b = append(b, `,"transfer":`...)
	b = appendSeconds(b, t.Transfer)
	b = append(b, `,"unknown":`...)
	b = appendSeconds(b, t.Unknown)
	return append(b, '}')
}

// Names of gaps, by bit.
var (
	callGaps      = [...]string{"request", "response", "joined", "unanswered", "statements", "order"}
	statementGaps = [...]string{"text", "result", "unanswered", "before"}
)

func appendNames(b []byte, bits uint8, names []string) []byte {
	b = append(b, '[')
	for i, name := range names {
		if bits&(1<<i) != 0 {
			if b[len(b)-1] != '[' {
				b = append(b, ',')
			}
			b = append(append(append(b, '"'), name...), '"')
		}
	}
	return append(b, ']')
}

// latest returns the last of the times: the end of a call whose end was not seen.
func latest(times ...time.Time) time.Time {
	var last time.Time
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// appendTime appends t as Unix seconds with microseconds, or null if t is zero.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	us := t.UnixMicro()
	if us < 0 {
		b = append(b, '-')
		us = -us
	}
	b = strconv.AppendInt(b, us/1e6, 10)
	return appendFraction(append(b, '.'), us%1e6, 6)
}

// appendSeconds appends d as seconds, rounded to microseconds, without needless zeros.
func appendSeconds(b []byte, d time.Duration) []byte {
	us := int64(d.Round(time.Microsecond) / time.Microsecond)
	if us < 0 {
		b = append(b, '-')
		us = -us
	}
	return appendTail(strconv.AppendInt(b, us/1e6, 10), us%1e6, 6)
}

// appendTail appends a decimal point and n with leading zeros up to places digits, at most 6, and without
// needless ones behind; nothing if n is 0.
func appendTail(b []byte, n int64, places int) []byte {
	if n == 0 {
		return b
	}
	b = appendFraction(append(b, '.'), n, places)
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

// appendFraction appends n with leading zeros up to places digits, at most 6.
func appendFraction(b []byte, n int64, places int) []byte {
	var d [6]byte
	for i := places - 1; i >= 0; i-- {
		d[i] = byte('0' + n%10)
		n /= 10
	}
	return append(b, d[:places]...)
}

const hexDigits = "0123456789abcdef"

// appendHex appends n as 16 hexadecimal digits.
func appendHex(b []byte, n uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, hexDigits[n>>shift&15])
	}
	return b
}

// appendString appends s as a JSON string (RFC 8259, section 7). Bytes that are no UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		if i+8 <= len(s) && plain(s[i:i+8]) {
			i += 8
			continue
		}
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[from:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\t':
				b = append(b, '\\', 't')
			case '\r':
				b = append(b, '\\', 'r')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b = append(append(b, s[from:i]...), "\uFFFD"...)
			i++
			from = i
			continue
		}
		i += n
	}
	return append(append(b, s[from:]...), '"')
}

// plain reports whether 8 bytes stand for themselves in a JSON string. It looks at all of them at once.
func plain(s string) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	v := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	// A byte's highest bit is set by a subtraction where the byte is less, and where it was set before.
	return (v|(v-ones*' ')|((v^ones*'"')-ones)|((v^ones*'\\')-ones))&highs == 0
}

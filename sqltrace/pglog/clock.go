package pglog

import (
	"bytes"
	"time"
)

// clock reads the log's times. It remembers the hour that was read last, since a log's times are close.
type clock struct {
	location *time.Location
	hour     [13]byte // 2006-01-02 15
	zone     []byte
	base     time.Time // of the hour
	unknown  int64     // times in a zone that is not known
}

// read reads 2006-01-02 15:04:05[.000] ZONE from the front of b and returns what follows.
func (c *clock) read(b []byte) (at time.Time, resolution time.Duration, rest []byte, ok bool) {
	if len(b) < 20 || b[4] != '-' || b[7] != '-' || b[10] != ' ' || b[13] != ':' || b[16] != ':' {
		return at, 0, nil, false
	}
	minute, ok1 := number(b[14:16])
	second, ok2 := number(b[17:19])
	if !ok1 || !ok2 || minute > 59 || second > 60 {
		return at, 0, nil, false
	}
	i, ms := 19, int64(0)
	resolution = time.Second
	if b[i] == '.' && len(b) > 24 {
		if ms, ok = number(b[20:23]); !ok {
			return at, 0, nil, false
		}
		i, resolution = 23, time.Millisecond
	}
	if i >= len(b) || b[i] != ' ' {
		return at, 0, nil, false
	}
	i++
	end := i
	for end < len(b) && end-i < 8 && zoneByte(b[end]) {
		end++
	}
	if end == i {
		return at, 0, nil, false
	}
	if zone := b[i:end]; string(c.hour[:]) != string(b[:13]) || !bytes.Equal(c.zone, zone) {
		if !c.at(b[:13], zone) {
			return at, 0, nil, false
		}
	}
	at = c.base.Add(time.Duration(minute)*time.Minute + time.Duration(second)*time.Second + time.Duration(ms)*time.Millisecond)
	return at, resolution, b[end:], true
}

func zoneByte(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '-'
}

// at remembers an hour.
func (c *clock) at(hour, zone []byte) bool {
	t, err := time.ParseInLocation("2006-01-02 15", string(hour), time.UTC)
	if err != nil {
		return false
	}
	offset, ok := c.offset(t, zone)
	if !ok {
		c.unknown++
	}
	copy(c.hour[:], hour)
	c.zone = append(c.zone[:0], zone...)
	c.base = t.Add(-time.Duration(offset) * time.Second)
	return true
}

// abbreviations of zones that people run servers in, and that mean one thing to PostgreSQL's default set.
var abbreviations = map[string]int{
	"UTC": 0, "GMT": 0, "Z": 0, "UCT": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "SAST": 2, "MSK": 3,
	"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10,
	"JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "AWST": 8, "NZST": 12, "NZDT": 13,
}

// offset returns the seconds that a zone is east of Greenwich at t, a time of its own clock.
func (c *clock) offset(t time.Time, zone []byte) (int, bool) {
	if zone[0] == '+' || zone[0] == '-' {
		digits := zone[1:]
		h, ok1 := number(digits[:min(2, len(digits))])
		m, ok2 := number(digits[min(2, len(digits)):])
		s := int(h*3600 + m*60)
		if zone[0] == '-' {
			s = -s
		}
		return s, ok1 && (ok2 || len(digits) <= 2)
	}
	here := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), 0, 0, 0, c.location)
	for _, shift := range []time.Duration{0, time.Hour, -time.Hour} { // about the change of an hour both names occur
		if name, offset := here.Add(shift).Zone(); name == string(zone) {
			return offset, true
		}
	}
	if hours, ok := abbreviations[string(zone)]; ok {
		return hours * 3600, true
	}
	_, offset := here.Zone()
	return offset, false
}

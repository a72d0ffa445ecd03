package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written as 256MiB.
type Size int64

// Share is a number of cores, written as 0.5 or 50%.
type Share float64

const day = 24 * time.Hour

var sizeUnits = []struct {
	suffix string
	bytes  float64
}{ // the longer suffix before what ends like it
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// ParseSize reads a number of bytes with or without a unit.
func ParseSize(text string) (Size, error) {
	number, factor := strings.TrimSpace(text), 1.0
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0) || n*factor >= math.MaxInt64 || strings.ContainsAny(number, "xXpP_") {
		return 0, errors.New("must be a size such as 256MiB or 2GB")
	}
	return Size(n * factor), nil
}

// String writes a size in the largest unit that divides it.
func (s Size) String() string {
	for i := 3; i >= 0; i-- {
		if unit := Size(sizeUnits[i].bytes); s >= unit && s%unit == 0 {
			return strconv.FormatInt(int64(s/unit), 10) + sizeUnits[i].suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// ParseDuration reads a time with units as Go writes it, and with d for days and w for weeks.
func ParseDuration(text string) (time.Duration, error) {
	wrong := errors.New("must be a time such as 500ms, 72h or 90d")
	rest, sum := strings.TrimSpace(text), time.Duration(0)
	if rest == "0" {
		return 0, nil
	}
	for _, u := range []struct {
		suffix string
		unit   time.Duration
	}{{"w", 7 * day}, {"d", day}} {
		number, after, ok := strings.Cut(rest, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil || n < 0 || n > int64(math.MaxInt64/u.unit) {
			return 0, wrong
		}
		sum, rest = sum+time.Duration(n)*u.unit, after
	}
	if rest == "" {
		if sum < 0 || strings.TrimSpace(text) == "" {
			return 0, wrong
		}
		return sum, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || sum < 0 || sum > math.MaxInt64-d {
		return 0, wrong
	}
	return sum + d, nil
}

// FormatDuration writes a time as the settings do: 72h, 90d.
func FormatDuration(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d%day == 0 && d > 3*day:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String() // 72h0m0s
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func parseShare(text string) (Share, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		n /= 100
	}
	if err != nil || !(n >= 0) || n > 1024 {
		return 0, errors.New("must be a number of cores such as 0.5, or 50%")
	}
	return Share(n), nil
}

// kind tells how values of one Go type are written.
type kind struct {
	what        string // "must be …"
	placeholder string
	list        bool
}

func kindOf(s setting) kind {
	switch s.at(new(Config)).(type) {
	case *[]string:
		return kind{"a list of names", "names", true}
	case *Patterns:
		return kind{"a list of patterns", "patterns", true}
	case *[]uint16:
		return kind{"a list of ports from 1 to 65535", "ports", true}
	case *map[string]string:
		return kind{"pairs such as host: erp1", "name=value", true}
	case *bool:
		return kind{"true or false", "", false}
	case *int:
		return kind{"a whole number", "number", false}
	case *Size:
		return kind{"a size such as 256MiB", "size", false}
	case *Share:
		return kind{"a number of cores such as 0.5, or 50%", "cores", false}
	case *time.Duration:
		return kind{"a time such as 500ms, 72h or 90d", "time", false}
	}
	return kind{"a text", "text", false}
}

// assign parses values into the field that p points to.
func assign(s setting, c *Config, values []string) error {
	one := ""
	if len(values) > 0 {
		one = values[0]
	}
	if len(values) > 1 && !kindOf(s).list {
		return fmt.Errorf("must be %s, not a list", kindOf(s).what)
	}
	var err error
	switch p := s.at(c).(type) {
	case *string:
		err = s.choose(one, func(v string) { *p = v })
	case *Mode:
		err = s.choose(one, func(v string) { *p = Mode(v) })
	case *[]string:
		*p = values
	case *Patterns:
		*p = values
	case *[]uint16:
		var ports []uint16
		for _, v := range values {
			n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 16)
			if err != nil || n == 0 {
				return fmt.Errorf("must be ports from 1 to 65535, not %q", v)
			}
			ports = append(ports, uint16(n))
		}
		*p = ports
	case *map[string]string:
		m := make(map[string]string, len(values))
		for _, v := range values {
			name, value, ok := strings.Cut(v, "=")
			if !ok || name == "" {
				return fmt.Errorf("must be name=value, not %q", v)
			}
			m[name] = value
		}
		*p = m
	case *bool:
		if *p, err = strconv.ParseBool(one); err != nil {
			err = errors.New("must be true or false")
		}
	case *int:
		if *p, err = strconv.Atoi(one); err != nil {
			err = errors.New("must be a whole number")
		}
	case *Size:
		*p, err = ParseSize(one)
	case *Share:
		*p, err = parseShare(one)
	case *time.Duration:
		*p, err = ParseDuration(one)
	default:
		err = fmt.Errorf("cannot be set: %T", p) // a test sets each
	}
	if err != nil && !s.secret() && !strings.Contains(err.Error(), ", not ") {
		err = fmt.Errorf("%w, not %q", err, one)
	}
	return err
}

// choose takes a text that is one of those allowed.
func (s setting) choose(v string, set func(string)) error {
	if len(s.allowed) > 0 && !slices.Contains(s.allowed, v) {
		last := len(s.allowed) - 1
		return fmt.Errorf("must be %s or %s", strings.Join(s.allowed[:last], ", "), s.allowed[last])
	}
	set(v)
	return nil
}

// split takes the items of a list apart as the environment and flags write it: with commas.
func split(s setting, text string) []string {
	if !kindOf(s).list {
		return []string{text}
	}
	var out []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// items is the value of a list.
func items(p any) []string {
	switch p := p.(type) {
	case *[]string:
		return *p
	case *Patterns:
		return *p
	case *[]uint16:
		var out []string
		for _, n := range *p {
			out = append(out, strconv.Itoa(int(n)))
		}
		return out
	case *map[string]string:
		var out []string
		for _, name := range slices.Sorted(maps.Keys(*p)) {
			out = append(out, name+"="+(*p)[name])
		}
		return out
	}
	return nil
}

// format writes a value as a flag would.
func format(p any) string {
	switch p := p.(type) {
	case *string:
		return *p
	case *Mode:
		return string(*p)
	case *bool:
		return strconv.FormatBool(*p)
	case *int:
		return strconv.Itoa(*p)
	case *Size:
		return p.String()
	case *Share:
		return strconv.FormatFloat(float64(*p), 'g', -1, 64)
	case *time.Duration:
		return FormatDuration(*p)
	}
	return strings.Join(items(p), ",")
}

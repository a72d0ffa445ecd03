package web

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
)

// params reads query parameters. The first wrong one becomes the problem; reading goes on with defaults.
type params struct {
	values  url.Values
	known   map[string]bool
	problem *problem
}

func newParams(query string) *params {
	p := &params{known: map[string]bool{}}
	var err error
	if p.values, err = url.ParseQuery(query); err != nil {
		p.wrong("", "the query string is malformed", "escape special characters with %")
	}
	return p
}

// maxValue bounds the length of a parameter's value, and maxValues how often it may be repeated.
const (
	maxValue  = 4096
	maxValues = 100
)

func (p *params) wrong(name, message, hint string) {
	if p.problem == nil {
		p.problem = &problem{Status: http.StatusBadRequest, Code: "invalid_parameter", Parameter: name, Message: message, Hint: hint}
	}
}

// done reports whether every parameter was right, and known to the endpoint.
func (p *params) done() bool {
	if p.problem != nil {
		return false
	}
	for _, name := range sortedNames(p.values) {
		if !p.known[name] {
			p.wrong(name, "there is no parameter "+quote(name)+" here", "known ones: "+strings.Join(sortedNames(p.known), ", "))
			return false
		}
	}
	return true
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func quote(s string) string {
	if len(s) > 60 {
		s = s[:60] + "…"
	}
	return strconv.QuoteToGraphic(strings.ToValidUTF8(s, "�"))
}

func (p *params) all(name string) []string {
	p.known[name] = true
	v := p.values[name]
	if len(v) > maxValues {
		p.wrong(name, name+" is repeated too often", "at most "+strconv.Itoa(maxValues)+" times")
		return nil
	}
	for _, s := range v {
		if len(s) > maxValue {
			p.wrong(name, name+" is too long", "at most "+strconv.Itoa(maxValue)+" bytes")
			return nil
		}
	}
	return v
}

// one returns the value of a parameter that may be given once; "" is as good as absent.
func (p *params) one(name string) string {
	v := p.all(name)
	if len(v) > 1 {
		p.wrong(name, name+" may be given only once", "")
	}
	if len(v) == 0 {
		return ""
	}
	return v[0]
}

func (p *params) int(name string, fallback, low, high int) int {
	s := p.one(name)
	if s == "" {
		return fallback
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		p.wrong(name, name+" must be a whole number from "+strconv.Itoa(low)+" to "+strconv.Itoa(high)+", not "+quote(s), "for example "+name+"="+strconv.Itoa(max(fallback, low)))
		return fallback
	}
	return n
}

// nanos reads a decimal number of seconds without loss.
func (p *params) nanos(name, example string) int64 {
	s := p.one(name)
	if s == "" {
		return 0
	}
	n, ok := parseSeconds(s)
	if !ok {
		p.wrong(name, name+" must be a number of seconds, not "+quote(s), "for example "+name+"="+example)
	}
	return n
}

func parseSeconds(s string) (int64, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(s) > 40 || whole == "" && fraction == "" {
		return 0, false
	}
	const most = math.MaxInt64 / int64(time.Second)
	var n int64
	for _, c := range []byte(whole) {
		if c < '0' || c > '9' || n > most/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if n >= most {
		return 0, false
	}
	for i := range 9 {
		n *= 10
		if i < len(fraction) {
			n += int64(fraction[i] - '0')
		}
	}
	for _, c := range []byte(fraction) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	return n, true
}

func (p *params) time(name string) time.Time {
	if n := p.nanos(name, "1767603600.5"); n != 0 {
		return time.Unix(0, n).UTC()
	}
	return time.Time{}
}

// hex reads repeated values of up to 16 hex digits.
func (p *params) hex(name string) []uint64 {
	var out []uint64
	for _, s := range p.all(name) {
		n, err := strconv.ParseUint(s, 16, 64)
		if err != nil && s != "" {
			p.wrong(name, name+" must be 16 hex digits, not "+quote(s), "for example "+name+"=00c0ffee00c0ffee")
			return nil
		}
		out = append(out, n)
	}
	return out
}

// callID reads the id of a call that need not exist.
func (p *params) callID(name string) (id rpclog.CallID, given bool) {
	s := p.one(name)
	if s == "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		p.wrong(name, name+" must be a call's id, not "+quote(s), "for example "+name+"=17")
	}
	return rpclog.CallID(n), true
}

func (p *params) choice(name string, fallback string, options ...string) string {
	s := p.one(name)
	if s == "" {
		return fallback
	}
	if !slices.Contains(options, s) {
		p.wrong(name, name+" can not be "+quote(s), "one of "+strings.Join(options, ", "))
		return fallback
	}
	return s
}

var classes = []string{"ordinary", "handshake", "poll", "asset"} // by rpclog.Class

// filter reads what picks calls.
func (p *params) filter() store.Filter {
	f := store.Filter{From: p.time("from"), To: p.time("to"), Users: p.all("user"), Methods: p.all("method"), Models: p.all("model"),
		Rules: p.all("rule"), Errors: p.all("error"), Text: p.one("q"),
		Min: time.Duration(p.nanos("min", "0.25")), Max: time.Duration(p.nanos("max", "2"))}
	for _, n := range p.hex("session") {
		f.Sessions = append(f.Sessions, rpclog.SessionKey(n))
	}
	for _, n := range p.hex("shape") {
		f.Shapes = append(f.Shapes, sqltrace.Fingerprint(n))
	}
	if !f.From.IsZero() && !f.To.IsZero() && f.To.Before(f.From) {
		p.wrong("to", "to lies before from", "exchange them")
	}
	if f.Max > 0 && f.Max < f.Min {
		p.wrong("max", "max is less than min", "exchange them")
	}
	for _, s := range p.all("class") {
		i := slices.Index(classes, s)
		switch {
		case s == "all":
			f.AllCalls = true
		case i >= 0:
			f.Classes = append(f.Classes, rpclog.Class(i))
		default:
			p.wrong("class", "class can not be "+quote(s), "one of "+strings.Join(classes, ", ")+", all")
		}
	}
	return f
}

// page reads the order and the part of a list. Keys are the allowed sort keys, the first one the default; those
// in words and times come in ascending order unless told otherwise.
func (p *params) page(limit int, ascending []string, keys ...string) store.Page {
	pg := store.Page{Sort: p.choice("sort", keys[0], keys...), Offset: p.int("offset", 0, 0, math.MaxInt32), Limit: p.int("limit", limit, 1, 1000)}
	order := "desc"
	if slices.Contains(ascending, pg.Sort) {
		order = "asc"
	}
	pg.Desc = p.choice("order", order, "asc", "desc") == "desc"
	return pg
}

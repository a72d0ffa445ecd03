package web

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
)

// seconds is a duration, written as seconds without rounding.
type seconds time.Duration

// MarshalJSON writes a decimal number.
func (s seconds) MarshalJSON() ([]byte, error) { return appendSeconds(nil, int64(s)), nil }

// stamp is a point in time, written as Unix seconds without rounding.
type stamp time.Time

// MarshalJSON writes a decimal number.
func (s stamp) MarshalJSON() ([]byte, error) {
	if t := time.Time(s); !t.IsZero() {
		return appendSeconds(nil, t.UnixNano()), nil
	}
	return []byte("0"), nil
}

// IsZero makes omitzero leave unknown times out.
func (s stamp) IsZero() bool { return time.Time(s).IsZero() }

// appendSeconds writes nanoseconds as seconds with as many decimals as they need.
func appendSeconds(b []byte, ns int64) []byte {
	if ns < 0 {
		b = append(b, '-')
		ns = -ns
	}
	b = strconv.AppendInt(b, ns/1e9, 10)
	fraction := ns % 1e9
	if fraction == 0 {
		return b
	}
	digits := [10]byte{'.'}
	for i := 9; i > 0; i-- {
		digits[i] = byte('0' + fraction%10)
		fraction /= 10
	}
	n := len(digits)
	for digits[n-1] == '0' {
		n--
	}
	return append(b, digits[:n]...)
}

func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return append(b, '\n'), nil
}

// hex64 is written as 16 hex digits, 0 as an empty string.
type hex64 uint64

// MarshalText writes the digits.
func (h hex64) MarshalText() ([]byte, error) {
	if h == 0 {
		return []byte{}, nil
	}
	return fmt.Appendf(nil, "%016x", uint64(h)), nil
}

type partsView struct {
	Wait        seconds `json:"wait"`
	Application seconds `json:"application"`
	SQL         seconds `json:"sql"`
	Lock        seconds `json:"lock"`
	Retry       seconds `json:"retry"`
	Transfer    seconds `json:"transfer"`
	Unknown     seconds `json:"unknown"`
}

func viewParts(b *analyzer.Breakdown) partsView {
	return partsView{seconds(b.Wait), seconds(b.Application), seconds(b.SQL), seconds(b.Lock), seconds(b.Retry), seconds(b.Transfer), seconds(b.Unknown)}
}

// partNames are the keys of partsView in its order.
var partNames = [...]string{"wait", "application", "sql", "lock", "retry", "transfer", "unknown"}

func partList(b *analyzer.Breakdown) [len(partNames)]time.Duration {
	return [...]time.Duration{b.Wait, b.Application, b.SQL, b.Lock, b.Retry, b.Transfer, b.Unknown}
}

type callView struct {
	ID            uint64    `json:"id"`
	Start         stamp     `json:"start"`
	Duration      seconds   `json:"duration"`
	Transport     string    `json:"transport"`
	Class         string    `json:"class"`
	Verb          string    `json:"verb"`
	Path          string    `json:"path"`
	Service       string    `json:"service"`
	Model         string    `json:"model"`
	Method        string    `json:"method"`
	Name          string    `json:"name"`
	Database      string    `json:"database"`
	User          string    `json:"user"`
	UID           int64     `json:"uid,omitempty"`
	Login         string    `json:"login"`
	Session       hex64     `json:"session"`
	Client        string    `json:"client"`
	Server        string    `json:"server"`
	Status        int       `json:"status,omitempty"`
	Error         string    `json:"error"`
	Failed        bool      `json:"failed"`
	IDs           int64     `json:"ids"`
	RequestBytes  int64     `json:"request_bytes"`
	ResponseBytes int64     `json:"response_bytes"`
	Statements    int64     `json:"statements"`
	Parts         partsView `json:"parts"`
	Findings      []string  `json:"findings"`
	Gaps          []string  `json:"gaps"`
	Probability   float64   `json:"probability"`
	Detail        string    `json:"detail"`
}

func viewCall(c *store.Call) callView {
	return callView{ID: uint64(c.ID), Start: stamp(c.Start), Duration: seconds(c.Duration), Transport: c.Transport.String(), Class: class(c.Class),
		Verb: c.Verb, Path: c.Path, Service: c.Service, Model: c.Model, Method: c.Method, Name: c.Name, Database: c.Database,
		User: c.User, UID: c.UID, Login: c.Login, Session: hex64(c.Session), Client: c.Client, Server: c.Server,
		Status: c.Status, Error: c.Error, Failed: c.Failed, IDs: c.IDs, RequestBytes: c.RequestBytes, ResponseBytes: c.ResponseBytes,
		Statements: c.Statements, Parts: viewParts(&c.Time), Findings: c.Findings,
		Gaps: bits(uint8(c.Gaps), "request", "response", "joined", "unanswered", "statements", "order"), Probability: c.Probability, Detail: detail(c)}
}

// detail says what was kept of a call.
func detail(c *store.Call) string {
	if c.Counted {
		return "counted"
	}
	return "full"
}

func viewCalls(calls []store.Call) []callView {
	out := make([]callView, len(calls))
	for i := range calls {
		out[i] = viewCall(&calls[i])
	}
	return out
}

func class(c rpclog.Class) string {
	if int(c) < len(classes) {
		return classes[c]
	}
	return ""
}

// bits names the set bits of a gap.
func bits(v uint8, names ...string) []string {
	out := []string{}
	for i, name := range names {
		if v&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

type groupView struct {
	Name       string    `json:"name"`
	Model      string    `json:"model"`
	Method     string    `json:"method"`
	UID        int64     `json:"uid,omitempty"`
	Calls      int64     `json:"calls"`
	Errors     int64     `json:"errors"`
	Statements int64     `json:"statements"`
	Total      seconds   `json:"total"`
	Share      float64   `json:"share"`
	Mean       seconds   `json:"mean"`
	P50        seconds   `json:"p50"`
	P95        seconds   `json:"p95"`
	P99        seconds   `json:"p99"`
	Max        seconds   `json:"max"`
	First      stamp     `json:"first,omitzero"`
	Last       stamp     `json:"last,omitzero"`
	Users      int       `json:"users"`
	Methods    int       `json:"methods"`
	Parts      partsView `json:"parts"`
}

func viewGroup(g *store.Group, all time.Duration) groupView {
	return groupView{Name: g.Name, Model: g.Model, Method: g.Method, UID: g.UID, Calls: g.Calls, Errors: g.Errors, Statements: g.Statements,
		Total: seconds(g.Total), Share: share(g.Total, all), Mean: mean(g.Total, g.Calls), P50: seconds(g.P50), P95: seconds(g.P95),
		P99: seconds(g.P99), Max: seconds(g.Max), First: stamp(g.First), Last: stamp(g.Last), Users: g.Users, Methods: g.Methods, Parts: viewParts(&g.Time)}
}

func viewGroups(groups []store.Group, all time.Duration) []groupView {
	out := make([]groupView, len(groups))
	for i := range groups {
		out[i] = viewGroup(&groups[i], all)
	}
	return out
}

type shapeView struct {
	Fingerprint hex64 `json:"fingerprint"`
	nameView
	Kind       string   `json:"kind"`
	Text       string   `json:"text"`
	Tables     []string `json:"tables"`
	Written    string   `json:"written"`
	Statements int64    `json:"statements"`
	Calls      int64    `json:"calls"`
	PerCall    float64  `json:"per_call"`
	Rows       int64    `json:"rows"`
	Bytes      int64    `json:"bytes"`
	Errors     int64    `json:"errors"`
	Total      seconds  `json:"total"`
	Share      float64  `json:"share"`
	Mean       seconds  `json:"mean"`
	P50        seconds  `json:"p50"`
	P95        seconds  `json:"p95"`
	P99        seconds  `json:"p99"`
	Max        seconds  `json:"max"`
	Background seconds  `json:"background"`
	Methods    []string `json:"methods"`
}

func (n *names) viewShape(g *store.ShapeGroup, all time.Duration) shapeView {
	v := shapeView{Fingerprint: hex64(g.Fingerprint), nameView: n.of(&g.Shape), Kind: kind(g.Kind), Text: g.Text, Tables: g.Tables, Written: g.Written,
		Statements: g.Statements, Calls: g.Calls, Rows: g.Rows, Bytes: g.Bytes, Errors: g.Errors, Total: seconds(g.Total), Share: share(g.Total, all),
		Mean: mean(g.Total, g.Statements), P50: seconds(g.P50), P95: seconds(g.P95), P99: seconds(g.P99), Max: seconds(g.Max),
		Background: seconds(g.Background), Methods: g.Methods}
	if g.Calls > 0 {
		v.PerCall = rounded(float64(g.InCalls) / float64(g.Calls))
	}
	return v
}

func (n *names) viewShapes(groups []store.ShapeGroup, all time.Duration) []shapeView {
	out := make([]shapeView, len(groups))
	for i := range groups {
		out[i] = n.viewShape(&groups[i], all)
	}
	return out
}

func kind(k sqltrace.Kind) string {
	if k <= sqltrace.Other {
		return k.String()
	}
	return sqltrace.Other.String()
}

type findsView struct {
	Rule     string          `json:"rule"`
	Name     string          `json:"name"`
	Title    string          `json:"title"`
	Fix      string          `json:"fix"`
	Calls    int64           `json:"calls"`
	Findings int64           `json:"findings"`
	Cost     seconds         `json:"cost"`
	Max      seconds         `json:"max"`
	Users    []string        `json:"users"`
	First    stamp           `json:"first"`
	Last     stamp           `json:"last"`
	Examples []rpclog.CallID `json:"examples"`
}

func viewFinds(finds []store.Finds) []findsView {
	out := make([]findsView, len(finds))
	for i, f := range finds {
		out[i] = findsView{f.Rule, f.Name, f.Title, f.Fix, f.Calls, f.Findings, seconds(f.Cost), seconds(f.Max), f.Users, stamp(f.First), stamp(f.Last), f.Examples}
	}
	return out
}

// share is a part of a whole, rounded to a ten-thousandth.
func share(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return rounded(float64(part) / float64(whole))
}

func rounded(v float64) float64 { return float64(int64(v*1e4+0.5)) / 1e4 }

func mean(total time.Duration, n int64) seconds {
	if n == 0 {
		return 0
	}
	return seconds(total / time.Duration(n))
}

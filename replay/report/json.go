package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/compare/answer"
	"github.com/perfd/perfd/replay/observe"
	"github.com/perfd/perfd/replay/whatif"
	"github.com/perfd/perfd/sqltrace/statements"
)

// FormatVersion is that of the JSON form. Members are added without a new one.
const FormatVersion = 1

// document is the JSON form of a report. Durations are in nanoseconds, but for those of comparisons, which are in seconds.
type document struct {
	Version    int                 `json:"version"`
	Perfd      string              `json:"perfd,omitempty"`
	Made       *time.Time          `json:"made,omitempty"`
	Verdict    string              `json:"verdict,omitempty"`
	Sentence   string              `json:"sentence"`
	Doubts     []string            `json:"doubts"`
	Label      string              `json:"label,omitempty"`
	A          string              `json:"a"`
	B          string              `json:"b,omitempty"`
	Mode       string              `json:"mode,omitempty"`
	Load       loadDocument        `json:"load"`
	Stopped    bool                `json:"stopped,omitempty"`
	Failed     string              `json:"failed,omitempty"`
	Comparison *compare.Comparison `json:"comparison,omitempty"`
	Thresholds []compare.Outcome   `json:"thresholds,omitempty"`
	Answers    *answer.Result      `json:"answers,omitempty"`
	Statements []statements.Change `json:"statements,omitempty"`
	Observed   *observedDocument   `json:"observed,omitempty"`
	Passes     []passDocument      `json:"passes,omitempty"`
	WhatIf     *whatif.Answers     `json:"what_if,omitempty"`
}

// observedDocument is what a tap saw, after what it says in a sentence.
type observedDocument struct {
	Sentence string `json:"sentence,omitempty"`
	*observe.Result
}

type loadDocument struct {
	Name     string    `json:"name"`
	Product  string    `json:"product,omitempty"`
	Database string    `json:"database,omitempty"`
	Start    time.Time `json:"start"`
	Lacks    []string  `json:"lacks,omitempty"`
}

// passDocument is what the generator tells of a pass.
type passDocument struct {
	Arm       string                `json:"arm"`
	Round     int                   `json:"round"`
	Sent      int64                 `json:"sent"`
	Errors    int64                 `json:"errors"`
	Cached    int64                 `json:"cached"`
	Retried   int64                 `json:"retried"`
	Matches   map[string]int64      `json:"matches,omitempty"`
	Unjudged  map[string]int64      `json:"unjudged,omitempty"`
	Left      map[replay.Left]int64 `json:"left,omitempty"`
	Failures  map[string]int64      `json:"failures,omitempty"`
	Differing map[string]int64      `json:"differing,omitempty"`
	Mapped    int                   `json:"mapped,omitempty"`
	Duration  time.Duration         `json:"duration"`
	Latency   durations             `json:"latency"`
	Service   durations             `json:"service"`
	Wait      durations             `json:"wait"`
	Late      durations             `json:"late"`
	CPU       float64               `json:"cpu"`
	Invalid   string                `json:"invalid,omitempty"`
	Stopped   bool                  `json:"stopped,omitempty"`
}

type durations struct {
	P50 time.Duration `json:"p50"`
	P95 time.Duration `json:"p95"`
	P99 time.Duration `json:"p99"`
	Max time.Duration `json:"max"`
}

func durationsOf(d replay.Durations) durations { return durations{d.P50, d.P95, d.P99, d.Max} }

// JSON writes the report as one JSON object. docs/replay.md describes it.
func JSON(w io.Writer, r *Report) error {
	d := document{
		Version: FormatVersion, Perfd: r.Version, Doubts: r.doubts(), Label: r.Label, A: r.A, B: r.B, Mode: r.Mode, Stopped: r.Stopped, Failed: r.Failed, Comparison: r.Comparison,
		Thresholds: r.Thresholds, Answers: r.Answers, Statements: r.Statements, WhatIf: r.WhatIf,
		Load: loadDocument{r.Load.Name, r.Load.Header.Product, r.Load.Header.Database, r.Load.Header.Start, r.Load.Header.Lacks},
	}
	d.Verdict, d.Sentence = r.Headline()
	if d.Doubts == nil {
		d.Doubts = []string{}
	}
	if !r.Made.IsZero() {
		d.Made = &r.Made
	}
	if r.Observed != nil {
		d.Observed = &observedDocument{r.why(), r.Observed}
	}
	for _, p := range r.Passes {
		x := &p.Report
		d.Passes = append(d.Passes, passDocument{
			Arm: p.Arm.String(), Round: p.Round, Sent: x.Sent, Errors: x.Errors, Cached: x.Cached, Retried: x.Retried, Matches: x.Matches, Unjudged: x.Unjudged, Left: x.Left, Failures: x.Failures, Differing: x.Differing, Mapped: x.Mapped,
			Duration: x.Duration, Latency: durationsOf(x.Latency), Service: durationsOf(x.Service), Wait: durationsOf(x.Wait), Late: durationsOf(x.Late),
			CPU: x.CPU, Invalid: x.Invalid, Stopped: x.Stopped,
		})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

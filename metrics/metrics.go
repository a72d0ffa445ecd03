// Package metrics tells Prometheus of the observed server and of perfd itself, in a number of series that is
// bounded whatever the server does. No label holds a user, a login or an id.
package metrics

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
)

// Config of the metrics. The zero value works.
type Config struct {
	// MaxMethods is how many methods get series of their own. Defaults to 200.
	MaxMethods int
	// Version of perfd, told by perfd_build_info. Defaults to "unknown".
	Version string
	// Self tells of perfd itself. Defaults to nothing but the process's memory, CPU and descriptors.
	Self Self
}

// Metrics is a sink of traces that Prometheus can read. It is safe for one writer and any number of scrapes.
type Metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	parts    *prometheus.CounterVec
	counted  *prometheus.CounterVec // statements of calls, by method

	others      *prometheus.CounterVec
	attributed  *prometheus.CounterVec
	backgrounds *prometheus.CounterVec
	findings    *prometheus.CounterVec

	mu      sync.Mutex // guards methods
	methods methods
}

var _ analyzer.Sink = (*Metrics)(nil)

// buckets are those of scrapers that know no native histograms.
var buckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// New returns metrics with a registry of their own.
func New(c Config) (*Metrics, error) {
	if c.MaxMethods <= 0 {
		c.MaxMethods = 200
	}
	if c.Version == "" {
		c.Version = "unknown"
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "perfd", Name: name, Help: help}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		calls: counter("calls_total", "Calls of the observed server that ended; rare methods are counted as other.",
			"model", "method", "transport", "outcome"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "perfd", Name: "call_duration_seconds",
			Help:    "Time from a call's first request byte to its last response byte.",
			Buckets: buckets, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
			NativeHistogramMinResetDuration: 3600e9,
		}, []string{"model", "method"}),
		parts:       counter("call_seconds_total", "Time of calls by the part in which it was spent; the parts add up.", "model", "method", "part"),
		counted:     counter("call_statements_total", "Statements that calls made.", "model", "method"),
		others:      counter("other_exchanges_total", "HTTP exchanges that are no ordinary calls.", "class"),
		attributed:  counter("attributed_statements_total", "Statements given to calls, by the evidence for it.", "evidence"),
		backgrounds: counter("background_statements_total", "Statements that no call owns, by what made them.", "group"),
		findings:    counter("findings_total", "Findings in calls.", "rule"),
		methods:     newMethods(c.MaxMethods),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "perfd", Name: "build_info", Help: "Always 1; the label tells the version.",
		ConstLabels: prometheus.Labels{"version": c.Version},
	})
	info.Set(1)
	for _, x := range []prometheus.Collector{
		m.calls, m.duration, m.parts, m.counted, m.others, m.attributed, m.backgrounds, m.findings, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newSelfCollector(c.Self),
	} {
		if err := m.registry.Register(x); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 4})
}

// Trace counts a call.
func (m *Metrics) Trace(t *analyzer.Trace) error {
	c := t.Call
	m.evidence(t.Spans)
	for i := range t.Findings {
		m.findings.WithLabelValues(t.Findings[i].Rule).Inc()
	}
	if c.Class != rpclog.Ordinary {
		m.others.WithLabelValues(className(c.Class)).Inc()
		return nil
	}
	m.mu.Lock()
	s := m.methods.of(nameOf(c), m.series)
	m.mu.Unlock()
	s.count(c.Transport, outcomeOf(c))
	if !c.End.IsZero() {
		s.duration.Observe(max(0, c.End.Sub(c.Start)).Seconds())
	}
	for i, d := range partsOf(t.Time) {
		if d > 0 {
			s.parts[i].Add(d.Seconds())
		}
	}
	s.statements.Add(float64(len(t.Spans)))
	return nil
}

// Background counts statements that no call owns.
func (m *Metrics) Background(b *analyzer.Background) error {
	m.backgrounds.WithLabelValues(b.Group).Add(float64(len(b.Spans)))
	return nil
}

// evidence counts statements by why they are a call's.
func (m *Metrics) evidence(spans []analyzer.Span) {
	for i := 0; i < len(spans); {
		by, n := spans[i].By, i
		for i < len(spans) && spans[i].By == by { // most calls have one kind
			i++
		}
		m.attributed.WithLabelValues(by.String()).Add(float64(i - n))
	}
}

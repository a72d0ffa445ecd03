// Package collect gives Prometheus the figures of package cache and of package client, in a program that has a registry
// of its own, or none. It is apart from package metrics, so that such a program does not get the rest of perfd with it.
//
//	registry.MustRegister(collect.New(collect.Client(c), collect.Config{}))
//	http.Handle("/metrics", collect.Handler(collect.New(collect.Cache(loader), collect.Config{})))
package collect

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/client"
)

// Config of a collector. The zero value works.
type Config struct {
	// Namespace is what the names of the metrics begin with. Defaults to perfd.
	Namespace string
	// Labels stand on all series, to tell several clients or caches from one another. Default to none.
	Labels map[string]string
}

// Source yields figures. It is asked at each scrape, from any goroutine.
type Source func() iter.Seq[cache.Sample]

// Client is the figures of a client, with those of its cache.
func Client(c *client.Client) Source {
	return func() iter.Seq[cache.Sample] { return c.Stats().Samples() }
}

// Cache is the figures of a cache alone: a *cache.Loader, or any back end.
func Cache(c interface{ Stats() cache.Stats }) Source {
	return func() iter.Seq[cache.Sample] { return c.Stats().Samples() }
}

type collector struct {
	source    Source
	namespace string
	labels    prometheus.Labels
}

var _ prometheus.Collector = (*collector)(nil)

// New makes a collector, which belongs in a registry.
func New(s Source, c Config) prometheus.Collector {
	if c.Namespace == "" {
		c.Namespace = "perfd"
	}
	return &collector{s, c.Namespace, c.Labels}
}

// Describe says nothing beforehand: which series there are depends on what is called and cached.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect is called at each scrape.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	for s := range c.source() {
		names, values := make([]string, len(s.Labels)), make([]string, len(s.Labels))
		for i, l := range s.Labels {
			names[i], values[i] = l[0], l[1]
		}
		desc := prometheus.NewDesc(c.namespace+"_"+s.Name, s.Help, names, c.labels)
		m, err := metric(desc, s, values)
		if err != nil {
			m = prometheus.NewInvalidMetric(desc, err)
		}
		out <- m
	}
}

func metric(desc *prometheus.Desc, s cache.Sample, values []string) (prometheus.Metric, error) {
	switch s.Kind {
	case cache.Durations:
		if s.Histogram == nil {
			return nil, fmt.Errorf("collect %s: a histogram without durations", s.Name)
		}
		buckets, below := map[float64]uint64{}, uint64(0)
		for i, b := range s.Histogram.Buckets {
			below += uint64(b.Count)            //nolint:gosec // never negative
			if i < len(s.Histogram.Buckets)-1 { // the last one is +Inf, which is the count
				buckets[b.UpTo.Seconds()] = below
			}
		}
		return prometheus.NewConstHistogram(desc, below, s.Histogram.Sum.Seconds(), buckets, values...)
	case cache.Counter:
		return prometheus.NewConstMetric(desc, prometheus.CounterValue, s.Value, values...)
	case cache.Gauge:
	}
	return prometheus.NewConstMetric(desc, prometheus.GaugeValue, s.Value, values...)
}

// Handler answers scrapes in a program without a registry.
func Handler(collectors ...prometheus.Collector) http.Handler {
	r := prometheus.NewRegistry()
	for _, c := range collectors {
		if err := r.Register(c); err != nil {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			})
		}
	}
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 4})
}

// Write writes what a scrape would get, as text.
func Write(w io.Writer, s Source) error {
	req, err := http.NewRequest(http.MethodGet, "/metrics", nil) //nolint:noctx // nobody waits: it is answered here
	if err != nil {
		return fmt.Errorf("ask for metrics: %w", err)
	}
	p := page{header: http.Header{}, status: http.StatusOK}
	Handler(New(s, Config{})).ServeHTTP(&p, req)
	if p.status != http.StatusOK {
		return fmt.Errorf("collect metrics: %s", bytes.TrimSpace(p.body.Bytes()))
	}
	if _, err := p.body.WriteTo(w); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

// page is an answer that is kept.
type page struct {
	header http.Header
	status int
	body   bytes.Buffer
}

var _ http.ResponseWriter = (*page)(nil)

func (p *page) Header() http.Header         { return p.header }
func (p *page) WriteHeader(status int)      { p.status = status }
func (p *page) Write(b []byte) (int, error) { return p.body.Write(b) }

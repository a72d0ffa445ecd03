package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Self tells of perfd itself. Each function is asked at each scrape, from any goroutine; one that is nil is left out.
type Self struct {
	Tap        func() Tap
	Interfaces func() []Interface
	Logs       func() []Log
	Proxies    func() []Proxy
	Engine     func() Engine
	Queues     func() []Queue
	Shed       func() Shed
	Store      func() Store
	Process    func() Process
	Agreement  func() Agreement
	Memory     func() Memory
}

// Tap is the ring between kernel and perfd.
type Tap struct {
	Packets, Bytes, Drops, Freezes, Errors, ClockSteps int64
}

// Interface is one that is tapped.
type Interface struct {
	Name           string
	Up             bool
	Packets, Downs int64
}

// Log is a log that is followed.
type Log struct {
	Name      string // postgresql or odoo, the label of its series
	Up        bool   // it can be read
	Lines     int64
	Rotations int64 // times another file took its place, or it was written anew
	Behind    int64 // bytes that are written and not read
}

// Proxy is one way through perfd.
type Proxy struct {
	Listen                 string // its address, the label of its series
	Up                     bool   // the upstream could be reached
	Open                   int64  // connections of clients, now
	Connections, Requests  int64  // of clients
	FromClients, ToClients int64  // bytes
	Refused                int64  // clients or requests that do not keep to the protocol
	UpstreamErrors         int64  // clients or requests for which the upstream could not be reached, or did not answer
	ClientTLS, UpstreamTLS int64  // connections by TLS
}

// Engine is what was made of the packets.
type Engine struct {
	HTTPConnections, SQLConnections, OtherConnections int64
	EncryptedHTTP, EncryptedSQL                       int64
	LostBytes, Gaps, Truncated, Evicted               int64
}

// Queue is a bounded queue.
type Queue struct {
	Name                  string
	Depth, Bound, Dropped int64
}

// Shed is what was left out under load.
type Shed struct {
	Level                    int // 0: nothing; 1: statement texts; 2: statements; 3: calls
	Texts, Statements, Calls int64
	HTTPBytes, SQLBytes      int64 // that were not decoded: what was in them is not known
}

// Store is where traces are kept.
type Store struct {
	Bytes                        int64
	Flushes, FlushErrors         int64
	FlushSeconds                 float64 // in all
	LostTraces, PrunedTraces     int64
	OldestTrace, LastFlushedTime float64 // Unix seconds; 0 if unknown
}

// Process is what the kernel told of sockets and threads.
type Process struct {
	Threads                                      bool // thread evidence is on
	Lookups, Found, Unresolved, Ambiguous, Drops int64
	ThreadEvents, ThreadLost                     int64
}

// Agreement is how far the server's own log says the same.
type Agreement struct {
	Equal, Different, Unmatched int64
}

// Memory is perfd's bound and its use of it.
type Memory struct {
	Bound, Used int64
}

// selfCollector reads Self at each scrape.
type selfCollector struct {
	families []family
}

var _ prometheus.Collector = (*selfCollector)(nil)

// emit gives one value of a family.
type emit func(value float64, labels ...string)

type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(emit)
}

func (c *selfCollector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range c.families {
		out <- f.desc
	}
}

func (c *selfCollector) Collect(out chan<- prometheus.Metric) {
	for _, f := range c.families {
		f.read(func(v float64, labels ...string) {
			if m, err := prometheus.NewConstMetric(f.desc, f.kind, v, labels...); err == nil {
				out <- m
			}
		})
	}
}

func (c *selfCollector) add(kind prometheus.ValueType, name, help string, label string, read func(emit)) {
	var labels []string
	if label != "" {
		labels = []string{label}
	}
	c.families = append(c.families, family{prometheus.NewDesc("perfd_"+name, help, labels, nil), kind, read})
}

// counter and gauge add a family of one value.
func (c *selfCollector) counter(name, help string, read func() float64) {
	c.add(prometheus.CounterValue, name, help, "", func(e emit) { e(read()) })
}

func (c *selfCollector) gauge(name, help string, read func() float64) {
	c.add(prometheus.GaugeValue, name, help, "", func(e emit) { e(read()) })
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

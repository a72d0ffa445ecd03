package metrics

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
)

// outcome is how a call ended.
type outcome uint8

const (
	succeeded outcome = iota
	failed
	unanswered
)

var outcomeNames = [...]string{"ok", "error", "unanswered"}

func outcomeOf(c *rpclog.Call) outcome {
	switch {
	case c.Gaps&rpclog.GapUnanswered != 0:
		return unanswered
	case c.Error != "" || c.Status >= 400:
		return failed
	}
	return succeeded
}

func className(c rpclog.Class) string {
	switch c {
	case rpclog.Handshake:
		return "websocket"
	case rpclog.Poll:
		return "poll"
	case rpclog.Asset:
		return "asset"
	}
	return "other"
}

var partNames = [...]string{"wait", "application", "sql", "lock", "retry", "transfer", "unknown"}

func partsOf(b analyzer.Breakdown) [len(partNames)]time.Duration {
	return [...]time.Duration{b.Wait, b.Application, b.SQL, b.Lock, b.Retry, b.Transfer, b.Unknown}
}

// transports is how many there are.
const transports = int(rpclog.Tryton) + 1

// series is all that is counted of one method, looked up once.
type series struct {
	name       name
	calls      [transports][len(outcomeNames)]prometheus.Counter // made when first counted
	vec        *prometheus.CounterVec
	duration   prometheus.Observer
	parts      [len(partNames)]prometheus.Counter
	statements prometheus.Counter
}

func (m *Metrics) series(n name) *series {
	s := &series{name: n, vec: m.calls, duration: m.duration.WithLabelValues(n.model, n.method), statements: m.counted.WithLabelValues(n.model, n.method)}
	for i, part := range partNames {
		s.parts[i] = m.parts.WithLabelValues(n.model, n.method, part)
	}
	return s
}

func (s *series) count(t rpclog.Transport, o outcome) {
	c := &s.calls[t][o]
	if *c == nil {
		*c = s.vec.WithLabelValues(s.name.model, s.name.method, t.String(), outcomeNames[o])
	}
	(*c).Inc()
}

// nameOf is what a call is counted under.
func nameOf(c *rpclog.Call) name {
	if c.Method == "" {
		return name{method: route(c.Path)}
	}
	n := name{model: clean(c.Model), method: clean(c.Method)}
	if n.model == "" && c.Service != "" {
		n.method = clean(c.Service) + "." + n.method
	}
	return n
}

// clean keeps a name that a client sent from breaking the exposition format.
func clean(s string) string { return strings.ToValidUTF8(s, "?") }

// route is the beginning of a path, as far as it is words: what follows may be a record's id or a name.
func route(path string) string {
	const segments = 2
	end, n := 0, 0
	for n < segments && end < len(path) && path[end] == '/' {
		next := end + 1
		for next < len(path) && (path[next] >= 'a' && path[next] <= 'z' || path[next] == '_') {
			next++
		}
		if next == end+1 || next < len(path) && path[next] != '/' {
			break
		}
		end = next
		n++
	}
	if end == 0 {
		return "/"
	}
	if end < len(path) && path[end:] != "/" {
		return path[:end] + "/…"
	}
	return path[:end]
}

package metrics

import "github.com/prometheus/client_golang/prometheus"

// newSelfCollector is the table of what is told of perfd itself.
func newSelfCollector(s Self) *selfCollector {
	c := new(selfCollector)
	c.tapFamilies(s)
	c.proxyFamilies(s)
	c.engineFamilies(s)
	c.loadFamilies(s)
	c.storeFamilies(s)
	c.evidenceFamilies(s)
	return c
}

func (c *selfCollector) tapFamilies(s Self) {
	if tap := s.Tap; tap != nil {
		c.counter("tap_packets_total", "Packets taken from the kernel.", func() float64 { return float64(tap().Packets) })
		c.counter("tap_bytes_total", "Captured bytes taken from the kernel.", func() float64 { return float64(tap().Bytes) })
		c.counter("tap_dropped_packets_total", "Packets for which the ring had no room.", func() float64 { return float64(tap().Drops) })
		c.counter("tap_freezes_total", "Times the ring was full.", func() float64 { return float64(tap().Freezes) })
		c.counter("tap_errors_total", "Errors of the tap's socket that passed.", func() float64 { return float64(tap().Errors) })
		c.counter("clock_steps_total", "Times the system's clock was set.", func() float64 { return float64(tap().ClockSteps) })
	}
	if list := s.Interfaces; list != nil {
		each := func(kind prometheus.ValueType, name, help string, value func(Interface) float64) {
			c.add(kind, name, help, "interface", func(e emit) {
				for _, i := range list() {
					e(value(i), i.Name)
				}
			})
		}
		each(prometheus.GaugeValue, "interface_up", "Whether a tapped interface is up.", func(i Interface) float64 { return truth(i.Up) })
		each(prometheus.CounterValue, "interface_packets_total", "Packets by interface.", func(i Interface) float64 { return float64(i.Packets) })
		each(prometheus.CounterValue, "interface_downs_total", "Times an interface went down or away.", func(i Interface) float64 { return float64(i.Downs) })
	}
	if list := s.Logs; list != nil {
		each := func(kind prometheus.ValueType, name, help string, value func(Log) float64) {
			c.add(kind, name, help, "log", func(e emit) {
				for _, l := range list() {
					e(value(l), l.Name)
				}
			})
		}
		each(prometheus.GaugeValue, "log_up", "Whether a log that is followed can be read.", func(l Log) float64 { return truth(l.Up) })
		each(prometheus.CounterValue, "log_lines_total", "Lines of a log.", func(l Log) float64 { return float64(l.Lines) })
		each(prometheus.CounterValue, "log_rotations_total", "Times a log went on in another file, or from its beginning.", func(l Log) float64 { return float64(l.Rotations) })
		each(prometheus.GaugeValue, "log_behind_bytes", "What stands in a log and is not read.", func(l Log) float64 { return float64(l.Behind) })
	}
}

func (c *selfCollector) proxyFamilies(s Self) {
	list := s.Proxies
	if list == nil {
		return
	}
	each := func(kind prometheus.ValueType, name, help string, value func(*Proxy) float64) {
		c.add(kind, "proxy_"+name, help, "listen", func(e emit) {
			for _, p := range list() {
				e(value(&p), p.Listen)
			}
		})
	}
	count := func(name, help string, value func(*Proxy) int64) {
		each(prometheus.CounterValue, name, help, func(p *Proxy) float64 { return float64(value(p)) })
	}
	each(prometheus.GaugeValue, "upstream_up", "Whether the upstream could be reached when that was tried last.", func(p *Proxy) float64 { return truth(p.Up) })
	each(prometheus.GaugeValue, "open_connections", "Clients connected.", func(p *Proxy) float64 { return float64(p.Open) })
	count("connections_total", "Clients that connected.", func(p *Proxy) int64 { return p.Connections })
	count("requests_total", "HTTP requests relayed.", func(p *Proxy) int64 { return p.Requests })
	count("received_bytes_total", "Bytes from clients.", func(p *Proxy) int64 { return p.FromClients })
	count("sent_bytes_total", "Bytes to clients.", func(p *Proxy) int64 { return p.ToClients })
	count("refused_total", "Clients or requests that do not keep to the protocol, or do not encrypt.", func(p *Proxy) int64 { return p.Refused })
	count("upstream_errors_total", "Clients or requests for which the upstream could not be reached, or did not answer.", func(p *Proxy) int64 { return p.UpstreamErrors })
	count("client_tls_connections_total", "Connections of clients by TLS.", func(p *Proxy) int64 { return p.ClientTLS })
	count("upstream_tls_connections_total", "Connections to the upstream by TLS.", func(p *Proxy) int64 { return p.UpstreamTLS })
}

func (c *selfCollector) engineFamilies(s Self) {
	engine := s.Engine
	if engine == nil {
		return
	}
	c.add(prometheus.CounterValue, "connections_total", "Connections by protocol.", "protocol", func(e emit) {
		x := engine()
		e(float64(x.HTTPConnections), "http")
		e(float64(x.SQLConnections), "postgresql")
		e(float64(x.OtherConnections), "other")
	})
	c.add(prometheus.CounterValue, "encrypted_connections_total", "Connections that could not be read.", "protocol", func(e emit) {
		x := engine()
		e(float64(x.EncryptedHTTP), "http")
		e(float64(x.EncryptedSQL), "postgresql")
	})
	c.counter("lost_bytes_total", "Bytes of connections that no packet brought.", func() float64 { return float64(engine().LostBytes) })
	c.counter("gaps_total", "Places at which bytes are missing.", func() float64 { return float64(engine().Gaps) })
	c.counter("truncated_packets_total", "Packets that were cut short.", func() float64 { return float64(engine().Truncated) })
	c.counter("evicted_connections_total", "Connections given up at a limit.", func() float64 { return float64(engine().Evicted) })
}

func (c *selfCollector) loadFamilies(s Self) {
	if queues := s.Queues; queues != nil {
		each := func(kind prometheus.ValueType, name, help string, value func(Queue) int64) {
			c.add(kind, name, help, "queue", func(e emit) {
				for _, q := range queues() {
					e(float64(value(q)), q.Name)
				}
			})
		}
		each(prometheus.GaugeValue, "queue_depth", "What waits in a queue.", func(q Queue) int64 { return q.Depth })
		each(prometheus.GaugeValue, "queue_bound", "What a queue holds at most.", func(q Queue) int64 { return q.Bound })
		each(prometheus.CounterValue, "queue_dropped_total", "What a full queue turned away.", func(q Queue) int64 { return q.Dropped })
	}
	if shed := s.Shed; shed != nil {
		c.gauge("shed_level", "What is left out now: 0 nothing, 1 statement texts, 2 statements, 3 single calls, 4 calls.", func() float64 { return float64(shed().Level) })
		c.add(prometheus.CounterValue, "shed_total", "What was left out under load.", "kind", func(e emit) {
			x := shed()
			e(float64(x.Texts), "text")
			e(float64(x.Statements), "statement")
			e(float64(x.Calls), "call")
		})
		c.add(prometheus.CounterValue, "shed_bytes_total", "Traffic that was not decoded under load; what was in it is not known.", "protocol", func(e emit) {
			x := shed()
			e(float64(x.HTTPBytes), "http")
			e(float64(x.SQLBytes), "postgresql")
		})
	}
	if memory := s.Memory; memory != nil {
		c.gauge("memory_used_bytes", "Memory that counts against the bound.", func() float64 { return float64(memory().Used) })
		c.gauge("memory_bound_bytes", "Memory that perfd may use.", func() float64 { return float64(memory().Bound) })
	}
}

func (c *selfCollector) storeFamilies(s Self) {
	store := s.Store
	if store == nil {
		return
	}
	c.gauge("store_size_bytes", "Size of the store's file.", func() float64 { return float64(store().Bytes) })
	c.counter("store_flushes_total", "Times traces were written.", func() float64 { return float64(store().Flushes) })
	c.counter("store_flush_seconds_total", "Time spent writing traces.", func() float64 { return store().FlushSeconds })
	c.counter("store_errors_total", "Times writing failed.", func() float64 { return float64(store().FlushErrors) })
	c.counter("store_lost_traces_total", "Traces that could not be written.", func() float64 { return float64(store().LostTraces) })
	c.counter("store_pruned_traces_total", "Traces removed by age or size.", func() float64 { return float64(store().PrunedTraces) })
	c.add(prometheus.GaugeValue, "store_oldest_trace_timestamp_seconds", "When the oldest trace kept began.", "", func(e emit) {
		if at := store().OldestTrace; at > 0 {
			e(at)
		}
	})
	c.add(prometheus.GaugeValue, "store_last_flush_timestamp_seconds", "When traces were last written.", "", func(e emit) {
		if at := store().LastFlushedTime; at > 0 {
			e(at)
		}
	})
}

func (c *selfCollector) evidenceFamilies(s Self) {
	if process := s.Process; process != nil {
		c.gauge("thread_evidence_on", "Whether threads are watched.", func() float64 { return truth(process().Threads) })
		c.counter("socket_lookups_total", "Questions to the kernel about owners of sockets.", func() float64 { return float64(process().Lookups) })
		c.add(prometheus.CounterValue, "socket_owners_total", "Answers to them.", "result", func(e emit) {
			x := process()
			e(float64(x.Found), "found")
			e(float64(x.Unresolved), "unresolved")
			e(float64(x.Ambiguous), "ambiguous")
			e(float64(x.Drops), "dropped")
		})
		c.counter("thread_events_total", "Uses of sockets by threads.", func() float64 { return float64(process().ThreadEvents) })
		c.counter("thread_events_lost_total", "Uses for which the kernel found no room.", func() float64 { return float64(process().ThreadLost) })
	}
	if agreement := s.Agreement; agreement != nil {
		c.add(prometheus.CounterValue, "log_requests_total", "Requests in the server's own log by how its count of statements compares with perfd's.", "result", func(e emit) {
			x := agreement()
			e(float64(x.Equal), "equal")
			e(float64(x.Different), "different")
			e(float64(x.Unmatched), "unmatched")
		})
	}
}

package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	minMemory  = 64 << 20
	minStore   = 16 << 20
	minToken   = 16
	maxPattern = 256
	// most bounds lists of names, ports and patterns.
	most = 100
)

// Validate is the one place where settings are checked against each other. It reads no file and asks no system.
func (c *Config) Validate() Problems {
	v := validator{config: c}
	for _, list := range []string{"interfaces", "rpc_ports", "pg_ports", "hosts", "keep.users", "keep.methods", "keep.models", "pyroscope.tags"} {
		s, _ := byKey(list)
		if n := len(items(s.at(c))); n > most {
			v.wrong(list, "has %d entries, at most %d are allowed", n, most)
		}
	}
	for _, port := range c.PGPorts {
		if slices.Contains(c.RPCPorts, port) {
			v.wrong("pg_ports", "names port %d, and so does rpc_ports", port)
		}
	}
	for _, name := range c.Interfaces {
		if name == "" || len(name) > 15 || strings.ContainsAny(name, "/ \t") { // IFNAMSIZ
			v.wrong("interfaces", "must be names of network interfaces such as eth0, not %q", name)
		}
	}
	if c.Store == "" {
		v.wrong("store", "must name a file")
	}
	v.listen()
	if c.Memory < minMemory {
		v.wrong("memory", "must be at least %s, not %s", Size(minMemory), c.Memory)
	}
	v.retention()
	v.keep()
	if c.PGLog.LinePrefix != "" && c.PGLog.Format != "auto" && c.PGLog.Format != "stderr" {
		v.wrong("pg_log.line_prefix", "is used with the format stderr, not with %s", c.PGLog.Format)
	}
	if c.PGLog.Path == "" && c.PGLog.LinePrefix != "" {
		v.wrong("pg_log.line_prefix", "needs pg_log.path")
	}
	v.auth()
	if c.Metrics.MaxMethods < 1 || c.Metrics.MaxMethods > 10000 {
		v.wrong("metrics.max_methods", "must be from 1 to 10000, not %d", c.Metrics.MaxMethods)
	}
	v.pyroscope()
	return v.problems
}

type validator struct {
	config   *Config
	problems Problems
}

func (v *validator) wrong(key, message string, args ...any) {
	v.problems = append(v.problems, Problem{Source: v.config.From(key), Key: key, Message: fmt.Sprintf(message, args...)})
}

func (v *validator) warn(key, message string, args ...any) {
	v.wrong(key, message, args...)
	v.problems[len(v.problems)-1].Warning = true
}

func (v *validator) listen() {
	c := v.config
	if c.Listen != "off" {
		if !v.address("listen", c.Listen) {
			return
		}
		if !Loopback(c.Listen) && c.Auth.Token == "" && c.Auth.PasswordHash == "" && c.Auth.TokenFile == "" {
			v.wrong("listen", "is %s, which others can reach: set auth.token, auth.token_file or auth.password_hash, or listen on 127.0.0.1", c.Listen)
		}
	}
	if c.Metrics.Listen != "" && v.address("metrics.listen", c.Metrics.Listen) {
		switch {
		case c.Metrics.Listen == c.Listen:
			v.wrong("metrics.listen", "is the address of the pages; leave it empty to serve both there")
		case !c.Metrics.Enabled:
			v.warn("metrics.listen", "is set, but metrics.enabled is false")
		}
	}
	for _, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, "/:* ") && !strings.HasPrefix(h, "[") {
			v.wrong("hosts", "must be host names without port, not %q", h)
		}
	}
	if asked := c.From("metrics.enabled") != (Source{}); asked && c.Metrics.Enabled && c.Listen == "off" && c.Metrics.Listen == "" {
		v.warn("metrics.listen", "must be set to serve metrics while listen is off")
	}
}

func (v *validator) address(key, address string) bool {
	_, port, err := net.SplitHostPort(address)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		v.wrong(key, "must be host:port, such as 127.0.0.1:7070, not %q", address)
		return false
	}
	return true
}

// Loopback reports whether an address host:port can be reached from this host alone.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func (v *validator) retention() {
	r := v.config.Retention
	if r.Age < time.Minute {
		v.wrong("retention.age", "must be at least 1m, not %s", FormatDuration(r.Age))
	}
	if r.Aggregates < r.Age {
		v.wrong("retention.aggregates", "must be at least retention.age, %s", FormatDuration(r.Age))
	}
	if r.Size != 0 && r.Size < minStore {
		v.wrong("retention.size", "must be 0 or at least %s, not %s", Size(minStore), r.Size)
	}
}

func (v *validator) keep() {
	k := v.config.Keep
	for _, list := range []struct {
		key string
		p   Patterns
	}{{"keep.users", k.Users}, {"keep.methods", k.Methods}, {"keep.models", k.Models}} {
		for _, p := range list.p {
			switch {
			case p == "" || len(p) > maxPattern:
				v.wrong(list.key, "must be patterns of 1 to %d characters", maxPattern)
			case strings.ContainsAny(p, `[]{}\`):
				v.wrong(list.key, "must be patterns of plain characters, * for any and ? for one, not %q", p)
			}
		}
	}
}

func (v *validator) auth() {
	a := v.config.Auth
	if a.Token != "" && len(a.Token) < minToken {
		v.wrong("auth.token", "must have at least %d characters", minToken)
	}
	if a.PasswordHash != "" {
		if _, err := parseHash(string(a.PasswordHash)); err != nil {
			v.wrong("auth.password_hash", "must be what perfd config hash-password prints")
		}
	}
}

func (v *validator) pyroscope() {
	p := v.config.Pyroscope
	if p.URL == "" {
		return
	}
	u, err := url.Parse(p.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		v.wrong("pyroscope.url", "must begin with http:// or https://")
	case u.User != nil:
		v.wrong("pyroscope.url", "must not hold a password; use pyroscope.user and PERFD_PYROSCOPE_PASSWORD")
	}
	if p.Password != "" && p.User == "" {
		v.wrong("pyroscope.password", "needs pyroscope.user")
	}
}

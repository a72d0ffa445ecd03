package main

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestProxyReady has PostgreSQL be away from behind a proxy and come: perfd tells, and is not ready meanwhile.
func TestProxyReady(t *testing.T) {
	o := newOffice(t, nil)
	away, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	upstream := away.Addr().String()
	if err := away.Close(); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(t.TempDir(), "proxied.db")
	p := &watch{perfdProcess: startPerfd(t, "proxy", "--store", store, "--listen", "127.0.0.1:0", "--evidence-process", "off",
		"--http", "127.0.0.1:0="+o.addr, "--pg", "127.0.0.1:0="+upstream, "--pg-sslmode", "disable"), store: store}
	p.base = p.await(`perfd is serving on (http://\S+)`)[1]
	until(t, "perfd says what it does", func() bool { return strings.Contains(p.stderr(), "perfd keeps calls") })
	said := func(pattern string) string { return regexp.MustCompile(pattern).FindStringSubmatch(p.stderr())[1] }
	front, database := said(`relays HTTP from (\S+) to`), said(`relays PostgreSQL from (\S+) to`)
	until(t, "perfd is not ready", func() bool {
		status, body := p.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "PostgreSQL behind "+database+" cannot be reached: ")
	})
	p.await(`PostgreSQL behind .* cannot be reached.*check=relays`)
	until(t, "the pages tell", func() bool {
		_, state := p.get("/api/v1/state")
		return strings.Contains(state, `"severity":"critical","title":"PostgreSQL behind `) && strings.Contains(state, `"state":"down"`)
	})
	ln, err := net.Listen("tcp", upstream)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	until(t, "perfd is ready", func() bool { status, _ := p.get("/readyz"); return status == http.StatusOK })

	through := &office{t: t, url: "http://" + front}
	through.call(3, "passing")
	c, err := net.Dial("tcp", front)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "nonsense\r\n\r\n")
	until(t, "what passed is counted", func() bool {
		return p.metric(`proxy_requests_total{listen="`+front+`"}`) == 3 && p.metric(`proxy_refused_total{listen="`+front+`"}`) == 1
	})
	for name, least := range map[string]float64{"connections_total": 2, "received_bytes_total": 300, "sent_bytes_total": 200, "upstream_up": 1} {
		if got := p.metric(`proxy_` + name + `{listen="` + front + `"}`); got < least {
			t.Errorf("%s: %v, want at least %v", name, got, least)
		}
	}
	if _, text := p.get("/metrics"); !strings.Contains(text, `perfd_proxy_upstream_tls_connections_total{listen="`+database+`"} 0`) {
		t.Errorf("no figures of %s: %s", database, text)
	}
	p.end()
}

package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/perfd/perfd/lab"
)

// Programs for the kernel's classifier, which draw a random number for each packet that brings data or ends a
// connection: 5 of 100 vanish without anybody's knowing, or all but 5 of 100 are chosen. The opening of connections is
// spared: TCP waits a second there. netem, which is made for it, is not in every kernel.
const (
	draw5    = "6,48 0 0 47,69 0 3 9,32 0 0 4294963256,37 1 0 214748364," // ldb flags; jset PSH or FIN, else pass; ld rand; jgt 5 %, pass
	steal5   = draw5 + "6 0 0 4,6 0 0 4294967295"                         // ret stolen; pass: ret unspecified
	choose95 = draw5 + "6 0 0 0,6 0 0 4294967295"                         // ret no match; pass: ret match
	all      = "1,6 0 0 4294967295"                                       // ret match
)

// loseOnWire makes the loopback lose 5 of 100 packets: those that leave, which the tap never sees, or those that
// arrive, which it has seen.
func loseOnWire(t *testing.T, hook string) (restore func() (again int)) {
	t.Helper()
	tool(t, "tc", "qdisc add dev lo clsact")
	classify(t, hook, steal5, "da")
	before := sentAgain(t)
	return func() int {
		tool(t, "tc", "qdisc del dev lo clsact")
		again := sentAgain(t) - before
		if again == 0 {
			t.Error("nothing was sent again")
		}
		return again
	}
}

// sentAgain is how many segments TCP sent more than once.
func sentAgain(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^Tcp: .*$`).FindAllString(string(text), 2)
	if len(lines) != 2 {
		t.Fatalf("no counts of TCP: %s", text)
	}
	n, err := strconv.Atoi(strings.Fields(lines[1])[slices.Index(strings.Fields(lines[0]), "RetransSegs")])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// classify has a program choose packets of the loopback.
func classify(t *testing.T, hook, program string, then ...string) {
	t.Helper()
	toolWith(t, "tc", slices.Concat(strings.Fields("filter add dev lo "+hook+" bpf bytecode"), []string{program}, then)...)
}

// sendAgainSoon has TCP wait for milliseconds, not for a fifth of a second, before it sends again.
func sendAgainSoon(t *testing.T) {
	t.Helper()
	tool(t, "ip", "route replace local 127.0.0.0/8 dev lo table local rto_min 1ms quickack 1")
	tool(t, "ip", "route replace local 127.0.0.1 dev lo table local src 127.0.0.1 rto_min 1ms quickack 1")
}

// toolWith is tool with arguments that hold spaces.
func toolWith(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}

// testPacketLoss has the loopback lose packets: TCP sends them again, late and in another order or, where the tap saw
// them before they were lost, twice. Nothing of it may show.
func testPacketLoss(t *testing.T) {
	sendAgainSoon(t)
	for _, where := range []struct{ name, recording, hook string }{
		{"before the tap", "odoo18-a", "egress"}, {"behind the tap", "tryton60-a", "ingress"},
	} {
		t.Run(where.name, func(t *testing.T) {
			playWatched(t, where.recording, func(run func()) {
				restore := loseOnWire(t, where.hook)
				run()
				t.Logf("%d segments were sent again", restore())
			})
			testBusyLoss(t, where.hook)
		})
	}
}

// testBusyLoss has several people work over a loopback that loses packets.
func testBusyLoss(t *testing.T, hook string) {
	pg := lab.PostgreSQL(t, lab.PostgresConfig{})
	o := newOffice(t, pg)
	w := startWatch(t, "--rpc-port", o.port, "--pg-port", strconv.Itoa(int(pg.Addr.Port())))
	w.sees(o, "before", officeStatements)
	restore := loseOnWire(t, hook)
	const people, calls = 6, 8
	work(t, o, people, calls)
	again := restore()
	if !soon(func() bool { return w.kept("lossy") == people*calls }) {
		t.Errorf("%d of %d calls are seen", w.kept("lossy"), people*calls)
	}
	if n, all := w.statements("lossy"), int64(people*calls*officeStatements); n != all {
		t.Errorf("%d of %d statements are seen", n, all)
	}
	w.sees(o, "after", officeStatements)
	w.well()
	t.Logf("%d segments were sent again; %v gaps, %v bytes lost", again, w.metric("gaps_total"), w.metric("lost_bytes_total"))
	w.end()
}

// testMirrorLoss has perfd tap a mirror of the loopback that loses 5 of 100 packets. Nobody sends those again: what is
// missing is told, and what is shown is right.
func testMirrorLoss(t *testing.T) {
	pg := lab.PostgreSQL(t, lab.PostgresConfig{})
	o := newOffice(t, pg)
	tool(t, "ip", "link add m0 mtu 65535 type veth peer name m1 mtu 65535") // those of the loopback are long
	tool(t, "ip", "link set m0 up")
	tool(t, "ip", "link set m1 up")
	mirror := func(program string) {
		_ = exec.Command("tc", "qdisc", "del", "dev", "lo", "clsact").Run() // there may be none
		tool(t, "tc", "qdisc add dev lo clsact")
		classify(t, "ingress", program, strings.Fields("action mirred egress mirror dev m0")...)
	}
	mirror(all)
	p := startPerfd(t, "watch", "--interface", "m1", "--rpc-port", o.port, "--pg-port", strconv.Itoa(int(pg.Addr.Port())),
		"--listen", "127.0.0.1:0", "--store", filepath.Join(t.TempDir(), "mirror.db"))
	w := &watch{perfdProcess: p, base: p.await(`perfd is serving on (http://\S+)`)[1]}
	w.sees(o, "before", officeStatements)
	mirror(choose95)
	const people, calls = 4, 50
	work(t, o, people, calls)
	w.await(`connections lack bytes`)
	mirror(all)
	w.sees(o, "after", officeStatements)
	w.well()
	rows, whole := w.rows("lossy"), 0
	for _, r := range rows {
		if len(r.Gaps) == 0 {
			whole++
			if r.Statements != officeStatements {
				t.Errorf("a call without a mark has %d statements", r.Statements)
			}
		}
	}
	gaps, lost := w.metric("gaps_total"), w.metric("lost_bytes_total")
	t.Logf("%d of %d calls are seen, %d of them whole; %v gaps, %v bytes", len(rows), people*calls, whole, gaps, lost)
	if len(rows) < people*calls*8/10 || len(rows) > people*calls || whole == len(rows) || gaps == 0 || lost == 0 {
		t.Error("that is not what 5 of 100 packets make")
	}
	until(t, "the pages tell of it", func() bool { // those of the source are of a moment ago
		_, source := w.get("/api/v1/source")
		return regexp.MustCompile(`"title":"[^"]* lost in \d+ gaps; \d+ calls marked`).MatchString(source) && !strings.Contains(source, `"lost_bytes":0,`)
	})
	if _, state := w.get("/api/v1/state"); !regexp.MustCompile(`"severity":"warning","title":"Connections lack bytes: [\d,]+ bytes lost in \d+ gaps`).MatchString(state) {
		t.Errorf("the state is %s", state)
	}
	w.end()
}

// work has people make calls at once, with answers of many packets.
func work(t *testing.T, o *office, people, calls int) {
	t.Helper()
	large := strings.Repeat("x", 20<<10)
	var wg sync.WaitGroup
	for range people {
		wg.Go(func() {
			for range calls {
				if status, err := o.ask("lossy", large); err != nil || status != http.StatusOK {
					t.Errorf("status %d, %v", status, err)
				}
			}
		})
	}
	wg.Wait()
}

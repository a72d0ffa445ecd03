package replay_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/load"
)

const serveEnv = "PERFD_REPLAY_BENCH_SERVE"

// TestMain makes this binary a fast server, in a process of its own, if it is asked for: what it costs is no part of the
// generator's.
func TestMain(m *testing.M) {
	if address := os.Getenv(serveEnv); address != "" {
		serveFast(address)
	}
	os.Exit(m.Run())
}

const (
	loginAnswer = `{"result":{"uid":2,"username":"x","user_context":{},"user_companies":{"current_company":1,"allowed_companies":{"1":{}}}}}`
	fastAnswer  = `{"jsonrpc":"2.0","id":1,"result":[{"id":1,"name":"x"}]}`
)

// serveFast answers every request of a connection with the same bytes, reading no more than lengths.
func serveFast(address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	answer := func(body string) []byte {
		return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	call, login := answer(fastAnswer), answer(loginAnswer)
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			buf := make([]byte, 0, 64<<10)
			for {
				n, err := c.Read(buf[len(buf):cap(buf)])
				if err != nil {
					return
				}
				buf = buf[:len(buf)+n]
				text := string(buf)
				head := strings.Index(text, "\r\n\r\n")
				if head < 0 {
					continue
				}
				length := 0
				if _, rest, ok := strings.Cut(text[:head], "Content-Length: "); ok {
					line, _, _ := strings.Cut(rest, "\r\n")
					length, _ = strconv.Atoi(line)
				}
				if len(buf) < head+4+length {
					continue
				}
				out := call
				if strings.HasPrefix(text, "POST /web/session/") {
					out = login
				}
				buf = buf[:0]
				if _, err := c.Write(out); err != nil {
					return
				}
			}
		}()
	}
}

// fastServer starts it.
func fastServer(tb testing.TB) string {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"=127.0.0.1:0", "GOMAXPROCS=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	b := make([]byte, 64)
	n, err := out.Read(b)
	if err != nil {
		tb.Fatal(err)
	}
	return "http://" + strings.TrimSpace(string(b[:n]))
}

// manyCalls is a tape of n calls of some sessions, of which nothing is kept.
func manyCalls(n, sessions int, gap time.Duration) *tape {
	args := []byte(`[[1,2,3],["name","email"]]`)
	kwargs := []byte(`{"context":{"lang":"en_US","tz":"Europe/Brussels","uid":2}}`)
	names := make([]string, sessions)
	for i := range names {
		names[i] = fmt.Sprint("s", i)
	}
	return &tape{
		header: load.Header{Product: "odoo", Arguments: true, Start: time.Now()}, many: n,
		make: func(i int) load.Call {
			return load.Call{
				Seq: int64(i), Session: names[i%sessions], At: time.Duration(i) * gap, Duration: gap, Transport: "jsonrpc", Verb: http.MethodPost,
				Path: "/web/dataset/call_kw/res.partner/read", Model: "res.partner", Method: "read", Args: args, Kwargs: kwargs, Status: 200,
			}
		},
	}
}

func generate(tb testing.TB, c replay.Config, n, sessions int) replay.Report {
	tb.Helper()
	c.Target, c.Database, c.Password, c.Confirm, c.Unchecked = fastServer(tb), "db", client.Secret("x"), "db", true
	r, err := replay.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	rep, err := r.Run(tb.Context(), manyCalls(n, sessions, time.Millisecond))
	if err != nil {
		tb.Fatal(err)
	}
	return rep
}

// BenchmarkGenerator is how many calls a second go out and come back, and how late those are that have a time.
func BenchmarkGenerator(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(1600)) // as perfd replay does
	for _, bb := range []struct {
		name string
		c    replay.Config
	}{
		{"max", replay.Config{Mode: replay.Max}}, {"rate=1000", replay.Config{Mode: replay.Rate, Rate: 1000}},
		{"rate=4000", replay.Config{Mode: replay.Rate, Rate: 4000}}, {"rate=8000", replay.Config{Mode: replay.Rate, Rate: 8000}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			n := max(b.N, 2000)
			rep := generate(b, bb.c, n, 32)
			b.ReportMetric(float64(rep.Sent)/rep.Duration.Seconds(), "calls/s")
			b.ReportMetric(float64(rep.Late.P50.Microseconds()), "late-p50-µs")
			b.ReportMetric(float64(rep.Late.P99.Microseconds()), "late-p99-µs")
			b.ReportMetric(float64(rep.Service.P50.Microseconds()), "service-p50-µs")
			b.ReportMetric(rep.CPU/(float64(rep.Sent)/rep.Duration.Seconds())*1e6, "cpu-µs/call")
			b.ReportMetric(float64(rep.Left[replay.LeftInFlight]+rep.Left[replay.LeftQueue]), "dropped")
			if rep.Errors > 0 {
				b.Errorf("%d errors: %v", rep.Errors, rep.Failures)
			}
		})
	}
}

// TestMemoryIsFlat sends more calls than it may hold and looks at the heap in between.
func TestMemoryIsFlat(t *testing.T) {
	const n = 30_000
	var seen int
	var first, last uint64
	c := replay.Config{Mode: replay.Max, Sink: func(*replay.Result) {
		if seen++; seen == n/3 || seen == n-1 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if first == 0 {
				first = m.HeapAlloc
			} else {
				last = m.HeapAlloc
			}
		}
	}, MaxQueued: 500}
	rep := generate(t, c, n, 16)
	if rep.Sent != n || rep.Errors > 0 {
		t.Fatalf("%+v", rep)
	}
	if last > first+4<<20 {
		t.Errorf("the heap grew from %d to %d bytes", first, last)
	}
}

// TestStopIsClean ends a run in the middle: what is reported is what was done.
func TestStopIsClean(t *testing.T) {
	o := newOdoo(t, nothing)
	var calls []load.Call
	for i := range 2000 {
		calls = append(calls, call(fmt.Sprint("s", i%5), time.Duration(i)*5*ms, ms, "m", "read", "[[1]]"))
	}
	r, err := replay.New(replay.Config{Target: o.URL, Database: "copy", Password: "x"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.answer = func(asked) any {
		if len(o.all()) == 50 {
			cancel()
		}
		return nil
	}
	rep, err := r.Run(ctx, recorded(calls...))
	if err != nil || !rep.Stopped || rep.Errors > 0 || rep.Sent < 50 || rep.Sent > 500 || rep.Latency.Calls != rep.Sent {
		t.Errorf("%+v, %v", rep, err)
	}
}

package client_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perfd/perfd/client"
)

func several(t *testing.T, n int) (client.Config, []*fakeOdoo) {
	var fakes []*fakeOdoo
	for range n {
		fakes = append(fakes, newFake(t, echo()))
	}
	c := fakes[0].Config
	c.HealthInterval = -1
	c.Servers = nil
	for _, f := range fakes {
		c.Servers = append(c.Servers, f.URL)
	}
	return c, fakes
}

func TestRoundRobin(t *testing.T) {
	c, fakes := several(t, 3)
	k := open(t, c)
	for range 30 {
		must(t, k, "m", "search", nil)
	}
	for i, f := range fakes {
		if calls, logins, _ := f.count(); calls < 9 || calls > 11 || logins != 1 {
			t.Errorf("server %d: %d calls, %d log-ins", i, calls, logins)
		}
	}
}

func TestLeastInFlight(t *testing.T) {
	c, fakes := several(t, 2)
	c.Balance = client.LeastInFlight
	k := open(t, c)
	entered, release := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	slow := func(asked) (any, *failure) {
		if first.CompareAndSwap(false, true) {
			close(entered)
			<-release
		}
		return 1, nil
	}
	fakes[0].answer, fakes[1].answer = slow, slow
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = k.Call(t.Context(), "m", "search", nil, nil) })
	<-entered
	for range 10 { // all go to the one that is not busy
		must(t, k, "m", "search", nil)
	}
	a, _, _ := fakes[0].count()
	b, _, _ := fakes[1].count()
	close(release)
	wg.Wait()
	if min(a, b) != 1 || max(a, b) != 10 {
		t.Errorf("%d and %d calls", a, b)
	}
}

func TestAFailingServerIsPassedOver(t *testing.T) {
	c, fakes := several(t, 2)
	c.BreakerFailures = 2
	k := open(t, c)
	for range 4 {
		must(t, k, "m", "search", nil)
	}
	fakes[0].Close()
	for range 20 {
		must(t, k, "m", "search", nil)
	}
	s := k.Servers()
	if s[0].Circuit != "open" || s[1].Circuit != "closed" {
		t.Errorf("%+v", s)
	}
}

// pair is a client of two servers that answer in 100 ms, of which the first may die.
func pair(t *testing.T, dead *atomic.Bool) (*client.Client, *atomic.Int64) {
	var sent atomic.Int64
	return open(t, client.Config{
		Servers: []string{"one", "two"}, Transport: client.TransportTryton, Database: "db", Login: "me", Password: "p", BareLogin: true,
		HealthInterval: -1,
		HTTP: tripper(func(r *http.Request) (*http.Response, error) {
			time.Sleep(100 * time.Millisecond) // on the clock of the bubble
			if strings.HasPrefix(r.URL.Host, "one") && dead.Load() {
				return nil, errors.New("connection refused")
			}
			sent.Add(1)
			return trytonAnswer(), nil
		}),
	}), &sent
}

// atOnce makes n calls of a method at the same time and tells how many failed, with one of the errors.
func atOnce(t *testing.T, k *client.Client, n int, method string, opts ...client.CallOption) (int64, error) {
	var wg sync.WaitGroup
	var failed atomic.Int64
	var last atomic.Pointer[error]
	for range n {
		wg.Go(func() {
			if _, err := k.Call(t.Context(), "m", method, nil, nil, opts...); err != nil {
				failed.Add(1)
				last.Store(&err)
			}
		})
	}
	wg.Wait()
	if p := last.Load(); p != nil {
		return failed.Load(), *p
	}
	return 0, nil
}

// TestCallsThatWaitForADyingServerGoToAnother: the circuit opens while calls wait for its slots. Nothing of them was
// sent, so that even writes, which are never tried again, are made at the other server, once.
func TestCallsThatWaitForADyingServerGoToAnother(t *testing.T) {
	for _, x := range []struct {
		method string
		opts   []client.CallOption
	}{{"search", nil}, {"search", []client.CallOption{client.WithRetry(client.RetryQuick)}}, {"write", nil}} {
		synctest.Test(t, func(t *testing.T) {
			var dead atomic.Bool
			k, sent := pair(t, &dead)
			defer k.Close()
			for range 4 {
				must(t, k, "m", "search", nil)
			}
			before := sent.Load()
			dead.Store(true)
			failed, err := atOnce(t, k, 60, x.method, x.opts...)
			if s := k.Servers(); failed != 0 || s[0].Circuit != "open" || sent.Load()-before != 60 {
				t.Errorf("%s: %d of 60 calls failed, %d were answered: %v; %+v", x.method, failed, sent.Load()-before, err, s)
			}
			if n := k.Stats().Servers[1].Failed[client.KindCircuitOpen]; n != 0 {
				t.Errorf("%d attempts ended at a circuit though another server was left", n)
			}
		})
	}
}

// TestCallsBesideAProbeGoToAnother: a server that is tried out with one call is passed over by the others.
func TestCallsBesideAProbeGoToAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dead atomic.Bool
		k, _ := pair(t, &dead)
		defer k.Close()
		for range 4 {
			must(t, k, "m", "search", nil)
		}
		dead.Store(true)
		for k.Servers()[0].Circuit != "open" {
			must(t, k, "m", "search", nil)
		}
		for _, still := range []bool{true, false} {
			time.Sleep(61 * time.Second)
			dead.Store(still)
			if failed, err := atOnce(t, k, 10, "write"); failed != 0 {
				t.Errorf("dead %t: %d of 10 calls failed: %v", still, failed, err)
			}
		}
		if c := k.Servers()[0].Circuit; c != "closed" {
			t.Errorf("the circuit of a server that is well is %s", c)
		}
	})
}

// TestAllCircuitsOpenIsAnError: each server is asked for once, and no call waits for what will not come.
func TestAllCircuitsOpenIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t, client.Config{
			Servers: []string{"one", "two", "three"}, Database: "db", Login: "me", Password: "p", HealthInterval: -1, BreakerFailures: 1,
			HTTP: tripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }),
		})
		defer k.Close()
		_, _ = k.Call(t.Context(), "m", "search", nil, nil)
		start := time.Now()
		_, err := k.Call(t.Context(), "m", "search", nil, nil)
		if d := time.Since(start); !errors.Is(err, client.KindCircuitOpen) || d != 0 {
			t.Errorf("%v after %v", err, d)
		}
	})
}

// TestHealth ejects a server that fails its checks and takes it back when it passes one, on a clock of its own.
func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sick atomic.Bool
		var checks atomic.Int64
		c := client.Config{
			Servers: []string{"one", "two"}, Database: "db", Login: "me", Password: "p", HealthInterval: time.Second, HealthFailures: 3,
			HTTP: tripper(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/web/health" {
					checks.Add(1)
				}
				if sick.Load() && strings.HasPrefix(r.URL.Host, "one") {
					return nil, errors.New("no network")
				}
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}, nil
			}),
		}
		k := open(t, c)
		defer k.Close()
		ejected := func() bool { return k.Servers()[0].Ejected }
		step := func(d time.Duration) { time.Sleep(d); synctest.Wait() } // on the clock of the bubble: no time passes
		step(2500 * time.Millisecond)
		if ejected() || checks.Load() != 4 {
			t.Errorf("ejected %t after %d checks", ejected(), checks.Load())
		}
		sick.Store(true)
		step(2 * time.Second)
		if ejected() {
			t.Error("ejected after two failures")
		}
		step(time.Second)
		if !ejected() || k.Servers()[1].Ejected {
			t.Errorf("%+v", k.Servers())
		}
		sick.Store(false)
		step(time.Second)
		if ejected() {
			t.Error("still ejected")
		}
	})
}

// TestBreaker opens on what says that the server cannot be reached, lets a probe through after the pause, and never
// opens on what a server says.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mode atomic.Pointer[string]
		set := func(s string) { mode.Store(&s) }
		requests := 0
		k := open(t, client.Config{
			Servers: []string{"one"}, Transport: client.TransportJSON2, Password: "key", Retry: client.RetryNone,
			HTTP: tripper(func(r *http.Request) (*http.Response, error) {
				requests++
				answer := func(status int, body string) (*http.Response, error) {
					return &http.Response{StatusCode: status, Body: readCloser(body), Header: http.Header{}, ContentLength: int64(len(body))}, nil
				}
				switch {
				case strings.HasSuffix(r.URL.Path, "context_get"):
					return answer(200, `{"uid":2,"lang":"en_US"}`)
				case strings.HasSuffix(r.URL.Path, "res.users/read"):
					return answer(200, `[{"login":"me","company_id":[1,"x"],"company_ids":[1]}]`)
				}
				switch *mode.Load() {
				case "user":
					return answer(422, `{"name":"odoo.exceptions.UserError","message":"no","arguments":["no"],"debug":""}`)
				case "crash":
					return answer(500, `{"name":"builtins.ZeroDivisionError","message":"no","arguments":["no"],"debug":""}`)
				case "502":
					return answer(502, "<html>")
				case "down":
					return nil, errors.New("connection refused")
				}
				return answer(200, "1")
			}),
		})
		call := func() error { _, err := k.Call(t.Context(), "m", "search", nil, nil); return err }
		circuit := func() string { return k.Servers()[0].Circuit }
		for _, m := range []string{"user", "crash"} {
			for range 20 {
				set(m)
				_ = call()
			}
			if circuit() != "closed" {
				t.Fatalf("%s: %s", m, circuit())
			}
		}
		for _, m := range []string{"502", "down"} {
			set(m)
			for range 5 {
				_ = call()
			}
			before := requests
			if err := call(); !errors.Is(err, client.KindCircuitOpen) || circuit() != "open" || requests != before {
				t.Fatalf("%s: %v, %s, %d requests", m, err, circuit(), requests-before)
			}
			time.Sleep(61 * time.Second)
			if err := call(); errors.Is(err, client.KindCircuitOpen) || circuit() != "open" { // the probe failed
				t.Fatalf("%s: %v, %s", m, err, circuit())
			}
			time.Sleep(61 * time.Second)
			set("ok")
			if err := call(); err != nil || circuit() != "closed" {
				t.Fatalf("%s: %v, %s", m, err, circuit())
			}
		}
	})
}

func TestMaxConnectionsBoundsCallsAtOnce(t *testing.T) {
	var now, most atomic.Int64
	entered, release := make(chan struct{}, 60), make(chan struct{})
	f := newFake(t, func(asked) (any, *failure) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		entered <- struct{}{}
		<-release
		now.Add(-1)
		return 1, nil
	})
	f.Config.MaxConnections = 3
	k := open(t, f.Config)
	var wg sync.WaitGroup
	for range 60 {
		wg.Go(func() { must(t, k, "m", "search", nil) })
	}
	for range 3 { // that many get in without one being let out
		<-entered
	}
	if n := k.Servers()[0].InFlight; n < 3 {
		t.Errorf("%d in flight", n)
	}
	close(release)
	wg.Wait()
	if n := most.Load(); n != 3 {
		t.Errorf("%d calls at once", n)
	}
}

func TestRateBoundsRequestsPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t, client.Config{
			Servers: []string{"one"}, Transport: client.TransportTryton, Database: "db", Login: "me", Password: "p", BareLogin: true, Rate: 10, Burst: 2,
			HTTP: tripper(func(*http.Request) (*http.Response, error) { return trytonAnswer(), nil }),
		})
		start := time.Now()
		for range 31 { // and the log-in
			must(t, k, "m", "search", nil)
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("32 requests took %v", d)
		}
	})
}

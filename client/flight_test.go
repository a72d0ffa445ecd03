package client_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/client"
)

// slow is a client of a server that answers each call in a second, and how many it was asked.
func slow(t *testing.T) (k *client.Client, calls *atomic.Int64) {
	l := memory(t, cache.LoaderConfig{})
	calls = new(atomic.Int64)
	calls.Store(-1) // the log-in does not count
	k = open(t, client.Config{
		Servers: []string{"one"}, Transport: client.TransportTryton, Database: "db", Login: "me", Password: "p", BareLogin: true, Cache: l,
		HTTP: tripper(func(r *http.Request) (*http.Response, error) {
			if calls.Add(1) > 0 {
				select {
				case <-time.After(time.Second):
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
			}
			return trytonAnswer(), nil
		}),
	})
	if _, err := k.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k, calls
}

var impatient = []client.CallOption{client.WithTimeout(100 * time.Millisecond), client.WithRetry(client.RetryNone)}

// TestPatientCallsOutliveTheLimitsOfOthers: those who wait for the load of one that gives up make another, all the same.
func TestPatientCallsOutliveTheLimitsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, calls := slow(t)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := k.Call(context.Background(), "m", "search", nil, nil, impatient...); !errors.Is(err, client.KindTimeout) {
				t.Errorf("impatient: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if failed, err := atOnce(t, k, 20, "search"); failed != 0 {
				t.Errorf("%d patient calls failed: %v", failed, err)
			}
		})
		wg.Wait()
		if calls.Load() != 2 {
			t.Errorf("the server was asked %d times", calls.Load())
		}
	})
}

// TestPatientCallsAskThemselvesInTheEnd: those who give up, one after another, hold a patient call up a few times only.
func TestPatientCallsAskThemselvesInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _ := slow(t)
		var wg sync.WaitGroup
		for range 3 { // some of which may begin a load before the patient one can
			wg.Go(func() {
				for {
					if _, err := k.Call(context.Background(), "m", "search", nil, nil, impatient...); err == nil {
						return
					}
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		must(t, k, "m", "search", nil)
		if d := time.Since(start); d > 1500*time.Millisecond {
			t.Errorf("it took %v", d)
		}
		wg.Wait()
	})
}

// TestImpatientCallsKeepToTheirLimits though another goes on with what they wait for, and gets it.
func TestImpatientCallsKeepToTheirLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, calls := slow(t)
		var wg sync.WaitGroup
		wg.Go(func() { must(t, k, "m", "search", nil) })
		synctest.Wait()
		start := time.Now()
		_, err := k.Call(context.Background(), "m", "search", nil, nil, impatient...)
		if d := time.Since(start); !errors.Is(err, client.KindTimeout) || d != 100*time.Millisecond {
			t.Errorf("%v after %v", err, d)
		}
		wg.Wait()
		if calls.Load() != 1 {
			t.Errorf("the server was asked %d times", calls.Load())
		}
	})
}

// TestTheSameServersShareInvalidations in whatever order they are named, and other ones share nothing.
func TestTheSameServersShareInvalidations(t *testing.T) {
	l := memory(t, cache.LoaderConfig{})
	with := func(id string, servers ...string) *client.Client {
		return open(t, client.Config{
			Servers: servers, HealthInterval: -1, Transport: client.TransportTryton, Database: "db", DatabaseID: id,
			Login: "me", Password: "p", BareLogin: true, Cache: l,
			HTTP: tripper(func(*http.Request) (*http.Response, error) { return trytonAnswer(), nil }),
		})
	}
	for _, x := range []struct {
		what string
		a, b *client.Client
		same bool
	}{
		{"two orders", with("", "one", "two"), with("", "two", "one"), true},
		{"other servers", with("", "one", "two"), with("", "one", "three"), false},
		{"one id", with("uuid", "one"), with("uuid", "two"), true},
		{"two ids", with("first", "localhost"), with("second", "localhost"), false},
	} {
		hit := func() bool {
			before := l.Cache().Stats().Hits
			must(t, x.a, "m", "search", nil)
			return l.Cache().Stats().Hits > before
		}
		hit()
		if !hit() {
			t.Errorf("%s: nothing is cached", x.what)
		}
		must(t, x.b, "m", "write", []any{[]any{1}, map[string]any{"x": 1}})
		if hit() == x.same {
			t.Errorf("%s: a write of one is seen by the other: %t, want %t", x.what, !x.same, x.same)
		}
	}
}

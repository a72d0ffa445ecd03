package client_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perfd/perfd/client"
)

func TestRetryPresets(t *testing.T) {
	s := time.Second
	for name, x := range map[string][2]client.Retry{
		"default":    {client.RetryDefault, {Attempts: 3, Base: s, Multiplier: 2, Max: 30 * s, Total: 60 * s}},
		"network":    {client.RetryNetwork, {Attempts: 5, Base: s / 2, Multiplier: 1.5, Max: 10 * s, Total: 30 * s}},
		"database":   {client.RetryDatabase, {Attempts: 3, Base: 2 * s, Multiplier: 2, Max: 60 * s, Total: 120 * s}},
		"quick":      {client.RetryQuick, {Attempts: 2, Base: s / 10, Multiplier: 2, Max: s, Total: 5 * s}},
		"aggressive": {client.RetryAggressive, {Attempts: 10, Base: s / 2, Multiplier: 1.2, Max: 30 * s, Total: 300 * s}},
	} {
		if x[0] != x[1] {
			t.Errorf("%s: %+v, want %+v", name, x[0], x[1])
		}
	}
}

// tripper makes no connections: it fails, and says before that whether there was one.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestPausesGrowWithinTheirLimits runs a policy on a clock of its own.
func TestPausesGrowWithinTheirLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		c := client.Config{Servers: []string{"nowhere"}, Database: "db", Login: "me", Password: "p", BreakerFailures: 100, HTTP: tripper(func(*http.Request) (*http.Response, error) {
			at = append(at, time.Since(start))
			return nil, errors.New("no network")
		})}
		for _, x := range []struct {
			policy   client.Retry
			attempts int
			least    time.Duration
			most     time.Duration
		}{
			{client.RetryDefault, 3, 1500 * time.Millisecond, 3 * time.Second},
			{client.RetryNetwork, 5, 2 * time.Second, 4100 * time.Millisecond},
			{client.RetryQuick, 2, 50 * time.Millisecond, 100 * time.Millisecond},
			{client.Retry{Attempts: 50, Base: time.Second, Multiplier: 1, Max: time.Second, Total: 5 * time.Second}, 6, 4 * time.Second, 5 * time.Second},
			{client.RetryNone, 1, 0, 0},
			{client.Retry{Base: time.Second}, 3, time.Second, 2 * time.Second},
			{client.Retry{Multiplier: 2}, 3, 0, 0},
		} {
			at, start = nil, time.Now()
			c.Retry = x.policy
			k := open(t, c)
			_, err := k.Call(t.Context(), "m", "search", nil, nil)
			if !errors.Is(err, client.KindConnection) || len(at) < x.attempts || len(at) > 2*x.attempts || x.attempts < 6 && len(at) != x.attempts {
				t.Errorf("%+v: %v after %v", x.policy, err, at)
			}
			if last := at[len(at)-1]; last < x.least || last > x.most {
				t.Errorf("%+v: the last at %v, want %v to %v", x.policy, last, x.least, x.most)
			}
		}
	})
}

// TestSafeMethodsAreTriedAgain: what may be repeated is, after each failure that may pass.
func TestSafeMethodsAreTriedAgain(t *testing.T) {
	for _, name := range []string{"psycopg2.errors.SerializationFailure", "psycopg2.errors.LockNotAvailable"} {
		n := 0
		f := newFake(t, func(asked) (any, *failure) {
			if n++; n < 3 {
				return nil, &failure{200, name, "try again", ""}
			}
			return 42, nil
		})
		if got := must(t, open(t, f.Config), "m", "search", nil); got != "42" || n != 3 {
			t.Errorf("%s: %s after %d", name, got, n)
		}
	}
	f := newFake(t, func(asked) (any, *failure) { return nil, &failure{200, "odoo.exceptions.UserError", "no", ""} })
	_, err := open(t, f.Config).Call(t.Context(), "m", "search", nil, nil)
	if calls, _, _ := f.count(); !errors.Is(err, client.KindUser) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

// TestUnsafeMethodsAreNeverRepeatedOnceSent cuts connections and answers at each point at which bytes of a write
// may have arrived.
func TestUnsafeMethodsAreNeverRepeatedOnceSent(t *testing.T) {
	var writes atomic.Int64
	for name, h := range map[string]func(w http.ResponseWriter){
		"cut without an answer": func(w http.ResponseWriter) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = c.Close()
			}
		},
		"cut in the answer": func(w http.ResponseWriter) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"))
				_ = c.Close()
			}
		},
		"502": func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
		"429": func(w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests) },
	} {
		f := newFake(t, echo())
		k := open(t, f.Config)
		must(t, k, "m", "search", nil)
		writes.Store(0)
		f.set(func(w http.ResponseWriter, _ *http.Request) bool { writes.Add(1); h(w); return true })
		var e *client.Error
		_, err := k.Call(t.Context(), "m", "write", []any{[]any{1}, map[string]any{"a": 1}}, nil, client.WithRetry(client.RetryAggressive))
		if !errors.As(err, &e) || !e.Sent || writes.Load() != 1 {
			t.Errorf("%s: a write was sent %d times: %#v", name, writes.Load(), err)
		}
		writes.Store(0)
		_, err = k.Call(t.Context(), "m", "search", nil, nil)
		if err == nil || writes.Load() != 3 {
			t.Errorf("%s: a search was sent %d times: %v", name, writes.Load(), err)
		}
	}
	f := newFake(t, func(asked) (any, *failure) {
		return nil, &failure{200, "psycopg2.errors.SerializationFailure", "no", ""}
	})
	_, err := open(t, f.Config).Call(t.Context(), "m", "action_confirm", nil, nil)
	if calls, _, _ := f.count(); !errors.Is(err, client.KindSerialization) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

// TestUnsafeMethodsAreRepeatedIfNothingWasSent: a connection that was never made carried nothing.
func TestUnsafeMethodsAreRepeatedIfNothingWasSent(t *testing.T) {
	f := newFake(t, echo())
	refused := 0
	f.Config.HTTP = tripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != "/web/session/authenticate" && refused < 2 {
			refused++
			return nil, errors.New("connection refused")
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	must(t, open(t, f.Config), "m", "write", []any{[]any{1}, map[string]any{"a": 1}})
	if calls, _, _ := f.count(); calls != 1 || refused != 2 {
		t.Errorf("%d calls, %d refused", calls, refused)
	}
}

func TestReadOnlyAndUnsafeSayWhatAMethodIs(t *testing.T) {
	n := 0
	f := newFake(t, func(asked) (any, *failure) {
		n++
		return nil, &failure{200, "psycopg2.errors.SerializationFailure", "no", ""}
	})
	k := open(t, f.Config)
	_, _ = k.Call(t.Context(), "m", "my_report", nil, nil, client.ReadOnly())
	if n != 3 {
		t.Errorf("a read-only method was tried %d times", n)
	}
	n = 0
	if _, _ = k.Call(t.Context(), "m", "search", nil, nil, client.Unsafe()); n != 1 {
		t.Errorf("an unsafe one was tried %d times", n)
	}
}

// TestRetryAfterIsKeptTo: a server that asks for a pause gets it, if the policy has that much time.
func TestRetryAfterIsKeptTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for ask, want := range map[string]time.Duration{"7": 7 * time.Second, "9999": 0, "soon": 500 * time.Millisecond} {
			requests := 0
			c := client.Config{Servers: []string{"one"}, Transport: client.TransportTryton, Database: "db", Login: "me", Password: "p", BareLogin: true}
			c.HTTP = tripper(func(*http.Request) (*http.Response, error) {
				requests++
				if requests == 2 { // after the log-in
					return &http.Response{StatusCode: http.StatusTooManyRequests, Body: readCloser(""), Header: http.Header{"Retry-After": {ask}}}, nil
				}
				body := `{"id":1,"result":[1,"key"]}`
				return &http.Response{StatusCode: http.StatusOK, Body: readCloser(body), Header: http.Header{}, ContentLength: int64(len(body))}, nil
			})
			start := time.Now()
			_, err := open(t, c).Call(t.Context(), "m", "search", nil, nil)
			took := time.Since(start)
			if (err == nil) != (want > 0) || took < want || took > want*2 || err != nil && !errors.Is(err, client.KindTooMany) {
				t.Errorf("%s: %v after %v", ask, err, took)
			}
		}
	})
}

package web

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache{limit: 1000}
		ctx := t.Context()
		take := func(state int64, want string) {
			t.Helper()
			body, mine := c.get(ctx, "k", state)
			if string(body) != want {
				t.Errorf("state %d gives %q, want %q", state, body, want)
			}
			if mine != nil {
				c.done(mine, "k", nil, state, time.Now())
			}
		}
		take(1, "")
		start := time.Now()
		_, mine := c.get(ctx, "k", 1)
		time.Sleep(200 * time.Millisecond) // in the bubble's time: what computing takes
		c.done(mine, "k", []byte("one"), 1, start)
		take(1, "one")
		take(2, "one") // it was costly
		time.Sleep(1999 * time.Millisecond)
		take(2, "one")
		time.Sleep(2 * time.Millisecond)
		take(1, "one") // the state it was computed from
		take(2, "")

		// Many who ask at once are answered by one.
		computed := 0
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				start := time.Now()
				body, mine := c.get(ctx, "many", 3)
				if mine != nil {
					computed++
					time.Sleep(time.Second)
					body = []byte("same")
					c.done(mine, "many", body, 3, start)
				}
				if string(body) != "same" {
					t.Errorf("answered with %q", body)
				}
			})
		}
		wg.Wait()
		if computed != 1 {
			t.Errorf("computed %d times", computed)
		}

		// Who does not want to wait any more does not; if the first one fails, another computes.
		_, mine = c.get(ctx, "slow", 1)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if body, mine := c.get(short, "slow", 1); body != nil || mine != nil || short.Err() == nil {
			t.Error("an answer out of nothing")
		}
		wg.Go(func() {
			body, mine := c.get(ctx, "slow", 1)
			if body != nil || mine == nil {
				t.Error("a failure is an answer")
				return
			}
			c.done(mine, "slow", []byte("x"), 1, time.Now())
		})
		synctest.Wait()
		c.done(mine, "slow", nil, 1, time.Now())
		wg.Wait()

		put := func(key, body string) {
			_, mine := c.get(ctx, key, 1)
			c.done(mine, key, []byte(body), 1, time.Now())
		}
		put("large", strings.Repeat("x", 300))
		for i := range 100 {
			put("p"+strings.Repeat("k", i), "a hundred bytes or so")
			if c.bytes > c.limit {
				t.Fatalf("%d bytes are kept", c.bytes)
			}
		}
		if _, ok := c.kept["large"]; ok {
			t.Error("one answer takes it all")
		}
	})
}

package cachetest

import (
	"bytes"
	"strconv"
	"testing"
	"time"

	"github.com/perfd/perfd/cache"
)

func setAndGet(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	if e := miss(t, c, k); e.Generation == "" {
		t.Error("a miss without a generation")
	}
	before := time.Now().Add(-time.Second)
	set(t, c, k, `{"id":1}`, cache.Options{})
	e := c.Get(t.Context(), k)
	if e.State != cache.Hit || string(e.Value) != `{"id":1}` {
		t.Fatalf("got %v %q", e.State, e.Value)
	}
	if e.Stored.Before(before) || e.Stored.After(time.Now().Add(time.Second)) {
		t.Errorf("stored at %v, set at %v", e.Stored, before)
	}
	if !e.Fresh.After(time.Now()) {
		t.Errorf("fresh until %v", e.Fresh)
	}
	hit(t, c, k, `{"id":1}`)
}

func falsyValues(t *testing.T, c cache.Cache) {
	for i, v := range []string{"false", "null", "[]", "{}", `""`, "0", "", " [1 ] \n", "\x00\xff", `{"a":"<&>"}`, `"é"`} {
		k := Key(t, "res.partner", "falsy", i)
		set(t, c, k, v, cache.Options{})
		hit(t, c, k, v)
		hit(t, c, k, v)
	}
}

func largeValue(t *testing.T, c cache.Cache) {
	v := string(bytes.Repeat([]byte("abcdefgh"), 8<<10))
	k := Key(t, "ir.attachment", 1)
	set(t, c, k, v, cache.Options{})
	hit(t, c, k, v)
	hit(t, c, k, v)
}

func overwrite(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	for i := range 5 {
		v := strconv.Itoa(i)
		set(t, c, k, v, cache.Options{})
		hit(t, c, k, v)
		hit(t, c, k, v)
	}
}

// overwriteEvictsNobody: a full cache whose keys are set again still has all of them.
func overwriteEvictsNobody(t *testing.T, c cache.Cache) {
	const n = 500
	for i := range n {
		set(t, c, Key(t, "res.partner", i), "first", cache.Options{})
	}
	for i := range n {
		set(t, c, Key(t, "res.partner", i), "other", cache.Options{})
	}
	for i := range n {
		hit(t, c, Key(t, "res.partner", i), "other")
	}
	if e := c.Stats().Evictions; e != 0 {
		t.Errorf("%d evictions", e)
	}
}

func expiry(t *testing.T, c cache.Cache) {
	k, stays := Key(t, "res.partner", 1), Key(t, "res.partner", 2)
	set(t, c, stays, "v", cache.Options{TTL: cache.For(time.Hour)})
	set(t, c, k, "v", cache.Options{TTL: cache.For(80 * time.Millisecond)})
	until(t, "expire", func() bool { return c.Get(t.Context(), k).State == cache.Miss })
	hit(t, c, stays, "v")
	set(t, c, k, "again", cache.Options{})
	hit(t, c, k, "again")
}

// neverExpires: zero is forever, and not the default.
func neverExpires(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	set(t, c, k, "v", cache.Options{TTL: cache.For(0)})
	hit(t, c, k, "v")
	hit(t, c, k, "v")
	if e := c.Get(t.Context(), k); !e.Fresh.IsZero() && e.Fresh.Before(time.Now().Add(time.Second)) {
		t.Errorf("fresh until %v", e.Fresh)
	}
}

func negativeTTL(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	set(t, c, k, "v", cache.Options{TTL: cache.For(-1)})
	miss(t, c, k)
	set(t, c, k, "old", cache.Options{})
	hit(t, c, k, "old")
	set(t, c, k, "new", cache.Options{TTL: cache.For(-1)}) // the old one is not right any more
	miss(t, c, k)
}

func stale(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	set(t, c, k, "v", cache.Options{TTL: cache.For(60 * time.Millisecond), Stale: time.Hour})
	if e := c.Get(t.Context(), k); e.State == cache.Miss { // stale already on a busy machine
		t.Fatal("got a miss")
	}
	var e cache.Entry
	until(t, "become stale", func() bool {
		e = c.Get(t.Context(), k)
		return e.State != cache.Hit
	})
	if e.State != cache.Stale || string(e.Value) != "v" || e.Generation == "" || e.Fresh.After(time.Now()) {
		t.Fatalf("got %+v", e)
	}
	set(t, c, k, "renewed", cache.Options{Generation: e.Generation})
	hit(t, c, k, "renewed")
	if c.Stats().Stale == 0 {
		t.Error("stale lookups are not counted")
	}
}

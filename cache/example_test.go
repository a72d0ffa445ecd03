package cache_test

import (
	"context"
	"fmt"
	"time"

	"github.com/perfd/perfd/cache"
)

// server stands for whatever answers calls.
func server(context.Context) ([]byte, error) {
	fmt.Println("the server is asked")
	return []byte(`[{"id":7,"name":"Azure Interior"}]`), nil
}

func partnerKey() cache.Key {
	scope, err := cache.NewScope(2, map[string]any{"lang": "en_US", "allowed_company_ids": []int{1}})
	if err != nil {
		panic(err)
	}
	key, err := cache.NewKey("8f1c…", "res.partner", "read", scope, []any{[]int{7}, cache.Unordered{"name", "id"}})
	if err != nil {
		panic(err)
	}
	return key
}

func Example() {
	memory, err := cache.NewMemory(cache.MemoryConfig{})
	if err != nil {
		panic(err)
	}
	loader := cache.NewLoader(memory, cache.LoaderConfig{TTL: cache.For(10 * time.Minute)})
	defer loader.Close()

	ctx := context.Background()
	key := partnerKey()
	for range 3 {
		if _, err := loader.Load(ctx, key, cache.LoadOptions{}, server); err != nil {
			panic(err)
		}
	}
	// A write to the model makes what was read of it wrong.
	if err := loader.Invalidate(ctx, key.DB, "res.partner"); err != nil {
		panic(err)
	}
	value, err := loader.Load(ctx, key, cache.LoadOptions{}, server)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(value))
	fmt.Printf("hit rate %.2f\n", loader.Stats().HitRate())
	// Output:
	// the server is asked
	// the server is asked
	// [{"id":7,"name":"Azure Interior"}]
	// hit rate 0.50
}

func ExampleNewScope() {
	one, _ := cache.NewScope(2, map[string]any{"lang": "en_US", "allowed_company_ids": []int{1, 3, 2}})
	same, _ := cache.NewScope(2, map[string]any{"allowed_company_ids": []int{1, 2, 3}, "lang": "en_US"})
	elsewhere, _ := cache.NewScope(2, map[string]any{"lang": "en_US", "allowed_company_ids": []int{3, 1, 2}})
	other, _ := cache.NewScope(5, map[string]any{"lang": "en_US", "allowed_company_ids": []int{1, 3, 2}})
	fmt.Println("same companies, another order:", one == same)
	fmt.Println("working in another company:", one == elsewhere)
	fmt.Println("another user:", one == other)
	// Output:
	// same companies, another order: true
	// working in another company: false
	// another user: false
}

func ExampleLifetime() {
	var unset cache.Lifetime
	fmt.Println(unset, "|", cache.For(time.Minute), "|", cache.For(0), "|", cache.For(-1))
	// Output:
	// default | 1m0s | forever | not stored
}

func ExampleLoadOptions() {
	memory, err := cache.NewMemory(cache.MemoryConfig{})
	if err != nil {
		panic(err)
	}
	loader := cache.NewLoader(memory, cache.LoaderConfig{})
	defer loader.Close()
	ctx, key := context.Background(), partnerKey()

	small := func(value []byte) bool { return len(value) < 10 }
	_, _ = loader.Load(ctx, key, cache.LoadOptions{Keep: small}, server)   // too large to be kept
	_, _ = loader.Load(ctx, key, cache.LoadOptions{}, server)              // so it is asked for again
	_, _ = loader.Load(ctx, key, cache.LoadOptions{}, server)              // and now it is there
	_, _ = loader.Load(ctx, key, cache.LoadOptions{Refresh: true}, server) // but not wanted
	// Output:
	// the server is asked
	// the server is asked
	// the server is asked
}

func ExampleStats_Samples() {
	memory, err := cache.NewMemory(cache.MemoryConfig{})
	if err != nil {
		panic(err)
	}
	defer memory.Close()
	memory.Get(context.Background(), partnerKey())
	for s := range memory.Stats().Samples() {
		if s.Value > 0 {
			fmt.Println(s.Name, s.Labels, s.Value)
		}
	}
	// Output:
	// cache_events_total [[tier memory] [event miss]] 1
	// cache_lookups_total [[model res.partner] [result miss]] 1
}

func ExampleParseRedisURL() {
	c, err := cache.ParseRedisURL("redis+sentinel://:secret@s1.example:26379,s2.example/main/0")
	fmt.Println(c, err)
	_, err = cache.ParseRedisURL("http://cache.example")
	fmt.Println(err)
	// Output:
	// redis+sentinel (main) at s1.example:26379, s2.example:26379 <nil>
	// read Redis URL: not a usable Redis configuration: scheme "http" is none of redis, rediss, unix, redis+sentinel and redis+cluster
}

// Two back ends as one: memory in front of a Redis that processes share. Redis need not be there.
func ExampleNewTiered() {
	memory, err := cache.NewMemory(cache.MemoryConfig{MaxItems: 10_000, MaxBytes: 256 << 20})
	if err != nil {
		panic(err)
	}
	config, err := cache.ParseRedisURL("redis://127.0.0.1:1/0")
	if err != nil {
		panic(err)
	}
	redis, err := cache.NewRedis(config)
	if err != nil {
		panic(err)
	}
	loader := cache.NewLoader(cache.NewTiered(memory, redis, cache.TieredConfig{}), cache.LoaderConfig{})
	defer loader.Close()
	value, err := loader.Load(context.Background(), partnerKey(), cache.LoadOptions{}, server)
	fmt.Println(string(value), err)
	// Output:
	// the server is asked
	// [{"id":7,"name":"Azure Interior"}] <nil>
}

package cache_test

import (
	"crypto/tls"
	"strconv"
	"testing"
	"time"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/cache/cachetest"
	"github.com/perfd/perfd/lab"
)

func newMemory(t testing.TB, c cache.MemoryConfig) *cache.Memory {
	t.Helper()
	m, err := cache.NewMemory(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func newRedis(t testing.TB, c cache.RedisConfig) *cache.Redis {
	t.Helper()
	r, err := cache.NewRedis(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func newTiered(t testing.TB, c cache.RedisConfig) *cache.Tiered {
	t.Helper()
	tiered := cache.NewTiered(newMemory(t, cache.MemoryConfig{}), newRedis(t, c), cache.TieredConfig{})
	t.Cleanup(func() { _ = tiered.Close() })
	if err := tiered.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return tiered
}

// spaces gives each cache of a test a namespace of its own in one Redis.
type spaces struct{ n int }

func (s *spaces) next() string {
	s.n++
	return "test" + strconv.Itoa(s.n)
}

func TestMemory(t *testing.T) {
	for _, s := range []cache.Strategy{cache.LFU, cache.LRU, cache.TTL} {
		t.Run(string(s), func(t *testing.T) {
			cachetest.Run(t, func(t testing.TB) cache.Cache { return newMemory(t, cache.MemoryConfig{Strategy: s}) })
		})
	}
}

func TestRedis(t *testing.T) {
	t.Parallel()
	addr := lab.Redis(t).String()
	secured, pool := lab.RedisTLS(t)
	protected := lab.StartRedis(t, "--requirepass", "sesame", "--unixsocket", "redis.sock").Addr.String()
	for name, c := range map[string]cache.RedisConfig{
		"msgpack":   {Addresses: []string{addr}},
		"json":      {Addresses: []string{addr}, Serializer: cache.JSON, DB: 1},
		"encrypted": {Addresses: []string{addr}, EncryptionKeys: [][]byte{make([]byte, 32)}},
		"password":  {Addresses: []string{protected}, Password: "sesame"},
		"tls":       {Addresses: []string{secured.String()}, TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
	} {
		t.Run(name, func(t *testing.T) {
			var s spaces
			cachetest.Run(t, func(t testing.TB) cache.Cache {
				c.Namespace, c.Timeout = name+s.next(), 5*time.Second
				return newRedis(t, c)
			})
		})
	}
}

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	var c cache.RedisConfig
	c.Cluster = true
	for _, node := range lab.RedisCluster(t) {
		c.Addresses = append(c.Addresses, node.String())
	}
	var s spaces
	cachetest.Run(t, func(t testing.TB) cache.Cache {
		c.Namespace, c.Timeout = s.next(), 5*time.Second
		return newRedis(t, c)
	})
}

func TestTiered(t *testing.T) {
	t.Parallel()
	addr := lab.Redis(t).String()
	var s spaces
	cachetest.Run(t, func(t testing.TB) cache.Cache {
		return newTiered(t, cache.RedisConfig{Addresses: []string{addr}, Namespace: s.next(), Timeout: 5 * time.Second})
	})
}

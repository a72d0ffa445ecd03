package cache

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// RedisConfig is where a Redis is and how it is used. The zero value works with one on this machine.
type RedisConfig struct {
	// Addresses are host:port, or the path of a Unix socket: of the server, of the sentinels if Master is set, or of
	// nodes of the cluster if Cluster is. Defaults to 127.0.0.1:6379.
	Addresses []string
	// Master is the name by which the sentinels know the server. Defaults to none: there are no sentinels.
	Master string
	// Cluster says that the addresses are a cluster's.
	Cluster bool
	// Username and Password are of the server. Default to none.
	Username, Password string
	// SentinelUsername and SentinelPassword are of the sentinels. Default to none.
	SentinelUsername, SentinelPassword string
	// DB is the number of the logical database, which a cluster does not have. Defaults to 0.
	DB int
	// TLS encrypts connections. Defaults to nil, no TLS.
	TLS *tls.Config

	// Namespace is what all keys begin with. Caches of one namespace share everything. Defaults to perfd.
	Namespace string
	// Serializer is the form in which entries are written; each is read whatever this is. Defaults to MessagePack.
	Serializer Serializer
	// EncryptionKeys encrypt values with AES-GCM: the first one writes, all of them read. Each has 16, 24 or 32 bytes.
	// Default to none: values are written as they are.
	EncryptionKeys [][]byte
	// TTL is the time to live of entries whose Options have none. Defaults to 300 s.
	TTL Lifetime
	// MaxEntry is the largest value to keep. Defaults to 8 MiB.
	MaxEntry int

	// PoolSize is how many connections there may be (to each node), half of them for lookups alone. Those of Subscribe
	// come on top. Defaults to 10 for each processor.
	PoolSize int
	// MinIdle is how many are kept open. Defaults to 0.
	MinIdle int
	// Timeout bounds an operation with all its attempts, connecting and waiting for a connection. Defaults to 500 ms.
	Timeout time.Duration
	// Attempts is how often an operation is tried within Timeout if the connection fails. Defaults to 3.
	Attempts int
	// Backoff is about how long to wait before the second attempt; it doubles, and varies at random. Defaults to 8 ms.
	Backoff time.Duration
	// Failures is how many in a row open the circuit. Defaults to 5.
	Failures int
	// Open is how long it stays open. Defaults to 60 s.
	Open time.Duration
	// Probes is how many operations at a time may then find out whether Redis is back. Defaults to 1.
	Probes int

	// Fallback is the memory that stands in while Redis cannot be reached.
	Fallback MemoryConfig
	// FallbackTTL bounds how long its entries live, because it does not hear of what other processes invalidate.
	// Negative: there is no such memory. Defaults to 10 s.
	FallbackTTL time.Duration
	// Heartbeat is how often Subscribe makes sure that it still hears of others. Defaults to 5 s.
	Heartbeat time.Duration
}

var errRedisConfig = errors.New("not a usable Redis configuration")

// withDefaults checks a configuration and completes it.
func (c RedisConfig) withDefaults() (RedisConfig, error) {
	if len(c.Addresses) == 0 {
		c.Addresses = []string{"127.0.0.1:6379"}
	}
	switch {
	case c.Cluster && c.Master != "":
		return c, fmt.Errorf("%w: a cluster has no sentinels", errRedisConfig)
	case c.Cluster && c.DB != 0:
		return c, fmt.Errorf("%w: a cluster has no database %d", errRedisConfig, c.DB)
	case !c.Cluster && c.Master == "" && len(c.Addresses) > 1:
		return c, fmt.Errorf("%w: %d addresses are neither a cluster's nor sentinels of a named master", errRedisConfig, len(c.Addresses))
	case c.DB < 0:
		return c, fmt.Errorf("%w: database %d", errRedisConfig, c.DB)
	}
	switch c.Serializer {
	case "":
		c.Serializer = MessagePack
	case MessagePack, JSON:
	default:
		return c, fmt.Errorf("%w: serializer %q is neither %s nor %s", errRedisConfig, c.Serializer, MessagePack, JSON)
	}
	c.Namespace = orString(c.Namespace, "perfd")
	c.TTL = c.TTL.Or(For(DefaultTTL))
	c.MaxEntry = orInt(c.MaxEntry, DefaultMaxEntry)
	c.PoolSize = orInt(c.PoolSize, 10*runtime.GOMAXPROCS(0))
	c.Timeout = orDuration(c.Timeout, 500*time.Millisecond)
	c.Attempts = orInt(c.Attempts, 3)
	c.Backoff = orDuration(c.Backoff, 8*time.Millisecond)
	c.Failures = orInt(c.Failures, 5)
	c.Open = orDuration(c.Open, 60*time.Second)
	c.Probes = orInt(c.Probes, 1)
	if c.FallbackTTL == 0 {
		c.FallbackTTL = 10 * time.Second
	}
	c.Heartbeat = orDuration(c.Heartbeat, 5*time.Second)
	return c, nil
}

func orString(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func orInt(n, def int) int {
	if n <= 0 {
		return def
	}
	return n
}

func orDuration(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// options are those of the library. It retries as it is told to and keeps to the context's deadline. Its own time-outs
// are counted from a clock that it reads every 50 ms, by which they would end early, and leave time for another attempt;
// so they are longer and stand behind the context's.
func (c RedisConfig) options() *redis.UniversalOptions {
	behind := 2*c.Timeout + time.Second
	o := &redis.UniversalOptions{
		Addrs: c.Addresses, MasterName: c.Master, IsClusterMode: c.Cluster, DB: c.DB,
		Username: c.Username, Password: c.Password,
		SentinelUsername: c.SentinelUsername, SentinelPassword: c.SentinelPassword,
		TLSConfig: c.TLS, Protocol: 2, DisableIdentity: true,
		MaxRetries: c.Attempts - 1, MinRetryBackoff: c.Backoff, MaxRetryBackoff: max(c.Timeout/4, time.Millisecond),
		DialTimeout: c.Timeout, DialerRetries: 1, ReadTimeout: behind, WriteTimeout: behind, PoolTimeout: c.Timeout / time.Duration(c.Attempts),
		ContextTimeoutEnabled: true, PoolSize: c.PoolSize, PipelinePoolSize: -1, MinIdleConns: c.MinIdle,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if c.Attempts == 1 {
		o.MaxRetries = -1
	}
	return o
}

// Text is the configuration's address for people, without its secrets.
func (c RedisConfig) String() string {
	kind := "redis"
	switch {
	case c.Master != "":
		kind = "redis+sentinel (" + c.Master + ")"
	case c.Cluster:
		kind = "redis+cluster"
	}
	return kind + " at " + strings.Join(c.Addresses, ", ")
}

// ParseRedisURL reads an address as it stands in REDIS_URL:
//
//	redis://user:password@host:6379/0
//	rediss://host                                   with TLS
//	unix:///run/redis.sock?db=1
//	redis+sentinel://:password@host:26379,host/master/0
//	redis+cluster://host:6379,host:6379
//
// The forms with sentinels and clusters take rediss, too. The errors do not show the password.
func ParseRedisURL(s string) (RedisConfig, error) {
	var c RedisConfig
	s, hosts := cutHosts(s)
	u, err := url.Parse(s)
	if err != nil {
		return c, fmt.Errorf("read Redis URL: %w: its form is redis://user:password@host:6379/0", errRedisConfig)
	}
	scheme, kind, _ := strings.Cut(u.Scheme, "+")
	c.Username = u.User.Username()
	c.Password, _ = u.User.Password()
	path := strings.Split(strings.Trim(u.Path, "/"), "/")
	port := "6379"
	switch {
	case scheme == "unix" && kind == "":
		if u.Path == "" {
			return c, fmt.Errorf("read Redis URL: %w: unix: needs a path", errRedisConfig)
		}
		c.Addresses, path = []string{u.Path}, nil
		if db := u.Query().Get("db"); db != "" {
			path = []string{db}
		}
	case scheme != "redis" && scheme != "rediss", kind != "" && kind != "sentinel" && kind != "cluster":
		return c, fmt.Errorf("read Redis URL: %w: scheme %q is none of redis, rediss, unix, redis+sentinel and redis+cluster", errRedisConfig, u.Scheme)
	case kind == "sentinel":
		if path[0] == "" {
			return c, fmt.Errorf("read Redis URL: %w: the master's name is missing: redis+sentinel://host:26379/master", errRedisConfig)
		}
		c.Master, path, port = path[0], path[1:], "26379"
	case kind == "cluster":
		c.Cluster = true
	}
	if scheme == "rediss" {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if len(path) > 0 && path[0] != "" {
		if c.DB, err = strconv.Atoi(path[0]); err != nil || len(path) > 1 {
			return c, fmt.Errorf("read Redis URL: %w: %q is no number of a database", errRedisConfig, strings.Join(path, "/"))
		}
	}
	if scheme != "unix" {
		for host := range strings.SplitSeq(hosts, ",") {
			c.Addresses = append(c.Addresses, withPort(host, port))
		}
	}
	_, err = c.withDefaults()
	return c, err
}

// cutHosts takes the hosts out of a URL, which are more than one to the URLs of net/url.
func cutHosts(s string) (rest, hosts string) {
	scheme, after, ok := strings.Cut(s, "://")
	if !ok {
		return s, ""
	}
	end := strings.IndexAny(after, "/?#")
	if end < 0 {
		end = len(after)
	}
	begin := strings.LastIndexByte(after[:end], '@') + 1
	return scheme + "://" + after[:begin] + after[end:], after[begin:end]
}

// withPort completes an address that lacks a host or a port.
func withPort(host, port string) string {
	if h, p, err := net.SplitHostPort(host); err == nil {
		return net.JoinHostPort(orString(h, "127.0.0.1"), orString(p, port))
	}
	return net.JoinHostPort(orString(strings.Trim(host, "[]"), "127.0.0.1"), port)
}

// QuietRedis keeps the Redis library from writing to standard error what this package counts and returns anyway. It
// holds for the whole process, so it is for programs, at their start, and not for libraries.
func QuietRedis() { redis.SetLogger(silence{}) }

type silence struct{}

// Printf is of the library's logger.
func (silence) Printf(context.Context, string, ...any) {}

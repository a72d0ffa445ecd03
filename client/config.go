package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/perfd/perfd/cache"
)

// Transport is a way by which a server is called.
type Transport string

// The transports.
const (
	// TransportWeb is Odoo's /web/dataset/call_kw on a cookie session, as browsers use it. It takes passwords.
	TransportWeb Transport = "web"
	// TransportJSONRPC is Odoo's /jsonrpc. It takes passwords and API keys.
	TransportJSONRPC Transport = "jsonrpc"
	// TransportXMLRPC is Odoo's /xmlrpc/2. It takes passwords and API keys.
	TransportXMLRPC Transport = "xmlrpc"
	// TransportJSON2 is /json/2 of Odoo 19 and later. It takes API keys alone.
	TransportJSON2 Transport = "json2"
	// TransportTryton is Tryton's JSON-RPC. It takes passwords.
	TransportTryton Transport = "tryton"
)

// Balance is how a server is chosen of several.
type Balance string

// The ways of choosing.
const (
	RoundRobin    Balance = "round-robin"
	LeastInFlight Balance = "least-in-flight"
)

// Config says whom to call and how. Servers, Database and the credentials have to be given; everything else works
// as its zero value.
type Config struct {
	// Servers are the addresses (see ParseAddress) of one server or of several that serve the same database.
	Servers []string
	// Transport is how they are called. Defaults to TransportWeb.
	Transport Transport
	// Database is the database's name. It may be empty where the server has one only.
	Database string
	// DatabaseID tells databases apart in the cache's keys. Clients that share a cache and mean the same database need the
	// same, those that mean different ones never the same: set it to the value of the database's parameter database.uuid
	// where several processes share a cache. Defaults to the addresses, sorted, and Database, with the name of this host
	// if one of them is of this host alone (localhost).
	DatabaseID string
	// Login and Password identify the user. For an API key Password is the key; TransportJSON2 needs no Login.
	Login    string
	Password Secret
	// Credential takes the place of Password: it is asked at each log-in, and what it returns is overwritten after
	// it. What has to go with every call is kept until the client is closed, and overwritten then. Defaults to Password.
	Credential func(context.Context) ([]byte, error)
	// Context goes with each call, over what the log-in yields; a nil value takes a key out. Defaults to nothing.
	Context map[string]any
	// BareLogin leaves the user's context and companies to the server: the log-in of TransportJSONRPC,
	// TransportXMLRPC and TransportTryton is then one request, without those that ask for them. Defaults to false.
	BareLogin bool

	// Timeout is the limit of one attempt at a call. Defaults to 120 s, a negative value to no limit.
	Timeout time.Duration
	// DialTimeout is the limit of making a connection. Defaults to 10 s.
	DialTimeout time.Duration
	// IdleTimeout is how long an unused connection is kept. Defaults to 15 s, which is less than servers keep it.
	IdleTimeout time.Duration
	// MaxConnections is the number of calls at once to each server. Defaults to 10.
	MaxConnections int
	// Rate is the number of requests per second to each server, with Burst at once. Defaults to no limit.
	Rate  float64
	Burst int // Defaults to Rate, at least 1.
	// MaxResponse is the largest answer in bytes, uncompressed. Defaults to 256 MiB.
	MaxResponse int64
	// UserAgent names the program. Defaults to "perfd".
	UserAgent string
	// TLS is for https. Defaults to the system's roots.
	TLS *tls.Config
	// HTTP makes the requests. Defaults to a transport with a pool of connections for this client, made of the
	// settings above. Whoever gives one answers for DialTimeout, IdleTimeout and TLS.
	HTTP http.RoundTripper

	// Retry says what happens after a failure. Defaults to RetryDefault.
	Retry Retry
	// Balance chooses among several servers. Defaults to RoundRobin.
	Balance Balance
	// HealthInterval is how often each of several servers is asked for its health. Defaults to 10 s, a negative value
	// to never. One server alone is never asked.
	HealthInterval time.Duration
	// HealthFailures in a row eject a server until it is well again. Defaults to 3.
	HealthFailures int
	// BreakerFailures in a row (connection errors and 5xx) make the client leave a server alone for BreakerPause, and
	// then try it with BreakerProbes requests at once. Default to 5, 60 s and 1.
	BreakerFailures int
	BreakerPause    time.Duration
	BreakerProbes   int

	// Cache keeps the answers of safe methods. Defaults to none.
	Cache *cache.Loader
	// Caches are further ones, for InCache. Defaults to none.
	Caches map[string]*cache.Loader
	// Related adds to the models of which answers are forgotten when records of a model change. Defaults to the
	// _inherits parents and children of Odoo's own modules (see InheritsOdoo), which are always in it.
	Related map[string][]string
	// NeverModels and NeverFields are never cached: calls of those models, calls that name those fields, and answers
	// that have them. They add to DefaultNeverModels and DefaultNeverFields.
	NeverModels []string
	NeverFields []string

	// Hooks see requests and answers. Defaults to none.
	Hooks []Hook
}

// FromEnv reads ODOO_URL, REDIS_URL, CACHE_TTL and MAX_CONNECTIONS. ODOO_URL is one address or several with commas;
// user, password and database may stand in it, as https://login:password@host/?db=name, in one or in all of several
// but not differently, and what does not is read from ODOO_DATABASE, ODOO_LOGIN and ODOO_PASSWORD. The caches have no part in Config: the second value says what
// REDIS_URL and CACHE_TTL (seconds, or a duration as 5m) ask for.
func FromEnv() (Config, CacheEnv, error) { return FromVariables(os.Getenv) }

// CacheEnv is what the environment says of the cache.
type CacheEnv struct {
	Redis string         // REDIS_URL; empty if there is none
	TTL   *time.Duration // CACHE_TTL; nil if it is unset
}

// FromVariables is FromEnv with variables from elsewhere; get gives an empty text for what is not set.
func FromVariables(get func(string) string) (Config, CacheEnv, error) {
	var c Config
	var e CacheEnv
	var problems []error
	for address := range strings.SplitSeq(get("ODOO_URL"), ",") {
		if address = strings.TrimSpace(address); address != "" {
			problems = append(problems, c.addServer(address))
		}
	}
	if len(c.Servers) == 0 && len(problems) == 0 {
		problems = append(problems, errors.New("ODOO_URL is not set"))
	}
	if text := get("MAX_CONNECTIONS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			problems = append(problems, fmt.Errorf("MAX_CONNECTIONS is %q, want a number from 1", text))
		}
		c.MaxConnections = n
	}
	if text := get("CACHE_TTL"); text != "" {
		ttl, err := time.ParseDuration(text)
		if n, errNumber := strconv.ParseInt(text, 10, 32); errNumber == nil {
			ttl, err = time.Duration(n)*time.Second, nil
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("CACHE_TTL is %q, want seconds or a duration as 5m", text))
		}
		e.TTL = &ttl
	}
	e.Redis = get("REDIS_URL")
	c.Database, c.Login = cmp.Or(c.Database, get("ODOO_DATABASE")), cmp.Or(c.Login, get("ODOO_LOGIN"))
	c.Password = cmp.Or(c.Password, Secret(get("ODOO_PASSWORD")))
	if err := errors.Join(problems...); err != nil {
		return Config{}, CacheEnv{}, fmt.Errorf("read environment: %w", err)
	}
	return c, e, nil
}

// addServer takes an address of ODOO_URL apart.
func (c *Config) addServer(address string) error {
	if strings.Contains(address, "://") {
		u, err := url.Parse(address)
		if err != nil {
			return fmt.Errorf("ODOO_URL: %w", withoutSecret(err))
		}
		if u.User != nil {
			login := u.User.Username()
			text, _ := u.User.Password()
			password := Secret(text)
			switch {
			case differ(c.Login, login):
				return fmt.Errorf("ODOO_URL: its addresses name the users %q and %q, want one", c.Login, login)
			case differ(c.Password, password):
				return errors.New("ODOO_URL: its addresses have different passwords, want one")
			}
			c.Login, c.Password = cmp.Or(c.Login, login), cmp.Or(c.Password, password)
			u.User = nil
		}
		if db := u.Query().Get("db"); db != "" {
			if differ(c.Database, db) {
				return fmt.Errorf("ODOO_URL: its addresses name the databases %q and %q, want one", c.Database, db)
			}
			c.Database = db
			u.RawQuery = ""
		}
		address = u.String()
	}
	if _, err := ParseAddress(address, Odoo); err != nil {
		return fmt.Errorf("ODOO_URL: %w", err)
	}
	c.Servers = append(c.Servers, address)
	return nil
}

// differ tells whether two settings, each of which may be left out, contradict each other.
func differ[T ~string](a, b T) bool { return a != "" && b != "" && a != b }

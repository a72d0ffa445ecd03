// Package config holds the settings of `perfd watch`: one Config, made of defaults, a YAML file, the environment
// and flags in that order of growing precedence, checked in one place, with the origin of every value known.
//
// A new setting is a field of Config and one line in the table in settings.go; the file, the environment
// variable, the flag, the default file and the list of effective values follow from it.
package config

import "time"

// Config is everything that can be set. Default returns a Config that works; Load makes one of all sources.
type Config struct {
	// Interfaces to tap. Defaults to all that are up, and those that come up later.
	Interfaces []string
	// RPCPorts are where the application servers listen. Defaults to those found on this host.
	RPCPorts []uint16
	// PGPorts are where PostgreSQL listens. Defaults to those found on this host, else 5432.
	PGPorts []uint16
	// Store is the file the traces are kept in. Defaults to perfd.db in the working directory.
	Store string
	// Listen is the address of the pages; "off" serves none. Defaults to 127.0.0.1:7070.
	Listen string
	// Hosts are further names under which the pages may be asked for. Defaults to none.
	Hosts []string
	// Memory is what perfd may use in all. Defaults to 256 MiB.
	Memory Size
	// CPU is how much of a core perfd may use; 0 is no bound. Defaults to 0.
	CPU Share

	Retention  Retention
	Keep       Keep
	Evidence   Evidence
	PGLog      PGLog
	OdooLog    OdooLog
	Database   Database
	Auth       Auth
	Metrics    Metrics
	Log        Log
	Pyroscope  Pyroscope
	Privacy    Privacy
	configured map[string]Source // key → where its value is from
}

// Retention bounds what the store keeps.
type Retention struct {
	Age        time.Duration // of traces. Defaults to 72 h
	Size       Size          // of the store's file; 0 is no bound. Defaults to 2 GiB
	Aggregates time.Duration // age of hourly sums. Defaults to 90 days
}

// Keep chooses which calls are kept whole; all others are counted. A call is kept if it matches each list that
// is not empty and took at least Slow.
type Keep struct {
	Users, Methods, Models Patterns      // default to everything
	Slow                   time.Duration // defaults to 0: however fast
}

// Mode says whether to use what may not be permitted.
type Mode string

// Modes. Auto uses it where it is permitted and says so where it is not; On fails without it.
const (
	Auto Mode = "auto"
	On   Mode = "on"
	Off  Mode = "off"
)

// Evidence chooses what perfd asks the operating system about the observed servers.
type Evidence struct {
	Process Mode // owners of sockets, from /proc and sock_diag. Defaults to auto
	Threads Mode // which thread used which socket, by eBPF. Defaults to auto
}

// PGLog is a PostgreSQL server log to follow.
type PGLog struct {
	Path       string // a file or the folder the server logs to; empty follows none
	Format     string // auto, stderr, csvlog or jsonlog. Defaults to auto
	LinePrefix string // the server's log_line_prefix. Defaults to what the lines suggest
}

// OdooLog is a log of Odoo or Tryton to compare with.
type OdooLog struct {
	Path string // empty compares with none
}

// Database is how to ask PostgreSQL itself: a role that may read its statistics, no more.
type Database struct {
	DSN Secret // empty asks nothing
}

// Auth is who may see the pages. One of them is required unless Listen is loopback.
type Auth struct {
	Token        Secret // sent as "Authorization: Bearer …"
	TokenFile    string // holds the token, for secrets that are mounted
	PasswordHash Secret // as `perfd config hash-password` makes it
}

// Metrics are Prometheus's.
type Metrics struct {
	Enabled    bool   // defaults to true
	Listen     string // an address of their own, which asks for no token. Defaults to the pages' address
	MaxMethods int    // methods with series of their own. Defaults to 200
}

// Log is perfd's own.
type Log struct {
	Level  string // debug, info, warn or error. Defaults to info
	Format string // text or json. Defaults to text
}

// Pyroscope receives profiles of perfd itself.
type Pyroscope struct {
	URL      string            // empty sends nothing
	Tags     map[string]string // added to each profile
	User     string            // for basic authentication
	Password Secret
}

// Privacy is about what is stored of people.
type Privacy struct {
	SessionKeyFile string // holds the key of session hashes. Defaults to a key made at each start
	Users          string // plain or pseudonym. Defaults to plain
}

// Secret is a value that is never printed.
type Secret string

// String masks the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "********"
}

// GoString masks the secret.
func (s Secret) GoString() string { return s.String() }

// MarshalText masks the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Default returns the settings without any source.
func Default() Config {
	return Config{
		Store: "perfd.db", Listen: "127.0.0.1:7070", Memory: 256 << 20,
		Retention: Retention{Age: 72 * time.Hour, Size: 2 << 30, Aggregates: 90 * day},
		Evidence:  Evidence{Process: Auto, Threads: Auto},
		PGLog:     PGLog{Format: "auto"},
		Metrics:   Metrics{Enabled: true, MaxMethods: 200},
		Log:       Log{Level: "info", Format: "text"},
		Privacy:   Privacy{Users: "plain"},
	}
}

// From is the origin of a key's value.
func (c *Config) From(key string) Source { return c.configured[key] }

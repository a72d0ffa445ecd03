// Package doctor finds out why perfd might see nothing, or less than it could, and says what to do about it.
//
// Each check is a file check_*.go and a line in the table in this file. It gets what it has to know through
// functions, so that every state can be tested, and sends nothing to the observed system; only the PostgreSQL
// role that the settings name is used to ask, read-only.
package doctor

import (
	"context"
	"net/netip"
	"os"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/config"
)

// State is how bad a finding is.
type State string

// States.
const (
	OK   State = "ok"
	Warn State = "warn" // less is seen than could be
	Fail State = "fail" // perfd does not work, or is blind
)

// Finding is what one check found.
type Finding struct {
	Check string `json:"check"`
	State State  `json:"state"`
	Found string `json:"found"`
	Fix   string `json:"fix,omitempty"` // one sentence; empty if all is well
}

// Config of an examination. The zero value examines the default settings without looking at processes or traffic.
type Config struct {
	// Settings to examine. Defaults to config.Default.
	Settings *config.Config
	// Problems found in the settings. Defaults to none.
	Problems config.Problems
	// Version of perfd. Defaults to none, which leaves it out.
	Version string
	// Host tells what runs on this machine. Defaults to nil: only ports are looked at.
	Host func(context.Context) (Host, error)
	// Tap tells what the packets show. Defaults to nil: no packets are looked at.
	Tap func(context.Context) (Traffic, error)
	// Relays are those of a perfd proxy: what keeps a tap from seeing is left out then. Defaults to nil: there are
	// none.
	Relays func() []Relay
	// Watching leaves out what a perfd that watches would find to be its own doing: who holds the port, the store
	// and the capabilities. Defaults to false.
	Watching bool
	// Timeout bounds each check. Defaults to 10 s.
	Timeout time.Duration
}

// Host is what runs on this machine.
type Host struct {
	Servers   []Server
	Databases []Database
	Denied    int  // processes of application servers whose sockets may not be looked at
	Sockets   Lack // why owners of sockets cannot be asked for
	Threads   Lack // why threads cannot be watched
}

// Lack is something that is not to be had. Its zero value says that it is.
type Lack struct {
	Reason string
	Fix    string // what to do; empty if the permissions in docs/operations.md are all there is to say
}

// Server is an application server.
type Server struct {
	Name   string // Odoo or Tryton
	PID    int32
	Listen []netip.AddrPort
	Links  []Link
}

// Link is how a server reaches PostgreSQL.
type Link struct {
	Network     string // tcp or unix
	Address     string
	Connections int
}

// Database is a PostgreSQL server or a pooler.
type Database struct {
	Command string
	PID     int32
	Listen  []netip.AddrPort
	Sockets []string
}

// Traffic is what a short tap showed.
type Traffic struct {
	For                         time.Duration
	Packets, Drops              int64
	HTTP, SQL                   int64 // connections
	EncryptedHTTP, EncryptedSQL int64
	Calls, Statements           int64
}

// check examines one thing.
type check interface {
	name() string
	run(context.Context) []Finding
}

// use says when a check is of use.
type use uint8

const (
	before  use = 1 << iota // a watch begins, not while it runs
	tapping                 // packets are read, not where perfd relays
)

// checks is the table of all checks, in the order of the report.
func checks(c Config) []check {
	host := once(c.Host)
	all := []struct {
		check
		use
	}{
		{versionCheck{c.Version}, before},
		{settingsCheck{c.Problems, c.Settings}, before},
		{tapCheck{capture.LivePermitted}, before | tapping},
		{capabilityCheck{c.Settings, ownCapabilities}, before | tapping},
		{evidenceCheck{c.Settings, host}, 0},
		{interfaceCheck{c.Settings, listInterfaces}, tapping},
		{serverCheck{c.Settings, host, listening}, tapping},
		{databaseCheck{c.Settings, host, listening}, tapping},
		{poolerCheck{c.Settings, host}, tapping},
		{trafficCheck{c.Settings, c.Tap}, tapping},
		{relayCheck{c.Relays, host}, 0},
		{clockCheck{clock}, 0},
		{postgresCheck{c.Settings, askPostgres}, before},
		{logCheck{c.Settings, readable}, 0},
		{storeCheck{c.Settings, openStore, os.Stat}, before},
		{diskCheck{c.Settings, diskFree, os.Stat}, 0},
		{listenCheck{c.Settings, tryListen}, before},
		{memoryCheck{c.Settings, memoryLimit}, before},
	}
	var chosen []check
	for _, x := range all {
		if (!c.Watching || x.use&before == 0) && (c.Relays == nil || x.use&tapping == 0) {
			chosen = append(chosen, x.check)
		}
	}
	return chosen
}

// Examine runs all checks, one after the other.
func Examine(ctx context.Context, c Config) Report {
	if c.Settings == nil {
		d := config.Default()
		c.Settings = &d
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	var r Report
	for _, x := range checks(c) {
		r.Findings = append(r.Findings, bounded(ctx, c.Timeout, x)...)
	}
	return r
}

func bounded(ctx context.Context, limit time.Duration, x check) []Finding {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found := x.run(ctx)
	for i := range found {
		found[i].Check, found[i].Fix = x.name(), withFlags(found[i].Fix)
	}
	return found
}

// hostFunc answers what runs here, and whether it was asked.
type hostFunc func(context.Context) (h Host, asked bool, err error)

// once asks at most once.
func once(ask func(context.Context) (Host, error)) hostFunc {
	var (
		h    Host
		err  error
		done bool
	)
	return func(ctx context.Context) (Host, bool, error) {
		if ask == nil {
			return Host{}, false, nil
		}
		if !done {
			h, err = ask(ctx)
			done = true
		}
		return h, err == nil, err
	}
}

func ok(found string) []Finding { return []Finding{{State: OK, Found: found}} }

func warn(found, fix string) []Finding { return []Finding{{State: Warn, Found: found, Fix: fix}} }

func fail(found, fix string) []Finding { return []Finding{{State: Fail, Found: found, Fix: fix}} }

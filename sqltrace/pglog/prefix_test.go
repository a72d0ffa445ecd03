package pglog

import (
	"errors"
	"testing"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// Log line prefixes as servers have them, with a line that each writes, given and guessed.
func TestPrefixes(t *testing.T) {
	for _, c := range []struct {
		prefix, head             string
		user, db, app, client    string
		guessed                  bool
		background               string // of a process that serves no client
		resolution, milliseconds int
	}{
		{prefix: "%m [%p] %q%u@%d ", head: "2026-11-22 10:00:00.123 UTC [4711] odoo@prod ", user: "odoo", db: "prod", guessed: true,
			background: "2026-11-22 10:00:00.123 UTC [4712] ", milliseconds: 123},
		{prefix: "%m [%p] %q%u@%d %r ", head: "2026-11-22 10:00:00.123 UTC [4711] odoo@prod 127.0.0.1(5555) ", user: "odoo", db: "prod", client: "127.0.0.1:5555",
			guessed: true, background: "2026-11-22 10:00:00.123 UTC [4712] ", milliseconds: 123},
		{prefix: "%m [%p] ", head: "2026-11-22 10:00:00.123 UTC [4711] ", guessed: true, milliseconds: 123},
		{prefix: "%t:%r:%u@%d:[%p]:", head: "2026-11-22 10:00:00 UTC:10.1.2.3(5555):odoo@prod:[4711]:", user: "odoo", db: "prod", client: "10.1.2.3:5555", guessed: true,
			background: "2026-11-22 10:00:00 UTC::@:[4712]:", resolution: 1000},
		{prefix: "%t [%p]: user=%u,db=%d,app=%a,client=%h ", head: "2026-11-22 10:00:00 UTC [4711]: user=odoo,db=prod,app=My App 1,client=10.1.2.3 ",
			user: "odoo", db: "prod", app: "My App 1", guessed: true, background: "2026-11-22 10:00:00 UTC [4712]: user=,db=,app=,client= ", resolution: 1000},
		{prefix: "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ", head: "2026-11-22 10:00:00 UTC [4711]: [17-1] user=odoo,db=prod,app=x,client=::1 ",
			user: "odoo", db: "prod", app: "x", guessed: true, resolution: 1000},
		{prefix: "%m [%p] %r %u@%d %x ", head: "2026-11-22 10:00:00.123 UTC [4711] 127.0.0.1(52970) odoo@prod 0 ", user: "odoo", db: "prod", client: "127.0.0.1:52970",
			guessed: true, background: "2026-11-22 10:00:00.123 UTC [4712]  @ 0 ", milliseconds: 123},
		{prefix: "%n [%p] %q%u@%d ", head: "1795341600.123 [4711] odoo@prod ", user: "odoo", db: "prod", guessed: true, milliseconds: 123},
		{prefix: "%m [%p] %q%r %u@%d ", head: "2026-11-22 10:00:00.123 UTC [4711] [local] odoo@prod ", user: "odoo", db: "prod", guessed: true, milliseconds: 123},
		{prefix: "%c %l %e %v %P %p %s %m %i %b %Q %u|%d|%a>", head: "6b02ca0e.4453 3 00000 3/17 4711 4711 2026-11-22 10:00:00 UTC 2026-11-22 10:00:00.123 UTC SELECT client backend -77 odoo er|prod|a|b>",
			user: "odoo er", db: "prod", app: "a|b", milliseconds: 123},
		{prefix: "100%% %-8u|%8d|%5p %m ", head: "100% odoo    |    prod| 4711 2026-11-22 10:00:00.123 UTC ", user: "odoo", db: "prod", milliseconds: 123},
	} {
		for _, given := range []bool{true, false} {
			cfg := Config{Prefix: c.prefix}
			if !given {
				cfg.Prefix = ""
				if !c.guessed {
					continue
				}
			}
			log := c.head + "LOG:  duration: 2.500 ms  statement: SELECT name FROM item\n" + c.head + "ERROR:  deadlock detected\n" + c.head + "DETAIL:  this and that\n" +
				c.head + "STATEMENT:  SELECT 2\n"
			if c.background != "" {
				log = c.background + "LOG:  checkpoint starting: time\n" + log
			}
			out, s := decode(t, cfg, log)
			if len(out.statements) != 2 || len(out.opened) != 1 || s.Unread != 0 {
				t.Errorf("%q (given: %v): %d statements, %d sessions, %+v", c.prefix, given, len(out.statements), len(out.opened), s)
				continue
			}
			session := out.opened[0]
			client := session.Client.String()
			if !session.Client.IsValid() {
				client = ""
			}
			if session.User != c.user || session.Database != c.db || session.Application != c.app || client != c.client || session.Backend != 4711 {
				t.Errorf("%q (given: %v): session %+v", c.prefix, given, *session)
			}
			at := time.Date(2026, 11, 22, 10, 0, 0, c.milliseconds*1e6, time.UTC)
			first, second := out.statements[0], out.statements[1]
			if d := first.End.Sub(at); d < 0 || d >= max(time.Millisecond, time.Duration(c.resolution)*time.Millisecond) || first.End.Sub(first.Start) != 2500*time.Microsecond {
				t.Errorf("%q (given: %v): from %v to %v", c.prefix, given, first.Start, first.End)
			}
			if second.SQLState != "40P01" && second.SQLState != "00000" || second.Start.Before(first.End) && s.Resolution == time.Millisecond {
				t.Errorf("%q (given: %v): %+v", c.prefix, given, *second)
			}
		}
	}
}

func TestPrefixesThatSayTooLittle(t *testing.T) {
	for _, prefix := range []string{"%u@%d ", "%m ", "[%p] ", "%"} {
		var wrong *PrefixError
		if err := CheckPrefix(prefix); !errors.As(err, &wrong) || wrong.Hint == "" {
			t.Errorf("%q: %v", prefix, err)
		}
		if _, err := New(Config{Prefix: prefix}, sqltrace.New(sqltrace.Config{}, nil), nil); prefix != "" && err == nil {
			t.Errorf("%q is accepted", prefix)
		}
	}
	if err := CheckPrefix("%m [%p] "); err != nil {
		t.Error(err)
	}
}

func TestTimeZones(t *testing.T) {
	berlin := time.FixedZone("CEST", 7200)
	for text, want := range map[string]string{
		"2026-07-01 12:00:00.250 UTC":   "2026-07-01T12:00:00.25Z",
		"2026-07-01 12:00:00.250 GMT":   "2026-07-01T12:00:00.25Z",
		"2026-07-01 12:00:00.250 CEST":  "2026-07-01T10:00:00.25Z",
		"2026-07-01 12:00:00.250 CET":   "2026-07-01T11:00:00.25Z",
		"2026-07-01 12:00:00 EST":       "2026-07-01T17:00:00Z",
		"2026-07-01 12:00:00.250 -03":   "2026-07-01T15:00:00.25Z",
		"2026-07-01 12:00:00.250 +0530": "2026-07-01T06:30:00.25Z",
		"2026-07-01 12:00:00.250 +05":   "2026-07-01T07:00:00.25Z",
		"2026-07-01 12:00:00.250 XYZ":   "2026-07-01T10:00:00.25Z", // Location's
	} {
		c := clock{location: berlin}
		at, _, rest, ok := c.read([]byte(text))
		if got := at.UTC().Format(time.RFC3339Nano); !ok || len(rest) != 0 || got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
		if (c.unknown == 1) != (text[len(text)-3:] == "XYZ") {
			t.Errorf("%s: %d unknown", text, c.unknown)
		}
	}
	for _, text := range []string{"", "2026-07-01", "2026-07-01 12:00:00", "2026-07-01 12:00:00.250", "2026-07-01 12:61:00 UTC", "2026-13-01 12:00:00 UTC", "2026-07-01 1x:00:00 UTC", "2026-07-01 12:00:00.2x0 UTC"} {
		if _, _, _, ok := (&clock{location: time.UTC}).read([]byte(text)); ok {
			t.Errorf("%q is a time", text)
		}
	}
}

func TestShare(t *testing.T) {
	for name, c := range map[string]struct {
		stats  Stats
		share  float64
		hidden time.Duration
		known  bool
	}{
		"nothing yet":             {Stats{}, 0, 0, false},
		"everything":              {Stats{Timed: 1000, Shortest: 5 * time.Microsecond, Boundaries: 10}, 1, 0, true},
		"told":                    {Stats{Timed: 3, ThresholdTold: true, Threshold: 250 * time.Millisecond, Nameless: 9}, 0.25, 250 * time.Millisecond, true},
		"inferred":                {Stats{Timed: 500, Shortest: 100200 * time.Microsecond, Transactions: 1000, TransactionsSeen: 20}, 0.02, 100 * time.Millisecond, true},
		"inferred, nothing tells": {Stats{Timed: 500, Shortest: 100200 * time.Microsecond}, 0, 100 * time.Millisecond, true},
	} {
		share, ok := c.stats.Share()
		hidden, known := c.stats.Hidden()
		if share != c.share || ok != (c.share > 0) || hidden != c.hidden || known != c.known {
			t.Errorf("%s: share %v %v, hidden %v %v", name, share, ok, hidden, known)
		}
	}
}

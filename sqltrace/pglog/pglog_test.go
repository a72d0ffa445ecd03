package pglog

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// goldenPrefix is the log_line_prefix of the server that wrote testdata.
const goldenPrefix = "%m [%p] %q%r %u@%d %a %e %c %v "

// collector writes down what it is given.
type collector struct {
	decoder    *sqltrace.Decoder
	text       bytes.Buffer
	opened     []*sqltrace.Session
	statements []*sqltrace.Statement
	closed     int
	plans      []*Plan
	planned    []*sqltrace.Statement // that the plans are of
	events     []*Event
}

var (
	_ sqltrace.Sink = (*collector)(nil)
	_ PlanSink      = (*collector)(nil)
	_ EventSink     = (*collector)(nil)
)

func clockTime(t time.Time) string { return t.UTC().Format("15:04:05.000000") }

func (c *collector) Opened(s *sqltrace.Session) {
	c.opened = append(c.opened, s)
	fmt.Fprintf(&c.text, "%s %d opened: %s@%s %q from %s joined=%v\n", clockTime(s.Opened), s.Backend, s.User, s.Database, s.Application, s.Client, s.Joined)
}

func (c *collector) Statement(st *sqltrace.Statement) {
	c.statements = append(c.statements, st)
	tx := "?"
	if st.Tx != 0 {
		tx = string(rune(st.Tx))
	}
	fmt.Fprintf(&c.text, "%s %d %v %s %s state=%s gaps=%d extended=%v literals=%d: %s\n", clockTime(st.Start), st.Session.Backend,
		st.End.Sub(st.Start), st.Kind, tx, st.SQLState, st.Gaps, st.Extended, len(st.Literals), c.shape(st.Fingerprint))
}

func (c *collector) shape(f sqltrace.Fingerprint) string { return c.decoder.Dictionary().Shape(f).Text }

func (c *collector) Closed(s *sqltrace.Session, at time.Time) {
	c.closed++
	fmt.Fprintf(&c.text, "%s %d closed\n", clockTime(at), s.Backend)
}

func (c *collector) Plan(st *sqltrace.Statement, p *Plan) {
	c.plans, c.planned = append(c.plans, p), append(c.planned, st)
	fmt.Fprintf(&c.text, "  plan nested=%v %v: %s\n", p.Nested, p.Duration, c.shape(p.Fingerprint))
	for _, n := range p.Nodes {
		fmt.Fprintf(&c.text, "    %s%+v\n", strings.Repeat("  ", n.Depth), n)
	}
}

func (c *collector) Event(e *Event) {
	c.events = append(c.events, e)
	fmt.Fprintf(&c.text, "  event %s %v %d bytes %s %s %v %s: %s\n", e.Kind, e.Duration, e.Bytes, e.Lock, e.Object, e.Holders, e.Table, c.shape(e.Fingerprint))
}

// decode reads a log at once.
func decode(t testing.TB, cfg Config, log string) (*collector, Stats) {
	t.Helper()
	c := &collector{}
	c.decoder = sqltrace.New(sqltrace.Config{}, c)
	d, err := New(cfg, c.decoder, c)
	if err != nil {
		t.Fatal(err)
	}
	d.Lines([]byte(log))
	d.Flush()
	return c, d.Stats()
}

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// One server wrote the same log in its three forms: they give the same statements, plans and events.
func TestGolden(t *testing.T) {
	for name, format := range map[string]Format{"server.log": Stderr, "server.csv": CSV, "server.json": JSON} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{}
			if format == Stderr {
				cfg.Prefix = goldenPrefix
			}
			c, s := decode(t, cfg, read(t, name))
			if s.Format != format || s.Unread != 0 || s.Statements != int64(len(c.statements)) || s.Resolution != time.Millisecond {
				t.Errorf("stats %+v", s)
			}
			golden := filepath.Join("testdata", "server.golden")
			if *update {
				if err := os.WriteFile(golden, c.text.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want := read(t, "server.golden")
			if got := c.text.String(); got != want {
				a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
				for i := range min(len(a), len(b)) {
					if a[i] != b[i] {
						t.Fatalf("line %d\ngot  %s\nwant %s", i+1, a[i], b[i])
					}
				}
				t.Errorf("%d lines, want %d", len(a), len(b))
			}
		})
	}
}

// The values in the logs of testdata are called canary: none comes out, not even of a plan's conditions.
func TestNoValueComesOut(t *testing.T) {
	for _, name := range []string{"server.log", "server.csv", "server.json"} {
		cfg := Config{}
		if name == "server.log" {
			cfg.Prefix = goldenPrefix
		}
		log := read(t, name)
		if strings.Count(log, "canary") < 10 {
			t.Fatalf("%s holds no values to look for", name)
		}
		c, s := decode(t, cfg, log)
		all := fmt.Sprintf("%s %+v %+v", &c.text, s, c.opened)
		for i, p := range c.plans {
			all += fmt.Sprintf("%+v %+v", *p, *c.planned[i])
		}
		for _, e := range c.events {
			all += fmt.Sprintf("%+v", *e)
		}
		if strings.Contains(all, "canary") {
			t.Errorf("%s: a value comes out", name)
		}
	}
}

// Cut anywhere into blocks, a log gives the same.
func TestBlocksDoNotMatter(t *testing.T) {
	for _, name := range []string{"server.log", "server.csv", "server.json"} {
		log := read(t, name)
		want, _ := decode(t, Config{Prefix: goldenPrefix}, log)
		c := &collector{}
		c.decoder = sqltrace.New(sqltrace.Config{}, c)
		d, err := New(Config{Prefix: goldenPrefix}, c.decoder, c)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(log) {
			block := []byte(line)
			d.Lines(block)
			for i := range block { // the follower uses its memory again
				block[i] = 'X'
			}
		}
		d.Flush()
		if c.text.String() != want.text.String() {
			t.Errorf("%s: read line by line it gives\n%s", name, &c.text)
		}
	}
}

// A log that is joined within an entry is read from the next one on.
func TestJoinedWithinAnEntry(t *testing.T) {
	for _, name := range []string{"server.log", "server.csv", "server.json"} {
		lines := strings.SplitAfter(read(t, name), "\n")
		for _, skip := range []int{1, 4, 5, 17, 40} {
			c, s := decode(t, Config{Prefix: goldenPrefix}, strings.Join(lines[skip:], ""))
			if len(c.statements) < 5 || s.Unread > 60 {
				t.Errorf("%s without %d lines: %d statements, %d lines unread", name, skip, len(c.statements), s.Unread)
			}
		}
	}
}

func stderrLog(lines ...string) string {
	for i, l := range lines {
		if l[0] != '\t' {
			lines[i] = fmt.Sprintf("2026-11-22 10:00:%02d.500 UTC %s", i, l)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func (c *collector) texts() (out []string) {
	for _, st := range c.statements {
		out = append(out, c.shape(st.Fingerprint))
	}
	return out
}

func TestStatementAndDurationApart(t *testing.T) {
	c, s := decode(t, Config{}, stderrLog(
		"[7] odoo@db LOG:  statement: SELECT 1", "[8] odoo@db LOG:  statement: SELECT b", "[7] odoo@db LOG:  duration: 2000.000 ms",
		"[8] odoo@db LOG:  duration: 1500.250 ms", "[8] odoo@db LOG:  duration: 0.100 ms", // a Parse
		"[8] odoo@db LOG:  execute p: SELECT c", "[8] odoo@db LOG:  duration: 100.000 ms",
		"[7] odoo@db LOG:  statement: SELECT d", "[7] odoo@db LOG:  statement: SELECT e"))
	if got := c.texts(); !slices.Equal(got, []string{"SELECT ?", "SELECT b", "SELECT c", "SELECT d", "SELECT e"}) {
		t.Fatalf("statements %q", got)
	}
	for i, want := range []time.Duration{2 * time.Second, 1500250 * time.Microsecond, 100 * time.Millisecond, 0, 0} {
		st := c.statements[i]
		if got := st.End.Sub(st.Start); got != want || (st.Gaps != 0) != (i > 2) || st.Extended != (i == 2) {
			t.Errorf("statement %d: %v, gaps %d, extended %v", i, got, st.Gaps, st.Extended)
		}
	}
	if s.Timed != 3 || s.Untimed != 2 || s.Nameless != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestSessionsWithoutConnectionLines(t *testing.T) {
	c, _ := decode(t, Config{}, stderrLog(
		"[7] 10.0.0.1(5001) odoo@db LOG:  duration: 1.000 ms  statement: SELECT 1",
		"[7] 10.0.0.1(5001) odoo@db LOG:  duration: 1.000 ms  statement: SELECT 1",
		"[8] [local] odoo@db LOG:  duration: 1.000 ms  statement: SELECT 1",
		"[7] 10.0.0.1(5002) odoo@db LOG:  duration: 1.000 ms  statement: SELECT 1",
		"[8] [local] odoo@other LOG:  duration: 1.000 ms  statement: SELECT 1"))
	if len(c.opened) != 4 || c.closed != 4 {
		t.Fatalf("%d opened, %d closed", len(c.opened), c.closed)
	}
	for i, want := range []string{"10.0.0.1:5001 db", "invalid AddrPort db", "10.0.0.1:5002 db", "invalid AddrPort other"} {
		s := c.opened[i]
		if got := s.Client.String() + " " + s.Database; got != want || !s.Joined || s.User != "odoo" || s.Conn < connBase {
			t.Errorf("session %d: %s, %+v", i, got, *s)
		}
	}
}

func TestSessionsAreBounded(t *testing.T) {
	var log strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&log, "2026-11-22 10:%02d:%02d.000 UTC [%d] u@db LOG:  duration: 1.000 ms  statement: SELECT 1\n", i/60, i%60, i+1)
	}
	c := &collector{}
	c.decoder = sqltrace.New(sqltrace.Config{}, c)
	d, err := New(Config{Sessions: 50}, c.decoder, c)
	if err != nil {
		t.Fatal(err)
	}
	d.Lines([]byte(log.String()))
	d.Idle(time.Time{})
	if n := len(d.sessions); n > 50 || len(c.opened) != 1000 || c.closed != 1000-n {
		t.Errorf("%d sessions, %d opened, %d closed", n, len(c.opened), c.closed)
	}
}

func TestLongEntriesAreCut(t *testing.T) {
	long := strings.Repeat("'x', ", 1000)
	for name, log := range map[string]string{
		"stderr": stderrLog("[7] u@db LOG:  duration: 1.000 ms  statement: SELECT "+long+"1", "\tAND more", "[7] u@db LOG:  duration: 1.000 ms  statement: SELECT 2"),
		"csv": `2026-11-22 10:00:00.500 UTC,"u","db",7,"[local]",1.7,1,"",2026-11-22 10:00:00 UTC,3/1,0,LOG,00000,"duration: 1.000 ms  statement: SELECT ` + long + `
AND more",,,,,,,,,"","client backend",,0
2026-11-22 10:00:01.500 UTC,"u","db",7,"[local]",1.7,1,"",2026-11-22 10:00:00 UTC,3/1,0,LOG,00000,"duration: 1.000 ms  statement: SELECT 2",,,,,,,,,"","client backend",,0
`,
		"json": `{"timestamp":"2026-11-22 10:00:00.500 UTC","user":"u","dbname":"db","pid":7,"error_severity":"LOG","message":"duration: 1.000 ms  statement: SELECT ` + long + `"}
{"timestamp":"2026-11-22 10:00:01.500 UTC","user":"u","dbname":"db","pid":7,"error_severity":"LOG","message":"duration: 1.000 ms  statement: SELECT 2"}
`,
	} {
		c, _ := decode(t, Config{MaxEntry: 2000}, log)
		if len(c.statements) != 2 || c.statements[0].Gaps != sqltrace.GapText || c.statements[0].Fingerprint != 0 || c.statements[1].Gaps != 0 {
			t.Errorf("%s: %d statements\n%s", name, len(c.statements), &c.text)
		}
	}
}

// A record of a csvlog that is beyond all bounds is left out; the next ones are read.
func TestHugeRecordIsLeftOut(t *testing.T) {
	record := func(text string) string {
		return `2026-11-22 10:00:00.500 UTC,"u","db",7,"[local]",1.7,1,"",2026-11-22 10:00:00 UTC,3/1,0,LOG,00000,"duration: 1.000 ms  statement: ` + text + `",,,,,,,,,"","client backend",,0` + "\n"
	}
	c, s := decode(t, Config{MaxEntry: 1000}, record("SELECT a")+record("SELECT '\n"+strings.Repeat("a line\n", 2000)+"'")+record("SELECT b")+record("SELECT c"))
	if got := c.texts(); !slices.Equal(got, []string{"SELECT a", "SELECT b", "SELECT c"}) || s.Unread == 0 {
		t.Errorf("statements %q, %+v", got, s)
	}
}

package pglog

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perfd/perfd/sqltrace"
)

func TestEvents(t *testing.T) {
	c, s := decode(t, Config{}, stderrLog(
		"[7] u@db LOG:  process 7 still waiting for AccessExclusiveLock on relation 16384 of database 5 after 1000.123 ms",
		"[7] u@db DETAIL:  Processes holding the lock: 8, 9. Wait queue: 7, 10.",
		"[7] u@db STATEMENT:  ALTER TABLE item ADD x int",
		"[7] u@db LOG:  process 7 detected deadlock while waiting for ShareLock on transaction 745 after 1000.000 ms",
		"[7] u@db LOG:  process 7 failed to acquire ShareLock on transaction 745 after 2000.000 ms",
		"[7] u@db LOG:  process 7 acquired ShareLock on tuple (0,1) of relation 16384 of database 5 after 3000.000 ms",
		`[11] LOG:  automatic vacuum of table "db.public.item": index scans: 1`,
		"\tpages: 0 removed, 55 remain",
		"\tsystem usage: CPU: user: 0.01 s, system: 0.00 s, elapsed: 12.34 s",
		`[11] LOG:  automatic aggressive vacuum to prevent wraparound of table "db.public.other": index scans: 0`,
		`[11] LOG:  automatic analyze of table "db.public.item" system usage: CPU: user: 0.01 s, system: 0.00 s, elapsed: 0.02 s`,
		"[12] LOG:  checkpoint complete: wrote 5 buffers (0.1%); write=0.402 s, sync=0.002 s, total=1.412 s; sync files=2",
		`[7] u@db LOG:  temporary file: path "base/pgsql_tmp/pgsql_tmp7.0", size 42000`,
		"[7] u@db LOG:  process 7 waits", "[11] LOG:  automatic something", `[7] u@db LOG:  temporary file: path "x" of no size`))
	type figures struct {
		Kind     EventKind
		Duration time.Duration
		Bytes    int64
		Lock     string
		Object   string
		Holders  []int32
		Table    string
		Own      bool
	}
	var got []figures
	for _, e := range c.events {
		got = append(got, figures{e.Kind, e.Duration, e.Bytes, e.Lock, e.Object, e.Holders, e.Table, e.Session != nil})
	}
	want := []figures{
		{LockWait, 1000123 * time.Microsecond, 0, "AccessExclusiveLock", "relation", []int32{8, 9}, "", true},
		{Deadlock, time.Second, 0, "ShareLock", "transaction", nil, "", true},
		{LockWait, 2 * time.Second, 0, "ShareLock", "transaction", nil, "", true},
		{LockAcquired, 3 * time.Second, 0, "ShareLock", "tuple", nil, "", true},
		{Vacuum, 12340 * time.Millisecond, 0, "", "", nil, "db.public.item", false},
		{Vacuum, 0, 0, "", "", nil, "db.public.other", false},
		{Analyze, 20 * time.Millisecond, 0, "", "", nil, "db.public.item", false},
		{Checkpoint, 1412 * time.Millisecond, 0, "", "", nil, "", false},
		{TempFile, 0, 42000, "", "", nil, "", true},
	}
	if diff := cmp.Diff(want, got); diff != "" || s.Events != int64(len(want)) || len(c.statements) != 0 {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if got := c.shape(c.events[0].Fingerprint); got != "ALTER TABLE item ADD x int" {
		t.Errorf("statement %q", got)
	}
}

func TestErrors(t *testing.T) {
	c, s := decode(t, Config{}, stderrLog(
		"[7] u@db ERROR:  could not serialize access due to concurrent update", "[7] u@db STATEMENT:  UPDATE item SET n = 1",
		"[7] u@db ERROR:  42P01: relation \"x\" does not exist at character 15", "[7] u@db LOCATION:  parserOpenTable, parse_relation.c:1392", "[7] u@db STATEMENT:  SELECT 1 FROM x",
		"[7] u@db ERROR:  something of an extension", "[7] u@db DETAIL:  Key (name)=(canary) exists.", "\tand more", "[7] u@db STATEMENT:  SELECT f()",
		"[7] u@db ERROR:  without a statement",
		"[9] u@db FATAL:  password authentication failed for user \"u\"",
		"[12] ERROR:  canceling autovacuum task", "[12] CONTEXT:  while scanning",
		"[7] u@db FATAL:  terminating connection due to administrator command",
		"[7] u@db LOG:  duration: 1.000 ms  statement: SELECT later"))
	var got []string
	for _, st := range c.statements {
		got = append(got, st.SQLState+" "+c.shape(st.Fingerprint))
	}
	want := []string{"40001 UPDATE item SET n = ?", "42P01 SELECT ? FROM x", UnknownState + " SELECT f()", " SELECT later"}
	if diff := cmp.Diff(want, got); diff != "" || s.Errors != 7 || s.Failed != 3 {
		t.Errorf("%+v (-want +got):\n%s", s, diff)
	}
	if len(c.opened) != 2 || c.closed != 2 {
		t.Errorf("%d sessions, want that before the end of 7 and that after", len(c.opened))
	}
}

func TestSessionsEndWithTheServer(t *testing.T) {
	c, _ := decode(t, Config{}, stderrLog(
		"[7] u@db LOG:  duration: 1.000 ms  statement: SELECT 1",
		"[1] LOG:  database system is ready to accept connections",
		"[7] u@db LOG:  duration: 1.000 ms  statement: SELECT 1"))
	if len(c.opened) != 2 || c.opened[0] == c.opened[1] {
		t.Errorf("%d sessions", len(c.opened))
	}
}

func TestConnectionLines(t *testing.T) {
	c, _ := decode(t, Config{}, stderrLog(
		"[7] [unknown]@[unknown] LOG:  connection received: host=2001:db8::7 port=5001",
		"[7] u@db LOG:  connection authenticated: identity=\"u\" method=scram-sha-256 (pg_hba.conf:1)",
		"[7] u@db LOG:  connection authorized: user=u database=db application_name=My SSL enabled app SSL enabled (protocol=TLSv1.3, cipher=X, bits=256)",
		"[8] [unknown]@[unknown] LOG:  connection received: host=[local]",
		"[8] r@[unknown] LOG:  replication connection authorized: user=r application_name=walreceiver",
		"[7] u@db LOG:  disconnection: session time: 0:00:00.127 user=u database=db host=2001:db8::7 port=5001"))
	if len(c.opened) != 2 || c.closed != 2 {
		t.Fatalf("%d opened, %d closed", len(c.opened), c.closed)
	}
	a, b := c.opened[0], c.opened[1]
	if a.Client.String() != "[2001:db8::7]:5001" || a.User != "u" || a.Database != "db" || a.Application != "My SSL enabled app" || a.Joined || a.Replication ||
		b.Client.IsValid() || b.User != "r" || b.Application != "walreceiver" || !b.Replication {
		t.Errorf("sessions %+v and %+v", *a, *b)
	}
}

func TestParameters(t *testing.T) {
	d := &Decoder{}
	for detail, want := range map[string][]string{
		"parameters: $1 = '10', $2 = NULL, $3 = 'it''s, $4 = ''x'''": {"10", "it's, $4 = 'x'"},
		"Parameters: $1 = ''":             {""},
		"parameters: $1 = 'cut":           nil,
		"parameters: $1 = '1', $2 = 'cut": {"1"},
		"parameters: ":                    nil,
		"prepare: PREPARE p AS SELECT 1":  nil,
	} {
		var got []string
		for _, v := range d.parameters([]byte(detail)) {
			got = append(got, string(v))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q", detail, got)
		}
	}
	many := "parameters: $1 = '1'" + strings.Repeat(", $2 = '1'", 1000)
	if n := len(d.parameters([]byte(many))); n != maxParameters {
		t.Errorf("%d parameters", n)
	}
}

func TestThresholdOfAReload(t *testing.T) {
	for value, want := range map[string]time.Duration{"250": 250 * time.Millisecond, "1s": time.Second, "-1": -time.Millisecond, "0": 0} {
		_, s := decode(t, Config{}, stderrLog("[1] LOG:  received SIGHUP, reloading configuration files", `[1] LOG:  parameter "log_min_duration_statement" changed to "`+value+`"`))
		if !s.ThresholdTold || s.Threshold != want {
			t.Errorf("%s: %v", value, s.Threshold)
		}
	}
}

// What other programs write into the same file breaks no entry but the one it stands in.
func TestForeignLines(t *testing.T) {
	c, s := decode(t, Config{}, stderrLog("[7] u@db LOG:  duration: 1.000 ms  statement: SELECT 1", "\tFROM item")+
		"sh: 1: archive: not found\n\tof no entry\n"+stderrLog("[7] u@db LOG:  duration: 1.000 ms  statement: SELECT 2", "[8] u@db STATEMENT:  of no entry"))
	if got := c.texts(); !slices.Equal(got, []string{"SELECT ? FROM item", "SELECT ?"}) || s.Unread != 2 {
		t.Errorf("statements %q, %+v", got, s)
	}
}

// Plans whose statements have no line of their own are statements; nested ones go with the next that is not.
func TestPlansAlone(t *testing.T) {
	plan := func(text, root string) []string {
		return []string{"\tQuery Text: " + text, "\t" + root + "  (cost=0.00..1.00 rows=1 width=4)"}
	}
	lines := []string{"[7] u@db LOG:  duration: 1.000 ms  plan:"}
	lines = append(lines, plan("SELECT part\n\tFROM f", "Seq Scan on item i")...)
	lines = append(lines, "[7] u@db CONTEXT:  SQL statement \"SELECT part FROM f\"", "[7] u@db LOG:  duration: 900.000 ms  plan:")
	lines = append(lines, plan("SELECT whole", "Index Only Scan using a_b on public.\"It em\"")...)
	lines = append(lines, "[7] u@db LOG:  duration: 2.000 ms  plan:", "\t<explain xmlns=\"http://www.postgresql.org/2009/explain\">", "[7] u@db LOG:  duration: 3.000 ms  plan:", "\t{\"Plan\": [}")
	c, s := decode(t, Config{}, stderrLog(lines...))
	if got := c.texts(); len(got) != 3 || got[0] != "SELECT whole" || s.Planned != 3 {
		t.Fatalf("statements %q, %+v", got, s)
	}
	if len(c.plans) != 4 || !c.plans[0].Nested || c.planned[0] != c.statements[0] || c.planned[1] != c.statements[0] || c.statements[1].Gaps != sqltrace.GapText || !c.plans[3].Cut {
		t.Fatalf("plans of %d statements: %s", len(c.planned), &c.text)
	}
	a, b := c.plans[0].Nodes[0], c.plans[1].Nodes[0]
	if a.Type != "Seq Scan" || a.Relation != "item" || a.Alias != "i" || a.Cost != 1 || b.Type != "Index Only Scan" || b.Index != "a_b" || b.Width != 4 {
		t.Errorf("nodes %+v and %+v", a, b)
	}
	if st := c.statements[0]; st.End.Sub(st.Start) != 900*time.Millisecond {
		t.Errorf("took %v", st.End.Sub(st.Start))
	}
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/lab"
	"github.com/perfd/perfd/replay/load"
)

// crowdUsers is the file of --users for lab.Crowd's users.
const crowdUsers = `
user1: {login: user1, password: "kQ7#vbmx0"}
user2: {login: user2, password: "kQ7#vbmx1"}
user3: {login: user3, password: "kQ7#vbmx2"}
user4: {login: user4, password: "kQ7#vbmx3"}
user5: {login: user5, password: "kQ7#vbmx4"}
user6: {login: user6, password: "kQ7#vbmx5"}
`

// TestReplayOfRealTryton records users at work with a real trytond through the tap, puts its database back as it was
// before, and replays what they did, reads and writes: at least 99 % of the answers are as recorded, though what is
// created gets other ids. Then an index is taken away from it. Where nothing may be tapped a relay stands before the server
// instead of the tap, and nobody looks at the server.
func TestReplayOfRealTryton(t *testing.T) {
	taps := capture.LivePermitted() == nil
	pg := lab.TrytonPostgreSQL(t, lab.PostgresConfig{Settings: map[string]string{"shared_preload_libraries": "pg_stat_statements"}})
	pg.Exec("postgres", `CREATE DATABASE snapshot TEMPLATE `+lab.Database)
	server := lab.RunTrytond(t, lab.TrytondConfig{Postgres: pg})
	dir := t.TempDir()
	file, users := filepath.Join(dir, "work.load"), filepath.Join(dir, "users.yaml")
	write(t, users, []byte(crowdUsers))
	calls := recordCrowd(t, file, taps, server, pg)
	server.Stop()
	// The database as it was, but that new records get other ids.
	pg.Exec("postgres", `DROP DATABASE `+lab.Database+` WITH (FORCE)`)
	pg.Exec("postgres", `CREATE DATABASE `+lab.Database+` TEMPLATE snapshot`)
	pg.Exec(lab.Database, `CREATE EXTENSION pg_stat_statements;
		SELECT setval('party_party_id_seq', 5000); SELECT setval('party_address_id_seq', 7000)`)
	again := lab.RunTrytond(t, lab.TrytondConfig{Postgres: pg})
	url := "http://" + again.Addr.String()
	flags := []string{file, "--target", url, "--database", lab.Database, "--users", users}

	if _, errOut := execute(t, exitFailure, append([]string{"replay", "--allow-writes"}, flags...)...); errOut == "" {
		t.Error("writes are not refused though nothing tells whose database it is")
	}
	flags = append(flags, "--target-is", lab.Database, "--allow-writes", "--allow-dangerous", "party.party.delete")
	flags = append(flags, tapFlags(taps, pg)...)
	r := replayJSON(t, exitOK, append(flags, "--mode", "timeline", "--ignore-fields", "code", // which a sequence gives out in the order of arrival
		"--database-url", pg.DSN(lab.Database, "disable"))...)
	got := r.Passes[0]
	t.Logf("%d calls were made, %d sent; %v; %v; %d ids mapped; %q", len(calls), got.Sent, got.Matches, got.Differing, got.Mapped, r.Doubts)
	if share := asRecorded(got.Matches); share < 0.99 {
		t.Errorf("%.3f as recorded", share)
	}
	if got.Sent < int64(len(calls))-30 || got.Mapped == 0 || len(r.Statements) == 0 {
		t.Errorf("%d of %d calls sent, %d ids mapped, %d statements: %v", got.Sent, len(calls), got.Mapped, len(r.Statements), got.Left)
	}
	if taps {
		seesAll(t, &r)
	}
	findsAnIndex(t, pg, url, users, taps)
}

// recordCrowd has users work and records them, by a tap or else by a relay. It returns what they did.
func recordCrowd(t *testing.T, file string, taps bool, server *lab.Trytond, pg *lab.Postgres) []lab.Call {
	t.Helper()
	keep := []string{"--keep-args", "*:*", "--keep-logins", "--keep-answers"}
	crowd := lab.Crowd{Host: server.Addr.String(), Users: 4, Bursts: 2}
	if !taps {
		w := newTapline(t, server.Addr.String())
		crowd.Host = w.listener.Addr().String()
		calls, err := crowd.Work(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		execute(t, exitOK, append([]string{"record", file, "--from", w.recording(t), "--rpc-port", "8069"}, keep...)...)
		return calls
	}
	p := startPerfd(t, append(append([]string{"record", file, "--interface", "lo"}, keep...), portFlags(server, pg)...)...)
	p.await("perfd records")
	calls, err := crowd.Work(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if code := p.stop(syscall.SIGINT); code != exitOK {
		t.Fatalf("perfd record: exit %d\n%s", code, p.stderr())
	}
	return calls
}

// tapFlags have a replay watch the server, where that is permitted.
func tapFlags(taps bool, pg *lab.Postgres) []string {
	if !taps {
		return nil
	}
	return []string{"--tap", "lo", "--pg-port", strconv.Itoa(int(pg.Addr.Port()))}
}

// seesAll: the tap saw all that was sent.
func seesAll(t *testing.T, r *told) {
	t.Helper()
	got, seen := r.Passes[0], r.Observed
	t.Logf("of %d calls sent the tap saw %d, and %d others; of %d statements %d are exact; %q", seen.A.Sent, seen.A.Seen, seen.A.Others, seen.A.Statements, seen.A.Exact, seen.Doubts)
	if seen.A.Sent != got.Sent || seen.A.Seen != got.Sent || seen.A.Statements < 3*got.Sent || len(seen.Methods) < 5 {
		t.Errorf("the tap saw %+v in %d methods", seen.A, len(seen.Methods))
	}
}

// indexRounds are enough for a difference of twice the time on a machine that does other things too.
const indexRounds = 6

// findsAnIndex compares the server with itself without an index that matters, which is found and explained.
func findsAnIndex(t *testing.T, pg *lab.Postgres, url, users string, taps bool) {
	t.Helper()
	pg.Exec(lab.Database, `SET session_replication_role = replica;
		INSERT INTO party_address (party, street, active) SELECT 1 + g % 50, 'a street', true FROM generate_series(1, 500000) g; ANALYZE party_address`)
	rules, err := load.ParseRules("*:*")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "addresses.load")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := load.NewWriter(out, load.Header{Product: "tryton", Start: time.Now(), Arguments: true}, load.Config{Key: []byte("a key of this test"), Rules: rules, Logins: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 14 {
		id := strconv.Itoa(i % 2)
		if i < 2 {
			if _, err := w.Session(load.Session{ID: id, Login: "user" + strconv.Itoa(i+1), Transport: "tryton"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Call(load.Call{
			Session: id, At: time.Duration(i) * time.Millisecond, Duration: time.Microsecond, Transport: "tryton", Verb: "POST", Path: "/" + lab.Database + "/",
			Service: "model", Model: "party.address", Method: "search_count", Status: 200,
			Args: fmt.Appendf(nil, `[[["party","=",%d]],{}]`, 100+i), // whose addresses are few
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
	dsn := pg.DSN(lab.Database, "disable")
	sql := func(text string) string {
		return fmt.Sprintf("psql -X -q -v ON_ERROR_STOP=1 -d '%s' -c '%s'", dsn, text)
	}
	flags := append([]string{file, "--target", url, "--database", lab.Database, "--users", users, "--mode", "max", "--rounds", strconv.Itoa(indexRounds)}, tapFlags(taps, pg)...)
	r := replayJSON(t, exitThreshold, append(flags, "--database-url", dsn, "--fail-if", "mean(party.address.*) > +20%",
		"--before-a", sql("CREATE INDEX IF NOT EXISTS mine ON party_address (party)"),
		"--before-b", sql("DROP INDEX IF EXISTS mine, party_address_party_index"))...)
	if strings.Contains(fmt.Sprint(r), "lab-superuser") {
		t.Error("the report has the password of the commands")
	}
	if r.Verdict != "slower" || len(r.Statements) == 0 || !strings.Contains(r.Statements[0].Text, `"party_address"`) {
		t.Errorf("%s: %s; %+v", r.Verdict, r.Sentence, r.Statements)
	}
	if taps {
		explainsAnIndex(t, &r)
	}
	ignoresAnIndex(t, taps, append(flags, "--before-a", sql("CREATE INDEX IF NOT EXISTS mine ON party_address (party); DROP INDEX IF EXISTS idle"),
		"--before-b", sql("CREATE INDEX IF NOT EXISTS idle ON party_address (street)")))
}

// explainsAnIndex: the tap saw that the time went into SQL on that table.
func explainsAnIndex(t *testing.T, r *told) {
	t.Helper()
	o := r.Observed
	t.Logf("%s\n%+v", o.Sentence, o)
	total, sqlTime, number := o.Overall.Parts[0], o.Overall.Parts[1], o.Overall.Parts[8]
	if o.A.Sent != indexRounds*14 || o.A.Seen != o.A.Sent || o.B.Seen != o.A.Sent || !strings.Contains(o.Sentence, "in SQL") || !strings.Contains(o.Sentence, "party_address") {
		t.Errorf("the tap: %s %+v %+v", o.Sentence, o.A, o.B)
	}
	if !sqlTime.Shown || sqlTime.Delta < 0.8*total.Delta || number.Shown || number.A < 1 {
		t.Errorf("the tap says of SQL %+v, of all %+v, of statements %+v", sqlTime, total, number)
	}
}

// ignoresAnIndex compares the server with itself with an index on a column by which nobody looks. No change is claimed. One
// claim in twenty is a false alarm by design, so a claim counts that is made twice.
func ignoresAnIndex(t *testing.T, taps bool, flags []string) {
	t.Helper()
	var said []string
	for range 2 {
		r := replayJSON(t, exitOK, flags...)
		if r.Verdict == "~" {
			if taps && (r.Observed.Sentence != "" || r.Observed.A.Seen != r.Observed.A.Sent || r.Observed.B.Seen != r.Observed.B.Sent) {
				t.Errorf("nothing is to be explained: %+v", r.Observed)
			}
			return
		}
		said = append(said, r.Sentence+" "+r.Observed.Sentence)
	}
	t.Errorf("an index that nothing uses changed something: %q", said)
}

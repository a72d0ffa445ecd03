package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/lab"
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
// created gets other ids.
func TestReplayOfRealTryton(t *testing.T) {
	if capture.LivePermitted() != nil {
		t.Log("packets cannot be tapped here")
		return
	}
	pg := lab.TrytonPostgreSQL(t, lab.PostgresConfig{Settings: map[string]string{"shared_preload_libraries": "pg_stat_statements"}})
	pg.Exec("postgres", `CREATE DATABASE snapshot TEMPLATE `+lab.Database)
	server := lab.RunTrytond(t, lab.TrytondConfig{Postgres: pg})
	dir := t.TempDir()
	file, users := filepath.Join(dir, "work.load"), filepath.Join(dir, "users.yaml")
	write(t, users, []byte(crowdUsers))
	p := startPerfd(t, append([]string{"record", file, "--interface", "lo", "--keep-args", "*:*", "--keep-logins", "--keep-answers"}, portFlags(server, pg)...)...)
	p.await("perfd records")
	calls, err := lab.Crowd{Host: server.Addr.String(), Users: 4, Bursts: 3}.Work(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if code := p.stop(syscall.SIGINT); code != exitOK {
		t.Fatalf("perfd record: exit %d\n%s", code, p.stderr())
	}
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
	if b, err := os.ReadFile(file); err != nil || len(b) == 0 {
		t.Error("the load is gone")
	}
}

package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/perfd/perfd/lab"
)

// fails connects and expects to be told why that is not possible.
func fails(t *testing.T, dsn, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	db, err := pgx.Connect(ctx, dsn)
	if err == nil {
		_ = db.Close(ctx)
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("connect: %v, want %q", err, want)
	}
}

func works(t *testing.T, dsn string) {
	t.Helper()
	db := connect(t, dsn)
	var n int
	if err := db.QueryRow(t.Context(), "SELECT 42").Scan(&n); err != nil || n != 42 {
		t.Errorf("query: %d, %v", n, err)
	}
	_ = db.Close(t.Context())
}

// Where TLS ends twice, authentication can be bound to the channel with the server's certificate alone.
func TestPostgreSQLChannelBinding(t *testing.T) {
	server := lab.PostgreSQL(t, lab.PostgresConfig{TLS: true})
	encrypted := back{tls: ServerTLS{Mode: "require"}}
	same := startPostgreSQL(t, server, front{tls: true}, encrypted, PostgreSQLConfig{})
	works(t, same.dsn(front{tls: true}, "channel_binding", "require"))
	works(t, same.dsn(front{}, "channel_binding", "prefer"))
	other := startPostgreSQL(t, server, front{tls: true, own: true}, encrypted, PostgreSQLConfig{RequireTLS: true})
	works(t, other.dsn(front{tls: true}, "channel_binding", "disable"))
	fails(t, other.dsn(front{tls: true}), "set channel_binding=disable")
	fails(t, other.dsn(front{tls: true}, "channel_binding", "require"), "channel binding required")
	fails(t, other.dsn(front{}), "perfd requires TLS")
	works(t, other.dsn(front{tls: true}, "channel_binding", "disable", "sslnegotiation", "direct"))
}

func writePEM(t *testing.T, file string, cert []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The rows of libpq's table of sslmodes.
func TestPostgreSQLModes(t *testing.T) {
	with, without := lab.PostgreSQL(t, lab.PostgresConfig{TLS: true}), lab.PostgreSQL(t, lab.PostgresConfig{})
	foreign := filepath.Join(t.TempDir(), "other.crt")
	writePEM(t, foreign, newCert(t).Certificate[0])
	for _, tt := range []struct {
		server *lab.Postgres
		tls    ServerTLS
		want   string // of the failure
		secure bool
	}{
		{with, ServerTLS{Mode: "disable"}, "", false},
		{with, ServerTLS{Mode: "allow"}, "", false},
		{with, ServerTLS{Mode: "prefer"}, "", true},
		{with, ServerTLS{Mode: "require"}, "", true},
		{with, ServerTLS{Mode: "verify-ca", RootCert: with.CA}, "", true},
		{with, ServerTLS{Mode: "verify-ca", RootCert: with.CA, ServerName: "elsewhere"}, "", true},
		{with, ServerTLS{Mode: "verify-full", RootCert: with.CA}, "", true},
		{with, ServerTLS{Mode: "verify-full", RootCert: with.CA, ServerName: "localhost"}, "", true},
		{with, ServerTLS{Mode: "verify-full", RootCert: with.CA, ServerName: "elsewhere"}, "not elsewhere", false},
		{with, ServerTLS{Mode: "verify-ca", RootCert: foreign}, "unknown authority", false},
		{with, ServerTLS{Mode: "require", RootCert: foreign}, "unknown authority", false},
		{with, ServerTLS{Mode: "prefer", RootCert: foreign}, "", true},
		{without, ServerTLS{Mode: "disable"}, "", false},
		{without, ServerTLS{Mode: "allow"}, "", false},
		{without, ServerTLS{}, "", false},
		{without, ServerTLS{Mode: "require"}, "the server has none, and sslmode is require", false},
		{without, ServerTLS{Mode: "verify-ca", RootCert: with.CA}, "the server has none", false},
	} {
		p := startPostgreSQL(t, tt.server, front{}, back{tls: tt.tls}, PostgreSQLConfig{})
		if tt.want != "" {
			fails(t, p.dsn(front{}), tt.want)
		} else {
			works(t, p.dsn(front{}))
		}
		if got := p.Stats().ServerTLS > 0; got != tt.secure {
			t.Errorf("%+v: encrypted %t", tt.tls, got)
		}
		p.end()
	}
	for _, bad := range []ServerTLS{{Mode: "maybe"}, {Mode: "verify-full"}, {Mode: "verify-ca", RootCert: "/none"}, {RootCert: "", Cert: "/none", Key: "/none"}} {
		var wrong *TLSError
		if _, err := NewPostgreSQL(PostgreSQLConfig{Upstream: Address{"tcp", "h:1"}, TLS: bad}, nil); !errors.As(err, &wrong) || wrong.Hint == "" {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// A server that admits one kind of connection only is given it, where the mode allows both; and a client
// certificate is shown.
func TestPostgreSQLAdmission(t *testing.T) {
	server := lab.PostgreSQL(t, lab.PostgresConfig{TLS: true})
	key := filepath.Join(filepath.Dir(server.CA), "server.key")
	loaded := time.Now() // later than the start
	admit := func(line string) {
		t.Helper()
		data := filepath.Join(filepath.Dir(server.CA), "data")
		if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(line+"\nlocal all all scram-sha-256\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		db := connect(t, server.SocketDSN("postgres"))
		for _, text := range []string{"ALTER SYSTEM SET ssl_ca_file = '" + server.CA + "'", "SELECT pg_reload_conf()"} {
			if _, err := db.Exec(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		_ = db.Close(t.Context())
		waitFor(t, func() bool { // a backend inherits the time at which the server read its files
			db := connect(t, server.SocketDSN("postgres"))
			defer func() { _ = db.Close(t.Context()) }()
			var at time.Time
			if err := db.QueryRow(t.Context(), "SELECT pg_conf_load_time()").Scan(&at); err != nil {
				t.Fatal(err)
			}
			changed := at.After(loaded)
			if changed {
				loaded = at
			}
			return changed
		})
	}
	admit("hostssl all all all scram-sha-256")
	for _, mode := range []string{"allow", "prefer"} {
		p := startPostgreSQL(t, server, front{}, back{tls: ServerTLS{Mode: mode}}, PostgreSQLConfig{})
		works(t, p.dsn(front{}))
	}
	refusing := startPostgreSQL(t, server, front{}, back{tls: ServerTLS{Mode: "disable"}}, PostgreSQLConfig{})
	fails(t, refusing.dsn(front{}), "no encryption")
	admit("hostnossl all all all scram-sha-256")
	for _, mode := range []string{"allow", "prefer"} {
		p := startPostgreSQL(t, server, front{}, back{tls: ServerTLS{Mode: mode}}, PostgreSQLConfig{})
		works(t, p.dsn(front{}))
	}
	admit("hostssl all all all scram-sha-256 clientcert=verify-ca")
	bare := startPostgreSQL(t, server, front{}, back{tls: ServerTLS{Mode: "require"}}, PostgreSQLConfig{})
	fails(t, bare.dsn(front{}), "client certificate")
	shown := startPostgreSQL(t, server, front{}, back{tls: ServerTLS{Mode: "require", Cert: server.CA, Key: key}}, PostgreSQLConfig{})
	works(t, shown.dsn(front{}))
}

// What is not PostgreSQL is refused, and requests for what is not there are answered.
func TestPostgreSQLStartup(t *testing.T) {
	server := lab.PostgreSQL(t, lab.PostgresConfig{})
	p := startPostgreSQL(t, server, front{}, back{}, PostgreSQLConfig{})
	packet := func(code uint32, rest string) string {
		b := binary.BigEndian.AppendUint32(nil, uint32(8+len(rest)))
		return string(binary.BigEndian.AppendUint32(b, code)) + rest
	}
	for _, tt := range []struct{ name, sent, want string }{
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", ""},
		{"TLS at once", "\x16\x03\x01\x02\x00\x01\x00\x01", ""},
		{"too long", "\x7f\xff\xff\xff\x00\x03\x00\x00", ""},
		{"too short", "\x00\x00\x00\x04\x00\x03\x00\x00", ""},
		{"version 2", packet(2<<16, "x\x00"), "version 3"},
		{"requests for encryption", strings.Repeat(packet(codeGSS, "")+packet(codeTLS, ""), 2), "NNNN"},
		{"no user", packet(codeGSS, "") + packet(3<<16, "\x00"), "no PostgreSQL user name"},
		{"a cancel request of nobody's", packet(codeCancel, "12345678"), ""},
	} {
		conn, err := net.Dial("tcp", p.ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(conn, tt.sent)
		got, err := io.ReadAll(conn)
		if !strings.Contains(string(got), tt.want) || tt.want == "" && len(got) > 0 {
			t.Errorf("%s: got %q, %v; want %q", tt.name, got, err, tt.want)
		}
		_ = conn.Close()
	}
	if s := p.Stats(); s.Refused != 6 || s.Cancels != 1 {
		t.Errorf("stats %+v", s)
	}
	server.Stop()
	fails(t, p.dsn(front{}), "perfd cannot reach the PostgreSQL server")
	server.Start()
	works(t, p.dsn(front{}))
}

func TestPostgreSQLManyConnections(t *testing.T) {
	server := lab.PostgreSQL(t, lab.PostgresConfig{Settings: map[string]string{"max_connections": "60"}})
	var mu sync.Mutex
	seen := map[netip.AddrPort]bool{}
	p := startPostgreSQL(t, server, front{}, back{unix: true}, PostgreSQLConfig{Seen: func(local, remote netip.AddrPort) {
		mu.Lock()
		defer mu.Unlock()
		seen[local] = remote.IsValid()
	}})
	const clients, rounds = 40, 25
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			db, err := pgx.Connect(ctx, p.dsn(front{}))
			if err != nil {
				t.Error(err)
				return
			}
			for n := range rounds {
				var got int
				if err := db.QueryRow(ctx, "SELECT $1::int", i*1000+n).Scan(&got); err != nil || got != i*1000+n {
					t.Errorf("client %d: got %d, %v", i, got, err)
				}
			}
			_ = db.Close(ctx)
		})
	}
	wg.Wait()
	waitFor(t, func() bool { return p.Stats().Open == 0 })
	p.end()
	if len(p.statements) != clients*rounds || len(p.sessions) != clients || len(seen) != clients {
		t.Errorf("%d statements of %d sessions, %d seen; want %d of %d", len(p.statements), len(p.sessions), len(seen), clients*rounds, clients)
	}
}

// A replication stream passes both ways.
func TestPostgreSQLReplication(t *testing.T) {
	server := lab.PostgreSQL(t, lab.PostgresConfig{Settings: map[string]string{"wal_level": "logical", "max_wal_senders": "4"}})
	p := startPostgreSQL(t, server, front{}, back{}, PostgreSQLConfig{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stream, err := pgconn.Connect(ctx, p.dsn(front{}, "replication", "database"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close(ctx) }()
	for _, text := range []string{"CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL test_decoding", "START_REPLICATION SLOT s LOGICAL 0/0"} {
		if strings.HasPrefix(text, "CREATE") {
			if _, err := stream.Exec(ctx, text).ReadAll(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		stream.Frontend().SendQuery(&pgproto3.Query{String: text})
		if err := stream.Frontend().Flush(); err != nil {
			t.Fatal(err)
		}
	}
	db := connect(t, p.dsn(front{}))
	for _, text := range []string{"CREATE TABLE told (n int)", "INSERT INTO told SELECT generate_series(1, 5000)"} {
		if _, err := db.Exec(ctx, text); err != nil {
			t.Fatal(err)
		}
	}
	_ = db.Close(ctx)
	inserts := 0
	for inserts < 5000 {
		m, err := stream.ReceiveMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := m.(*pgproto3.CopyData); ok && bytes.Contains(d.Data, []byte("table public.told: INSERT")) {
			inserts++
		}
	}
}

// Bytes do not come faster than both ends take them, nor pile up here.
func TestPostgreSQLSlowClient(t *testing.T) {
	server := lab.PostgreSQL(t, lab.PostgresConfig{})
	p := startPostgreSQL(t, server, front{}, back{}, PostgreSQLConfig{})
	db := connect(t, p.dsn(front{}))
	defer func() { _ = db.Close(t.Context()) }()
	rows := db.PgConn().Exec(t.Context(), "SELECT repeat('x', 1000) FROM generate_series(1, 100000)")
	if !rows.NextResult() {
		t.Fatal(rows.Close())
	}
	reader := rows.ResultReader()
	if !reader.NextRow() {
		t.Fatal("no row")
	}
	waitFor(t, func() bool { return p.feed.Stats().Queued == 0 && p.feed.Stats().Bytes > 1<<20 })
	if n := p.feed.Stats().Bytes; n > 60<<20 {
		t.Errorf("%d bytes were read ahead of the client", n)
	}
	n := 1
	for reader.NextRow() {
		n++
	}
	if err := rows.Close(); err != nil || n != 100_000 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// A client that goes away takes its server connection with it, and the other way round.
func TestPostgreSQLAborts(t *testing.T) {
	server := lab.PostgreSQL(t, lab.PostgresConfig{TLS: true})
	p := startPostgreSQL(t, server, front{tls: true}, back{}, PostgreSQLConfig{})
	db := connect(t, p.dsn(front{tls: true}))
	if err := db.PgConn().Conn().(*tls.Conn).NetConn().Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return p.Stats().Open == 0 })
	db = connect(t, p.dsn(front{tls: true}))
	server.Stop()
	if _, err := db.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("the server is gone, and the client was not told")
	}
	waitFor(t, func() bool { return p.Stats().Open == 0 })
	server.Start()
	db = connect(t, p.dsn(front{tls: true}))
	p.end()
	if _, err := db.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("the proxy has ended, and the client was not told")
	}
}

// A proxy that is told to end does, whatever clients are about to do.
func TestProxiesEnd(t *testing.T) {
	nobody := Address{"tcp", "127.0.0.1:1"}
	for range 30 {
		pg, err := NewPostgreSQL(PostgreSQLConfig{Upstream: nobody}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []interface {
			Run(context.Context, net.Listener) error
		}{pg, NewHTTP(HTTPConfig{Upstream: nobody, Grace: time.Hour}, nil)} {
			ctx, cancel := context.WithCancel(t.Context())
			ln, err := Listen(ctx, Address{"tcp", "127.0.0.1:0"})
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error)
			go func() { ended <- p.Run(ctx, ln) }()
			var clients []net.Conn
			for range 3 {
				conn, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				clients = append(clients, conn)
			}
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("the proxy does not end")
			}
			for _, conn := range clients {
				_ = conn.Close()
			}
		}
	}
}

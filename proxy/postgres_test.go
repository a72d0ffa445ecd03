package proxy

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/lab"
	"github.com/perfd/perfd/sqltrace"
)

// front is where clients of a proxy connect, back how it reaches its server.
type front struct {
	unix, tls, own bool // own: a certificate that is not the server's
}

type back struct {
	unix bool
	tls  ServerTLS
}

// proxied is a server with a proxy in front of it and all that it tells a decoder.
type proxied struct {
	*PostgreSQL
	ln         net.Listener
	feed       *capture.Feed
	decoder    *sqltrace.Decoder
	statements []*sqltrace.Statement
	sessions   []*sqltrace.Session
	end        func()
}

var _ sqltrace.Sink = (*proxied)(nil)

func (p *proxied) Opened(s *sqltrace.Session)          { p.sessions = append(p.sessions, s) }
func (p *proxied) Statement(s *sqltrace.Statement)     { p.statements = append(p.statements, s) }
func (p *proxied) Closed(*sqltrace.Session, time.Time) {}
func (p *proxied) texts() (texts []string) {
	for _, s := range p.statements {
		texts = append(texts, p.decoder.Dictionary().Shape(s.Fingerprint).Text)
	}
	return texts
}

func serverCert(t testing.TB, server *lab.Postgres) *tls.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(server.CA, filepath.Join(filepath.Dir(server.CA), "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	return &pair
}

// newCert makes a certificate that vouches for itself.
func newCert(t testing.TB) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	card := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "perfd"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, card, card, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{cert}, PrivateKey: key}
}

func startPostgreSQL(t testing.TB, server *lab.Postgres, f front, b back, cfg PostgreSQLConfig) *proxied {
	t.Helper()
	cfg.Upstream = Address{"tcp", server.Addr.String()}
	if b.unix {
		cfg.Upstream = Address{"unix", filepath.Join(server.Socket, ".s.PGSQL."+strconv.Itoa(int(server.Addr.Port())))}
	}
	cfg.TLS = b.tls
	switch {
	case f.tls && f.own:
		cfg.Certificate = newCert(t)
	case f.tls:
		cfg.Certificate = serverCert(t, server)
	}
	listen := Address{"tcp", "127.0.0.1:0"}
	if f.unix {
		dir, err := os.MkdirTemp("", "perfd")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		listen = Address{"unix", filepath.Join(dir, ".s.PGSQL.5432")}
	}
	p := &proxied{}
	p.decoder = sqltrace.New(sqltrace.Config{}, p)
	p.feed = capture.NewFeed(capture.FeedConfig{}, p.decoder)
	var err error
	if p.PostgreSQL, err = NewPostgreSQL(cfg, p.feed); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if p.ln, err = Listen(ctx, listen); err != nil {
		t.Fatal(err)
	}
	fed, feeding := context.WithCancel(context.Background())
	var relay, decode sync.WaitGroup
	relay.Go(func() {
		if err := p.Run(ctx, p.ln); err != nil {
			t.Error(err)
		}
	})
	decode.Go(func() {
		if err := p.feed.Run(fed); err != nil {
			t.Error(err)
		}
	})
	p.end = sync.OnceFunc(func() {
		cancel()
		relay.Wait()
		feeding()
		decode.Wait()
	})
	t.Cleanup(p.end)
	return p
}

// dsn is how clients reach the proxy.
func (p *proxied) dsn(f front, options ...string) string {
	u := url.URL{Scheme: "postgresql", User: url.UserPassword(lab.Superuser, "lab-superuser"), Path: "postgres"}
	q := url.Values{"sslmode": {"disable"}}
	if f.unix {
		q.Set("host", filepath.Dir(p.ln.Addr().String()))
		q.Set("port", "5432")
	} else {
		u.Host = p.ln.Addr().String()
	}
	if f.tls {
		q.Set("sslmode", "require")
	}
	for i := 0; i+1 < len(options); i += 2 {
		q.Set(options[i], options[i+1])
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	db, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// workload does what clients do and returns the statements' shapes.
func workload(t *testing.T, p *proxied, dsn string) (want []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db := connect(t, dsn)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	exec := func(text, shape string, args ...any) error {
		_, err := db.Exec(ctx, text, args...)
		want = append(want, shape)
		return err
	}
	simple := pgx.QueryExecModeSimpleProtocol
	check(exec("CREATE TEMP TABLE item (id int, name text)", "CREATE TEMP TABLE item(id int, name text)", simple))
	var lines bytes.Buffer
	for i := range 100_000 {
		fmt.Fprintf(&lines, "%d\tthe name of number %d\n", i, i)
	}
	sent := lines.Len()
	_, err := db.PgConn().CopyFrom(ctx, &lines, "COPY item FROM STDIN")
	check(err)
	var back bytes.Buffer
	_, err = db.PgConn().CopyTo(ctx, &back, "COPY item TO STDOUT")
	check(err)
	if back.Len() != sent {
		t.Errorf("COPY gave %d bytes back of %d", back.Len(), sent)
	}
	want = append(want, "COPY item FROM STDIN", "COPY item TO STDOUT")
	for id := range 3 {
		var name string
		check(db.QueryRow(ctx, "SELECT name FROM item WHERE id = $1", id).Scan(&name))
		want = append(want, "SELECT name FROM item WHERE id = ?")
	}
	rows, err := db.Query(ctx, "SELECT id, name FROM item")
	check(err)
	n := 0
	for rows.Next() {
		n++
	}
	check(rows.Err())
	want = append(want, "SELECT id, name FROM item")
	if n != 100_000 {
		t.Errorf("%d rows", n)
	}
	var pgErr *pgconn.PgError
	if err := exec("SELECT 1/0", "SELECT ? / ?", simple); !errors.As(err, &pgErr) || pgErr.Code != "22012" {
		t.Errorf("division by zero: %v", err)
	}
	slept := make(chan error, 1)
	go func() { slept <- exec("SELECT pg_sleep(60)", "SELECT pg_sleep(?)", simple) }()
	other := connect(t, dsn)
	for active := false; !active; {
		check(other.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND query LIKE 'SELECT pg_sleep%')", db.PgConn().PID()).Scan(&active))
	}
	check(db.PgConn().CancelRequest(ctx))
	if err := <-slept; !errors.As(err, &pgErr) || pgErr.Code != "57014" {
		t.Errorf("cancel: %v", err)
	}
	check(other.Close(ctx))
	check(db.Close(ctx))
	waitFor(t, func() bool { return p.Stats().Open == 0 })
	return want
}

// Every way in and every way out, on a real server with SCRAM.
func TestPostgreSQLRelays(t *testing.T) {
	server := lab.PostgreSQL(t, lab.PostgresConfig{TLS: true})
	verify := ServerTLS{Mode: "verify-full", RootCert: server.CA}
	for _, tt := range []struct {
		name string
		f    front
		b    back
		tls  bool // to the server
	}{
		{"TCP to TCP", front{}, back{tls: ServerTLS{Mode: "disable"}}, false},
		{"TCP to TLS", front{}, back{tls: verify}, true},
		{"TCP to what is preferred", front{}, back{}, true},
		{"TCP to Unix", front{}, back{unix: true}, false},
		{"TLS to TCP", front{tls: true, own: true}, back{tls: ServerTLS{Mode: "disable"}}, false},
		{"TLS to TLS with the server's certificate", front{tls: true}, back{tls: verify}, true},
		{"Unix to Unix", front{unix: true}, back{unix: true}, false},
		{"Unix to TLS", front{unix: true}, back{tls: ServerTLS{Mode: "require"}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var inodes sync.Map // by the client's address
			p := startPostgreSQL(t, server, tt.f, tt.b, PostgreSQLConfig{SeenUnix: func(local, remote netip.AddrPort, inode uint64) {
				inodes.Store(local, inode)
				if !IsUnix(local) || !IsUnix(remote) || inode == 0 {
					t.Errorf("seen: %s, %s, inode %d", local, remote, inode)
				}
			}})
			dsn := p.dsn(tt.f)
			want := workload(t, p, dsn)
			p.end()
			var main *sqltrace.Session
			for _, s := range p.sessions {
				if main == nil {
					main = s
				}
				if s.User != lab.Superuser || s.Database != "postgres" || s.Backend == 0 || s.Encrypted || s.Joined || IsUnix(s.Client) != tt.f.unix {
					t.Errorf("session %+v", *s)
				}
				if pid := p.Peer(s.Client); tt.f.unix && pid != int32(os.Getpid()) {
					t.Errorf("the client of %s is process %d, not %d", s.Client, pid, os.Getpid())
				}
				if _, seen := inodes.Load(s.Client); seen != tt.f.unix {
					t.Errorf("the connection of %s was told of as a Unix socket: %v", s.Client, seen)
				}
				checkThread(t, p.PostgreSQL, s.Client, s.Server)
			}
			var got []string
			for i, s := range p.statements {
				if s.Session == main {
					got = append(got, p.texts()[i])
				}
				if s.Gaps != 0 {
					t.Errorf("statement %q: gaps %d", p.texts()[i], s.Gaps)
				}
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("statements\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			s := p.Stats()
			if s.Cancels != 1 || s.Refused+s.Unreachable != 0 || (s.ServerTLS > 0) != tt.tls || (s.Encrypted > 0) != tt.f.tls {
				t.Errorf("stats %+v", s)
			}
			if f := p.feed.Stats(); f.Dropped != 0 || f.Failed != 0 || f.Open != 0 || f.Bytes < 10_000_000 || f.Bytes != s.FromClients+s.ToClients {
				t.Errorf("feed %+v", f)
			}
		})
	}
}

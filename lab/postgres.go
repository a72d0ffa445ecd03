package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Roles of the servers' databases, with their passwords.
const (
	Superuser         = "postgres"
	superuserPassword = "lab-superuser"
	trytonRole        = "tryton"
	trytonPassword    = "lab-tryton"
)

// PostgresConfig says how a PostgreSQL server is to run.
type PostgresConfig struct {
	// TLS lets clients encrypt. Defaults to a server that cannot.
	TLS bool
	// Log is the form of the server's log: stderr, csvlog or jsonlog. Defaults to stderr.
	Log string
	// LinePrefix is the log_line_prefix of stderr. Defaults to the server's own.
	LinePrefix string
	// Settings are further settings of postgresql.conf. Defaults to none.
	Settings map[string]string
}

// Postgres is a running PostgreSQL server. It has a database "tryton" with trytond's tables if it was made by
// TrytonPostgreSQL.
type Postgres struct {
	Addr   netip.AddrPort // where it listens
	Socket string         // folder of its Unix socket, whose name follows from Addr's port
	Log    string         // its log; the file of the configured form
	CA     string         // PEM file with the certificate that it shows, if TLS
	Key    string         // PEM file with its key

	t       testing.TB
	config  PostgresConfig
	dir     string
	account *account
	server  *server
}

// PostgreSQL starts an empty server.
func PostgreSQL(t testing.TB, c PostgresConfig) *Postgres {
	t.Helper()
	return newPostgres(t, c, emptyCluster(t))
}

// TrytonPostgreSQL starts a server whose database "tryton" is ready for Trytond.
func TrytonPostgreSQL(t testing.TB, c PostgresConfig) *Postgres {
	t.Helper()
	return newPostgres(t, c, trytonCluster(t))
}

// newPostgres starts a server on a copy of a cluster.
func newPostgres(t testing.TB, c PostgresConfig, cluster string) *Postgres {
	t.Helper()
	a := servant(t, "postgres", "postgresql")
	p := &Postgres{t: t, config: c, dir: folder(t, a), account: a}
	p.Socket = p.dir
	if err := copyTree(filepath.Join(p.dir, "data"), cluster, a); err != nil {
		t.Fatalf("copy a cluster: %v", err)
	}
	port := FreePort(t)
	p.Addr = loopback(port)
	switch c.Log {
	case "", "stderr":
		p.Log = filepath.Join(p.dir, "postgresql.log")
	case "csvlog":
		p.Log = filepath.Join(p.dir, "log", "server.csv")
	case "jsonlog":
		p.Log = filepath.Join(p.dir, "log", "server.json")
	default:
		t.Fatalf("start PostgreSQL: no log form %q", c.Log)
	}
	p.configure(port)
	p.Start()
	return p
}

func (p *Postgres) configure(port uint16) {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(int(port)),
		"unix_socket_directories": p.Socket,
		"fsync":                   "off",
		"synchronous_commit":      "off",
		"full_page_writes":        "off",
		"jit":                     "off",
		"shared_buffers":          "32MB",
	}
	if p.config.TLS {
		p.certify()
		settings["ssl"] = "on"
		settings["ssl_cert_file"] = p.CA
		settings["ssl_key_file"] = p.Key
	}
	if p.config.Log == "csvlog" || p.config.Log == "jsonlog" {
		settings["logging_collector"] = "on"
		settings["log_destination"] = p.config.Log
		settings["log_directory"] = filepath.Join(p.dir, "log")
		settings["log_filename"] = "server.log"
		settings["log_file_mode"] = "0644"
	}
	if p.config.LinePrefix != "" {
		settings["log_line_prefix"] = p.config.LinePrefix
	}
	maps.Copy(settings, p.config.Settings)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s = '%s'\n", name, strings.ReplaceAll(settings[name], "'", "''"))
	}
	write(p.t, filepath.Join(p.dir, "data", "postgresql.auto.conf"), p.account, 0o600, text.String())
}

// certify makes a key and a certificate that vouches for itself.
func (p *Postgres) certify() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatalf("make a key: %v", err)
	}
	now := time.Now()
	card := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, card, card, key.Public(), key)
	if err != nil {
		p.t.Fatalf("make a certificate: %v", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatalf("write a key: %v", err)
	}
	p.CA, p.Key = filepath.Join(p.dir, "server.crt"), filepath.Join(p.dir, "server.key")
	write(p.t, p.CA, p.account, 0o644, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	write(p.t, p.Key, p.account, 0o600,
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

// Start starts the server again after Stop.
func (p *Postgres) Start() {
	p.t.Helper()
	bin := postgresPrograms(p.t)
	data := filepath.Join(p.dir, "data")
	// The lock file's last line says what the server is doing; it is there before the port is open.
	ready := func() bool {
		b, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		return err == nil && len(lines) >= 8 && strings.TrimSpace(lines[7]) == "ready"
	}
	p.server = start(p.t, "postgresql", p.dir, p.account, syscall.SIGQUIT, ready, nil, filepath.Join(bin, "postgres"), "-D", data)
}

// Stop ends the server and its connections, in good order. Start continues on the same port.
func (p *Postgres) Stop() { p.server.stop(syscall.SIGINT) }

// PID is the process id of the server's first process.
func (p *Postgres) PID() int { return p.server.cmd.Process.Pid }

// DSN is the superuser's connection string for a database by TCP; sslmode as libpq has it.
func (p *Postgres) DSN(database, sslmode string) string {
	u := url.URL{
		Scheme: "postgresql", User: url.UserPassword(Superuser, superuserPassword), Host: p.Addr.String(), Path: database,
		RawQuery: url.Values{"sslmode": {sslmode}}.Encode(),
	}
	return u.String()
}

// SocketDSN is the superuser's connection string for a database by the Unix socket.
func (p *Postgres) SocketDSN(database string) string {
	u := url.URL{
		Scheme: "postgresql", User: url.UserPassword(Superuser, superuserPassword), Path: "/" + database,
		RawQuery: url.Values{"host": {p.Socket}, "port": {strconv.Itoa(int(p.Addr.Port()))}}.Encode(),
	}
	return u.String()
}

// SocketPath is the server's Unix socket.
func (p *Postgres) SocketPath() string {
	return filepath.Join(p.Socket, ".s.PGSQL."+strconv.Itoa(int(p.Addr.Port())))
}

// Exec runs SQL as the superuser.
func (p *Postgres) Exec(database, sql string) {
	p.t.Helper()
	do(p.t, p.dir, p.account, nil, filepath.Join(postgresPrograms(p.t), "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1",
		"-d", p.SocketDSN(database), "-c", sql)
}

// postgresPrograms finds the folder of initdb and postgres.
func postgresPrograms(t testing.TB) string {
	t.Helper()
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.Reverse(dirs)
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir
		}
	}
	t.Fatal("find a PostgreSQL server: install the Debian package postgresql")
	return ""
}

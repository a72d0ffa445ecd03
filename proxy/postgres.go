package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/capture"
)

// PostgreSQLConfig says how a PostgreSQL proxy relays. The zero value works but for Upstream.
type PostgreSQLConfig struct {
	// Upstream is where the server listens.
	Upstream Address
	// Protocol is the index of the PostgreSQL decoder in the feed's list. Defaults to 0.
	Protocol int

	// TLS says whether and how the server is asked for encryption. Defaults to sslmode prefer.
	TLS ServerTLS
	// Certificate is what clients that ask for encryption are shown. If it is the server's own, clients may bind
	// their authentication to it (SCRAM-SHA-256-PLUS). Defaults to none: such clients are told that there is no
	// encryption here.
	Certificate *tls.Certificate
	// RequireTLS refuses clients that do not ask for encryption, Unix sockets aside. Defaults to false.
	RequireTLS bool

	// MaxConns bounds the clients connected; further ones wait to be accepted. Defaults to 4096.
	MaxConns int
	// StartupTimeout bounds what comes before a client's startup message, and the connection to the server.
	// Defaults to 60 seconds, as authentication_timeout does.
	StartupTimeout time.Duration
	// Grace is how long connections may last once Run is told to end. Defaults to 0: at once.
	Grace time.Duration

	// Seen is told of each client's connection, in the client's terms, when it opens: local is its end, remote
	// perfd's. Called from many goroutines. Defaults to nothing.
	Seen func(local, remote netip.AddrPort)
	// SeenUnix is told in Seen's place of a connection over a Unix socket: the addresses that stand for its ends, the
	// client's first, and the inode number of perfd's. On Linux alone. Defaults to nothing.
	SeenUnix func(local, remote netip.AddrPort, inode uint64)
	// Trouble is told why the server could not be reached, at most once a second. Defaults to nothing.
	Trouble func(error)
}

func (c PostgreSQLConfig) withDefaults() PostgreSQLConfig {
	positive(&c.MaxConns, 4096)
	positive(&c.StartupTimeout, time.Minute)
	return c
}

// PostgreSQLStats counts what a PostgreSQL proxy did.
type PostgreSQLStats struct {
	Connections int64  // clients accepted
	Open        int64  // of these, connected now
	Encrypted   int64  // of these, by TLS
	ServerTLS   int64  // connections to the server by TLS
	Cancels     int64  // cancel requests passed on
	Refused     int64  // clients whose first bytes are not PostgreSQL's, or that had to encrypt
	Unreachable int64  // clients for which the server could not be reached
	FromClients int64  // bytes that clients sent, and
	ToClients   int64  // that they were sent, as they are without encryption
	Down        string // why the server could not be reached when it was tried last; empty if it could
}

// PostgreSQL is a relay in front of a PostgreSQL server.
type PostgreSQL struct {
	cfg  PostgreSQLConfig
	feed *capture.Feed
	tls  *tls.Config // towards clients; nil without Certificate
	up   *serverTLS

	hands   hands // pids of Unix sockets' peers
	trouble throttle

	mu    sync.Mutex
	conns map[*pgConn]struct{}
	ended bool // Grace is over
	wg    sync.WaitGroup

	reach  reach
	passed [2]atomic.Int64 // bytes, by capture.Dir

	connections, encrypted, serverTLS, cancels, refused, unreachable atomic.Int64
}

// NewPostgreSQL returns a proxy that gives what it relays to feed, which may be nil. It reads the certificates
// that cfg.TLS names.
func NewPostgreSQL(cfg PostgreSQLConfig, feed *capture.Feed) (*PostgreSQL, error) {
	cfg = cfg.withDefaults()
	up, err := cfg.TLS.load(cfg.Upstream)
	if err != nil {
		return nil, err
	}
	p := &PostgreSQL{cfg: cfg, feed: feed, up: up, conns: map[*pgConn]struct{}{}, trouble: throttle{tell: cfg.Trouble}}
	if cfg.Certificate != nil {
		p.tls = &tls.Config{Certificates: []tls.Certificate{*cfg.Certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{alpn}}
	}
	return p, nil
}

// Stats returns the counts so far.
func (p *PostgreSQL) Stats() PostgreSQLStats {
	p.mu.Lock()
	open := int64(len(p.conns))
	p.mu.Unlock()
	return PostgreSQLStats{
		Connections: p.connections.Load(), Open: open, Encrypted: p.encrypted.Load(), ServerTLS: p.serverTLS.Load(),
		Cancels: p.cancels.Load(), Refused: p.refused.Load(), Unreachable: p.unreachable.Load(),
		FromClients: p.passed[capture.ToServer].Load(), ToClients: p.passed[capture.ToClient].Load(), Down: p.reach.down(),
	}
}

// Probe connects to the server, as far as a client would be without a word of its own, and leaves. Stats.Down tells
// what came of it.
func (p *PostgreSQL) Probe(ctx context.Context) {
	way := p.up.first()
	conn, encrypted, err := p.up.dial(ctx, p.cfg.Upstream, probeTimeout, way)
	if _, other := p.up.second(way, encrypted); other && isHandshake(err) {
		err = nil // clients are connected in another way then
	}
	if conn != nil {
		_ = conn.Close()
	}
	if ctx.Err() == nil {
		p.reach.note(err)
	}
}

// Peer returns the process that opened the connection from a client address: the kernel's word where that stands
// for a Unix socket, also for a while after its end; 0 if not known.
func (p *PostgreSQL) Peer(client netip.AddrPort) (pid int32) {
	if !IsUnix(client) {
		return 0
	}
	h, _ := p.hands.find([2]netip.AddrPort{client}, time.Time{}, time.Now())
	return h.pid
}

// Run serves ln until ctx is done. It closes ln and returns when every connection is closed.
func (p *PostgreSQL) Run(ctx context.Context, ln net.Listener) error {
	err := accept(ctx, ln, p.cfg.MaxConns, func(conn net.Conn, done func()) {
		p.wg.Go(func() {
			defer done()
			p.serve(context.WithoutCancel(ctx), conn)
		})
	})
	force := time.AfterFunc(p.cfg.Grace, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended = true
		for c := range p.conns {
			c.abort()
		}
	})
	p.wg.Wait()
	force.Stop()
	if err != nil {
		return fmt.Errorf("serve PostgreSQL: %w", err)
	}
	return nil
}

// serve relays one client's connection.
func (p *PostgreSQL) serve(ctx context.Context, conn net.Conn) {
	p.connections.Add(1)
	peer, own := ends(conn, p.cfg.Upstream.port())
	if IsUnix(peer) {
		pid, inode := unixPeer(conn)
		if pid != 0 {
			p.hands.note([2]netip.AddrPort{peer}, time.Unix(0, 0), peer, own, pid)
		}
		if inode != 0 && p.cfg.SeenUnix != nil {
			p.cfg.SeenUnix(peer, own, inode)
		}
	} else if p.cfg.Seen != nil {
		p.cfg.Seen(peer, own)
	}
	c := &pgConn{p: p, ctx: ctx, raw: conn, client: conn, peer: peer, own: own, opened: time.Now(), tee: tee{passed: &p.passed}}
	p.mu.Lock()
	p.conns[c] = struct{}{}
	late := p.ended
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
		c.close()
	}()
	if !late {
		c.run()
	}
}

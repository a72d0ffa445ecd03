package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Redis starts a Redis server that keeps nothing on disk, and returns its address.
func Redis(t testing.TB) netip.AddrPort {
	t.Helper()
	return StartRedis(t).Addr
}

// RedisServer is a Redis server that can be killed, paused and started again.
type RedisServer struct {
	Addr    netip.AddrPort
	Dir     string
	argv    []string
	account *account
	server  *server
}

// StartRedis starts a Redis server with settings as on its command line ("--maxmemory", "10mb").
func StartRedis(t testing.TB, settings ...string) *RedisServer {
	t.Helper()
	return startRedis(t, loopback(FreePort(t)), settings...)
}

func startRedis(t testing.TB, addr netip.AddrPort, settings ...string) *RedisServer {
	t.Helper()
	s := &RedisServer{Addr: addr, account: servant(t, "nobody", "base-passwd")}
	s.Dir = folder(t, s.account)
	s.argv = append([]string{
		program(t, "redis-server", "redis-server"),
		"--bind", s.Addr.Addr().String(), "--port", strconv.Itoa(int(s.Addr.Port())), "--save", "", "--appendonly", "no",
	}, settings...)
	s.Start(t)
	return s
}

// Start starts the server again after Kill, on the same port.
func (s *RedisServer) Start(t testing.TB) {
	t.Helper()
	s.server = start(t, "redis", s.Dir, s.account, syscall.SIGTERM, func() bool { return accepts("tcp", s.Addr.String()) }, nil, s.argv...)
}

// Kill ends the server at once, as a crash does.
func (s *RedisServer) Kill(t testing.TB) {
	t.Helper()
	if err := s.server.cmd.Process.Kill(); err != nil {
		t.Fatalf("kill Redis: %v", err)
	}
	<-s.server.done
}

// Pause makes the server not answer any more, though connections are still accepted.
func (s *RedisServer) Pause(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGSTOP)
	process := s.server.cmd.Process
	t.Cleanup(func() { _ = process.Signal(syscall.SIGCONT) }) // or it could not be stopped
}

// Resume lets it go on.
func (s *RedisServer) Resume(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGCONT)
}

func (s *RedisServer) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := s.server.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("send %v to Redis: %v", sig, err)
	}
}

// RedisTLS starts a Redis server that speaks TLS alone, with a certificate that the pool trusts.
func RedisTLS(t testing.TB) (netip.AddrPort, *x509.CertPool) {
	t.Helper()
	a := servant(t, "nobody", "base-passwd")
	dir := folder(t, a)
	cert, key, pool := certificate(t)
	write(t, dir+"/cert.pem", a, 0o644, cert)
	write(t, dir+"/key.pem", a, 0o600, key)
	addr := loopback(FreePort(t))
	start(t, "redis", dir, a, syscall.SIGTERM, func() bool { return accepts("tcp", addr.String()) }, nil,
		program(t, "redis-server", "redis-server"), "--bind", addr.Addr().String(), "--port", "0",
		"--tls-port", strconv.Itoa(int(addr.Port())), "--tls-cert-file", dir+"/cert.pem", "--tls-key-file", dir+"/key.pem",
		"--tls-auth-clients", "no", "--save", "", "--appendonly", "no")
	return addr, pool
}

// certificate makes one for 127.0.0.1 that signs itself.
func certificate(t testing.TB) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "perfd lab"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatalf("make a certificate: %v", err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatalf("write a key: %v", err)
	}
	cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	key = string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}))
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(cert))
	return cert, key, pool
}

// RedisCluster starts a cluster of three Redis servers.
func RedisCluster(t testing.TB) []netip.AddrPort {
	t.Helper()
	var nodes []netip.AddrPort
	argv := []string{program(t, "redis-cli", "redis-tools"), "--cluster", "create"}
	for range 3 {
		s := startRedis(t, clusterPort(t), "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000")
		nodes = append(nodes, s.Addr)
		argv = append(argv, s.Addr.String())
	}
	dir := folder(t, nil)
	do(t, dir, nil, nil, append(argv, "--cluster-yes")...)
	limit := time.After(startLimit)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for _, n := range nodes {
		for !strings.Contains(asked(n, "CLUSTER INFO"), "cluster_state:ok") {
			select {
			case <-again.C:
			case <-limit:
				t.Fatalf("start a Redis cluster: not ready after %v: %s", startLimit, asked(n, "CLUSTER INFO"))
			}
		}
	}
	return nodes
}

// asked is the beginning of what a Redis answers to a command.
func asked(addr netip.AddrPort, command string) string {
	c, err := net.DialTimeout("tcp", addr.String(), time.Second)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte(command + "\r\n")); err != nil {
		return err.Error()
	}
	b := make([]byte, 4096)
	n, _ := c.Read(b)
	return string(b[:n])
}

// clusterPort finds a port that is free and of which the node's second one, 10000 above, is too.
func clusterPort(t testing.TB) netip.AddrPort {
	t.Helper()
	for range 100 {
		addr := loopback(FreePort(t))
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(loopback(addr.Port()+10000)))
		if err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("find two free ports: 100 attempts failed")
	return netip.AddrPort{}
}

// RedisSentinel starts a sentinel that watches s under a name and, when s has been away for half a second, makes
// one of its replicas the master.
func RedisSentinel(t testing.TB, name string, s *RedisServer) netip.AddrPort {
	t.Helper()
	a := servant(t, "nobody", "base-passwd")
	dir := folder(t, a)
	addr := loopback(FreePort(t))
	write(t, dir+"/sentinel.conf", a, 0o600, strings.Join([]string{
		"bind " + addr.Addr().String(), "port " + strconv.Itoa(int(addr.Port())), "dir " + dir,
		"sentinel monitor " + name + " " + s.Addr.Addr().String() + " " + strconv.Itoa(int(s.Addr.Port())) + " 1",
		"sentinel down-after-milliseconds " + name + " 500", "sentinel failover-timeout " + name + " 5000",
	}, "\n")+"\n")
	start(t, "sentinel", dir, a, syscall.SIGTERM, func() bool { return accepts("tcp", addr.String()) }, nil,
		program(t, "redis-server", "redis-server"), dir+"/sentinel.conf", "--sentinel")
	return addr
}

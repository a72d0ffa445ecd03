package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// SSLModes are libpq's, from the least to the most that is asked of the server.
var SSLModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// ServerTLS says how connections to the server are encrypted, in the terms of libpq. A Unix socket never is.
type ServerTLS struct {
	// Mode is one of SSLModes. Defaults to prefer.
	Mode string
	// RootCert is the file of the certificates that may sign the server's, or system. With it, require verifies
	// as verify-ca does. Defaults to none, with which verify-ca and verify-full are refused.
	RootCert string
	// Cert and Key are the files of the client certificate that the server is shown. Default to none.
	Cert, Key string
	// ServerName is the name that verify-full expects. Defaults to the host of the address.
	ServerName string
}

// TLSError is a mistake in a ServerTLS.
type TLSError struct {
	Err  error
	Hint string
}

func (e *TLSError) Error() string { return "set up TLS to the server: " + e.Err.Error() }
func (e *TLSError) Unwrap() error { return e.Err }

// serverTLS is a ServerTLS read.
type serverTLS struct {
	mode   string
	config *tls.Config
}

// way is how one connection is tried.
type way uint8

const (
	plainly    way = iota
	encrypted      // TLS, and nothing else
	preferably     // TLS if the server has it
)

func (t ServerTLS) load(to Address) (*serverTLS, error) {
	mode := t.Mode
	if mode == "" {
		mode = "prefer"
	}
	fail := func(err error, hint string) (*serverTLS, error) { return nil, &TLSError{err, hint} }
	if !slices.Contains(SSLModes, mode) {
		return fail(fmt.Errorf("sslmode %q is not known", mode), "choose one of "+strings.Join(SSLModes, ", "))
	}
	if to.Unix() {
		return &serverTLS{mode: "disable"}, nil
	}
	verify := strings.HasPrefix(mode, "verify-")
	if verify && t.RootCert == "" {
		return fail(fmt.Errorf("sslmode %s needs certificates to verify by", mode), "name their file, or system, as sslrootcert")
	}
	host, _, _ := net.SplitHostPort(to.Host)
	if t.ServerName != "" {
		host = t.ServerName
	}
	// What Go would verify depends on the mode: check does it.
	cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, NextProtos: []string{alpn}, InsecureSkipVerify: true} //nolint:gosec // see check
	if t.RootCert != "" && (verify || mode == "require") {
		roots, err := rootCerts(t.RootCert)
		if err != nil {
			return fail(err, "check sslrootcert")
		}
		full := mode == "verify-full" || t.RootCert == "system"
		cfg.VerifyConnection = func(s tls.ConnectionState) error { return check(s, roots, full, host) }
	}
	if t.Cert != "" || t.Key != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return fail(err, "check sslcert and sslkey: PEM files of one pair")
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return &serverTLS{mode: mode, config: cfg}, nil
}

func rootCerts(file string) (*x509.CertPool, error) {
	if file == "system" {
		return x509.SystemCertPool()
	}
	pem, err := os.ReadFile(file) //nolint:gosec // named by the operator
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}

// check verifies the server's certificate: that one of the roots signed it, and, if full, that it is host's.
func check(s tls.ConnectionState, roots *x509.CertPool, full bool, host string) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server shows no certificate")
	}
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, cert := range s.PeerCertificates[1:] {
		opts.Intermediates.AddCert(cert)
	}
	if full {
		opts.DNSName = host
	}
	_, err := s.PeerCertificates[0].Verify(opts)
	return err
}

// first is how libpq begins with this mode, second what it tries if the server does not want that.
func (t *serverTLS) first() way {
	switch t.mode {
	case "disable", "allow":
		return plainly
	case "prefer":
		return preferably
	}
	return encrypted
}

func (t *serverTLS) second(tried way, wasEncrypted bool) (way, bool) {
	switch {
	case t.mode == "allow" && tried == plainly:
		return encrypted, true
	case t.mode == "prefer" && tried == preferably && wasEncrypted:
		return plainly, true
	}
	return 0, false
}

// handshakeError is a failure of TLS, after which a mode may allow to do without.
type handshakeError struct{ error }

func (e handshakeError) Unwrap() error { return e.error }

func isHandshake(err error) bool {
	var h handshakeError
	return errors.As(err, &h)
}

// dial connects to the server. isEncrypted tells whether TLS was agreed on, also where it failed.
func (t *serverTLS) dial(ctx context.Context, to Address, timeout time.Duration, how way) (conn net.Conn, isEncrypted bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	raw, err := to.dial(ctx, timeout)
	if err != nil || how == plainly {
		return raw, false, err
	}
	defer func() {
		if err != nil {
			_ = raw.Close()
		}
	}()
	deadline, _ := ctx.Deadline()
	if err := raw.SetDeadline(deadline); err != nil {
		return nil, false, fmt.Errorf("connect to %s: %w", to, err)
	}
	request := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, codeTLS)
	if _, err := raw.Write(request); err != nil {
		return nil, false, fmt.Errorf("ask %s for TLS: %w", to, err)
	}
	var answer [1]byte // and no more: what follows in the clear could be forged
	if _, err := io.ReadFull(raw, answer[:]); err != nil {
		return nil, false, fmt.Errorf("ask %s for TLS: %w", to, err)
	}
	switch {
	case answer[0] == 'S':
		secure := tls.Client(raw, t.config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, true, handshakeError{fmt.Errorf("begin TLS with %s: %w", to, err)}
		}
		return secure, true, nil
	case answer[0] == 'N' && how == preferably:
		return raw, false, nil
	case answer[0] == 'N':
		return nil, false, fmt.Errorf("ask %s for TLS: the server has none, and sslmode is %s", to, t.mode)
	}
	return nil, false, fmt.Errorf("ask %s for TLS: the answer is not PostgreSQL's", to)
}

package client

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// maxAddress bounds an address's length.
const maxAddress = 2048

// ParseAddress reads a server's address as people write it: a bare host means http and the protocol's own port (8069
// for Odoo, 8000 for Tryton), http and https without a port mean 80 and 443, a path is kept as the prefix of all
// paths. What is no part of a server's address (user, query, fragment) is refused.
func ParseAddress(address string, p Protocol) (*url.URL, error) {
	text := strings.TrimSpace(address)
	if text == "" || len(text) > maxAddress {
		return nil, fmt.Errorf("read address: %d characters, want 1 to %d", len(text), maxAddress)
	}
	bare := !strings.Contains(text, "://")
	if bare {
		if ip, err := netip.ParseAddr(text); err == nil && ip.Is6() {
			text = "[" + text + "]"
		}
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read address: %w", withoutSecret(err))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("read address %s: scheme %q, want http or https", u.Redacted(), u.Scheme)
	case u.Hostname() == "":
		return nil, fmt.Errorf("read address %s: no host", u.Redacted())
	case u.User != nil:
		return nil, fmt.Errorf("read address %s: a user stands in it; login and password have their own settings", u.Redacted())
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("read address %s: a query or a fragment is no part of a server's address", u.Redacted())
	}
	port := u.Port()
	switch {
	case port != "":
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("read address %s: port %q, want 1 to 65535", u.Redacted(), port)
		}
	case u.Scheme == "https":
		port = "443"
	case !bare:
		port = "80"
	case p == Tryton:
		port = "8000"
	default:
		port = "8069"
	}
	path := strings.TrimRight(u.Path, "/")
	return &url.URL{Scheme: u.Scheme, Host: net.JoinHostPort(strings.ToLower(u.Hostname()), port), Path: path}, nil
}

// databaseID tells the database apart in the cache's keys without a DatabaseID: by the addresses in any order, and, as
// localhost is another server on each host, by the host where one of them is of its own.
func (c *Client) databaseID(host string) string {
	names := make([]string, len(c.endpoints))
	local := false
	for i, e := range c.endpoints {
		names[i] = e.wire.name
		local = local || isLocal(e.wire.base.Hostname())
	}
	slices.Sort(names)
	id := strings.Join(names, ",") + "/" + c.config.Database
	if local {
		id += "@" + host
	}
	return id
}

// isLocal tells whether a host's name means the host itself.
func isLocal(name string) bool {
	if ip, err := netip.ParseAddr(name); err == nil {
		ip = ip.Unmap()
		return ip.IsLoopback() || ip.IsUnspecified()
	}
	name = strings.TrimSuffix(name, ".")
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// hostname is the host's name, or one that nobody else has if that is not known.
func hostname() string {
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return rand.Text()
}

// withoutSecret is the reason alone of an error of package url, whose text repeats the address.
func withoutSecret(err error) error {
	if e, ok := err.(*url.Error); ok { //nolint:errorlint // what url.Parse returns
		return e.Err
	}
	return err
}

package client

import "testing"

// TestLocalAddressesAreOfTheirHost: over one Redis, localhost of two hosts is two databases, and all else is one.
func TestLocalAddressesAreOfTheirHost(t *testing.T) {
	id := func(host string, servers ...string) string {
		c, err := New(Config{Servers: servers, HealthInterval: -1, Database: "prod", Login: "me", Password: "p"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.databaseID(host)
	}
	for _, x := range []struct {
		servers []string
		local   bool
	}{
		{[]string{"localhost"}, true},
		{[]string{"LOCALHOST:8070"}, true},
		{[]string{"https://localhost./odoo"}, true},
		{[]string{"erp.localhost"}, true},
		{[]string{"127.0.0.1"}, true},
		{[]string{"127.1.2.3:80"}, true},
		{[]string{"::1"}, true},
		{[]string{"http://[::ffff:127.0.0.1]:8069"}, true},
		{[]string{"0.0.0.0"}, true},
		{[]string{"erp.example.com", "localhost"}, true},
		{[]string{"erp.example.com"}, false},
		{[]string{"localhost.example.com", "10.0.0.2"}, false},
		{[]string{"192.168.1.127", "fe80::1"}, false},
	} {
		if a, b := id("alpha", x.servers...), id("beta", x.servers...); (a != b) != x.local {
			t.Errorf("%v: %s and %s on two hosts, local %t", x.servers, a, b, x.local)
		}
	}
	if a, b := id("h", "one", "localhost", "two"), id("h", "two", "one", "localhost"); a != b {
		t.Errorf("%s and %s of the same servers", a, b)
	}
	if hostname() == "" {
		t.Error("the host has no name")
	}
}

package cache_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/lab"
)

// command sends lines to a Redis, past everything that is tested, and returns its last answer.
func command(t testing.TB, s *lab.RedisServer, lines ...string) string {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 64<<10)
	n := 0
	for _, line := range lines {
		if _, err := c.Write([]byte(line + "\r\n")); err != nil {
			t.Fatal(err)
		}
		if n, err = c.Read(b); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(b[:n]), "-") {
			t.Fatalf("%s: %s", line, b[:n])
		}
	}
	return string(b[:n])
}

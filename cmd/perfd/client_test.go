package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perfd/perfd/lab"
)

// miniOdoo is a server with one user and one partner.
func miniOdoo(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			Params struct {
				Password, Method string
				Kwargs           map[string]any
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&m)
		fail := func(name, message string) {
			_, _ = fmt.Fprintf(w, `{"error":{"code":200,"message":"Odoo Server Error","data":{"name":%q,"message":%q,"debug":""}}}`, name, message)
		}
		switch {
		case r.URL.Path == "/web/session/authenticate" && m.Params.Password != "right":
			fail("odoo.exceptions.AccessDenied", "Access Denied")
		case r.URL.Path == "/web/session/authenticate":
			_, _ = fmt.Fprint(w, `{"result":{"uid":2,"username":"me","user_context":{"lang":"en_US"},"user_companies":{"current_company":1,"allowed_companies":{"1":{}}}}}`)
		case r.URL.Path == "/web/webclient/version_info":
			_, _ = fmt.Fprint(w, `{"result":{"server_version":"18.0"}}`)
		case m.Params.Method == "search_read":
			text, _ := json.Marshal(m.Params.Kwargs["fields"])
			_, _ = fmt.Fprintf(w, `{"result":[{"id":1,"asked":%s}]}`, text)
		case m.Params.Method == "write":
			fail("odoo.exceptions.UserError", "It has arrived")
		case m.Params.Method == "refuse":
			fail("odoo.exceptions.AccessError", "You may not")
		default:
			_, _ = fmt.Fprint(w, `{"result":null}`)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestClient(t *testing.T) {
	for _, name := range []string{"ODOO_URL", "ODOO_PASSWORD", "REDIS_URL", "CACHE_KEYS", "CACHE_TTL", "MAX_CONNECTIONS"} {
		t.Setenv(name, "")
	}
	right, wrong := filepath.Join(t.TempDir(), "right"), filepath.Join(t.TempDir(), "wrong")
	write(t, right, []byte("right\n"))
	write(t, wrong, []byte("canary-wrong\n"))
	url := miniOdoo(t)
	to := " --url " + url + " --database db --login me"
	redis := "redis://" + lab.Redis(t).String()
	for _, tt := range []struct {
		args, out, errOut string
		code              int
	}{
		{"login" + to + " --password-file " + right, "user       me (2)\nversion    18.0\ncompanies  1\n", "", exitOK},
		{"login" + to + " --password-file " + wrong, "", "access denied: Access Denied; check database, login and password", exitFailure},
		{"login" + to + " --password-file " + right + ".none", "", "no such file or directory; check the path", exitFailure},
		{"login --url 127.0.0.1:1 --database db --login me --password-file " + right, "", "connection refused; is a server running at 127.0.0.1:1?", exitFailure},
		{"login --database db --login me", "", "ODOO_URL is not set; give --url, or set ODOO_URL", exitUsage},
		{"login --url " + url, "", "no database is named; give --database", exitUsage},
		{"login --url ftp://x --database db --login me --password-file " + right, "", `scheme "ftp", want http or https`, exitUsage},
		{"login" + to + " --transport smoke --password-file " + right, "", `transport "smoke", want web,`, exitUsage},
		{"login" + to, "user       me (2)\n", "", exitOK}, // from standard input
		{"search res.partner --fields name,email --repeat 3 --stats" + to + " --password-file " + right, `"asked": [`, "memory     2       1      0.67", exitOK},
		{"search res.partner --fields name --repeat 3 --metrics" + to + " --password-file " + right, `"asked": [`, `perfd_cache_lookups_total{model="res.partner",result="hit"} 2`, exitOK},
		{"search res.partner --redis " + redis + " --stats" + to + " --password-file " + right, `"id": 1`, "redis     0       1", exitOK},
		{"search res.partner --redis " + redis + " --stats" + to + " --password-file " + right, `"id": 1`, "redis     1       0", exitOK},
		{"search res.partner --redis " + redis + " --database-id another --stats" + to + " --password-file " + right, `"id": 1`, "redis     0       1", exitOK},
		{"search res.partner x" + to + " --password-file " + right, "", "DOMAIN is no JSON of its kind: x; as '[[", exitUsage},
		{"search" + to, "", "takes MODEL and perhaps DOMAIN", exitUsage},
		{"call res.partner button [[1]]" + to + " --password-file " + right, "null\n", "", exitOK},
		{"call res.partner refuse" + to + " --password-file " + right, "", "access error: You may not; ask for the right, or use another user", exitFailure},
		{"call res.partner button [[1]] --repeat 3 --read-only" + to + " --password-file " + right, "null\n", "", exitOK},
		{"call res.partner search_count [[]] --repeat 3" + to + " --password-file " + right, "null\n", "", exitOK},
		{"call res.partner write [[1],{}]" + to + " --password-file " + right, "", "It has arrived", exitFailure},
		{"call res.partner write [[1],{}] --repeat 3" + to + " --password-file " + right, "", "write of res.partner may change something and is not called 3 times; leave out --repeat, or give --read-only", exitUsage},
		{"call res.partner" + to, "", "takes MODEL, METHOD and perhaps ARGUMENTS", exitUsage},
		{"cache --redis " + redis, "circuit", "", exitOK},
		{"cache --redis " + redis, "redis     0       0      0.00       0      -      -   closed", "", exitOK},
		{"cache --forget --redis " + redis, "redis", "all answers are forgotten", exitOK},
		{"cache", "", "no Redis is named; give --redis, or set REDIS_URL", exitUsage},
		{"cache --redis redis://127.0.0.1:1", "", "connection refused", exitFailure},
		{"frobnicate", "", `unknown command "client frobnicate"`, exitUsage},
	} {
		code, out, errOut := perfd(t, strings.NewReader("right\n"), append([]string{"client"}, strings.Fields(tt.args)...)...)
		if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(errOut, tt.errOut) || strings.Contains(out+errOut, "canary") {
			t.Errorf("client %s: exit %d, want %d\n%s%s", tt.args, code, tt.code, out, errOut)
		}
	}
}

// TestClientEncryptsWhatRedisKeeps: with CACHE_KEYS no answer stands readable beside the encrypted ones of programs, and
// the next run can read it.
func TestClientEncryptsWhatRedisKeeps(t *testing.T) {
	for _, name := range []string{"ODOO_URL", "REDIS_URL", "CACHE_TTL", "MAX_CONNECTIONS"} {
		t.Setenv(name, "")
	}
	t.Setenv("ODOO_PASSWORD", "right")
	url := miniOdoo(t)
	for _, tt := range []struct {
		keys     string
		readable bool
	}{{"", true}, {"MDEyMzQ1Njc4OWFiY2RlZg==", false}} {
		t.Setenv("CACHE_KEYS", tt.keys)
		addr := lab.StartRedis(t).Addr.String()
		args := []string{"client", "search", "res.partner", "--fields", "canary", "--stats", "--url", url, "--database", "db", "--login", "me", "--redis", "redis://" + addr}
		for _, want := range []string{"redis     0       1", "redis     1       0"} {
			if code, out, errOut := perfd(t, strings.NewReader(""), args...); code != exitOK || !strings.Contains(errOut, want) {
				t.Fatalf("exit %d, want %q\n%s%s", code, want, out, errOut)
			}
		}
		values, readable := 0, false
		for _, line := range redisLines(t, addr, "KEYS *") {
			if strings.Contains(line, "search_read") {
				values++
				readable = readable || strings.Contains(strings.Join(redisLines(t, addr, "GET "+line), " "), "canary")
			}
		}
		if values != 1 || readable != tt.readable {
			t.Errorf("with the keys %q: %d entries, readable: %t", tt.keys, values, readable)
		}
	}
	t.Setenv("CACHE_KEYS", "canary")
	code, out, errOut := perfd(t, strings.NewReader(""), "client", "cache", "--redis", "redis://127.0.0.1:1")
	if code != exitUsage || !strings.Contains(errOut, "encryption key 1 of CACHE_KEYS") || strings.Contains(out+errOut, "canary") {
		t.Errorf("an unusable key: exit %d\n%s%s", code, out, errOut)
	}
}

// redisLines are the lines of what a Redis answers to a command.
func redisLines(t *testing.T, addr, command string) []string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "%s\r\nQUIT\r\n", command); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(b), "\r\n")
}

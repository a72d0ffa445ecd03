package lab

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"sync/atomic"
	"time"
)

// Call is one request as the one who made it saw it.
type Call struct {
	ID         int64 // of the JSON-RPC message: no other call of this process has it
	User       string
	Method     string
	Client     netip.AddrPort // its end of the connection; zero on a Unix socket
	Start, End time.Time
	Status     int
	Error      string // what the answer names as the error
}

var lastID atomic.Int64

// client makes calls as Tryton's desktop client does, one at a time.
type client struct {
	url  string
	http *http.Client
	user string
	auth string
	made []Call
}

// newClient makes calls to a server at host, by dial unless that is nil.
func newClient(host string, dial func(ctx context.Context, network, addr string) (net.Conn, error)) *client {
	transport := &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 4, DisableCompression: true}
	return &client{url: "http://" + host + "/" + Database + "/", http: &http.Client{Transport: transport}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

type answer struct {
	Result json.RawMessage `json:"result"`
	Error  []any           `json:"error"`
}

// call makes a call and notes it. An error means that there was no answer, not that the answer names one.
func (c *client) call(ctx context.Context, method string, params ...any) (Call, json.RawMessage, error) {
	k := Call{ID: lastID.Add(1), User: c.user, Method: method}
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"id": k.ID, "method": method, "params": params})
	if err != nil {
		return k, nil, fmt.Errorf("write %s: %w", method, err)
	}
	packed := c.auth != "" && len(body) > 1400
	if packed {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err1 := z.Write(body)
		if err := errors.Join(err1, z.Close()); err != nil {
			return k, nil, fmt.Errorf("compress %s: %w", method, err)
		}
		body = b.Bytes()
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if tcp, ok := i.Conn.LocalAddr().(*net.TCPAddr); ok {
			k.Client = tcp.AddrPort()
		}
	}})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return k, nil, fmt.Errorf("write %s: %w", method, err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("User-Agent", "Python-xmlrpc/3.11")
	if c.auth != "" {
		r.Header.Set("Authorization", c.auth)
	}
	if packed {
		r.Header.Set("Content-Encoding", "gzip")
	}
	k.Start = time.Now()
	resp, err := c.http.Do(r)
	if err != nil {
		return k, nil, fmt.Errorf("call %s: %w", method, err)
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	k.End, k.Status = time.Now(), resp.StatusCode
	if err != nil {
		return k, nil, fmt.Errorf("read the answer of %s: %w", method, err)
	}
	var a answer
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(text, &a); err != nil {
			return k, nil, fmt.Errorf("read the answer of %s: %w", method, err)
		}
		if len(a.Error) > 0 {
			k.Error = fmt.Sprint(a.Error...)
		}
	}
	c.made = append(c.made, k)
	return k, a.Result, nil
}

// must makes a call that has to succeed; the context is added to the parameters.
func (c *client) must(ctx context.Context, method string, params ...any) (json.RawMessage, error) {
	k, result, err := c.call(ctx, method, append(params, map[string]any{"language": "en"})...)
	if err == nil && (k.Status != http.StatusOK || k.Error != "") {
		err = fmt.Errorf("call %s: status %d, error %q", method, k.Status, k.Error)
	}
	return result, err
}

// refused makes a call that has to end with that status or, if it is 200, with an error in the answer.
func (c *client) refused(ctx context.Context, status int, method string, params ...any) error {
	k, _, err := c.call(ctx, method, append(params, map[string]any{"language": "en"})...)
	if err == nil && (k.Status != status || status == http.StatusOK && k.Error == "") {
		err = fmt.Errorf("call %s: status %d, error %q; want it refused with %d", method, k.Status, k.Error, status)
	}
	return err
}

func (c *client) login(ctx context.Context, login, password string) error {
	c.user, c.auth = login, ""
	k, result, err := c.call(ctx, "common.db.login", login, map[string]any{"password": password}, "en")
	if err != nil {
		return err
	}
	var session []any
	if err := json.Unmarshal(result, &session); err != nil || len(session) < 2 {
		return fmt.Errorf("log in as %s: status %d, error %q", login, k.Status, k.Error)
	}
	text := fmt.Sprintf("%s:%v:%v", login, session[0], session[1])
	c.auth = "Session " + base64.StdEncoding.EncodeToString([]byte(text))
	return nil
}

func (c *client) logout(ctx context.Context) error {
	_, _, err := c.call(ctx, "common.db.logout")
	c.auth = ""
	return err
}

package rpclog

import (
	"fmt"
	"testing"
	"time"
)

func cookie(id string) string { return "Cookie: session_id=" + id + "\r\n" }

func withSession(id string, uid int) string {
	return request("/web/dataset/call_kw/a.b/read", asJSON+cookie(id), fmt.Sprintf(`{"jsonrpc":"2.0","params":{"model":"a.b","method":"read","args":[],"kwargs":{"context":{"uid":%d}}}}`, uid))
}

const sid = "abcdefghijabcdefghijabcdefghijabcdefghijabTAIL" // its first 42 characters identify it

func TestUserByLogin(t *testing.T) {
	r := &recorder{}
	d := New(Config{}, r)
	login := request("/web/session/authenticate", asJSON+cookie("anonymous-session"), `{"jsonrpc":"2.0","params":{"db":"db1","login":"alice","password":"pw"}}`)
	run(d, testConn, nil,
		ask(login), tell(answer(asJSON+"Set-Cookie: session_id="+sid+"; HttpOnly; Path=/\r\n", `{"result":{"uid":8,"username":"alice","db":"db1"}}`)),
		ask(withSession(sid[:42]+"rotated", 99)), tell(answer(asJSON, `{"result":[]}`)),
		ask(withSession("anonymous-session", 0)), tell(answer(asJSON, `{"error":{"code":100,"data":{"name":"odoo.http.SessionExpiredException"}}}`)))
	if c := r.calls[0]; c.UID != 8 || c.Login != "alice" {
		t.Errorf("log-in is of %d %q", c.UID, c.Login)
	}
	if c := r.calls[1]; c.UID != 8 || c.Login != "alice" || c.Database != "db1" {
		t.Errorf("the call after the log-in is of %d %q in %q", c.UID, c.Login, c.Database)
	}
	if c := r.calls[2]; c.UID != 0 || c.Login != "" || c.Session == r.calls[1].Session || c.Session == 0 {
		t.Errorf("the call of another session is of %d %q", c.UID, c.Login)
	}
}

func TestUserLearntLate(t *testing.T) {
	r := &recorder{}
	d := New(Config{}, r)
	run(d, testConn, nil,
		ask(withSession(sid, 0)), tell(answer(asJSON, `{"result":[]}`)),
		ask(request("/web/session/get_session_info", asJSON+cookie(sid), `{"jsonrpc":"2.0"}`)), tell(answer(asJSON, `{"result":{"uid":8,"username":"alice","db":"db1"}}`)))
	c := r.calls[0]
	if c.UID != 0 {
		t.Errorf("user %d is known too early", c.UID)
	}
	d.Identify(c)
	if c.UID != 8 || c.Login != "alice" {
		t.Errorf("user is %d %q", c.UID, c.Login)
	}
}

func TestUserByMajorityOfHints(t *testing.T) {
	r := &recorder{}
	d := New(Config{}, r)
	for _, uid := range []int{7, 9, 9, 7, 9} {
		run(d, testConn, nil, ask(withSession(sid, uid)), tell(answer(asJSON, `{"result":[]}`)))
	}
	run(d, testConn, nil, ask(withSession(sid, 5)), tell(answer(asJSON, `{"error":{"data":{"name":"odoo.exceptions.AccessError"}}}`)))
	for _, c := range r.calls {
		c.UID = 0
		d.Identify(c)
		if c.UID != 9 {
			t.Errorf("user is %d", c.UID)
		}
	}
}

func TestSessionChangesHands(t *testing.T) {
	info := func(user string) event { return tell(answer(asJSON, `{"result":`+user+`}`)) }
	r := &recorder{}
	d := New(Config{}, r)
	ask1, askInfo := ask(withSession(sid, 0)), ask(request("/web/session/get_session_info", asJSON+cookie(sid), `{}`))
	done := tell(answer(asJSON, `{"result":[]}`))
	run(d, testConn, nil, ask1, done, askInfo, info(`{"uid":8,"username":"alice"}`), ask1, done, askInfo, info(`{"uid":null}`), ask1, done,
		askInfo, info(`{"uid":9,"username":"bob"}`), ask1, done)
	var got []int64
	for _, c := range r.calls {
		if c.Path == "/web/dataset/call_kw/a.b/read" {
			c.UID, c.Login = 0, ""
			d.Identify(c)
			got = append(got, c.UID)
		}
	}
	if fmt.Sprint(got) != "[8 8 0 9]" {
		t.Errorf("users are %v", got)
	}
}

func TestLoginByUserID(t *testing.T) {
	r := &recorder{}
	d := New(Config{}, r)
	for _, req := range [][2]string{
		{service("common", "authenticate", `["db1","alice","pw",{}]`), `{"result":8}`},
		{service("object", "execute_kw", `["db1",8,"pw","a.b","read",[[1]]]`), `{"result":[]}`},
		{service("object", "execute_kw", `["db2",8,"pw","a.b","read",[[1]]]`), `{"result":[]}`},
	} {
		run(d, testConn, nil, ask(request("/jsonrpc", asJSON, req[0])), tell(answer(asJSON, req[1])))
	}
	if c := r.calls[1]; c.UID != 8 || c.Login != "alice" || c.Session != 0 {
		t.Errorf("%+v", c)
	}
	if c := r.calls[2]; c.UID != 8 || c.Login != "" {
		t.Errorf("a login of one database went to another: %+v", c)
	}
}

func TestSessionKeys(t *testing.T) {
	a, b, c := New(Config{}, nil), New(Config{}, nil), New(Config{SessionSecret: "other"}, nil)
	if a.sessionKey([]byte(sid)) != b.sessionKey([]byte(sid[:42])) || a.sessionKey([]byte(sid)) == 0 {
		t.Error("equal sessions have unequal keys")
	}
	if a.sessionKey([]byte(sid)) == c.sessionKey([]byte(sid)) {
		t.Error("the secret does not matter")
	}
	if a.sessionKey(nil) != 0 {
		t.Error("no session has a key")
	}
}

func TestSessionsAreBounded(t *testing.T) {
	u := newIdentity(100)
	for i := range 10000 {
		u.session(SessionKey(i+1), true).bind(binding{since: epoch, uid: 1})
		u.session(1, true) // in use all the time
	}
	if n := len(u.young) + len(u.old); n > 101 {
		t.Errorf("%d sessions are held", n)
	}
	if s := u.session(1, false); s == nil || len(s.certain) != 1 {
		t.Error("a session in use was forgotten")
	}
	s := u.session(1, false)
	for i := range 100 {
		s.bind(binding{since: epoch.Add(time.Duration(i) * time.Second), uid: int64(i)})
	}
	if len(s.certain) > maxBindings {
		t.Errorf("%d bindings are held", len(s.certain))
	}
}

package replay_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/load"
)

// tape is a load in memory.
type tape struct {
	header   load.Header
	sessions map[string]load.Session
	calls    []load.Call
	at       int
	make     func(i int) load.Call // of more calls than fit
	many     int
}

func (t *tape) Header() load.Header { return t.header }

func (t *tape) Session(id string) (load.Session, bool) {
	if s, ok := t.sessions[id]; ok {
		return s, true
	}
	return load.Session{ID: id, Login: "user-" + id, Transport: "jsonrpc"}, true
}

func (t *tape) Next() (load.Call, error) {
	t.at++
	if t.make != nil {
		if t.at > t.many {
			return load.Call{}, io.EOF
		}
		return t.make(t.at), nil
	}
	if t.at > len(t.calls) {
		return load.Call{}, io.EOF
	}
	return t.calls[t.at-1], nil
}

// recorded is a tape of Odoo's calls.
func recorded(calls ...load.Call) *tape {
	for i := range calls {
		calls[i].Seq = int64(i + 1)
	}
	return &tape{header: load.Header{Product: "odoo", Arguments: true, Start: time.Now()}, calls: calls}
}

// call is a call of Odoo, of which the arguments are JSON.
func call(session string, at, took time.Duration, model, method, args string) load.Call {
	return load.Call{
		Session: session, At: at, Duration: took, Transport: "jsonrpc", Verb: "POST", Path: "/web/dataset/call_kw/" + model + "/" + method,
		Model: model, Method: method, Args: json.RawMessage(args), Kwargs: json.RawMessage("{}"), Status: 200,
	}
}

// asked is a call as the fake got it.
type asked struct {
	Session, Path, Model, Method string
	Args                         []any
	Kwargs                       map[string]any
	At                           time.Time
}

// odoo is a fake of Odoo's web session. Answer gets what is no log-in.
type odoo struct {
	*httptest.Server
	answer func(asked) any

	mu     sync.Mutex
	asked  []asked
	logins atomic.Int64
	busy   int64           // so many log-ins fail because another transaction is in their way
	expire map[string]bool // sessions that are not known any more
	params []any           // rows of ir.config_parameter
	client string          // as which the database is known where its users have their account
}

// fault makes the fake answer with an error.
type fault struct {
	Code int
	Name string
}

func newOdoo(t testing.TB, answer func(asked) any) *odoo {
	t.Helper()
	o := &odoo{answer: answer, expire: map[string]bool{}}
	o.Server = httptest.NewServer(http.HandlerFunc(o.serve))
	t.Cleanup(o.Close)
	return o
}

func (o *odoo) serve(w http.ResponseWriter, r *http.Request) {
	var m struct {
		Params struct {
			Login, Model, Method string
			Args                 []any
			Kwargs               map[string]any
		}
	}
	d := json.NewDecoder(r.Body)
	d.UseNumber()
	_ = d.Decode(&m)
	p := m.Params
	if r.URL.Path == "/web/session/authenticate" {
		n := o.logins.Add(1)
		if n <= o.busy {
			_, _ = io.WriteString(w, `{"error":{"code":200,"message":"no","data":{"name":"psycopg2.errors.SerializationFailure","message":"no","debug":""}}}`)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "session_id", Value: fmt.Sprintf("%s.%d", p.Login, n), Path: "/"})
		_, _ = fmt.Fprintf(w, `{"result":{"uid":2,"username":%q,"user_context":{"lang":"en_US"},"user_companies":{"current_company":1,"allowed_companies":{"1":{}}}}}`, p.Login)
		return
	}
	a := asked{Path: r.URL.Path, Model: p.Model, Method: p.Method, Args: p.Args, Kwargs: p.Kwargs, At: time.Now()}
	if c, err := r.Cookie("session_id"); err == nil {
		a.Session = c.Value
	}
	o.mu.Lock()
	o.asked = append(o.asked, a)
	gone := o.expire[a.Session]
	o.mu.Unlock()
	var result any
	if gone {
		result = fault{100, "odoo.http.SessionExpiredException"}
	} else if a.Model == "ir.config_parameter" && a.Method == "search_read" {
		result = o.params
	} else if a.Path == "/web/session/account" {
		result = "https://accounts.example/auth?response_type=token&client_id=" + o.client
	} else {
		result = o.answer(a)
	}
	if f, ok := result.(fault); ok {
		_, _ = fmt.Fprintf(w, `{"error":{"code":%d,"message":"no","data":{"name":%q,"message":"no","debug":""}}}`, f.Code, f.Name)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"result": result})
}

// all is what the fake was asked, but for whose database it is.
func (o *odoo) all() []asked {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(o.asked), func(a asked) bool { return a.Model == "ir.config_parameter" || a.Path == "/web/session/account" })
}

// run replays a tape at the fake.
func run(t testing.TB, o *odoo, c replay.Config, src replay.Source) (replay.Report, []replay.Result) {
	t.Helper()
	c.Target, c.Database, c.Password = o.URL, "copy", client.Secret("secret")
	var results []replay.Result
	c.Sink = func(r *replay.Result) {
		kept := *r
		kept.Answer = append(json.RawMessage(nil), r.Answer...)
		results = append(results, kept)
	}
	r, err := replay.New(c)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := r.Run(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(results, func(a, b replay.Result) int { return cmp.Compare(a.Seq, b.Seq) }) // a call is told once its answer was looked at
	return rep, results
}

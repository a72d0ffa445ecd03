package bench_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/bench"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/replay/safety"
)

// captured is a load of a database that tells its uuid.
type captured struct{ tape }

func (captured) Header() load.Header {
	return load.Header{Product: "odoo", Arguments: true, Database: "x", DatabaseUUID: "0f0f0f0f-0000-4000-8000-000000000001"}
}

// TestBothTargetsAreJudgedFirst replays writes at a copy and at the captured database: the copy gets nothing before the other
// one is refused.
func TestBothTargetsAreJudgedFirst(t *testing.T) {
	var mu sync.Mutex
	asked := map[string][]string{}
	target := func(name, uuid string) bench.Arm {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			asked[name] = append(asked[name], r.URL.Path)
			mu.Unlock()
			switch {
			case strings.HasPrefix(r.URL.Path, "/web/session/"):
				_, _ = fmt.Fprint(w, `{"result":{"uid":2,"username":"x","user_context":{},"user_companies":{"current_company":1,"allowed_companies":{"1":{}}}}}`)
			case strings.Contains(r.URL.Path, "ir.config_parameter"):
				_, _ = fmt.Fprintf(w, `{"result":[{"key":"database.uuid","value":%q}]}`, uuid)
			default:
				_, _ = fmt.Fprint(w, `{"result":true}`)
			}
		}))
		t.Cleanup(s.Close)
		return bench.Arm{Replay: replay.Config{Target: s.URL, Database: "x", Password: "x", Mode: replay.Max, Safety: safety.Policy{Writes: true}}}
	}
	var calls []load.Call
	for i := range 6 {
		calls = append(calls, load.Call{
			Seq: int64(i + 1), Session: fmt.Sprint("s", i), Transport: "jsonrpc", Verb: "POST", Path: "/web/dataset/call_kw/m/write", Model: "m", Method: "write",
			Args: []byte(`[[1],{"name":"x"}]`), Kwargs: []byte("{}"), Status: 200,
		})
	}
	b := target("b", captured{}.Header().DatabaseUUID)
	c := bench.Config{
		A: target("a", "0f0f0f0f-0000-4000-8000-000000000002"), B: &b, Rounds: 1,
		Open: func() (replay.Source, func(), error) { return &captured{tape{calls: calls}}, func() {}, nil },
	}
	var refused *replay.Refusal
	if out, err := bench.Run(t.Context(), c); !errors.As(err, &refused) || len(out.Passes) != 0 {
		t.Errorf("%d passes, %v", len(out.Passes), err)
	}
	if len(asked["a"]) != 0 || len(asked["b"]) != 2 {
		t.Errorf("before the refusal A was asked %q, B %q", asked["a"], asked["b"])
	}
	// What a person vouches for is refused without a question if it has another name, and runs if it has not.
	clear(asked)
	c.B.Replay.Confirm = "y"
	if _, err := bench.Run(t.Context(), c); !errors.As(err, &refused) || len(asked) != 0 {
		t.Errorf("%v, asked %q", err, asked)
	}
	c.B.Replay.Confirm = "x"
	if out, err := bench.Run(t.Context(), c); err != nil || len(out.Passes) != 5 {
		t.Errorf("%d passes, %v", len(out.Passes), err)
	}
}

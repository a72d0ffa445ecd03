package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/store"
)

// quiet is a store to which nothing is added.
type quiet struct{ store.Reader }

func (quiet) LastCall(context.Context) (rpclog.CallID, error) { return 41, nil }

type still struct {
	Commits
	asked int
}

func (s *still) State() State {
	s.asked++
	return State{}
}

// gone is a client that takes a few events and leaves without a word.
type gone struct {
	*httptest.ResponseRecorder
	left int
}

func (g *gone) Write(b []byte) (int, error) {
	if g.left--; g.left < 0 {
		return 0, errors.New("gone")
	}
	return g.ResponseRecorder.Write(b)
}

// TestHeartbeat listens to a store to which nothing is added, for a minute.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := &still{}
		s := &Server{cfg: Config{Live: live}, store: quiet{}}
		w := httptest.NewRecorder()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		st := &stream{s: s, w: w, rc: http.NewResponseController(w), last: 41}
		if err := st.run(ctx, 41); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
		body := w.Body.String()
		if n := strings.Count(body, "id: 41\n:\n\n"); n < 3 || n > 4 {
			t.Errorf("%d heartbeats in a minute:\n%s", n, body)
		}
		if n := strings.Count(body, "event: state"); n != 1 || live.asked < 45 || live.asked > 61 {
			t.Errorf("the state was asked for %d times and sent %d times", live.asked, n)
		}
		if !strings.HasPrefix(body, "retry: 1000\nid: 41\nevent: hello\ndata: {") {
			t.Errorf("begins with %.80q", body)
		}

		g := &gone{httptest.NewRecorder(), 2}
		st = &stream{s: s, w: g, rc: http.NewResponseController(g), last: 41}
		if err := st.run(t.Context(), 41); err == nil || !strings.Contains(err.Error(), "gone") {
			t.Errorf("a client that is gone ends it with %v", err)
		}
	})
}

package replay_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perfd/perfd/replay"
)

// slowToEnd is a server that never answers, and requests that take a while to end when they are given up.
type slowToEnd struct {
	asked     func()
	underWay  atomic.Int64
	requested atomic.Int64
}

func (s *slowToEnd) RoundTrip(r *http.Request) (*http.Response, error) {
	s.underWay.Add(1)
	defer s.underWay.Add(-1)
	s.requested.Add(1)
	s.asked()
	<-r.Context().Done()
	<-time.After(20 * time.Millisecond)
	return nil, r.Context().Err()
}

// TestRunLeavesNoLogInBehind ends a run while it logs in: when Run returns, the log-in is over, too, and nothing of it touches
// the session any more.
func TestRunLeavesNoLogInBehind(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &slowToEnd{asked: cancel}
	r, err := replay.New(replay.Config{Target: "http://127.0.0.1:1", Database: "copy", Password: "x", HTTP: s})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(ctx, recorded(call("a", 0, ms, "m", "read", "[[1]]"))); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if s.requested.Load() == 0 || s.underWay.Load() != 0 {
		t.Errorf("%d requests, %d of them under way when the run is over", s.requested.Load(), s.underWay.Load())
	}
}

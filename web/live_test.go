package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/store/storetest"
	"github.com/perfd/perfd/web"
)

// watched is a store that is being written, with pages on it.
type watched struct {
	t testing.TB
	web.Commits
	rec    *store.Recorder
	added  int // times
	pages  *web.Server
	server *httptest.Server

	mu    sync.Mutex
	state web.State
	asked int
}

var _ web.Live = (*watched)(nil)

func (w *watched) State() web.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	return w.state
}

func watch(t testing.TB, cfg web.Config) *watched {
	t.Helper()
	w := &watched{t: t, state: web.State{Taps: []web.Tap{{Name: "lo", Kind: "interface", State: "up"}}}}
	var err error
	if w.rec, err = store.Append(filepath.Join(t.TempDir(), "live.perfd"), storetest.Generate(storetest.SampleConfig{Calls: 1}).Dictionary, store.Config{}); err != nil {
		t.Fatal(err)
	}
	r, err := w.rec.Reader()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Live = w
	if w.pages, err = web.New(cfg, r); err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewServer(w.pages)
	t.Cleanup(func() {
		w.pages.Stop()
		w.server.Close()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := w.rec.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// add commits n ordinary calls of two users in turn, later ones than those before.
func (w *watched) add(n int) {
	w.t.Helper()
	sample := storetest.Generate(storetest.SampleConfig{Seed: uint64(n), Calls: n, Start: time.Unix(1767603600+10*int64(w.added), 0), Length: time.Second})
	w.added++
	for i, tr := range sample.Traces {
		tr.Call.Class, tr.Call.Login = rpclog.Ordinary, []string{"anna", "bruno"}[i%2]
		if err := w.rec.Trace(tr); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := w.rec.Flush(); err != nil {
		w.t.Fatal(err)
	}
	w.Add()
}

type event struct {
	ID, Name, Data string
	Body           struct {
		Last, Total, Skipped int64
		Anew                 bool
		Rows                 []json.RawMessage
		State                struct {
			Taps    []struct{ State string }
			Notices []struct{ Severity, Title string }
		}
	}
}

// stream is a client of /live.
type stream struct {
	t    testing.TB
	in   *bufio.Scanner
	code int
	h    http.Header
	end  func()
}

func (w *watched) listen(query string, header ...string) *stream {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+"/api/v1/live?"+query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	in := bufio.NewScanner(answer.Body)
	in.Buffer(nil, 8<<20)
	w.t.Cleanup(func() {
		cancel()
		_ = answer.Body.Close() // cut short on purpose
	})
	return &stream{w.t, in, answer.StatusCode, answer.Header, cancel}
}

// next returns the next event of one of the given names; ok is false once the stream has ended.
func (s *stream) next(names ...string) (e event, ok bool) {
	s.t.Helper()
	for s.in.Scan() {
		line := s.in.Text()
		switch field, value, _ := strings.Cut(line, ": "); {
		case field == "id":
			e.ID = value
		case field == "event":
			e.Name = value
		case field == "data":
			e.Data = value
		case line == "" && e.Data != "":
			if strings.Contains(" "+strings.Join(names, " ")+" ", " "+e.Name+" ") {
				if err := json.Unmarshal([]byte(e.Data), &e.Body); err != nil {
					s.t.Fatalf("%v in %s", err, e.Data)
				}
				return e, true
			}
			e = event{}
		}
	}
	return e, false
}

func (s *stream) must(name string) event {
	s.t.Helper()
	e, ok := s.next(name)
	if !ok {
		s.t.Fatalf("the stream ended before %q: %v", name, s.in.Err())
	}
	return e
}

// TestLive follows a store that is being written: rows come as /calls gives them, each once, to those who asked for them.
func TestLive(t *testing.T) {
	w := watch(t, web.Config{})
	w.add(7)
	all, bruno, some := w.listen(""), w.listen("user=bruno"), w.listen("limit=2")
	for _, s := range []*stream{all, bruno, some} {
		if e := s.must("hello"); e.Body.Last != 7 || e.ID != "7" || e.Body.Anew {
			t.Fatalf("hello is %+v", e)
		}
	}
	if kind, kept := all.h.Get("Content-Type"), all.h.Get("Cache-Control"); kind != "text/event-stream; charset=utf-8" || kept != "no-store" {
		t.Errorf("headers %v", all.h)
	}
	w.add(5)
	e := all.must("calls")
	if e.Body.Total != 5 || len(e.Body.Rows) != 5 || e.Body.Last != 12 || e.Body.Skipped != 0 || e.ID != "12" {
		t.Errorf("event %s: %.300s", e.ID, e.Data)
	}
	var list struct{ Rows []json.RawMessage }
	if err := json.Unmarshal(get(w.pages, "/api/v1/calls?sort=start&order=desc&limit=5").Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	for i, row := range list.Rows {
		if string(row) != string(e.Body.Rows[i]) {
			t.Errorf("row %d is\n%s, in the list\n%s", i, e.Body.Rows[i], row)
		}
	}
	if e := bruno.must("calls"); e.Body.Total != 2 || len(e.Body.Rows) != 2 || e.Body.Last != 12 || strings.Count(e.Data, `"user":"bruno"`) != 2 {
		t.Errorf("of bruno: %.300s", e.Data)
	}
	if e := some.must("calls"); e.Body.Total != 5 || len(e.Body.Rows) != 2 || e.Body.Skipped != 3 {
		t.Errorf("with a limit: %.300s", e.Data)
	}
	w.add(1) // anna's
	if e := all.must("calls"); e.Body.Total != 1 || e.Body.Last != 13 {
		t.Errorf("the next one: %.300s", e.Data)
	}
	w.add(2)
	if e := bruno.must("calls"); e.Body.Total != 1 || e.Body.Last != 15 {
		t.Errorf("of bruno, a call later: %.300s", e.Data)
	}
	var until struct{ Total int64 }
	if err := json.Unmarshal(get(w.pages, "/api/v1/calls?until=12").Body.Bytes(), &until); err != nil || until.Total != 12 {
		t.Errorf("up to call 12 there are %d, %v", until.Total, err)
	}
}

// TestCatchUp reconnects: what was missed comes, and a page that cannot catch up is told to begin anew.
func TestCatchUp(t *testing.T) {
	w := watch(t, web.Config{})
	w.add(20)
	for _, s := range []*stream{w.listen("after=12"), w.listen("after=3", "Last-Event-ID", "12")} {
		if e := s.must("hello"); e.Body.Last != 12 || e.Body.Anew {
			t.Errorf("hello is %s", e.Data)
		}
		if e := s.must("calls"); e.Body.Total != 8 || e.Body.Last != 20 {
			t.Errorf("missed: %.200s", e.Data)
		}
	}
	if e := w.listen("after=21").must("hello"); e.Body.Last != 20 || !e.Body.Anew { // of another store
		t.Errorf("hello is %s", e.Data)
	}
	if e := w.listen("after=0").must("calls"); e.Body.Total != 20 {
		t.Errorf("from the beginning: %.200s", e.Data)
	}
	for _, query := range []string{"after=x", "after=-1", "limit=1001", "user=a&colour=red", "until=4"} {
		if s := w.listen(query); s.code != http.StatusBadRequest {
			t.Errorf("%s gives %d", query, s.code)
		}
	}
}

// TestState sees the state change, on the stream and in the answer, and counts how often it is asked for.
func TestState(t *testing.T) {
	w := watch(t, web.Config{})
	s := w.listen("limit=0")
	if e := s.must("state"); e.Body.State.Taps[0].State != "up" || len(e.Body.State.Notices) != 0 {
		t.Errorf("state is %s", e.Data)
	}
	w.mu.Lock()
	w.state.Taps = []web.Tap{{Name: "lo", Kind: "interface", State: "down"}}
	w.state.Notices = []web.Notice{{Severity: "critical", Title: "lo is down.", Fix: "ip link set lo up"}}
	asked, since := w.asked, time.Now()
	w.mu.Unlock()
	e := s.must("state")
	if e.Body.State.Taps[0].State != "down" || e.Body.State.Notices[0].Title != "lo is down." {
		t.Errorf("state is %s", e.Data)
	}
	for range 50 {
		answer := get(w.pages, "/api/v1/state")
		if answer.Code != 200 || !strings.Contains(answer.Body.String(), `"lo is down."`) {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n, most := w.asked-asked, 2+int(time.Since(since)/(900*time.Millisecond)); n > most {
		t.Errorf("the state was asked for %d times, want at most %d", n, most)
	}
}

func TestStateGolden(t *testing.T) {
	at := time.Unix(1767603600, 0)
	w := watch(t, web.Config{})
	w.state = web.State{Started: at, Calls: 120, Statements: 4000,
		Taps:     []web.Tap{{Name: "eth0", Kind: "interface", State: "down", Detail: "ports 8069", Packets: 5, Bytes: 600, Drops: 7, Freezes: 1}},
		Shed:     web.Shed{Level: 2, Detail: "statements", Since: at, Texts: 1, Statements: 2, Calls: 3, Bytes: 4},
		Queue:    web.Queue{Waiting: 1, Bytes: 2, Limit: 3, Dropped: 4},
		Store:    web.Storage{Bytes: 1, Limit: 2, LogBytes: 3, Oldest: at, MaxAge: time.Hour, Stored: 4, Lost: 5, Error: "no room left"},
		Evidence: []web.Evidence{{Name: "thread", Active: true, Detail: "system calls"}}, Agreement: web.Agreement{Calls: 41, Agreed: 40, Recent: 0.97561},
		MemoryBytes: 10, MemoryLimit: 20, CPU: 0.25, CPULimit: 0.5, Notices: []web.Notice{{Severity: "warning", Title: "a", Fix: "b"}}}
	var body struct{ State json.RawMessage }
	if err := json.Unmarshal(get(w.pages, "/api/v1/state").Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(body.State, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "state", string(got)+"\n")
}

// TestLiveBounds fills the places, frees one, and ends them all.
func TestLiveBounds(t *testing.T) {
	w := watch(t, web.Config{Subscribers: 2})
	first, second := w.listen(""), w.listen("")
	first.must("hello")
	second.must("hello")
	if s := w.listen(""); s.code != http.StatusServiceUnavailable || s.h.Get("Retry-After") == "" {
		t.Errorf("one too many gets %d", s.code)
	}
	first.end()
	for deadline := time.Now().Add(10 * time.Second); w.pages.Streams() > 1; {
		if time.Now().After(deadline) {
			t.Fatal("who left still has a place")
		}
		w.Add() // wakes those who wait, so that they see it
	}
	third := w.listen("")
	third.must("hello")
	w.pages.Stop()
	w.pages.Stop()
	for _, s := range []*stream{second, third} {
		if e, ok := s.next("calls", "hello"); ok {
			t.Errorf("after the end comes %+v", e)
		}
	}
	if s := w.listen(""); s.code != http.StatusServiceUnavailable {
		t.Errorf("after the end: %d", s.code)
	}
	if w := get(w.pages, "/api/v1/source"); w.Code != 200 || !strings.Contains(w.Body.String(), `"watching":true`) {
		t.Errorf("after the end the source is %d %s", w.Code, w.Body)
	}
}

func TestNotLive(t *testing.T) {
	s := server(t, web.Config{}, 3)
	for _, path := range []string{"live", "state"} {
		if w := get(s, "/api/v1/"+path); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "not_live") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := get(s, "/api/v1/live", "Host", "evil.example"); w.Code != http.StatusForbidden {
		t.Errorf("another host gets %d", w.Code)
	}
}

// TestLiveMany lets listeners come and go while calls are added; each of those who stay hears of every call once.
func TestLiveMany(t *testing.T) {
	w := watch(t, web.Config{})
	var group sync.WaitGroup
	errs := make(chan error, 8)
	for range 4 {
		s := w.listen("limit=1000")
		s.must("hello")
		group.Go(func() {
			seen := map[int64]bool{}
			for len(seen) < 200 {
				e, ok := s.next("calls")
				if !ok {
					errs <- fmt.Errorf("ended after %d calls: %w", len(seen), s.in.Err())
					return
				}
				for _, row := range e.Body.Rows {
					var c struct{ ID int64 }
					if err := json.Unmarshal(row, &c); err != nil || seen[c.ID] {
						errs <- fmt.Errorf("call %d came twice, or %w", c.ID, err)
					}
					seen[c.ID] = true
				}
			}
			if !seen[1] || !seen[200] {
				errs <- fmt.Errorf("calls are missing among %d", len(seen))
			}
		})
	}
	for i := range 20 {
		w.add(10)
		if i%5 == 0 {
			w.listen("after=" + strconv.Itoa(i)).end()
		}
	}
	group.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

// ExampleCommits shows how a recording tells of its commits.
func ExampleCommits() {
	var c web.Commits
	go c.Add()
	n, err := c.Wait(context.Background(), 0)
	fmt.Println(n, err)
	// Output: 1 <nil>
}

// BenchmarkLive measures what one more listener costs for each commit of 50 calls to a store of 50,000.
func BenchmarkLive(b *testing.B) {
	w := watch(b, web.Config{})
	w.add(50000)
	for _, query := range []string{"limit=0", "limit=200", "limit=200&user=bruno"} {
		b.Run(query, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.t = b
				ctx, cancel := context.WithCancel(b.Context())
				r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/live?after=49950&"+query, nil)
				r.Host = "127.0.0.1"
				w.pages.ServeHTTP(&until{httptest.NewRecorder(), "event: calls", cancel}, r)
				cancel()
			}
		})
	}
}

// until is a client that leaves when it has seen what it came for.
type until struct {
	*httptest.ResponseRecorder
	word  string
	leave func()
}

func (u *until) Write(b []byte) (int, error) {
	if strings.Contains(string(b), u.word) {
		u.leave()
	}
	return len(b), nil
}

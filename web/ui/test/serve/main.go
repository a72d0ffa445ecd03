// Command serve shows a store that grows, for the test of the live pages: calls are added and the state is changed
// by commands on its standard input, so that the test knows what the pages have to show.
//
//	add N                      N calls that have just ended
//	notice SEVERITY TITLE|FIX  a notice; without arguments, none
//	quit                       a clean end
//
// With -replays the store keeps two reports of replays, of which the second is replay.json.
package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/store/storetest"
	"github.com/perfd/perfd/web"
)

func main() {
	path := flag.String("store", store.Memory, "file of the store")
	listen := flag.String("listen", "127.0.0.1:0", "address")
	replays := flag.Bool("replays", false, "keep reports of replays in the store")
	password := flag.String("password", "", "asked for, unless empty")
	flag.Parse()
	if err := run(*path, *listen, *password, *replays); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

// secret is the password that is asked for.
type secret string

var _ web.Auth = secret("")

func (s secret) Required() bool          { return s != "" }
func (s secret) AllowsToken(string) bool { return false }
func (s secret) AllowsPassword(p string) bool {
	return sha256.Sum256([]byte(p)) == sha256.Sum256([]byte(s))
}

// watched is what web is told of.
type watched struct {
	web.Commits
	mu    sync.Mutex
	state web.State
}

var _ web.Live = (*watched)(nil)

func (w *watched) State() web.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

func (w *watched) change(f func(*web.State)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.state)
}

// replay is what perfd replay --tap says of two arms.
//
//go:embed replay.json
var replay []byte

// keepReplays puts two reports into the store: one of an arm of which nothing but its durations is known, and replay.
func keepReplays(path string) error {
	made := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	for i, b := range []store.Benchmark{
		{Sentence: "36 of 36 calls answered as recorded; p50 34.5 ms.", Document: []byte(`{"version":1,"doubts":[],"a":"http://staging:8000"}`)},
		{Sentence: "B is slower: the typical call takes 27 % more (+22.1 % to +33.0 %, p <0.001). Of 2 methods, 1 slower.", Verdict: "slower", B: "after drop", Document: replay},
	} {
		b.Made, b.Load, b.A, b.P50, b.Version = made.Add(time.Duration(7*i)*time.Second), "day.load", "http://staging:8000", time.Duration(34+i)*time.Millisecond, 1
		if _, err := store.KeepBenchmark(context.Background(), path, b); err != nil {
			return err
		}
	}
	return nil
}

func run(path, listen, password string, replays bool) (err error) {
	if replays {
		if err := keepReplays(path); err != nil {
			return err
		}
	}
	dict := storetest.Generate(storetest.SampleConfig{Calls: 1}).Dictionary
	rec, err := store.Append(path, dict, store.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rec.Close()) }()
	reader, err := rec.Reader()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	w := &watched{state: web.State{Started: time.Now(),
		Taps:        []web.Tap{{Name: "lo", Kind: "interface", State: "up", Detail: "ports 8069, 5432"}, {Name: "eth0", Kind: "interface", State: "up"}},
		Queue:       web.Queue{Limit: 32 << 20},
		Store:       web.Storage{Limit: 2 << 30, Bytes: 4 << 20, MaxAge: 72 * time.Hour},
		Evidence:    []web.Evidence{{Name: "process", Active: true, Detail: "socket diagnostics"}, {Name: "thread", Detail: "CAP_BPF is missing"}},
		MemoryBytes: 61 << 20, MemoryLimit: 256 << 20, CPU: 0.034}}
	server, err := web.New(web.Config{Live: w, Auth: secret(password), Version: "v0.0.0"}, reader)
	if err != nil {
		return err
	}
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	h := &http.Server{Handler: server, ReadHeaderTimeout: 5 * time.Second}
	h.RegisterOnShutdown(server.Stop)
	served := make(chan error, 1)
	go func() { served <- h.Serve(ln) }()
	fmt.Printf("http://%s\n", ln.Addr())
	if err := obey(w, rec); err != nil {
		return err
	}
	err = h.Shutdown(context.Background())
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// obey reads commands until it is told to quit, or nobody is there to tell.
func obey(w *watched, rec *store.Recorder) error {
	in := bufio.NewScanner(os.Stdin)
	for seed := uint64(time.Now().UnixNano()); in.Scan(); seed++ {
		verb, rest, _ := strings.Cut(in.Text(), " ")
		switch verb {
		case "add":
			n, err := strconv.Atoi(rest)
			if err != nil {
				return fmt.Errorf("read command: %w", err)
			}
			if err := add(w, rec, n, seed); err != nil {
				return err
			}
		case "notice":
			severity, text, _ := strings.Cut(rest, " ")
			title, fix, _ := strings.Cut(text, "|")
			w.change(func(s *web.State) {
				s.Notices = nil
				if title != "" {
					s.Notices = []web.Notice{{Severity: severity, Title: title, Fix: fix}}
					s.Taps[1].State, s.Taps[1].Drops = "down", 1200
				} else {
					s.Taps[1].State = "up"
				}
			})
		case "quit":
			return nil
		}
		fmt.Println(cmp.Or(verb, "-"))
	}
	return in.Err()
}

func add(w *watched, rec *store.Recorder, n int, seed uint64) error {
	sample := storetest.Generate(storetest.SampleConfig{Seed: seed, Calls: n, Length: time.Second, Start: time.Now().Add(-time.Second)})
	statements := 0
	for _, t := range sample.Traces {
		t.Call.Class = rpclog.Ordinary
		statements += len(t.Spans)
		if err := rec.Trace(t); err != nil {
			return err
		}
	}
	if err := rec.Flush(); err != nil {
		return err
	}
	w.change(func(s *web.State) {
		s.Calls += int64(n)
		s.Statements += int64(statements)
		s.Taps[0].Packets += int64(n * 40)
		s.Store.Stored += int64(n)
	})
	w.Add()
	return nil
}

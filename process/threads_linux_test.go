package process

import (
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
)

// sources are the ways of thread evidence that this kernel and this user have; a machine that has none tests what
// is said then (TestThreadsNotPermitted).
func sources(t testing.TB) []ThreadSource {
	t.Helper()
	var have []ThreadSource
	for _, s := range []ThreadSource{ThreadsSockets, ThreadsSyscalls} {
		if th := openThreads(Config{Threads: s}.withDefaults(), newTable(Config{}.withDefaults())); th.err == nil {
			th.close()
			have = append(have, s)
		} else {
			var explained *Error
			var rejected *ebpf.VerifierError
			if !errors.As(th.err, &explained) || errors.As(th.err, &rejected) && len(rejected.Log) > 0 {
				t.Errorf("%v: %v", s, th.err) // neither the kernel nor the user lacks anything
			}
			t.Logf("%v: %v", s, th.err)
		}
	}
	return have
}

// crowd makes requests from several clients at once, each on connections of its own, and returns who served them.
func crowd(t testing.TB, o *Observer, addr string, clients, connections, requests, queries int) []use {
	var mu sync.Mutex
	var all []use
	var work sync.WaitGroup
	for range clients {
		work.Go(func() {
			for range connections {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				if o != nil {
					o.Seen(addrOf(c.LocalAddr()), addrOf(c.RemoteAddr()), time.Now())
				}
				for range requests {
					u, err := request(c, queries)
					if err != nil {
						t.Error(err)
						break
					}
					mu.Lock()
					all = append(all, u)
					mu.Unlock()
				}
				_ = c.Close()
			}
		})
	}
	work.Wait()
	return all
}

// score returns how many uses Worker tells right, and complains about those it tells wrong.
func score(t testing.TB, o *Observer, what string, uses []use) float64 {
	right, unknown := 0, 0
	for _, u := range uses {
		switch pid, tid := o.Worker(u.local, u.remote, u.from, u.to); {
		case pid == u.pid && tid == u.tid:
			right++
		case pid == 0 || pid == u.pid && tid == 0:
			unknown++
		default:
			t.Errorf("%s: Worker = %d, %d, want %d, %d", what, pid, tid, u.pid, u.tid)
		}
	}
	share := float64(right) / float64(len(uses))
	t.Logf("%s: %d uses, %.3f %% right, %d not known", what, len(uses), 100*share, unknown)
	return share
}

func TestThreadsOfUses(t *testing.T) {
	for _, source := range sources(t) {
		for _, form := range []struct {
			role             string
			threads, workers int
		}{{"serve", 6, 0}, {"prefork", 2, 3}} {
			t.Run(source.String()+"/"+form.role, func(t *testing.T) {
				db := newDatabase(t)
				o := observe(t, Config{Threads: source, Rescan: 20 * time.Millisecond, DatabasePorts: []uint16{db.port()}})
				db.start(o.Seen)
				a := startApp(t, form.role, db.Addr().String(), form.threads, form.workers, "python3", "-u", "/usr/bin/odoo-bin", "-c", "x.conf")
				eventually(t, "server found", func() bool {
					s := serverAt(o, a.addr)
					return s != nil && s.Kind == Odoo && s.Count(HTTP) == form.workers
				})
				uses := crowd(t, o, a.addr, 6, 100, 3, 3)
				end := time.Now()
				eventually(t, "all taken in", func() bool { return o.Stats().Threads.Horizon.After(end) })
				if got := score(t, o, "requests", uses); got < 0.999 {
					t.Errorf("%.3f %% of requests right, want 99.9", 100*got)
				}
				queries := db.all()
				if got := score(t, o, "queries", queries); got < 0.999 {
					t.Errorf("%.3f %% of queries right, want 99.9", 100*got)
				}
				// The same with the narrowest window that packets can give.
				for i := range queries {
					queries[i].from = queries[i].to
				}
				if got := score(t, o, "queries, in an instant", queries); got < 0.999 {
					t.Errorf("%.3f %% of queries right, want 99.9", 100*got)
				}
				tids := map[int32]bool{}
				for _, u := range uses {
					tids[u.tid] = true
				}
				if want := form.threads * max(1, form.workers); len(tids) != want && form.role == "serve" {
					t.Errorf("%d threads served, want %d", len(tids), want)
				}
				st := o.Stats()
				if st.Threads.Source != source || st.Threads.Err != nil || st.Threads.Lost != 0 || st.Threads.Events == 0 {
					t.Errorf("stats: %+v", st.Threads)
				}
				t.Logf("%+v", st)
				if slices.ContainsFunc(queries, func(u use) bool { pid, _ := o.Worker(u.remote, u.local, u.from, u.to); return pid != 0 }) {
					t.Error("the database's end belongs to somebody")
				}
			})
		}
	}
}

package process

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"
)

// observe runs an Observer for the time of the test.
func observe(t testing.TB, cfg Config) *Observer {
	t.Helper()
	o, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- o.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return o
}

// eventually waits until a condition that another process or the kernel brings about holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("%s: not within ten seconds", what)
		case <-tick.C:
		}
	}
}

func serverAt(o *Observer, addr string) *Server {
	want := netip.MustParseAddrPort(addr)
	for _, s := range o.Servers() {
		for _, l := range s.Listen {
			if l == want {
				return &s
			}
		}
	}
	return nil
}

// TestOwnersOfSockets has sockets alone, without thread evidence, tell the processes of a prefork server.
func TestOwnersOfSockets(t *testing.T) {
	db := newDatabase(t)
	o := observe(t, Config{Threads: ThreadsOff, Rescan: 20 * time.Millisecond, DatabasePorts: []uint16{db.port()}})
	db.start(o.Seen)
	a := startApp(t, "prefork", db.Addr().String(), 1, 3, "python3", "/usr/bin/odoo-bin", "-c", "/etc/odoo.conf")
	eventually(t, "server found", func() bool {
		s := serverAt(o, a.addr)
		return s != nil && s.Count(HTTP) == 3
	})
	s := serverAt(o, a.addr)
	if s.Kind != Odoo || s.Pid != a.pid || s.Command != "odoo-bin" || s.Config != "/etc/odoo.conf" || s.Count(Main) != 1 || s.Denied != 0 {
		t.Errorf("server: %+v", s)
	}
	served := map[int32]int{}
	for range 50 {
		c, err := net.Dial("tcp", a.addr)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		o.Seen(addrOf(c.LocalAddr()), addrOf(c.RemoteAddr()), at)
		u, err := request(c, 1)
		if err != nil {
			t.Fatal(err)
		}
		served[u.pid]++
		eventually(t, "owner found", func() bool {
			pid, _ := o.Worker(u.local, u.remote, at, time.Now())
			return pid != 0
		})
		if pid, tid := o.Worker(u.local, u.remote, at, time.Now()); pid != u.pid || tid != 0 {
			t.Errorf("Worker(%v, %v) = %d, %d, want %d, 0", u.local, u.remote, pid, tid, u.pid)
		}
		if pid, _ := o.Worker(u.remote, u.local, at, time.Now()); pid != 0 {
			t.Errorf("the client's end belongs to process %d, want none", pid)
		}
		_ = c.Close()
	}
	if len(served) < 2 {
		t.Logf("served by %d process", len(served))
	}
	uses := db.all()
	if len(uses) != 50 {
		t.Fatalf("%d queries, want 50", len(uses))
	}
	for _, u := range uses {
		if pid, _ := o.Worker(u.local, u.remote, u.to, u.to); pid != u.pid {
			t.Errorf("query by process %d attributed to %d", u.pid, pid)
		}
		if pid, _ := o.Worker(u.remote, u.local, u.from, u.to); pid != 0 {
			t.Errorf("the database's end belongs to process %d, want none", pid)
		}
	}
	eventually(t, "nothing pending", func() bool { return o.Stats().Pending == 0 })
	if st := o.Stats(); st.Sockets != nil || st.Dropped != 0 || st.Ambiguous != 0 || st.Threads.Source != ThreadsOff {
		t.Errorf("stats: %+v", st)
	}
}

package process

import (
	"context"
	"maps"
	"slices"
	"time"
)

const (
	youth     = 10 // looks at a new process until its command line counts as settled
	recheck   = 60 // looks at processes until each settled one is looked at again
	wholeScan = 30 // looks at processes until one at all their sockets
	maxDepth  = 64
)

// scanner keeps the view of this host up to date.
type scanner struct {
	*Observer
	proc  procs
	known map[int32]*known
	looks uint64
}

// known is what was last read of a process.
type known struct {
	status
	title Title
	app   bool
	age   int // looks since it was first seen
	look  uint64
}

func newScanner(o *Observer) *scanner {
	return &scanner{Observer: o, proc: procs{o.cfg.Root}, known: map[int32]*known{}}
}

func (s *scanner) run(ctx context.Context) {
	ticker := time.NewTicker(s.cfg.Rescan)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			s.step(now)
		}
	}
}

// step looks at the processes, and at their sockets if the processes have changed or it is time to.
func (s *scanner) step(now time.Time) {
	s.looks++
	_ = s.proc.pids(s.inspect)
	for pid, k := range s.known {
		if k.look != s.looks {
			delete(s.known, pid)
		}
	}
	v := &view{roles: map[int32]Role{}, listen: map[uint16]bool{}, database: map[uint16]bool{}}
	for _, port := range s.cfg.DatabasePorts {
		v.database[port] = true
	}
	s.group(v)
	old := s.view.Load()
	changed := !slices.EqualFunc(v.servers, old.servers, sameProcesses)
	whole := changed || s.looks%wholeScan == 1
	if whole {
		s.threads.watch(v.pids, s.idle)
	}
	if whole || s.looks%3 == 0 && slices.ContainsFunc(v.pids, s.fresh) {
		newSurvey(s, v, now).run()
	} else {
		v.borrow(old)
	}
	s.view.Store(v)
}

func sameProcesses(a, b Server) bool {
	return a.Pid == b.Pid && slices.EqualFunc(a.Processes, b.Processes, func(p, q Process) bool { return p.Pid == q.Pid })
}

// fresh reports whether a process is new: it listens and connects to its database only after a while.
func (s *scanner) fresh(pid int32) bool { return s.known[pid].age <= recheck }

// borrow takes over what was found of sockets when the same processes were looked at.
func (v *view) borrow(old *view) {
	v.listen, v.database, v.databases, v.denied = old.listen, old.database, old.databases, old.denied
	for i := range v.servers {
		n, o := &v.servers[i], &old.servers[i]
		n.Listen, n.Databases, n.Denied, n.Inferred = o.Listen, o.Databases, o.Denied, o.Inferred
	}
}

func (s *scanner) inspect(pid int32) {
	k := s.known[pid]
	if k == nil {
		k = &known{}
		s.known[pid] = k
	}
	k.look = s.looks
	k.age++
	// A process that has settled is looked at again now and then: its number may be another one's by now.
	if k.age > youth && !k.app && (s.looks+uint64(pid))%recheck != 0 {
		return
	}
	st, err := s.proc.status(pid)
	if err != nil {
		delete(s.known, pid)
		return
	}
	if st.started != k.started {
		k.age = 1
	}
	k.status, k.app = st, false
	var buf [maxCmdline]byte
	if line, err := s.proc.head(pid, "cmdline", buf[:]); err == nil && len(line) > 0 {
		k.title, k.app = Classify(line)
	}
}

// idle reports whether a process is known for none of an application server: it has ended, or has had the time to
// become another program.
func (s *scanner) idle(pid int32) bool {
	k := s.known[pid]
	return k == nil && !s.alive(pid) || k != nil && !k.app && k.age > 1
}

// group makes servers of processes.
func (s *scanner) group(v *view) {
	groups := map[int32]*Server{}
	for _, pid := range slices.Sorted(maps.Keys(s.known)) {
		k := s.known[pid]
		if !k.app {
			continue
		}
		v.pids = append(v.pids, pid)
		root := s.root(pid)
		g := groups[root]
		if g == nil {
			top := s.known[root]
			g = &Server{Kind: top.title.Kind, Pid: root, Command: top.title.Command, Config: top.title.Config}
			groups[root] = g
		}
		role := k.title.Role
		switch {
		case pid == root && (role == HTTP || role == Worker):
			role = Main
		case pid != root && role == Main:
			role = Worker
		}
		v.roles[pid] = role
		g.Processes = append(g.Processes, Process{Pid: pid, Parent: k.parent, Role: role, Command: k.title.Command})
	}
	for _, root := range slices.Sorted(maps.Keys(groups)) {
		v.servers = append(v.servers, *groups[root])
	}
}

// root is the topmost ancestor that is of the same kind of server without a gap.
func (s *scanner) root(pid int32) int32 {
	kind := s.known[pid].title.Kind
	for range maxDepth {
		parent := s.known[s.known[pid].parent]
		if parent == nil || !parent.app || parent.title.Kind != kind {
			break
		}
		pid = s.known[pid].parent
	}
	return pid
}

func (s *scanner) alive(pid int32) bool {
	_, err := s.proc.status(pid)
	return err == nil
}

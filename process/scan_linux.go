package process

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
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
	proc   procs
	known  map[int32]*known
	looks  uint64
	before []int32
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
	changed := !slices.Equal(v.pids, s.before)
	s.before = v.pids
	if changed || s.looks%wholeScan == 1 {
		s.threads.watch(v.pids, s.idle)
	}
	if old := s.view.Load(); changed || s.looks%wholeScan == 1 {
		s.sockets(v, now)
	} else {
		v.borrow(old)
	}
	s.view.Store(v)
}

// borrow takes over what was found of sockets when the same processes were looked at.
func (v *view) borrow(old *view) {
	v.listen, v.database, v.databases, v.denied = old.listen, old.database, old.databases, old.denied
	for i := range min(len(v.servers), len(old.servers)) {
		n, o := &v.servers[i], &old.servers[i]
		n.Listen, n.Databases, n.Denied = o.Listen, o.Databases, o.Denied
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

var databaseCommands = []string{"postgres", "postmaster", "pgbouncer", "odyssey", "pgcat", "pgpool"}

// sockets finds out where servers listen, which connections they have and how they reach their databases.
func (s *scanner) sockets(v *view, now time.Time) {
	servers := map[int32]*Server{}
	for i := range v.servers {
		for _, p := range v.servers[i].Processes {
			servers[p.Pid] = &v.servers[i]
		}
	}
	owners, first := map[uint32]int32{}, map[uint32]int32{}
	for _, pid := range v.pids {
		if err := s.proc.sockets(pid, func(inode uint32) {
			claim(owners, inode, pid)
			if first[inode] == 0 {
				first[inode] = pid
			}
		}); err != nil && s.alive(pid) {
			servers[pid].Denied++
			v.denied++
		}
	}
	bases := map[uint32]*Database{}
	for _, pid := range slices.Sorted(maps.Keys(s.known)) {
		k := s.known[pid]
		if parent := s.known[k.parent]; slices.Contains(databaseCommands, k.command) && (parent == nil || parent.command != k.command) {
			d := &Database{Pid: pid, Command: k.command}
			_ = s.proc.sockets(pid, func(inode uint32) { bases[inode] = d })
		}
	}
	s.listening(v, servers, first, bases)
	s.connected(v, servers, first, owners, now)
	s.local(servers, first, bases)
	for _, d := range slices.SortedFunc(uniq(maps.Values(bases)), func(a, b *Database) int { return cmp.Compare(a.Pid, b.Pid) }) {
		if len(d.Listen)+len(d.Sockets) > 0 {
			v.databases = append(v.databases, *d)
		}
	}
}

// tcp yields the sockets of perfd's own network, and those of servers in networks of their own, such as those of
// containers.
func (s *scanner) tcp(v *view, states uint32, yield func(socket)) {
	own, err := os.Readlink(s.cfg.Root + "/self/ns/net")
	if err != nil {
		own = ""
	}
	if s.lister == nil || s.lister.tcp(states, yield) != nil {
		s.proc.tcp(int32(os.Getpid()), states, yield)
	}
	seen := map[string]bool{own: true, "": true}
	for _, pid := range v.pids {
		if network := s.proc.network(pid); !seen[network] {
			seen[network] = true
			s.proc.tcp(pid, states, yield)
		}
	}
}

func (s *scanner) alive(pid int32) bool {
	_, err := s.proc.status(pid)
	return err == nil
}

func uniq[T comparable](seq func(func(T) bool)) func(func(T) bool) {
	return func(yield func(T) bool) {
		seen := map[T]bool{}
		for v := range seq {
			if !seen[v] {
				seen[v] = true
				if !yield(v) {
					return
				}
			}
		}
	}
}

func (s *scanner) listening(v *view, servers map[int32]*Server, first map[uint32]int32, bases map[uint32]*Database) {
	s.tcp(v, 1<<stateListen, func(sock socket) {
		if server := servers[first[sock.inode]]; server != nil {
			server.Listen = append(server.Listen, sock.local)
			v.listen[sock.local.Port()] = true
		}
		if d := bases[sock.inode]; d != nil {
			d.Listen = append(d.Listen, sock.local)
			v.database[sock.local.Port()] = true
		}
	})
	for i := range v.servers {
		slices.SortFunc(v.servers[i].Listen, netip.AddrPort.Compare)
	}
}

// connected notes whose the open connections are.
func (s *scanner) connected(v *view, servers map[int32]*Server, first, owners map[uint32]int32, now time.Time) {
	s.tcp(v, establishedMask, func(sock socket) {
		server := servers[first[sock.inode]]
		if server == nil || sock.inode == 0 {
			return
		}
		if pid := owners[sock.inode]; pid != several {
			s.table.belongs(endOf(sock.local, sock.remote), pid, now.UnixNano())
		}
		if v.database[sock.remote.Port()] && !v.listen[sock.local.Port()] {
			server.link("tcp", sock.remote.String())
		}
	})
}

// local finds connections to PostgreSQL through Unix sockets.
func (s *scanner) local(servers map[int32]*Server, first map[uint32]int32, bases map[uint32]*Database) {
	if s.lister == nil {
		return
	}
	_ = s.lister.unixes(func(sock socket) {
		if !strings.Contains(sock.path, "/.s.PGSQL.") {
			return
		}
		if d := bases[sock.inode]; d != nil && sock.state == stateListen {
			d.Sockets = append(d.Sockets, sock.path)
		}
		if server := servers[first[sock.peer]]; server != nil && sock.peer != 0 {
			server.link("unix", sock.path)
		}
	})
}

func (s *Server) link(network, address string) {
	for i := range s.Databases {
		if l := &s.Databases[i]; l.Network == network && l.Address == address {
			l.Connections++
			return
		}
	}
	s.Databases = append(s.Databases, Link{network, address, 1})
}

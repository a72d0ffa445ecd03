package process

import (
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

var databaseCommands = []string{"postgres", "postmaster", "pgbouncer", "odyssey", "pgcat", "pgpool"}

// survey finds out where servers listen, which connections they have and how they reach their databases.
type survey struct {
	*scanner
	*view
	now    time.Time
	of     map[int32]*Server    // by process
	first  map[uint32]int32     // by socket: a process that has it
	owners map[uint32]int32     // by socket: the process that has it, or several
	bases  map[uint32]*Database // by socket
	all    []*Database
	// Of servers whose open files may not be looked at sockets are known by their user, if no other has the same.
	users     map[uint32]*Server
	baseUsers map[uint32]*Database
}

func newSurvey(s *scanner, v *view, now time.Time) *survey {
	return &survey{
		scanner: s, view: v, now: now, of: map[int32]*Server{}, first: map[uint32]int32{}, owners: map[uint32]int32{},
		bases: map[uint32]*Database{}, users: map[uint32]*Server{}, baseUsers: map[uint32]*Database{},
	}
}

func (s *survey) run() {
	for i := range s.servers {
		s.open(&s.servers[i])
	}
	for _, pid := range slices.Sorted(maps.Keys(s.known)) {
		k := s.known[pid]
		if parent := s.known[k.parent]; slices.Contains(databaseCommands, k.command) && (parent == nil || parent.command != k.command) {
			s.openDatabase(&Database{Pid: pid, Command: k.command})
		}
	}
	s.listening()
	s.connected()
	s.local()
	for _, d := range s.all {
		if len(d.Listen)+len(d.Sockets) > 0 {
			s.databases = append(s.databases, *d)
		}
	}
}

// open looks at the open files of a server.
func (s *survey) open(server *Server) {
	for _, p := range server.Processes {
		s.of[p.Pid] = server
		err := s.proc.sockets(p.Pid, func(inode uint32) {
			claim(s.owners, inode, p.Pid)
			if s.first[inode] == 0 {
				s.first[inode] = p.Pid
			}
		})
		if err != nil && s.alive(p.Pid) {
			server.Denied++
			s.denied++
		}
	}
	user, ok := s.proc.user(server.Pid)
	if !ok {
		return
	}
	if _, taken := s.users[user]; taken || user == 0 || server.Denied < len(server.Processes) {
		server = nil // not the only one, or no need
	}
	s.users[user] = server
}

func (s *survey) openDatabase(d *Database) {
	s.all = append(s.all, d)
	err := s.proc.sockets(d.Pid, func(inode uint32) { s.bases[inode] = d })
	user, ok := s.proc.user(d.Pid)
	if !ok {
		return
	}
	if _, taken := s.baseUsers[user]; taken || user == 0 || err == nil {
		d = nil
	}
	s.baseUsers[user] = d
}

// server is the one that has a socket; inferred if its user alone tells.
func (s *survey) server(inode, user uint32) *Server {
	if inode == 0 {
		return nil
	}
	if server := s.of[s.first[inode]]; server != nil {
		return server
	}
	server := s.users[user]
	if server != nil {
		server.Inferred = true
	}
	return server
}

func (s *survey) base(inode, user uint32) *Database {
	if d := s.bases[inode]; d != nil {
		return d
	}
	return s.baseUsers[user]
}

// tcp yields the sockets of perfd's own network, and those of servers in networks of their own, such as those of
// containers.
func (s *survey) tcp(states uint32, yield func(socket)) {
	own, err := os.Readlink(s.cfg.Root + "/self/ns/net")
	if err != nil {
		own = ""
	}
	if s.lister == nil || s.lister.tcp(states, yield) != nil {
		s.proc.tcp(int32(os.Getpid()), states, yield)
	}
	seen := map[string]bool{own: true, "": true}
	for _, pid := range s.pids {
		if network := s.proc.network(pid); !seen[network] {
			seen[network] = true
			s.proc.tcp(pid, states, yield)
		}
	}
}

func (s *survey) listening() {
	s.tcp(1<<stateListen, func(sock socket) {
		if server := s.server(sock.inode, sock.user); server != nil {
			server.Listen = append(server.Listen, sock.local)
			s.listen[sock.local.Port()] = true
		}
		if d := s.base(sock.inode, sock.user); d != nil {
			d.Listen = append(d.Listen, sock.local)
			s.database[sock.local.Port()] = true
		}
	})
	for i := range s.servers {
		slices.SortFunc(s.servers[i].Listen, netip.AddrPort.Compare)
	}
}

// connected notes whose the open connections are.
func (s *survey) connected() {
	s.tcp(establishedMask, func(sock socket) {
		server := s.server(sock.inode, sock.user)
		if server == nil {
			return
		}
		if pid := s.owners[sock.inode]; pid > 0 {
			s.table.belongs(endOf(sock.local, sock.remote), pid, s.now.UnixNano())
		}
		if s.database[sock.remote.Port()] && !s.listen[sock.local.Port()] {
			server.link("tcp", sock.remote.String())
		}
	})
}

// local finds connections to PostgreSQL through Unix sockets. The accepted end has the name, the other the user.
func (s *survey) local() {
	if s.lister == nil {
		return
	}
	var accepted []socket
	users := map[uint32]uint32{}
	_ = s.lister.unixes(func(sock socket) {
		users[sock.inode] = sock.user
		if !strings.Contains(sock.path, "/.s.PGSQL.") {
			return
		}
		if sock.state != stateListen {
			accepted = append(accepted, sock)
		} else if d := s.base(sock.inode, sock.user); d != nil {
			d.Sockets = append(d.Sockets, sock.path)
		}
	})
	for _, sock := range accepted {
		if server := s.server(sock.peer, users[sock.peer]); server != nil {
			server.link("unix", sock.path)
		}
	}
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

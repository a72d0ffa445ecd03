package process

import (
	"net/netip"
	"time"
)

// Server is an application server of this host: a process and those that descend from it.
type Server struct {
	Kind    Kind
	Pid     int32  // the master's, or that of the only process
	Command string // without options
	Config  string // the configuration file on the command line, if any

	Processes []Process
	Listen    []netip.AddrPort
	Databases []Link // connections to PostgreSQL, by address
	Denied    int    // processes whose open files may not be looked at
	Inferred  bool   // Listen and Databases are those of its user, since no open file may be looked at
}

// Count returns how many processes have a role.
func (s *Server) Count(role Role) int {
	n := 0
	for _, p := range s.Processes {
		if p.Role == role {
			n++
		}
	}
	return n
}

// Process is one process of a Server.
type Process struct {
	Pid, Parent int32
	Role        Role
	Command     string
}

// Link says how an application server reaches PostgreSQL.
type Link struct {
	Network     string // "tcp", or "unix", where a tap sees nothing
	Address     string // address and port, or path
	Connections int
}

// Database is a PostgreSQL server, or a pooler in front of one, on this host.
type Database struct {
	Pid     int32
	Command string
	Listen  []netip.AddrPort
	Sockets []string // paths of Unix sockets
}

// Stats says what an Observer has done and what it could not do. Counters never go down.
type Stats struct {
	Hints      uint64 // connections that Seen was told of
	Dropped    uint64 // of them not looked at, because the queue was full
	Lookups    uint64 // questions to the kernel
	Found      uint64 // owners found
	Foreign    uint64 // ends that belong to no application server
	Gone       uint64 // ends that were closed before they were looked at
	Unresolved uint64 // ends that no process took in time
	Ambiguous  uint64 // sockets that several processes have open
	Pending    int    // ends still being looked for

	Forgotten uint64 // ends forgotten for the sake of newer ones
	Overrun   uint64 // changes of hands forgotten for the sake of newer ones

	Denied  int   // processes of application servers whose open files may not be looked at
	Sockets error // why owners of sockets cannot be asked for; an *Error if a person can change it

	Threads Threads
}

// Threads is the state of thread evidence.
type Threads struct {
	Source  ThreadSource // ThreadsOff if there is none
	Err     error        // why there is none, or not of all processes; an *Error if a person can change it
	Events  uint64       // uses taken in
	Lost    uint64       // uses that the kernel found no room for
	Foreign uint64       // uses of connections that cannot be told, or no more
	Horizon time.Time    // all uses before have been taken in
}

// Error is a failure that a person has to mend; Hint says how.
type Error struct {
	Op   string
	Hint string
	Err  error
}

func (e *Error) Error() string { return e.Op + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

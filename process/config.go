package process

import "time"

// Config says what an Observer looks at and how much it may keep. The zero value works.
type Config struct {
	// Root is where the proc file system is mounted. Defaults to /proc.
	Root string

	// Rescan is the pause between two looks at the processes of this host. Defaults to one second.
	Rescan time.Duration

	// Queue bounds the connections whose owner is still being looked for; hints beyond it are dropped and
	// counted. Defaults to 4096.
	Queue int

	// Connections bounds how many connection ends are remembered; the longest unused are forgotten. Defaults to
	// 32768.
	Connections int

	// Runs bounds the history of one connection: how many changes of hands from thread to thread are
	// remembered. Defaults to 1024.
	Runs int

	// Memory bounds, in bytes, the histories of all connections together. Defaults to 32 MiB.
	Memory int

	// Patience is how long an accepted connection that no process has taken yet is asked for again. Defaults to
	// 10 seconds.
	Patience time.Duration

	// Late is how long after the last packet of a use the thread's system call may return and still count for
	// it. Defaults to 50 milliseconds.
	Late time.Duration

	// DatabasePorts are the ports on which application servers are expected to reach PostgreSQL, besides those
	// on which a PostgreSQL or a pooler listens on this host. Defaults to 5432, 5433, 6432.
	DatabasePorts []uint16

	// Threads says from where thread evidence may be taken. Defaults to ThreadsBest.
	Threads ThreadSource

	// RingBytes is the size of the buffer between the kernel and perfd for thread evidence, rounded up to a
	// power of two. Defaults to 4 MiB.
	RingBytes int

	// RingPause is the longest time that thread evidence waits in that buffer. Defaults to 10 milliseconds.
	RingPause time.Duration
}

// ThreadSource is a way of learning which thread used a socket.
type ThreadSource uint8

const (
	// ThreadsBest takes ThreadsSockets where the kernel has it, ThreadsSyscalls otherwise, and none if neither is
	// permitted.
	ThreadsBest ThreadSource = iota
	// ThreadsOff takes none.
	ThreadsOff
	// ThreadsSockets takes the tracepoints of socket sends and receives (Linux 6.3), which other system calls
	// never reach.
	ThreadsSockets
	// ThreadsSyscalls takes the tracepoint of returning system calls, which costs every system call of the host
	// a little.
	ThreadsSyscalls
)

func (s ThreadSource) String() string {
	switch s {
	case ThreadsBest:
		return "best"
	case ThreadsSockets:
		return "sockets"
	case ThreadsSyscalls:
		return "syscalls"
	}
	return "off"
}

func orElse[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

func (c Config) withDefaults() Config {
	if c.Root == "" {
		c.Root = "/proc"
	}
	c.Rescan = orElse(c.Rescan, time.Second)
	c.Queue = orElse(c.Queue, 4096)
	c.Connections = orElse(c.Connections, 32768)
	c.Runs = orElse(c.Runs, 1024)
	c.Memory = orElse(c.Memory, 32<<20)
	c.Patience = orElse(c.Patience, 10*time.Second)
	c.Late = orElse(c.Late, 50*time.Millisecond)
	if c.DatabasePorts == nil {
		c.DatabasePorts = []uint16{5432, 5433, 6432}
	}
	c.RingBytes = orElse(c.RingBytes, 4<<20)
	c.RingPause = orElse(c.RingPause, 10*time.Millisecond)
	return c
}

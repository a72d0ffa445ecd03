//go:build unix

package replay

import (
	"syscall"
	"time"
)

// startUsage begins to measure the processor time of this process; what it returns ends it.
func startUsage() func() time.Duration {
	read := func() time.Duration {
		var u syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
			return 0
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := read()
	return func() time.Duration { return read() - before }
}

package replay

import (
	"syscall"
	"time"
)

// fine is how much of a pause is slept by the kernel's own clock: the runtime's timers wake up to a millisecond late where
// nothing else is going on.
const fine = 1200 * time.Microsecond

// sleepFine sleeps, for less than a few milliseconds. A signal may end it early.
func sleepFine(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil)
}

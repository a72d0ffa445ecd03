package replay

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// fine is how much of a pause is slept by the kernel's own clock: the runtime's timers wake up to a millisecond late where
// nothing else is going on.
const fine = 1200 * time.Microsecond

// fineTimer sleeps close to a time. It waits where the runtime waits for connections, so that nothing else stands still.
type fineTimer struct{ file *os.File }

// newFineTimer makes a timer. Without descriptors to be had it sleeps by the runtime's.
func newFineTimer() fineTimer {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return fineTimer{}
	}
	return fineTimer{os.NewFile(uintptr(fd), "timer")}
}

// sleep is for less than a few milliseconds. It may end early.
func (t fineTimer) sleep(d time.Duration) {
	if t.file == nil {
		time.Sleep(d)
		return
	}
	raw, err := t.file.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			_ = unix.TimerfdSettime(int(fd), 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, int64(d)))}, nil)
		})
	}
	var expirations [8]byte
	if err == nil {
		_, err = t.file.Read(expirations[:])
	}
	if err != nil {
		time.Sleep(d)
	}
}

func (t fineTimer) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
}

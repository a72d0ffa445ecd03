package privilege

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Has tells whether the capability is in effect now.
func Has(c Capability) bool {
	_, data, err := read()
	return err == nil && c < 64 && data[c/32].Effective&(1<<(c%32)) != 0
}

func read() (unix.CapUserHeader, [2]unix.CapUserData, error) {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return head, data, fmt.Errorf("read capabilities: %w", err)
	}
	return head, data, nil
}

// Drop gives up, for all threads and for good, every capability but those to keep, as far as the process has
// them: from the effective, permitted, inheritable and ambient sets, and from the bounding set where CAP_SETPCAP
// allows. Programs that the process runs get none, whatever their files say (no_new_privs). What is open stays
// open.
func Drop(keep ...Capability) error {
	head, data, err := read()
	if err != nil {
		return err
	}
	var kept [2]uint32
	for _, c := range keep {
		if c < 64 {
			kept[c/32] |= 1 << (c % 32)
		}
	}
	if err := everywhere(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	if Has(SetPCap) {
		for c := uintptr(0); c < 64; c++ {
			in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
			if err != nil {
				break // the kernel knows no more
			}
			if in == 0 || kept[c/32]&(1<<(c%32)) != 0 {
				continue
			}
			if err := everywhere(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c); err != nil {
				return fmt.Errorf("drop %s from the bounding set: %w", Capability(c), err)
			}
		}
	}
	err = everywhere(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL)
	if err != nil && !errors.Is(err, unix.EINVAL) { // of a kernel without ambient capabilities
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	for i := range data {
		data[i].Permitted &= kept[i]
		data[i].Effective, data[i].Inheritable = data[i].Permitted, 0
	}
	head.Pid = 0
	if err := everywhere(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&data[0]))); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// everywhere makes a system call on every thread of the process: Linux keeps capabilities by thread.
//
//go:uintptrescapes
func everywhere(trap, a, b uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall6(trap, a, b, 0, 0, 0, 0)
	switch errno {
	case 0:
		return nil
	case syscall.ENOTSUP:
		return ErrCgo
	}
	return errno
}

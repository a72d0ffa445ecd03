//go:build unix

package main

import (
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// inOwnGroup lets a command, once it is started, end together with all that it began: they are asked to, and made to where
// that takes longer than grace. What it returns is called when the command was waited for.
func inOwnGroup(cmd *exec.Cmd, grace time.Duration) (over func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = grace + time.Second
	var mu sync.Mutex
	var until time.Time // when those that were asked to end are made to
	var late *time.Timer
	kill := func(s syscall.Signal) error { return syscall.Kill(-cmd.Process.Pid, s) }
	cmd.Cancel = func() error {
		mu.Lock()
		defer mu.Unlock()
		until, late = time.Now().Add(grace), time.AfterFunc(grace, func() { _ = kill(syscall.SIGKILL) })
		return kill(syscall.SIGTERM)
	}
	return func() {
		mu.Lock()
		defer mu.Unlock()
		if late == nil || !late.Stop() {
			return
		}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for kill(0) == nil { // some hold no output open, which was not waited for
			if now := <-tick.C; now.After(until) {
				_ = kill(syscall.SIGKILL)
				return
			}
		}
	}
}

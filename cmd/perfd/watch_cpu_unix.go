//go:build unix

package main

import (
	"syscall"
	"time"
)

// cpuClock measures how much of a core the process uses.
type cpuClock struct {
	at    time.Time
	used  time.Duration
	value float64
}

// share returns the cores in use, averaged over a second.
func (c *cpuClock) share(now time.Time) float64 {
	if now.Sub(c.at) < time.Second {
		return c.value
	}
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	used := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	if !c.at.IsZero() {
		c.value = float64(used-c.used) / float64(now.Sub(c.at))
	}
	c.at, c.used = now, used
	return c.value
}

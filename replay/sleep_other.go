//go:build !linux

package replay

import "time"

// fine is how much of a pause is slept with a fineTimer.
const fine = 0

type fineTimer struct{}

func newFineTimer() fineTimer { return fineTimer{} }

func (fineTimer) sleep(d time.Duration) { time.Sleep(d) }

func (fineTimer) close() {}

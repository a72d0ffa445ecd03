//go:build !linux

package replay

import "time"

// fine is how much of a pause is slept with sleepFine.
const fine = 0

func sleepFine(d time.Duration) { time.Sleep(d) }

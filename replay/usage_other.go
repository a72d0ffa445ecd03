//go:build !unix

package replay

import "time"

// startUsage would measure the processor time of this process.
func startUsage() func() time.Duration { return func() time.Duration { return 0 } }

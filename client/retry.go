package client

import "time"

// Retry says how often and when a call is tried again. The zero value is RetryDefault; RetryNone tries once.
type Retry struct {
	// Attempts is the number of tries, the first among them. Defaults to 3.
	Attempts int
	// Base is the pause before the second try; each further one is Multiplier times as long, up to Max. Where these are 0
	// there is no pause, all pauses are alike, and nothing bounds them.
	Base       time.Duration
	Multiplier float64
	Max        time.Duration
	// Total ends it: no try begins later than that after the first. 0 is no limit.
	Total time.Duration
}

// The presets of Retry.
var (
	RetryDefault    = Retry{3, 1 * time.Second, 2, 30 * time.Second, 60 * time.Second}
	RetryNetwork    = Retry{5, 500 * time.Millisecond, 1.5, 10 * time.Second, 30 * time.Second}
	RetryDatabase   = Retry{3, 2 * time.Second, 2, 60 * time.Second, 120 * time.Second}
	RetryQuick      = Retry{2, 100 * time.Millisecond, 2, 1 * time.Second, 5 * time.Second}
	RetryAggressive = Retry{10, 500 * time.Millisecond, 1.2, 30 * time.Second, 300 * time.Second}
	RetryNone       = Retry{Attempts: 1}
)

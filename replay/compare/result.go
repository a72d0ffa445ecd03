package compare

import "time"

// Verdict is what may be said of a change.
type Verdict string

// The verdicts.
const (
	Faster      Verdict = "faster"
	Slower      Verdict = "slower"
	Unchanged   Verdict = "~"            // no change shown; there may be one
	NotCompared Verdict = "not compared" // errors differ, or one side has no calls
)

// Comparison is what a study found.
type Comparison struct {
	Rounds  int        `json:"rounds"` // with a pass of A and one of B
	Passes  []PassInfo `json:"passes"`
	Overall Row        `json:"overall"`
	// Methods are in the order of the time that they took in A (in B, if there is no A).
	Methods []Row `json:"methods"`
	// GeoMean is the change of the methods' typical calls, each method counted once: 0.02 is 2 % slower.
	GeoMean float64 `json:"geomean"`
	// Doubts are sentences on what could make the result wrong, the gravest first.
	Doubts []string `json:"doubts"`
	// Unpaired is the number of calls of A and B that had no partner to be compared with.
	Unpaired int64   `json:"unpaired"`
	Alpha    float64 `json:"alpha"`
	// Noise is how far a pass of A lay from another right after it, as 0.03; 0 if none ran.
	Noise float64 `json:"noise"`
	// Distribution of the durations of A and of B, and Timeline, the medians over the pass.
	Distribution [2][]Bin  `json:"distribution"`
	Timeline     [2][]Slot `json:"timeline"`
}

// PassInfo is one pass.
type PassInfo struct {
	Arm    Arm   `json:"arm"`
	Round  int   `json:"round"`
	Calls  int64 `json:"calls"`
	Errors int64 `json:"errors"`
	Cached int64 `json:"cached"`
	// P50 and P95 of the pass in seconds, without errors and what the cache answered.
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
}

// Row compares one method, or all calls.
type Row struct {
	Method string `json:"method"`
	A      Side   `json:"a"`
	B      Side   `json:"b"`
	// Typical is the change of the mean logarithm: of the typical call.
	Typical Effect `json:"typical"`
	P50     Effect `json:"p50"`
	P95     Effect `json:"p95"`
	P99     Effect `json:"p99"`
	// Verdict is that of Typical, and Tail that of P95 and P99: the slowest calls can change alone.
	Verdict Verdict `json:"verdict"`
	Tail    Verdict `json:"tail"`
	// Reason says why there is no verdict, if there is a reason beyond noise.
	Reason string `json:"reason,omitempty"`
}

// Side is one arm's part of a row, over all rounds.
type Side struct {
	Calls   int64   `json:"calls"` // that did not fail and were not answered by the cache
	Errors  int64   `json:"errors"`
	Retried int64   `json:"retried"`
	Mean    float64 `json:"mean"`  // seconds
	Total   float64 `json:"total"` // seconds
	// P50, P95 and P99 are of the calls that are compared, those that both arms answered; of one arm, of all answered ones.
	P50 Quantile `json:"p50"`
	P95 Quantile `json:"p95"` // zero below a tenth of Config.MinTail calls in a pass
	P99 Quantile `json:"p99"` // zero below Config.MinTail calls in a pass
	// Own are the quantiles of all that this arm answered; nil if those are the calls that are compared.
	Own *Own `json:"own,omitempty"`
	// P99Once is p99 of all answered calls that were not tried more than once; zero if none was.
	P99Once float64 `json:"p99_once,omitempty"`
	// Hits are the calls that the client's cache answered, and their quantiles.
	Hits   int64   `json:"hits,omitempty"`
	HitP50 float64 `json:"hit_p50,omitempty"`
	HitP99 float64 `json:"hit_p99,omitempty"`
}

// Own are quantiles in seconds, of an arm by itself; 0 where too few calls in a pass tell them.
type Own struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

// Quantile is one in seconds, with its interval when sessions are resampled; without it both are 0.
type Quantile struct {
	Seconds float64 `json:"seconds"`
	Low     float64 `json:"low,omitempty"`
	High    float64 `json:"high,omitempty"`
}

// Effect is a relative change from A to B: -0.05 is 5 % less time.
type Effect struct {
	Delta float64 `json:"delta"`
	// Low and High are the interval of 1−Alpha over rounds; both 0 with fewer than two rounds.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// P is the probability of as much or more with no change; Adjusted is it after as many questions as were asked.
	P        float64 `json:"p"`
	Adjusted float64 `json:"adjusted"`
	// Noise is the change that A against itself shows over as many rounds in 1 % of cases, and Minimum what a change
	// had to be at least.
	Noise   float64 `json:"noise"`
	Minimum float64 `json:"minimum"`
	// PerRound are the changes of the rounds, in their order.
	PerRound []float64 `json:"per_round"`
	Verdict  Verdict   `json:"verdict"`
}

// Bin is a part of a distribution: Share of the calls took at most Seconds.
type Bin struct {
	Seconds float64 `json:"seconds"`
	Share   float64 `json:"share"`
}

// Slot is a part of the timeline.
type Slot struct {
	From   time.Duration `json:"from"`
	Calls  int64         `json:"calls"`
	Errors int64         `json:"errors"`
	P50    float64       `json:"p50"`
	P95    float64       `json:"p95"`
}

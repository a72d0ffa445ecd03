package analyzer

import (
	"math"
	"testing"
	"time"

	"github.com/perfd/perfd/rpclog"
)

// TestAbandonedRequest holds that a request that never arrived whole owns nothing, while one without an answer may
// own whatever comes after it.
func TestAbandonedRequest(t *testing.T) {
	at := time.Unix(100, 0)
	half := &rpclog.Call{Start: at, Head: at, Gaps: rpclog.GapRequest | rpclog.GapUnanswered}
	if o := ownerOf(half, true); o.until != o.head {
		t.Errorf("half a request lasts until %d, begun at %d", o.until, o.head)
	}
	for name, c := range map[string]*rpclog.Call{
		"unanswered":        {Start: at, Head: at, Sent: at, Gaps: rpclog.GapUnanswered},
		"harmed and whole":  {Start: at, Head: at, Sent: at, Gaps: rpclog.GapRequest | rpclog.GapUnanswered},
		"half but not over": half,
	} {
		if o := ownerOf(c, name != "half but not over"); o.until != math.MaxInt64 {
			t.Errorf("%s: until %d, want no end", name, o.until)
		}
	}
}

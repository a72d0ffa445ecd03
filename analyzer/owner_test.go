package analyzer

import (
	"math"
	"testing"
	"time"

	"github.com/perfd/perfd/rpclog"
)

// How long a call may have had statements run, by what is seen of it.
func TestOwnerUntil(t *testing.T) {
	head := at(10)
	call := func(change func(*rpclog.Call)) *rpclog.Call {
		c := &rpclog.Call{Start: at(9), Head: head}
		change(c)
		return c
	}
	for _, tt := range []struct {
		name  string
		call  *rpclog.Call
		ended bool
		want  int64
	}{
		{"answered", call(func(c *rpclog.Call) { c.Sent, c.First, c.End = at(11), at(20), at(21) }), true, at(20).UnixNano()},
		{"at work", call(func(c *rpclog.Call) { c.Sent = at(11) }), false, math.MaxInt64},
		{"half a request", call(func(*rpclog.Call) {}), false, head.Add(time.Second).UnixNano()},
		{"a request of which a part was lost", call(func(c *rpclog.Call) { c.Gaps = rpclog.GapRequest }), false, math.MaxInt64},
		{"a request that never came whole", call(func(c *rpclog.Call) { c.Gaps = rpclog.GapRequest }), true, head.UnixNano()},
	} {
		if o := ownerOf(tt.call, tt.ended); o.until != tt.want {
			t.Errorf("%s: until %d, want %d", tt.name, o.until, tt.want)
		}
	}
}

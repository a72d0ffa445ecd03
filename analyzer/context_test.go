package analyzer

import (
	"math"
	"testing"
	"time"

	"github.com/perfd/perfd/rpclog"
)

// What a watch remembers is bounded, whatever share of the calls runs statements or is ever answered.
func TestPastIsBounded(t *testing.T) {
	const most, calls = 10, 1000
	minute := int64(time.Minute)
	crowd := func(leases ...lease) *window {
		w := &window{none: calls, leases: leases}
		for i := range int64(calls) {
			w.owners = append(w.owners, owner{call: &rpclog.Call{ID: rpclog.CallID(i)}, head: i, until: 2 * minute})
		}
		w.owners = append(w.owners, owner{})
		for i := range leases {
			w.units = append(w.units, unit{leases: []int32{int32(i)}, owner: w.none})
		}
		return w
	}
	var c context
	c.keep(crowd(), most)
	if len(c.owners) != 0 {
		t.Errorf("%d calls are kept beside no lease", len(c.owners))
	}
	c.keep(crowd(lease{start: minute, end: minute + 1}), most)
	if n := len(c.owners); n == 0 || n > pastCalls*most {
		t.Errorf("%d calls are kept beside a lease", n)
	}
	if last := c.owners[len(c.owners)-1].call.ID; last != calls-1 {
		t.Errorf("call %d is the last that is kept, want the latest", last)
	}
	w := crowd(lease{start: 3 * minute, end: 3*minute + 1})
	for i := range w.owners[:w.none] {
		w.owners[i].until = math.MaxInt64 // never answered
	}
	w.owners[calls-1].head = 3*minute - abandoned/2
	c.keep(w, most)
	if len(c.owners) != 1 || c.owners[0].call.ID != calls-1 {
		t.Errorf("%d calls without an answer are kept, want the last one", len(c.owners))
	}
}

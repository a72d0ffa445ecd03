package cache

import (
	"math"
	"time"

	"github.com/maypok86/otter/v2"
)

// frequencyTable is otter's: lock-free reads, W-TinyLFU. It bounds one weight, so an entry's is at least its share of
// the bytes, which bounds the number too.
type frequencyTable struct {
	otter *otter.Cache[Key, *item]
}

func newFrequencyTable(c MemoryConfig, gone func(*item, bool)) (*frequencyTable, error) {
	share := max(c.MaxBytes/int64(c.MaxItems), 1)
	o, err := otter.New(&otter.Options[Key, *item]{
		MaximumWeight: uint64(min(share*int64(c.MaxItems), c.MaxBytes)),
		Weigher: func(_ Key, i *item) uint32 {
			return uint32(min(max(i.size, share), math.MaxUint32))
		},
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[Key, *item]) time.Duration {
			if e.Value.dead == 0 {
				return math.MaxInt64
			}
			return max(time.Until(time.Unix(0, e.Value.dead)), 1)
		}),
		OnAtomicDeletion: func(e otter.DeletionEvent[Key, *item]) { gone(e.Value, e.Cause == otter.CauseOverflow) },
		Executor:         func(run func()) { run() }, // so that bounds hold when Set returns
	})
	return &frequencyTable{o}, err
}

func (t *frequencyTable) get(k Key) *item {
	i, _ := t.otter.GetIfPresent(k)
	return i
}

func (t *frequencyTable) set(k Key, i *item) { t.otter.Set(k, i) }

func (t *frequencyTable) remove(k Key, only *item) bool {
	if only == nil {
		_, ok := t.otter.Invalidate(k)
		return ok
	}
	removed := false
	t.otter.ComputeIfPresent(k, func(i *item) (*item, otter.ComputeOp) {
		if i != only {
			return i, otter.CancelOp
		}
		removed = true
		return nil, otter.InvalidateOp
	})
	return removed
}

func (t *frequencyTable) each(visit func(Key) bool) {
	for k := range t.otter.Keys() {
		if !visit(k) {
			return
		}
	}
}

func (t *frequencyTable) clear() { t.otter.InvalidateAll() }
func (t *frequencyTable) close() { t.otter.StopAllGoroutines() }

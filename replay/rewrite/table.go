// Package rewrite gives the records that a load makes their ids at the target: it knows which places of a call hold ids
// of which model, by the fields that the target describes, and leaves every other number alone.
package rewrite

import (
	"sync"

	"github.com/perfd/perfd/replay/load"
)

// Key names a recorded record.
type Key struct {
	Model string
	ID    int64
}

// State is what is known of a recorded id.
type State uint8

// The states.
const (
	// Old is an id that the load did not make: it is the same at the target.
	Old State = iota
	// Pending is one that a call made which is not answered yet.
	Pending
	// Known is one whose counterpart is known.
	Known
	// Lost is one that was not made at the target.
	Lost
)

type entry struct {
	state   State
	id      int64 // at the target
	session string
	global  bool // another session uses it too
	waiting []func()
}

// Table maps recorded ids to those of the target. Ids belong to the session that made the record, until another one
// names it. It is safe for concurrent use.
type Table struct {
	most int

	mu      sync.RWMutex
	entries map[Key]*entry
	back    map[Key]int64 // from the target's to the recorded ones
	numbers map[int64]int // how many models have that recorded id
	promos  int
}

// NewTable makes a table of up to most records.
func NewTable(most int) *Table {
	return &Table{most: most, entries: map[Key]*entry{}, back: map[Key]int64{}, numbers: map[int64]int{}}
}

// Expect says that a call of a session is to make these records. It is false if there is no room for them: their ids
// then stay what they were.
func (t *Table) Expect(session string, minted []load.Minted) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range minted {
		for _, id := range m.IDs {
			k := Key{m.Model, id}
			if t.entries[k] != nil || id < 0 {
				continue // made twice, as the id of a wizard's session may be: the first one's call is waited for
			}
			if len(t.entries) >= t.most {
				return false
			}
			t.entries[k] = &entry{state: Pending, session: session}
			t.numbers[id]++
		}
	}
	return true
}

// Resolve says what the target made in place of the recorded records: the same models in the same order. What has no
// counterpart is lost.
func (t *Table) Resolve(recorded, made []load.Minted) {
	t.settle(recorded, func(m load.Minted, i int) (int64, bool) {
		for _, n := range made {
			if n.Model == m.Model && i < len(n.IDs) {
				return n.IDs[i], true
			}
		}
		return 0, false
	})
}

// Lose says that these records will not be made.
func (t *Table) Lose(recorded []load.Minted) {
	t.settle(recorded, func(load.Minted, int) (int64, bool) { return 0, false })
}

// Forget says that it is not known whether these records were to be made: the ids of those that were not, by now, are what
// they were.
func (t *Table) Forget(recorded []load.Minted) {
	var waiting []func()
	t.mu.Lock()
	for _, m := range recorded {
		for _, old := range m.IDs {
			k := Key{m.Model, old}
			e := t.entries[k]
			if e == nil || e.state != Pending {
				continue
			}
			waiting = append(waiting, e.waiting...)
			delete(t.entries, k)
			if t.numbers[old]--; t.numbers[old] <= 0 {
				delete(t.numbers, old)
			}
		}
	}
	t.mu.Unlock()
	for _, f := range waiting {
		go f()
	}
}

func (t *Table) settle(recorded []load.Minted, id func(load.Minted, int) (int64, bool)) {
	if len(recorded) == 0 {
		return
	}
	var waiting []func()
	t.mu.Lock()
	for _, m := range recorded {
		for i, old := range m.IDs {
			k := Key{m.Model, old}
			e := t.entries[k]
			if e == nil {
				if len(t.entries) >= t.most || old < 0 {
					continue
				}
				e = &entry{}
				t.entries[k] = e
				t.numbers[old]++
			}
			if e.state == Known {
				continue
			}
			e.state = Lost
			if now, ok := id(m, i); ok {
				e.state, e.id = Known, now
				t.back[Key{m.Model, now}] = old
			}
			waiting = append(waiting, e.waiting...)
			e.waiting = nil
		}
	}
	t.mu.Unlock()
	for _, f := range waiting {
		go f()
	}
}

// Look is the target's id of a record that a session names.
func (t *Table) Look(session string, k Key) (int64, State) {
	t.mu.RLock()
	e := t.entries[k]
	if e == nil {
		t.mu.RUnlock()
		return k.ID, Old
	}
	id, state, promote := e.id, e.state, e.state == Known && e.session != session && !e.global && e.session != ""
	t.mu.RUnlock()
	if promote {
		t.mu.Lock()
		if !e.global {
			e.global = true
			t.promos++
		}
		t.mu.Unlock()
	}
	return id, state
}

// Wait has f called, in a goroutine of its own, when a pending record is settled. It is false if none is pending.
func (t *Table) Wait(k Key, f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[k]
	if e == nil || e.state != Pending {
		return false
	}
	e.waiting = append(e.waiting, f)
	return true
}

// Shared is the number of records that sessions name which did not make them.
func (t *Table) Shared() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.promos
}

// Len is the number of records whose ids are mapped.
func (t *Table) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.back)
}

// was is the recorded id of a record of the target.
func (t *Table) was(k Key) (int64, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	id, ok := t.back[k]
	return id, ok
}

// Mentions tells whether texts have a number that is the recorded id of a record that the load makes, anywhere. It is
// the quick question before the exact one.
func (t *Table) Mentions(texts ...[]byte) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(t.numbers) == 0 {
		return false
	}
	for _, b := range texts {
		for i := 0; i < len(b); i++ {
			if b[i] < '0' || b[i] > '9' {
				continue
			}
			var n int64
			start := i
			for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
				if i-start < 18 {
					n = n*10 + int64(b[i]-'0')
				}
			}
			if i-start <= 18 && t.numbers[n] > 0 {
				return true
			}
		}
	}
	return false
}

// moved tells whether any record has an id at the target.
func (t *Table) moved() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.back) > 0
}

package analyzer

import "testing"

func TestMemoHasRoom(t *testing.T) {
	for _, units := range []int{0, 1, 3, 800, 1 << 20} { // a recording without PostgreSQL's traffic has none
		var m memo
		m.forget(units)
		n := len(m.entries)
		if n == 0 || n&(n-1) != 0 || n > 1<<16 {
			t.Errorf("room for %d scores of %d units", n, units)
		}
		was := m.salt
		m.forget(units)
		if m.salt == was || len(m.entries) != n {
			t.Errorf("%d units: salt %d after %d, room for %d scores after %d", units, m.salt, was, len(m.entries), n)
		}
	}
}

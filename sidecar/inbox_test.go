package sidecar

import (
	"slices"
	"testing"
	"testing/synctest"
)

func TestInbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewInbox(100)
		var done []int
		put := func(n, bytes int) bool { return b.Put(bytes, func() { done = append(done, n) }) }
		if !put(1, 60) || !put(2, 40) {
			t.Fatal("refused while there was room")
		}
		var third, fourth bool
		go func() {
			third = put(3, 1000) // larger than the whole: it waits until nothing else is there
			fourth = put(4, 1)
		}()
		synctest.Wait()
		if third || len(b.work) != 2 {
			t.Fatalf("%d are held, want 2", len(b.work))
		}
		b.Do()
		synctest.Wait()
		if !third || fourth || !slices.Equal(done, []int{1, 2}) {
			t.Errorf("third %v, fourth %v, done %v", third, fourth, done)
		}
		b.Do()
		synctest.Wait()
		if !fourth {
			t.Error("the fourth still waits")
		}
		b.Do()
		b.Do()
		if !slices.Equal(done, []int{1, 2, 3, 4}) {
			t.Errorf("done %v", done)
		}
	})
}

func TestInboxEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewInbox(1)
		ran := false
		b.Put(1, func() { ran = true })
		answer := make(chan bool)
		go func() { answer <- b.Put(1, func() { t.Error("done after the end") }) }()
		synctest.Wait()
		b.Close()
		if <-answer || b.Put(0, func() {}) {
			t.Error("taken after the end")
		}
		b.Do()
		if !ran {
			t.Error("what was put in before the end was not done")
		}
	})
}

// Work may put in work: it is done the next time.
func TestInboxOfItself(t *testing.T) {
	b := NewInbox(10)
	n := 0
	b.Put(5, func() { n++; b.Put(5, func() { n += 10 }) })
	b.Do()
	if n != 1 {
		t.Errorf("n = %d", n)
	}
	b.Do()
	if n != 11 {
		t.Errorf("n = %d", n)
	}
}

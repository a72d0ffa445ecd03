package evidence

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestValueFoldsSpellings(t *testing.T) {
	for _, same := range [][2]string{
		{"12.50", "12.5"}, {"12.00", "12"}, {"-7.10", "-7.1"},
		{"2031-01-02T03:04:05", "2031-01-02 03:04:05"}, {"2031-01-02 03:04:05.678901", "2031-01-02 03:04:05"},
	} {
		if a, b := Value([]byte(same[0])), Value([]byte(same[1])); a != b || a == 0 {
			t.Errorf("%s and %s: %x and %x", same[0], same[1], a, b)
		}
	}
	for _, differ := range [][2]string{{"1.2.30", "1.2.3"}, {"12.5a0", "12.5a"}, {"2031-01-02", "2031-01-03"}, {"truest", "trues"}} {
		if Value([]byte(differ[0])) == Value([]byte(differ[1])) {
			t.Errorf("%s and %s are one", differ[0], differ[1])
		}
	}
	for _, nothing := range []string{"", "7", "true", "False", "null", "None", "3.0"} {
		if h := Value([]byte(nothing)); h != 0 {
			t.Errorf("%q: %x", nothing, h)
		}
	}
	long := slices.Repeat([]byte("ab"), 50)
	if Value(long) != Value(long[:maxValue]) {
		t.Error("more than the start of a long value counts")
	}
	if Small(123) != Value([]byte("123")) || Small(7) == 0 {
		t.Error("Small is not Value")
	}
}

func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := Hash(rapid.Uint32Min(1).Draw(t, "limit"))
		h := rapid.SliceOfN(rapid.Uint32Max(uint32(limit)), 0, 600).Draw(t, "hashes")
		got := make([]Hash, len(h))
		for i, v := range h {
			got[i] = Hash(v)
		}
		want := slices.Clone(got)
		slices.Sort(want)
		if order(got, limit); !slices.Equal(got, want) {
			t.Fatalf("%x is not sorted", got)
		}
	})
}

// TestSetsSampledApartAgree checks bottom-k sampling: below the lower of two limits, sets hold the same.
func TestSetsSampledApartAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]Hash, 5000)
	for i := range values {
		values[i] = Hash(rng.Uint32())
	}
	var (
		room  []Hash
		block Block
	)
	for range 3 {
		all, few := NewSet(1<<20), NewSetIn(100, room)
		for _, v := range values {
			all.Add(v)
			few.Add(v)
			few.Add(v)
		}
		room = few.Detach(&block)
		limit := few.Limit()
		want := slices.DeleteFunc(slices.Clone(all.Hashes()), func(h Hash) bool { return h > limit })
		if got := few.Hashes(); !slices.Equal(got, want) || len(got) == 0 || len(got) > 100 {
			t.Fatalf("%d members below %x, want %d", len(got), limit, len(want))
		}
		if cap(few.hashes) != len(few.hashes) {
			t.Fatalf("%d members in room for %d", len(few.hashes), cap(few.hashes))
		}
	}
}

func TestBlockKeepsListsApart(t *testing.T) {
	var b Block
	if b.Keep(nil) != nil || b.free != nil {
		t.Error("nothing takes room")
	}
	var lists [][]Hash
	for n := range 200 {
		h := make([]Hash, n*10)
		for i := range h {
			h[i] = Hash(n)
		}
		kept := b.Keep(h)
		clear(h)
		lists = append(lists, kept, append(kept, Hash(n)))
		if len(kept) != n*10 {
			t.Fatalf("%d of %d hashes kept", len(kept), n*10)
		}
	}
	for i, h := range lists {
		for _, v := range h {
			if v != Hash(i/2) {
				t.Fatalf("list %d holds %d", i/2, v)
			}
		}
	}
}

func TestCloneSharesNothing(t *testing.T) {
	a := NewSet(8)
	a.Add(1)
	b := a.Clone()
	b.Add(2)
	if a.Len() != 1 || b.Len() != 2 {
		t.Errorf("%d and %d members", a.Len(), b.Len())
	}
}

func BenchmarkSet(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]Hash, 2000)
	for i := range values {
		values[i] = Hash(rng.Uint32())
	}
	var room []Hash
	b.ReportAllocs()
	for b.Loop() {
		s := NewSetIn(4096, room)
		for _, v := range values {
			s.Add(v)
		}
		room = s.Detach(new(Block))
	}
}

func BenchmarkValue(b *testing.B) {
	for _, v := range []string{"Azure Interior", "1234", "12.50", "2031-01-02 03:04:05"} {
		b.Run(v, func(b *testing.B) {
			in := []byte(v)
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				Value(in)
			}
		})
	}
}

func TestCopySharesNothing(t *testing.T) {
	a, b := NewSet(16), NewSet(1024)
	for i := range 200 {
		a.Add(Hash(i * 7919))
		b.Add(Hash(i))
	}
	b.Copy(&a)
	want := slices.Clone(a.Hashes())
	if !slices.Equal(b.Hashes(), want) || b.Limit() != a.Limit() {
		t.Fatalf("copied %v below %x, want %v below %x", b.Hashes(), b.Limit(), want, a.Limit())
	}
	b.Add(1)
	if !slices.Equal(a.Hashes(), want) {
		t.Error("adding to the copy changed the original")
	}
}

package lab

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// alone is this process's hold on the host, shared by its tests.
var alone struct {
	sync.Mutex
	holders int
	file    *os.File
}

// Alone waits until no test of another process has an application server running on this host, and keeps others
// waiting until t ends: what finds servers by itself would find theirs too, and several at once make each other slow.
func Alone(t testing.TB) {
	t.Helper()
	alone.Lock()
	defer alone.Unlock()
	if alone.holders == 0 {
		f, err := os.OpenFile(filepath.Join(os.TempDir(), "perfd-lab.lock"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatalf("take turns with other tests: %v", err)
		}
		if err := lock(f); err != nil {
			t.Fatalf("take turns with other tests: %v", err)
		}
		alone.file = f
	}
	alone.holders++
	t.Cleanup(func() {
		alone.Lock()
		defer alone.Unlock()
		if alone.holders--; alone.holders == 0 {
			if err := alone.file.Close(); err != nil { // which gives the lock up
				t.Errorf("let other tests go on: %v", err)
			}
		}
	})
}

package doctor

import (
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

func TestListeners(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F85 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   1: 0100007F:1538 0100007F:D6CF 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0
   2: 00000000000000000000000000000000:1539 00000000000000000000000000000000:0000 0A 0 0 0 0 0 0 0
   3: broken 0 0A 0
   4: :zz 0 0A 0
`
	got := make(map[uint16]bool)
	listeners(table, got)
	if p := slices.Sorted(maps.Keys(got)); !slices.Equal(p, []uint16{5433, 8069}) {
		t.Errorf("listening on %v, want 5433 and 8069", p)
	}
}

func TestParseCapabilities(t *testing.T) {
	for text, want := range map[string]capabilities{
		"Name:\tx\nCapEff:\t0000000000002000\n": 1 << capNetRaw,
		"CapEff:\t000000ffffffffff\n":           1<<40 - 1,
	} {
		if got, err := parseCapabilities(text); err != nil || got != want {
			t.Errorf("%q is %x, %v; want %x", text, got, err, want)
		}
	}
	for _, text := range []string{"", "CapEff:\n", "CapEff: zz\n", "CapInh: 0\n"} {
		if got, err := parseCapabilities(text); err == nil {
			t.Errorf("%q is %x, want an error", text, got)
		}
	}
}

func TestAvailableMemory(t *testing.T) {
	if n, err := availableMemory("MemTotal: 9 kB\nMemAvailable:      2048 kB\n"); err != nil || n != 2<<20 {
		t.Errorf("got %d, %v", n, err)
	}
	for _, text := range []string{"", "MemAvailable: x kB\n", "MemAvailable: 99999999999999999999 kB\n"} {
		if n, err := availableMemory(text); err == nil {
			t.Errorf("%q is %d, want an error", text, n)
		}
	}
}

func TestThisMachineAnswers(t *testing.T) {
	if runtime.GOOS != "linux" {
		if _, err := clock(); err == nil {
			t.Error("only Linux can be asked")
		}
		return
	}
	_, err1 := ownCapabilities()
	_, err2 := listening()
	_, err3 := diskFree(t.TempDir())
	n, _, err4 := memoryLimit()
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Error(err)
		}
	}
	if n <= 0 {
		t.Errorf("%d bytes of memory", n)
	}
	if _, err := diskFree(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there has no room")
	}
}

func TestReadable(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := readable(filepath.Join(dir, "*.log")); err != nil {
		t.Error(err)
	}
	if err := readable(filepath.Join(dir, "none")); err == nil || err.Error() != "no such file or directory" {
		t.Errorf("a missing file: %v", err)
	}
}

func FuzzParsers(f *testing.F) {
	f.Add("0: 0100007F:1F85 00000000:0000 0A x")
	f.Add("CapEff:\t0000000000002000\n")
	f.Add("MemAvailable: 1 kB\n")
	f.Fuzz(func(_ *testing.T, text string) {
		listeners(text, make(map[uint16]bool))
		_, _ = parseCapabilities(text) // must not panic
		_, _ = availableMemory(text)
	})
}

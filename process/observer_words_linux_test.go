package process

import "testing"

func TestProcessesInWords(t *testing.T) {
	for n, want := range map[int]string{1: "1 process", 2: "2 processes"} {
		if got := processes(n); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

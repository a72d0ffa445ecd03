package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The first frame's rate is what was read since the start.
func TestProgressRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		bar := newBar(&out, "odoo.pcap", 1_000_000_000)
		time.Sleep(100 * time.Millisecond)
		if err := bar.Set64(20_000_000); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !strings.Contains(got, "200 MB/s") {
			t.Errorf("20 MB in 100 ms: %q", got)
		}
	})
}

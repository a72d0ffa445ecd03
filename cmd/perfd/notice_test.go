package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures"
)

// A range without calls and ports without traffic are told as such, and where the traffic is.
func TestNoticesOfOptions(t *testing.T) {
	tap := fixtures.Path(t, sequential)
	for _, tt := range []struct{ args, want string }{
		{"--from +1h", "No call begins in this range; the recording runs 2026-11-22 05:42:34–05:42:45 UTC."},
		{"--from 04:00 --to 05:00", "No call begins in this range"},
		{"--rpc-port 9999", "No HTTP connection to port 9999, which --rpc-port names."},
		{"--rpc-port 9999", "HTTP was seen on port 8069"},
		{"--pg-port 9999", "No PostgreSQL connection to port 9999, which --pg-port names."},
		{"--pg-port 9999", "PostgreSQL was seen on port 5433"},
	} {
		out := mustAnalyze(t, append(strings.Fields(tt.args), tap)...)
		head, _, _ := strings.Cut(out, "METHODS")
		if !strings.Contains(head, tt.want) {
			t.Errorf("%s: the head lacks %q:\n%s", tt.args, tt.want, head)
		}
	}
}

// The same range in all its forms.
func TestWindowForms(t *testing.T) {
	tap := fixtures.Path(t, sequential)
	want := calls(t, mustAnalyze(t, "--format", "json", "--from", "2026-11-22T05:42:37Z", "--to", "2026-11-22T05:42:40Z", tap))
	if len(want) == 0 {
		t.Fatal("no calls")
	}
	for _, form := range [][2]string{{"2026-11-22 05:42:37", "2026-11-22 05:42:40"}, {"05:42:37", "05:42:40"}} {
		if d := cmp.Diff(want, calls(t, mustAnalyze(t, "--format", "json", "--from", form[0], "--to", form[1], tap))); d != "" {
			t.Errorf("%v gives other calls:\n%s", form, d)
		}
	}
}

// A recording of cut packets names its snap length; one damaged in the middle tells how much was not read.
func TestNoticesOfFiles(t *testing.T) {
	pcap, dir := fixtures.Tap(t, sequential), t.TempDir()
	short := append(pcap[:24:24], []byte{}...)
	copy(short[16:], []byte{96, 0, 0, 0})
	damaged := bytes.Clone(pcap)
	for at, n := 24, 0; at < len(pcap); n++ {
		size := int(le32(pcap[at+8:]))
		kept := min(size, 96)
		head := bytes.Clone(pcap[at : at+16])
		head[8], head[9], head[10], head[11] = byte(kept), 0, 0, 0
		short = append(append(short, head...), pcap[at+16:at+16+kept]...)
		if n == 5000 {
			copy(damaged[at+8:], []byte{0xff, 0xff, 0xff, 0xff})
		}
		at += 16 + size
	}
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"short.pcap":   {short, "cut short by the snap length of 96 bytes"},
		"damaged.pcap": {damaged, "bytes from there on were not read"},
	} {
		path := filepath.Join(dir, name)
		write(t, path, tt.data)
		_, out, errOut := perfd(t, nil, "analyze", path)
		if !strings.Contains(strings.Join(strings.Fields(out), " "), tt.want) {
			t.Errorf("%s: lacks %q:\n%s%s", name, tt.want, out, errOut)
		}
	}
}

// That the clock was set is told to those who look at the pages.
func TestNoticeOfClock(t *testing.T) {
	for _, tt := range []struct {
		stats capture.LiveStats
		want  string
	}{
		{capture.LiveStats{}, ""},
		{capture.LiveStats{Steps: 1, ClockAhead: time.Hour}, "The clock was set back: times are shown 1h0m0s ahead of it"},
		{capture.LiveStats{Steps: 2}, "The clock was set while perfd watched: "},
	} {
		if n, ok := clockNotice(tt.stats); ok != (tt.want != "") || !strings.HasPrefix(n.Title, tt.want) {
			t.Errorf("%+v: %+v", tt.stats, n)
		}
	}
}

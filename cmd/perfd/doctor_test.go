package main

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/doctor"
	"github.com/perfd/perfd/process"
)

// What a machine lacks differs; that the report and the exit code agree does not.
func TestDoctor(t *testing.T) {
	args := []string{"doctor", "--json", "--listen", "127.0.0.1:0", "--store", filepath.Join(t.TempDir(), "x.db"), "--evidence-threads", "off"}
	code, out, errOut := perfd(t, nil, args...)
	var r struct {
		Healthy  bool
		Findings []doctor.Finding
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Findings) < 8 {
		t.Fatalf("%v: %s%s", err, out, errOut)
	}
	if r.Healthy != (code == exitOK) || !r.Healthy && (code != exitFailure || !strings.Contains(errOut, "a check failed")) {
		t.Errorf("healthy is %v, exit %d: %s", r.Healthy, code, errOut)
	}
	if code, out, _ := perfd(t, nil, append(args[:1:1], "--memory", "1", "--store", t.TempDir())...); code != exitFailure ||
		!strings.Contains(out, "memory must be at least 64MiB") || !strings.Contains(out, "is a folder") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, _, _ := perfd(t, nil, "doctor", "me"); code != exitUsage {
		t.Errorf("exit %d for an argument", code)
	}
}

func TestTapBriefly(t *testing.T) {
	c := config.Default()
	c.Interfaces, c.RPCPorts = []string{"lo"}, []uint16{1}
	traffic, err := tapBriefly(t.Context(), &c)
	if permitted := capture.LivePermitted(); (permitted == nil) != (err == nil) {
		t.Fatalf("tapping is permitted: %v; got %v", permitted, err)
	}
	if err == nil && (traffic.For != doctorTap || traffic.Calls != 0) {
		t.Errorf("traffic on a port that nobody uses: %+v", traffic)
	}
}

func TestLack(t *testing.T) {
	if l := lack(nil); l != (doctor.Lack{}) {
		t.Errorf("nothing is lacking, but %+v", l)
	}
	if l := lack(&process.Error{Op: "watch threads", Hint: "give it CAP_BPF", Err: errors.New("denied")}); l.Reason != "watch threads: denied" || l.Fix != "give it CAP_BPF" {
		t.Errorf("got %+v", l)
	}
}

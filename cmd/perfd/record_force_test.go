package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/perfd/perfd/fixtures"
)

// TestNoRecordingIsLostUnasked: a recording takes the place of an earlier one only where that is asked for.
func TestNoRecordingIsLostUnasked(t *testing.T) {
	file := record(t, "odoo18-a", "--keep-args", "*:*")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	again := []string{"record", file, "--from", fixtures.Path(t, "odoo18-h")}
	code, _, errOut := perfd(t, nil, again...)
	after, err := os.ReadFile(file)
	if code != exitUsage || !strings.Contains(errOut, "which is a recording; name another file, or give --force") || err != nil || !bytes.Equal(before, after) {
		t.Errorf("exit %d, %s, %v", code, errOut, err)
	}
	if code, _, errOut := perfd(t, nil, append(again, "--force")...); code != exitOK {
		t.Errorf("exit %d, %s", code, errOut)
	}
	if after, err := os.ReadFile(file); err != nil || bytes.Equal(before, after) {
		t.Errorf("it is still the first one: %v", err)
	}
}

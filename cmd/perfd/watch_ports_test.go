package main

import (
	"bytes"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/perfd/perfd/capture"
)

func TestChoosePorts(t *testing.T) {
	usual := []uint16{8069, 8072}
	many := make([]uint16, maxPorts)
	for i := range many {
		many[i] = uint16(1000 + i)
	}
	for _, tt := range []struct {
		what               string
		set, found, before []uint16
		known              bool
		want               []uint16
		sure               bool
	}{
		{"nothing is there", nil, nil, nil, false, usual, false},
		{"nothing is there yet", nil, nil, usual, false, usual, false},
		{"set", []uint16{1}, []uint16{2}, []uint16{3}, true, []uint16{1}, true},
		{"found, twice", nil, []uint16{9, 8, 9}, usual, false, []uint16{8, 9}, true},
		{"gone for a while", nil, nil, []uint16{8, 9}, true, []uint16{8, 9}, true},
		{"another comes", nil, []uint16{7}, []uint16{8, 9}, true, []uint16{7, 8, 9}, true},
		{"one of two is gone", nil, []uint16{9}, []uint16{8, 9}, true, []uint16{8, 9}, true},
		{"too many have come and gone", nil, []uint16{7}, many, true, []uint16{7}, true},
		{"as many as may be, all gone", nil, nil, many, true, many, true},
	} {
		got, sure := choose(tt.set, tt.found, tt.before, tt.known, usual)
		if !slices.Equal(got, tt.want) || sure != tt.sure {
			t.Errorf("%s: %v, %v, want %v, %v", tt.what, got, sure, tt.want, tt.sure)
		}
	}
}

// What was counted before the tap was opened anew still counts: a counter never goes back.
func TestCountsGoOn(t *testing.T) {
	past := capture.Stats{Packets: 5, Lost: 7, Gaps: 1, Encrypted: map[uint16]int64{443: 2}}
	s := addStats(capture.Stats{Packets: 10, Encrypted: map[uint16]int64{443: 1, 5432: 1}}, &past)
	if s.Packets != 15 || s.Lost != 7 || s.Gaps != 1 || s.Encrypted[443] != 3 || s.Encrypted[5432] != 1 {
		t.Errorf("%+v", s)
	}
	before := capture.LiveStats{Packets: 3, Drops: 4}
	if l := addLinks(capture.LiveStats{Packets: 1}, &before); l.Packets != 4 || l.Drops != 4 {
		t.Errorf("%+v", l)
	}
	if l := addLinks(capture.LiveStats{Packets: 1}, nil); l.Packets != 1 {
		t.Errorf("%+v", l)
	}
}

// The memory in use is measured, and garbage does not make anything be left out.
func TestMemoryOfGarbage(t *testing.T) {
	const bound = 1 << 30
	m := newMemory(bound)
	t.Cleanup(func() { debug.SetMemoryLimit(math.MaxInt64) })
	before, _ := m.measure()
	garbage := make([][]byte, 64)
	for i := range garbage {
		garbage[i] = bytes.Repeat([]byte{1}, 1<<20)
	}
	kept, share := m.measure()
	if kept < before+32<<20 {
		t.Errorf("%d MiB are in use, %d before 64 more were taken", kept>>20, before>>20)
	}
	runtime.KeepAlive(garbage)
	if share <= 0 || share >= 1 {
		t.Errorf("share %v", share)
	}
	runtime.GC()
	if _, after := m.measure(); after >= share+0.02 {
		t.Errorf("share %v with garbage alone, %v before", after, share)
	}
}

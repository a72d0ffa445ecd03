package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/store"
)

// fileKind is what a file is that perfd or a capturing program wrote.
type fileKind int

const (
	unknownFile fileKind = iota
	captureFile
	loadFile
	storeFile
	jsonFile
)

var kindNames = map[fileKind]string{captureFile: "a capture", loadFile: "a load", storeFile: "a perfd store", jsonFile: "JSON"}

// overwrites refuses an output that would take the place of a recording, which nobody can make again, but for one of the
// kind that is written.
func overwrites(flag, file string, kind fileKind) error {
	switch was := kindOf(file); was {
	case captureFile, loadFile, storeFile:
		if was != kind {
			return hinted{usagef("%s would overwrite %s, which is %s", flag, file, kindNames[was]), "name another file, or remove that one first"}
		}
	case unknownFile, jsonFile:
	}
	return nil
}

// captureMagics begin captures: pcap of either order and resolution, pcapng, and gzip around them.
var captureMagics = [][]byte{
	{0xa1, 0xb2, 0xc3, 0xd4}, {0xd4, 0xc3, 0xb2, 0xa1}, {0xa1, 0xb2, 0x3c, 0x4d}, {0x4d, 0x3c, 0xb2, 0xa1}, {0x0a, 0x0d, 0x0d, 0x0a}, {0x1f, 0x8b},
}

// kindOf looks at how a file begins. Nothing is read of pipes, of which it would be gone.
func kindOf(path string) fileKind {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return unknownFile
	}
	f, err := os.Open(path)
	if err != nil {
		return unknownFile
	}
	defer func() { _ = f.Close() }() // it was read
	head := make([]byte, 16)
	n, _ := io.ReadFull(f, head) // of a shorter file what there is
	head = head[:n]
	for _, magic := range captureMagics {
		if bytes.HasPrefix(head, magic) {
			return captureFile
		}
	}
	if bytes.HasPrefix(head, []byte{'{'}) {
		return jsonFile
	}
	if bytes.HasPrefix([]byte(storeMagic), head) && n == len(storeMagic) && store.IsStore(path) {
		return storeFile
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return unknownFile
	}
	r, err := load.NewReader(f, path, load.ReaderConfig{})
	if err == nil {
		r.Close()
	}
	if err == nil || errors.Is(err, load.ErrVersion) {
		return loadFile
	}
	return unknownFile
}

// notALoad says what a file is that was given where a load is expected, and how to make one of it; nil if nobody knows.
func notALoad(path string) error {
	switch kindOf(path) {
	case captureFile:
		return hinted{fmt.Errorf("open load %s: it is a capture, not a load", path), "perfd record OUT --from " + path + " --keep-args '*' makes a load of it"}
	case storeFile:
		return hinted{fmt.Errorf("open load %s: it is a perfd store, not a load", path),
			"perfd record OUT --from " + path + " makes a load of it for what-if; one to be sent is recorded from captures, or live"}
	case jsonFile:
		return hinted{fmt.Errorf("open load %s: it is JSON, not a load", path), "perfd trend takes reports of perfd replay --json; a load is what perfd record makes"}
	case unknownFile, loadFile:
	}
	return nil
}

// notACapture says so of a file that was given where a capture is expected.
func notACapture(path string, err error) error {
	if !errors.Is(err, capture.ErrFormat) || kindOf(path) != loadFile {
		return err
	}
	return hinted{fmt.Errorf("open capture %s: it is a load, not a capture", path),
		"perfd record --show " + path + " says what is in it; perfd whatif, perfd replay and perfd export take it"}
}

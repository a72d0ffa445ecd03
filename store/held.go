package store

import (
	"os"
	"path/filepath"
	"sync"
)

// held names the files that this process has open as databases. Closing any descriptor of such a file would
// let go of SQLite's locks on it (POSIX locks belong to the process, not to the descriptor), and another
// process might then take the write-ahead log away. So nothing here opens such a file beside SQLite.
var held = struct {
	sync.Mutex
	paths map[string]int
}{paths: map[string]int{}}

func canonical(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path
}

// hold notes that the file was opened, and returns what release has to be given.
func hold(path string) string {
	if path == Memory {
		return path
	}
	held.Lock()
	defer held.Unlock()
	path = canonical(path)
	held.paths[path]++
	return path
}

func release(path string) {
	held.Lock()
	defer held.Unlock()
	if held.paths[path]--; held.paths[path] <= 0 {
		delete(held.paths, path)
	}
}

// inUse reports whether the file is open as a database in this process, under this name or another.
func inUse(path string) bool {
	held.Lock()
	defer held.Unlock()
	if held.paths[canonical(path)] > 0 {
		return true
	}
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	for other := range held.paths {
		if o, err := os.Stat(other); err == nil && os.SameFile(info, o) {
			return true
		}
	}
	return false
}

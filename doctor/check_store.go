package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/store"
)

// storeCheck tells whether the store can be read, or made.
type storeCheck struct {
	settings *config.Config
	open     func(path string) error
	stat     func(string) (fs.FileInfo, error)
}

func (storeCheck) name() string { return "store" }

func (c storeCheck) run(context.Context) []Finding {
	path := full(c.settings.Store)
	switch info, err := c.stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		dir := filepath.Dir(path)
		if _, err := c.stat(dir); err != nil {
			return fail(fmt.Sprintf("the folder of %s: %v", path, bare(err)), "Make the folder, or name another store.")
		}
		if err := writable(dir); err != nil {
			return fail(fmt.Sprintf("%s cannot be written: %v", dir, err), "Give perfd's user the folder, or name another store.")
		}
		return ok(path + " will be made")
	case err != nil:
		return fail(fmt.Sprintf("%s: %v", path, bare(err)), "Check the path and the rights of its folders.")
	case info.IsDir():
		return fail(path+" is a folder", "Name a file in store.")
	}
	if err := c.open(path); err != nil {
		fix := "Move the file away, or name another store."
		var e *store.Error
		if errors.As(err, &e) && e.Hint != "" {
			fix = e.Hint
		}
		return fail(fmt.Sprintf("%s cannot be opened: %v", path, err), fix)
	}
	if err := writable(path); err != nil {
		return fail(fmt.Sprintf("%s cannot be written: %v", path, err), "Give perfd's user the file and its folder.")
	}
	return ok(path + " opens")
}

// full is a path as it can be found from anywhere.
func full(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

func openStore(path string) error {
	r, err := store.Open(path, store.Config{})
	if err != nil {
		return err
	}
	return r.Close()
}

// diskCheck tells whether the store has room to grow.
type diskCheck struct {
	settings *config.Config
	free     func(path string) (int64, error)
	stat     func(string) (fs.FileInfo, error)
}

// rounded is a size as people say it: in GiB from ten of them on.
func rounded(n int64) config.Size {
	if n >= 10<<30 {
		return config.Size(n >> 30 << 30)
	}
	return config.Size(n >> 20 << 20)
}

// leastFree is the room below which nothing sensible can be kept.
const leastFree = 64 << 20

func (diskCheck) name() string { return "disk" }

func (c diskCheck) run(context.Context) []Finding {
	dir := filepath.Dir(full(c.settings.Store))
	free, err := c.free(dir)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err != nil:
		return warn(fmt.Sprintf("the room on the disk of %s cannot be asked: %v", dir, err), "Check the path of store.")
	}
	var has int64
	if info, err := c.stat(c.settings.Store); err == nil {
		has = info.Size()
	}
	limit := c.settings.Retention.Size
	room := rounded(free).String()
	fix := fmt.Sprintf("Free some space, or lower retention.size (%s).", limit)
	switch {
	case free < leastFree:
		return fail(fmt.Sprintf("%s free for the store", room), fix)
	case limit == 0:
		return warn(room+" free, and the store may grow without bound", "Set retention.size.")
	case free < int64(limit)-has:
		return warn(fmt.Sprintf("%s free, less than the store may grow to (%s)", room, limit), fix)
	}
	return ok(fmt.Sprintf("%s free, the store may grow to %s", room, limit))
}

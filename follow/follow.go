// Package follow reads a log file while other processes write it, across rotation.
//
// It is what `tail -F` is to a person: lines come out once, in order, whole, whether the log is rotated by
// renaming it and creating it anew, by copying and truncating it, or by beginning a file of another name that
// the same pattern matches. It knows nothing of what the lines say.
package follow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Config says what to follow. Path is required; the rest of its zero value works.
type Config struct {
	// Path is the file, or a pattern as path/filepath.Match has it. Of a pattern, the file that was written
	// last is followed, and then each that is begun or written after it.
	Path string
	// FromStart reads what stands in the file already. Otherwise only what is written from now on is read.
	// Files that come into being later are always read whole.
	FromStart bool
	// Poll is how often a file at whose end the reader stands is looked at. Defaults to 200 ms.
	Poll time.Duration
	// MaxLine bounds a line in bytes. What a longer one holds beyond is skipped and counted. Defaults to 1 MiB.
	MaxLine int
	// Caught is told after each look at a file that was read to its end: what was written before a moment has been
	// delivered, and no further line can belong to it. It is called where Handler is. Defaults to telling nobody.
	Caught func(up time.Time)
	// MaxFiles bounds the files of a pattern that are remembered. Defaults to 4096.
	MaxFiles int
}

func (c Config) withDefaults() Config {
	if c.Poll <= 0 {
		c.Poll = 200 * time.Millisecond
	}
	if c.MaxLine <= 0 {
		c.MaxLine = 1 << 20
	}
	if c.MaxFiles <= 0 {
		c.MaxFiles = 4096
	}
	return c
}

// Handler receives what is read, on the goroutine of Run. It may block: the file waits.
type Handler interface {
	// Lines delivers one or several whole lines, each with its newline. The bytes are valid during the call.
	Lines(block []byte)
	// Idle says that the reader stands at the end and nothing was written for one Poll. It comes once after
	// the last Lines: what was a whole entry only if no further line belongs to it, is one now.
	Idle()
}

// Stats tells how far the reader is.
type Stats struct {
	Path      string // of the file that is read now; empty if there is none
	Lines     int64
	Bytes     int64 // delivered
	Cut       int64 // lines longer than Config.MaxLine
	Skipped   int64 // bytes that these held beyond it, and of lines whose beginning was not read
	Rotations int64 // times another file took the place of the one that was read
	Truncated int64 // times the file was cut or written anew in place
	Behind    int64 // bytes that are written but not read, when last looked
	Problem   string
}

// Follower reads one log. Use New.
type Follower struct {
	cfg    Config
	seen   map[string]place // of a pattern's files, where reading would go on
	since  time.Time        // files that were written last before it, and are not in seen, are old
	began  bool             // the first file was chosen
	looked int              // polls of a pattern's file

	file *os.File
	info os.FileInfo
	path string
	at   int64  // offset of the next byte to read
	buf  []byte // what was read and not delivered
	tail []byte // the last bytes before at
	skip bool   // the rest of the current line is dropped
	idle bool   // Idle was said

	mu    sync.Mutex
	stats Stats
}

// place is how far a file was read or, if it never was, how long it was when last looked at.
type place struct {
	info os.FileInfo
	at   int64
}

// New returns a follower; nothing is opened before Run.
func New(cfg Config) *Follower {
	return &Follower{cfg: cfg.withDefaults(), seen: map[string]place{}, idle: true}
}

// Stats may be called from any goroutine.
func (f *Follower) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

func (f *Follower) count(change func(*Stats)) {
	f.mu.Lock()
	change(&f.stats)
	f.mu.Unlock()
}

// Run reads until ctx ends, whose end is no error. A file that is absent or cannot be opened is waited for,
// and Stats says so. Only what waiting cannot mend is an error: a path that is no regular file.
func (f *Follower) Run(ctx context.Context, h Handler) error {
	defer f.close()
	timer := time.NewTicker(f.cfg.Poll)
	defer timer.Stop()
	var before time.Time // when the look before began, if it met the end
	for {
		began := time.Now()
		err := f.pass(ctx, h)
		switch {
		case err != nil || f.file == nil:
			before = time.Time{}
		case f.cfg.Caught != nil && !before.IsZero():
			f.cfg.Caught(before)
			before = began
		default:
			before = began
		}
		if err != nil {
			if !errors.Is(err, errNotRegular) {
				f.count(func(s *Stats) { s.Problem = err.Error() })
			} else {
				return fmt.Errorf("follow %s: %w", f.cfg.Path, err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
	}
}

var errNotRegular = errors.New("not a regular file")

// pass reads all there is.
func (f *Follower) pass(ctx context.Context, h Handler) error {
	quiet := true
	for ctx.Err() == nil {
		if f.file == nil {
			if ok, err := f.next(); err != nil || !ok {
				return err
			}
		}
		if err := f.rewritten(); err != nil {
			return err
		}
		n, err := f.read(ctx, h)
		if n > 0 {
			quiet, f.idle = false, false
		}
		if err != nil {
			return err
		}
		moved, err := f.replaced()
		if err != nil {
			return err
		}
		if !moved {
			break
		}
		if _, err := f.read(ctx, h); err != nil { // what was written before the writer moved on
			return err
		}
		f.leave(h)
	}
	if quiet && !f.idle {
		f.idle = true
		h.Idle()
	}
	return nil
}

// next opens the file to read, if there is one.
func (f *Follower) next() (bool, error) {
	path, from, err := f.choose()
	if err != nil {
		return false, err
	}
	first := !f.began
	if path == "" {
		f.began = true // what comes into being from now on is read whole
		f.count(func(s *Stats) { s.Path, s.Problem = "", "no such file yet" })
		return false, nil
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return false, errNotRegular // opening a pipe would block
	}
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	info, err := file.Stat()
	if err != nil {
		return false, errors.Join(err, file.Close())
	}
	f.began = true
	f.file, f.info, f.path, f.at, f.skip = file, info, path, min(from, info.Size()), false
	f.buf, f.tail = f.buf[:0], f.tail[:0]
	if first && !f.cfg.FromStart {
		f.at = info.Size()
		var last [1]byte
		if n, _ := file.ReadAt(last[:], f.at-1); n == 1 && last[0] != '\n' {
			f.skip = true
		}
	}
	f.count(func(s *Stats) { s.Path, s.Problem = path, "" })
	return true, nil
}

// leave closes the file that is read; the next one takes its place. A line that it never ended ends here.
func (f *Follower) leave(h Handler) {
	if len(f.buf) > 0 && !f.skip {
		f.deliver(h, append(f.buf, '\n'), 1)
	}
	f.buf = f.buf[:0]
	if f.pattern() {
		f.seen[f.path] = place{info: f.info, at: f.at}
	}
	f.close()
	f.count(func(s *Stats) { s.Rotations++ })
}

func (f *Follower) close() {
	if f.file != nil {
		_ = f.file.Close() // it was only read
		f.file = nil
	}
}

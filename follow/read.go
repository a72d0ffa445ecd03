package follow

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// chunk is how much is read at once.
const chunk = 64 << 10

// read delivers the whole lines up to the file's end, and returns how many bytes it read.
func (f *Follower) read(ctx context.Context, h Handler) (total int64, err error) {
	for ctx.Err() == nil {
		have := len(f.buf)
		if cap(f.buf)-have < chunk {
			grown := make([]byte, have, 2*cap(f.buf)+chunk)
			copy(grown, f.buf)
			f.buf = grown
		}
		n, err := f.file.ReadAt(f.buf[have:have+chunk], f.at)
		f.buf = f.buf[:have+n]
		f.at += int64(n)
		total += int64(n)
		f.recall(f.buf[have:])
		f.count(func(s *Stats) { s.Behind = max(s.Behind-int64(n), 0) })
		f.take(h)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return total, err
		}
	}
	if len(f.buf) == 0 && cap(f.buf) > 4*chunk {
		f.buf = nil
	}
	return total, nil
}

// take delivers the whole lines in the buffer and keeps the rest.
func (f *Follower) take(h Handler) {
	rest := f.buf
	if f.skip {
		n := bytes.IndexByte(rest, '\n')
		if n < 0 {
			f.count(func(s *Stats) { s.Skipped += int64(len(rest)) })
			f.buf = f.buf[:0]
			return
		}
		f.count(func(s *Stats) { s.Skipped += int64(n) })
		rest, f.skip = rest[n+1:], false
	}
	end := bytes.LastIndexByte(rest, '\n') + 1
	block := rest[:end]
	if end > f.cfg.MaxLine {
		block = f.bounded(h, block)
	}
	f.deliver(h, block, bytes.Count(block, newline))
	rest = rest[end:]
	if len(rest) > f.cfg.MaxLine {
		f.cut(h, rest)
		rest, f.skip = nil, true
	}
	f.buf = f.buf[:copy(f.buf, rest)]
}

var newline = []byte{'\n'}

// bounded delivers a block up to and with its last line that is too long, and returns what follows.
func (f *Follower) bounded(h Handler, block []byte) []byte {
	from := 0
	for i := 0; i < len(block); {
		end := i + bytes.IndexByte(block[i:], '\n') + 1
		if end-i > f.cfg.MaxLine+1 {
			f.deliver(h, block[from:i], bytes.Count(block[from:i], newline))
			f.cut(h, block[i:end-1])
			from = end
		}
		i = end
	}
	return block[from:]
}

// cut delivers the beginning of a line that is too long.
func (f *Follower) cut(h Handler, line []byte) {
	over := len(line) - f.cfg.MaxLine
	f.deliver(h, append(bytes.Clone(line[:f.cfg.MaxLine]), '\n'), 1)
	f.count(func(s *Stats) { s.Cut, s.Skipped = s.Cut+1, s.Skipped+int64(over) })
}

func (f *Follower) deliver(h Handler, block []byte, lines int) {
	if len(block) == 0 {
		return
	}
	f.count(func(s *Stats) { s.Lines, s.Bytes = s.Lines+int64(lines), s.Bytes+int64(len(block)) })
	h.Lines(block)
}

// overlap is how many bytes before the reader are compared with what stands in the file, to notice one that
// was truncated and has grown beyond the reader since.
const overlap = 64

// recall remembers the last bytes that were read.
func (f *Follower) recall(read []byte) {
	f.tail = append(f.tail, read[max(len(read)-overlap, 0):]...)
	f.tail = f.tail[:copy(f.tail, f.tail[max(len(f.tail)-overlap, 0):])]
}

// rewritten notices that the file was truncated, and goes to its beginning.
func (f *Follower) rewritten() error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	f.count(func(s *Stats) { s.Behind = max(info.Size()-f.at, 0) })
	anew := info.Size() < f.at
	if n := len(f.tail); !anew && n > 0 && info.Size() > f.at {
		var now [overlap]byte
		if k, _ := f.file.ReadAt(now[:n], f.at-int64(n)); k == n && !bytes.Equal(now[:n], f.tail) {
			anew = true
		}
	}
	if anew {
		f.at, f.buf, f.skip, f.tail = 0, f.buf[:0], false, f.tail[:0]
		f.count(func(s *Stats) { s.Truncated++ })
	}
	return nil
}

// patternPolls is how many polls pass from one reading of a pattern's folder to the next.
const patternPolls = 4

// replaced reports whether the writer has moved on to another file: one of the same name, or a later one of
// the pattern. An empty file is none yet; the writer may still have the old one open.
func (f *Follower) replaced() (bool, error) {
	if !f.pattern() {
		info, err := os.Stat(f.path)
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		return !os.SameFile(info, f.info) && info.Size() > 0, nil
	}
	if f.looked++; f.looked%patternPolls != 0 {
		return false, nil
	}
	f.seen[f.path] = place{info: f.info, at: f.at}
	path, _, err := f.choose()
	if err != nil {
		return false, err
	}
	if path == f.path {
		info, err := os.Stat(path)
		return err == nil && !os.SameFile(info, f.info) && info.Size() > 0, nil
	}
	return path != "", nil
}

func (f *Follower) pattern() bool { return strings.ContainsAny(f.cfg.Path, "*?[") }

// choose returns the file to read next and where to begin in it; no path if there is none.
func (f *Follower) choose() (string, int64, error) {
	if !f.pattern() {
		if _, err := os.Stat(f.cfg.Path); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				err = nil
			}
			return "", 0, err
		}
		return f.cfg.Path, 0, nil
	}
	names, err := filepath.Glob(f.cfg.Path)
	if err != nil {
		return "", 0, err
	}
	infos := make(map[string]os.FileInfo, len(names))
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			infos[name] = info
		}
	}
	for name := range f.seen {
		if infos[name] == nil {
			delete(f.seen, name)
		}
	}
	best, from := "", int64(0)
	earlier := func(name string) bool { // than the best so far: files are read in the order in which they were written last
		if best == "" {
			return true
		}
		a, b := infos[name].ModTime(), infos[best].ModTime()
		if a.Equal(b) {
			return name < best
		}
		return a.Before(b)
	}
	for name, info := range infos {
		old, known := f.seen[name]
		switch {
		case !f.began: // the one that was written last
			if len(f.seen) < f.cfg.MaxFiles {
				f.seen[name] = place{info: info, at: info.Size()}
			}
			if best == "" || !earlier(name) {
				best, f.since = name, info.ModTime()
			}
		case info.Size() == 0, !known && info.ModTime().Before(f.since):
		case !known || !os.SameFile(old.info, info) || info.Size() < old.at:
			if earlier(name) {
				best, from = name, 0
			}
		case info.Size() > old.at:
			if earlier(name) {
				best, from = name, old.at
			}
		}
	}
	return best, from, nil
}

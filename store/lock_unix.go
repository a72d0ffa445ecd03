//go:build unix

package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lock keeps a second writer away. It is a file of its own beside the store: see held.
type lock struct{ file *os.File }

const (
	lockTries = 4 // WriterOf takes the lock too, for a moment
	lockPause = 10 * time.Millisecond
)

// WriterOf tells of the writer of the store at path, which Recording says is not complete.
func WriterOf(path string) WriterState {
	f, err := os.Open(lockName(path))
	if err != nil {
		return WriterUnknown
	}
	defer func() { _ = f.Close() }() // which lets go of the lock
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); {
	case err == nil:
		return WriterGone
	case errors.Is(err, syscall.EWOULDBLOCK):
		return WriterAtWork
	}
	return WriterUnknown
}

// lockWriter takes the lock, or returns ErrInUse.
func lockWriter(path string) (*lock, error) {
	name := lockName(path)
	for try := 1; ; {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock store: %w", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			_ = f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) && try < lockTries {
				try++
				time.Sleep(lockPause)
				continue
			}
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, ErrInUse
			}
			return nil, fmt.Errorf("lock store: %w", err)
		}
		// The holder before may have removed the file between the two steps.
		mine, err := f.Stat()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock store: %w", err), f.Close())
		}
		if now, err := os.Stat(name); err == nil && os.SameFile(mine, now) {
			return &lock{f}, nil
		}
		_ = f.Close()
	}
}

func lockName(path string) string { return canonical(path) + "-lock" }

func (l *lock) unlock() error {
	if l == nil {
		return nil
	}
	if err := errors.Join(os.Remove(l.file.Name()), l.file.Close()); err != nil {
		return fmt.Errorf("unlock store: %w", err)
	}
	return nil
}

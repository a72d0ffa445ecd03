//go:build unix

package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock keeps a second writer away. It is a file of its own beside the store: see held.
type lock struct{ file *os.File }

// lockWriter takes the lock, or returns ErrInUse.
func lockWriter(path string) (*lock, error) {
	name := path + "-lock"
	for {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock store: %w", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			_ = f.Close()
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

func (l *lock) unlock() error {
	if l == nil {
		return nil
	}
	if err := errors.Join(os.Remove(l.file.Name()), l.file.Close()); err != nil {
		return fmt.Errorf("unlock store: %w", err)
	}
	return nil
}

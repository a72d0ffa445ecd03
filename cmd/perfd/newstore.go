package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
)

// newStore is a store being written. A file takes its name when it is complete: a run that fails leaves
// what stood there before.
type newStore struct {
	*store.Recorder
	path, temp string // empty for a store in memory
	closed     bool
}

// errKept is why a store that is written live is not replaced.
var errKept = errors.New("it holds what a perfd beside a server recorded")

// createStore begins a store at path, in memory if that is empty. Only a perfd store is replaced, and none that
// was written live: nobody can make it again, and a perfd that still writes it would not notice.
func createStore(path string, dict sqltrace.Dictionary) (*newStore, error) {
	if path == "" {
		r, err := store.Create(store.Memory, dict, store.Config{})
		return &newStore{Recorder: r}, err
	}
	if _, err := os.Stat(path); err == nil {
		old, err := store.Open(path, store.Config{})
		if err != nil {
			return nil, &store.Error{Op: "replace store", Path: path, Hint: "only a perfd store is replaced; choose another name", Err: plain(err)}
		}
		kept, err := old.Recording(context.Background())
		if err := errors.Join(err, old.Close()); err != nil {
			return nil, fmt.Errorf("read store: %w", err)
		}
		if kept.Live {
			return nil, &store.Error{Op: "replace store", Path: path, Hint: "choose another name, or remove the file first", Err: errKept}
		}
	}
	temp := beside(path)
	r, err := store.Create(temp, dict, store.Config{})
	if err != nil {
		removeStore(temp)
		return nil, renamed(err, path)
	}
	return &newStore{Recorder: r, path: path, temp: temp}, nil
}

// commit closes a finished store and gives it its name. A store in memory stays open.
func (s *newStore) commit() error {
	if s.path == "" {
		return nil
	}
	s.closed = true
	if err := s.Close(); err != nil {
		removeStore(s.temp)
		return renamed(err, s.path)
	}
	for _, suffix := range [...]string{"-wal", "-shm"} { // of the store that is replaced
		if err := os.Remove(s.path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			removeStore(s.temp)
			return fmt.Errorf("replace store: %w", err)
		}
	}
	if err := os.Rename(s.temp, s.path); err != nil {
		removeStore(s.temp)
		return fmt.Errorf("write store: %w", err)
	}
	return nil
}

// reader opens what was committed.
func (s *newStore) reader() (store.Reader, error) {
	if s.path == "" {
		return s.Reader()
	}
	return store.Open(s.path, store.Config{})
}

// close releases the store, and removes the file unless it was committed.
func (s *newStore) close() error {
	if s == nil || s.Recorder == nil || s.closed {
		return nil
	}
	s.closed = true
	err := s.Close()
	if s.temp != "" {
		removeStore(s.temp)
	}
	return err
}

func removeStore(path string) {
	for _, suffix := range [...]string{"", "-wal", "-shm"} {
		_ = os.Remove(path + suffix) // the failure before it is the one to tell
	}
}

// renamed tells of a store by the name that was asked for.
func renamed(err error, path string) error {
	var e *store.Error
	if errors.As(err, &e) {
		return &store.Error{Op: e.Op, Path: path, Hint: e.Hint, Err: cause(e.Err)}
	}
	return err
}

// plain is the cause of a store's error.
func plain(err error) error {
	var e *store.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

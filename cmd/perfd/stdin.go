package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/capture"
)

// grace is what the program that writes to standard input gets to end its recording in order: the same
// Ctrl-C reaches it.
const grace = 2 * time.Second

// storeMagic begins every SQLite database (sqlite.org/fileformat.html).
const storeMagic = "SQLite format 3\x00"

// stdinInput reads standard input until ctx is done, which ends the recording in order. cut is set if that
// took place before the input's own end.
func stdinInput(ctx context.Context, r io.Reader) (in input, cut *atomic.Bool) {
	cut = new(atomic.Bool)
	return input{"standard input", func() (*capture.File, error) {
		in := bufio.NewReaderSize(newCancelReader(ctx, r, cut), 256<<10)
		head, err := in.Peek(len(storeMagic))
		switch {
		case bytes.Equal(head, []byte(storeMagic)):
			return nil, usagef("a perfd store cannot be read from standard input: name it as a file")
		case len(head) == 0 && ctx.Err() != nil:
			return nil, fmt.Errorf("read standard input: %w", ctx.Err())
		case len(head) == 0 && errors.Is(err, io.EOF):
			return nil, fmt.Errorf("standard input is empty: %w", capture.ErrFormat)
		}
		f, err := capture.NewFile(in)
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return f, nil
	}}, cut
}

// isPipe tells whether a file can be read once only, as what a shell's <(command) names.
func isPipe(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeCharDevice|os.ModeSocket) != 0
}

// cancelReader reads ahead of its reader, so that a read that never returns can be given up.
type cancelReader struct {
	ctx    context.Context
	blocks chan block
	spare  chan []byte
	now    block
	left   []byte
	late   <-chan time.Time // set once ctx is done
	cut    *atomic.Bool
	quit   chan struct{}
}

type block struct {
	data []byte
	err  error
}

func newCancelReader(ctx context.Context, r io.Reader, cut *atomic.Bool) *cancelReader {
	c := &cancelReader{ctx: ctx, blocks: make(chan block), spare: make(chan []byte, 2), cut: cut, quit: make(chan struct{})}
	c.spare <- make([]byte, 256<<10)
	c.spare <- make([]byte, 256<<10)
	go func() {
		for b := range c.spare {
			n, err := r.Read(b)
			select {
			case c.blocks <- block{b[:n], err}:
			case <-c.quit:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return c
}

// Read returns io.EOF some time after ctx is done, even while its reader blocks.
func (c *cancelReader) Read(b []byte) (int, error) {
	for len(c.left) == 0 {
		if c.now.err != nil {
			return 0, c.now.err
		}
		if c.now.data != nil {
			c.spare <- c.now.data[:cap(c.now.data)]
			c.now = block{}
		}
		done := c.ctx.Done()
		if c.late != nil {
			done = nil
		}
		select {
		case c.now = <-c.blocks:
			c.left = c.now.data
		case <-done:
			c.late = time.After(grace)
		case <-c.late:
			c.cut.Store(true)
			close(c.quit)
			c.now.err = io.EOF
		}
	}
	n := copy(b, c.left)
	c.left = c.left[n:]
	return n, nil
}

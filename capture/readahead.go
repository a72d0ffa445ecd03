package capture

import (
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// readahead runs a slow reader in a goroutine of its own, two blocks ahead of its consumer, so that
// decompression and reassembly share the work of two processors.
type readahead struct {
	full  chan block
	empty chan []byte
	stop  chan struct{}
	ended chan struct{}
	once  sync.Once
	now   block
	pos   int
}

type block struct {
	data []byte
	err  error
}

var _ io.ReadCloser = (*readahead)(nil)

func newReadahead(r io.Reader) *readahead {
	a := &readahead{
		full:  make(chan block, 2),
		empty: make(chan []byte, 3),
		stop:  make(chan struct{}),
		ended: make(chan struct{}),
	}
	for range cap(a.empty) {
		a.empty <- make([]byte, readSize)
	}
	go a.run(r)
	return a
}

func (a *readahead) run(r io.Reader) {
	defer close(a.ended)
	for {
		var b block
		select {
		case b.data = <-a.empty:
		case <-a.stop:
			return
		}
		n := 0
		for n < readSize && b.err == nil {
			var got int
			got, b.err = r.Read(b.data[n:readSize])
			n += got
		}
		b.data = b.data[:n]
		select {
		case a.full <- b:
		case <-a.stop:
			return
		}
		if b.err != nil {
			return
		}
	}
}

// Read returns bytes of the current block, then of the next.
func (a *readahead) Read(p []byte) (int, error) {
	for a.pos == len(a.now.data) {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.data != nil {
			a.empty <- a.now.data // never blocks: as many blocks as places
		}
		a.now, a.pos = <-a.full, 0
	}
	n := copy(p, a.now.data[a.pos:])
	a.pos += n
	return n, nil
}

// Close ends the goroutine. It does not wait for a read that is under way: standard input may never answer.
func (a *readahead) Close() error {
	a.once.Do(func() { close(a.stop) })
	return nil
}

func isCorruptDeflate(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt)
}

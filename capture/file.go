package capture

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

	"github.com/google/gopacket/layers"
	"github.com/klauspost/compress/gzip"
)

// ErrPartial is wrapped by the errors of File.Run where a file ends early or is damaged: the packets before
// that point were delivered and the result is usable, but not whole.
var ErrPartial = errors.New("recording is incomplete")

// ErrFormat is wrapped by the errors of OpenFile where the content is no packet capture.
var ErrFormat = errors.New("not a pcap or pcapng file")

const (
	readSize      = 256 << 10 // stays in the processor's cache between reading and decoding
	maxPacket     = 16 << 20  // captured bytes of one packet
	checkInterval = 1024      // packets between looks at the context
)

// File reads one capture file: pcap with microseconds or nanoseconds in either byte order, or pcapng, plain or
// compressed with gzip.
type File struct {
	name    string
	closers []io.Closer
	packets packetReader
	w       *window
	done    atomic.Int64
	total   int64
}

var _ Source = (*File)(nil)

// record is one packet of a file. data is valid until the next one is read.
type record struct {
	at   time.Time
	link layers.LinkType
	size int // on the wire
	data []byte
}

// packetReader reads one file format. next returns io.EOF at the regular end.
type packetReader interface {
	next(*record) error
	snapLen() int // 0 when unknown
}

// OpenFile opens a capture file and reads its head; the format is told by content, not by name.
// Path "-" reads standard input. Errors for content of another kind wrap ErrFormat.
func OpenFile(path string) (*File, error) {
	if path == "-" {
		f, err := newFile("standard input", os.Stdin)
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return f, nil
	}
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open capture: %w", err) // the error names the path
	}
	f, err := newFile(path, in)
	if err != nil {
		_ = in.Close()
		return nil, fmt.Errorf("open capture %s: %w", path, err)
	}
	f.closers = append(f.closers, in)
	if info, err := in.Stat(); err == nil && info.Mode().IsRegular() {
		f.total = info.Size()
		if !f.w.packed {
			f.w.size = f.total
		}
	}
	return f, nil
}

// SnapLen returns the most bytes of a packet that were recorded, as the part of the file read so far says;
// 0 when unknown.
func (f *File) SnapLen() int { return f.packets.snapLen() }

// NewFile reads a capture from r, as OpenFile does from a path. Closing the File does not close r, but a
// compressed capture may be read ahead until one read of r after Close returns.
func NewFile(r io.Reader) (*File, error) {
	f, err := newFile("capture", r)
	if err != nil {
		return nil, fmt.Errorf("read capture: %w", err)
	}
	return f, nil
}

func newFile(name string, r io.Reader) (*File, error) {
	f := &File{name: name}
	w := &window{r: &counter{r: r, n: &f.done}}
	magic, err := w.peek(4)
	if err == nil && bytes.Equal(magic[:3], []byte{0x1f, 0x8b, 8}) {
		zr, zerr := gzip.NewReader(bufio.NewReaderSize(rest(w), 64<<10))
		switch {
		case errors.Is(zerr, io.EOF), errors.Is(zerr, io.ErrUnexpectedEOF), errors.Is(zerr, gzip.ErrHeader):
			return nil, fmt.Errorf("gzip header is damaged: %w", ErrFormat)
		case zerr != nil:
			return nil, fmt.Errorf("read gzip: %w", zerr)
		}
		ahead := newReadahead(zr)
		f.closers = append(f.closers, ahead)
		w = &window{r: ahead, packed: true}
		magic, err = w.peek(4)
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("file is shorter than its header: %w", ErrFormat)
	}
	if err == nil {
		if bytes.Equal(magic, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
			f.packets, err = newPcapng(w)
		} else {
			f.packets, err = newPcap(w)
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	f.w = w
	return f, nil
}

// Run gives every packet of the file to e, from where it stands to the end. It does not flush e, so that
// several files can make one recording. Where the file is cut off or damaged, what came before is delivered
// and the error wraps ErrPartial. A done ctx ends Run between packets with ctx's error.
func (f *File) Run(ctx context.Context, e *Engine) error {
	var rec record
	for n := 0; ; n++ {
		if n%checkInterval == 0 && ctx.Err() != nil {
			return fmt.Errorf("read %s: %w", f.name, ctx.Err())
		}
		switch err := f.packets.next(&rec); {
		case err == io.EOF: //nolint:errorlint // io.Reader's contract: the bare value is the regular end
			return nil
		case err != nil:
			return fmt.Errorf("read %s after %d packets: %w", f.name, n, err)
		}
		e.Packet(rec.at, rec.link, rec.data, rec.size)
	}
}

// Progress returns how many bytes of the file were read, and its size, 0 when unknown. Both count compressed
// bytes in a compressed file. It may be called while Run runs.
func (f *File) Progress() (done, total int64) {
	return f.done.Load(), f.total
}

// Close releases the file. It must not be called while Run runs.
func (f *File) Close() error {
	var err error
	for _, c := range f.closers {
		err = errors.Join(err, c.Close())
	}
	f.closers = nil
	return err
}

type counter struct {
	r io.Reader
	n *atomic.Int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// window is a buffered reader that lends slices of its buffer.
type window struct {
	r          io.Reader
	buf        []byte
	start, end int
	offset     int64 // of start in the file
	size       int64 // of the file; 0 when unknown
	packed     bool  // the file is compressed: offset counts unpacked bytes
	err        error
}

// peek returns the next n bytes without passing them, valid until the next call. At the end of the input it
// returns io.EOF if there are none and io.ErrUnexpectedEOF if there are fewer.
func (w *window) peek(n int) ([]byte, error) {
	if w.end-w.start < n {
		if err := w.fill(n); err != nil {
			return nil, err
		}
	}
	return w.buf[w.start : w.start+n], nil
}

// skip passes n bytes that peek returned.
func (w *window) skip(n int) {
	w.start += n
	w.offset += int64(n)
}

// discard passes n bytes, whether buffered or not.
func (w *window) discard(n int64) error {
	for n > 0 {
		step := int(min(n, readSize))
		if _, err := w.peek(step); err != nil {
			if errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return err
		}
		w.skip(step)
		n -= int64(step)
	}
	return nil
}

func (w *window) fill(n int) error {
	if n > len(w.buf) {
		// Double, so that one giant packet in the file does not make a copy of each that follows.
		buf := make([]byte, max(readSize, 2*n))
		w.end = copy(buf, w.buf[w.start:w.end])
		w.buf, w.start = buf, 0
	} else if w.start > 0 {
		w.end = copy(w.buf, w.buf[w.start:w.end])
		w.start = 0
	}
	for idle := 0; w.end < n; {
		if w.err != nil {
			if !errors.Is(w.err, io.EOF) || w.end == 0 {
				return w.err
			}
			return io.ErrUnexpectedEOF
		}
		var got int
		got, w.err = w.r.Read(w.buf[w.end:])
		w.end += got
		if got > 0 {
			idle = 0
		} else if idle++; idle > 100 && w.err == nil {
			w.err = io.ErrNoProgress
		}
	}
	return nil
}

// rest reads what w has buffered and then its source.
func rest(w *window) io.Reader {
	return io.MultiReader(bytes.NewReader(w.buf[w.start:w.end]), w.r)
}

// place words where w stands.
func (w *window) place() string {
	if w.packed {
		return fmt.Sprintf("byte %d of the unpacked file", w.offset)
	}
	return fmt.Sprintf("byte %d", w.offset)
}

// unread words what a damaged spot keeps from being read; empty when unknown.
func (w *window) unread() string {
	if w.size <= w.offset {
		return ""
	}
	return fmt.Sprintf(" (%d bytes from there on were not read)", w.size-w.offset)
}

// damaged turns an error inside a packet or block into one that wraps ErrPartial, unless reading itself failed.
func damaged(err error, w *window) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("file ends in the middle of a packet at %s: %w", w.place(), ErrPartial)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), isCorruptDeflate(err):
		return fmt.Errorf("compressed data is damaged after %s (%w): %w", w.place(), err, ErrPartial)
	}
	return err
}

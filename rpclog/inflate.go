package rpclog

import (
	"bufio"
	"errors"
	"io"
	"iter"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// coding is a content coding, RFC 9110, section 8.4.1.
type coding uint8

const (
	identical coding = iota
	gzipped
	deflated
	brotlied
	zstandard
	unknownCoding
	codings
)

func codingOf(value []byte) coding {
	switch {
	case len(value) == 0, fold(value, "identity"):
		return identical
	case fold(value, "gzip"), fold(value, "x-gzip"):
		return gzipped
	case fold(value, "deflate"):
		return deflated
	case fold(value, "br"):
		return brotlied
	case fold(value, "zstd"):
		return zstandard
	}
	return unknownCoding
}

// maxWindow bounds the history a zstd body may ask for; RFC 8878, section 3.1.1.1.2, recommends 8 MiB.
const maxWindow = 8 << 20

// inflater decodes bodies one after the other. Decompressors pull their input while a capture pushes it:
// the decompressor runs as a coroutine that rests whenever its input is used up, so that no body is ever
// buffered whole.
type inflater struct {
	coding coding
	limit  int64 // decoded bytes per body
	failed *int64

	in    []byte
	eof   bool
	yield func(struct{}) bool
	next  func() (struct{}, bool)
	end   func()
	out   scanner
	ok    bool // the body decoded to its end

	gz  *gzip.Reader
	fl  io.ReadCloser
	zl  io.ReadCloser
	br  *brotli.Reader
	zs  *zstd.Decoder
	pre *bufio.Reader
	buf [16 << 10]byte
}

var errStopped = errors.New("body ended early")

// inflater returns a decoder of c, or nil if there can be none.
func (d *Decoder) inflater(c coding) *inflater {
	if c >= unknownCoding || d.idle.busy >= d.cfg.Decompressors {
		return nil
	}
	d.idle.busy++
	z := takeIdle(&d.idle.inflaters[c])
	z.coding, z.limit, z.failed = c, d.cfg.DecodedBytes, &d.stats.Undecoded
	return z
}

// shelve keeps z, which was stopped, for the next body.
func (d *Decoder) shelve(z *inflater) {
	d.idle.busy--
	if list := &d.idle.inflaters[z.coding]; len(*list) < 4 { // their windows are large
		*list = append(*list, z)
	}
}

// start begins a body whose decoded bytes go to out.
func (z *inflater) start(out scanner) {
	z.in, z.eof, z.out, z.ok = nil, false, out, false
	z.next, z.end = iter.Pull(z.run)
}

// write decodes the next bytes of the body.
func (z *inflater) write(b []byte) {
	if z.next == nil || len(b) == 0 {
		return
	}
	z.in = b
	if _, more := z.next(); !more {
		z.stop()
	}
	z.in = nil
}

// finish decodes what is left after the last byte.
func (z *inflater) finish() {
	if z.next == nil {
		return
	}
	z.eof = true
	z.next()
	z.stop()
}

// stop ends the body wherever it is.
func (z *inflater) stop() {
	if z.next == nil {
		return
	}
	z.end()
	z.next, z.end, z.yield, z.out, z.in = nil, nil, nil, nil, nil
	if !z.ok {
		*z.failed++
	}
}

// Read gives the decompressor the bytes at hand, or rests until there are more.
func (z *inflater) Read(p []byte) (int, error) {
	if err := z.await(); err != nil {
		return 0, err
	}
	n := copy(p, z.in)
	z.in = z.in[n:]
	return n, nil
}

// ReadByte makes the inflater the flate.Reader that needs no buffer of its own.
func (z *inflater) ReadByte() (byte, error) {
	if len(z.in) == 0 {
		if err := z.await(); err != nil {
			return 0, err
		}
	}
	c := z.in[0]
	z.in = z.in[1:]
	return c, nil
}

// await rests until there are bytes at hand.
func (z *inflater) await() error {
	for len(z.in) == 0 {
		if z.eof {
			return io.EOF
		}
		if !z.yield(struct{}{}) {
			z.eof = true
			return errStopped
		}
	}
	return nil
}

func (z *inflater) run(yield func(struct{}) bool) {
	z.yield = yield
	r, err := z.reader()
	if err != nil {
		return
	}
	for left := z.limit; left > 0; {
		n, err := r.Read(z.buf[:min(int64(len(z.buf)), left)])
		left -= int64(n)
		z.out.write(z.buf[:n])
		if err != nil {
			z.ok = errors.Is(err, io.EOF)
			return
		}
	}
}

// reader readies the decompressor, made anew only the first time.
func (z *inflater) reader() (io.Reader, error) {
	switch z.coding {
	case gzipped:
		if z.gz == nil {
			z.gz = new(gzip.Reader)
		}
		return z.gz, z.gz.Reset(z)
	case deflated:
		return z.deflate()
	case brotlied:
		if z.br == nil {
			z.br = brotli.NewReader(z)
			return z.br, nil
		}
		return z.br, z.br.Reset(z)
	default:
		if z.zs == nil {
			var err error
			z.zs, err = zstd.NewReader(z, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
			return z.zs, err
		}
		return z.zs, z.zs.Reset(z)
	}
}

// deflate tells zlib, which RFC 9110 means by deflate, from the raw form that some servers send.
func (z *inflater) deflate() (io.Reader, error) {
	if z.pre == nil {
		z.pre = bufio.NewReaderSize(z, 512)
	} else {
		z.pre.Reset(z)
	}
	two, err := z.pre.Peek(2)
	if err != nil {
		return nil, err
	}
	if two[0]&0x0f != 8 || (int(two[0])<<8|int(two[1]))%31 != 0 {
		if z.fl == nil {
			z.fl = flate.NewReader(z.pre)
			return z.fl, nil
		}
		return z.fl, z.fl.(flate.Resetter).Reset(z.pre, nil)
	}
	if z.zl == nil {
		z.zl, err = zlib.NewReader(z.pre)
		return z.zl, err
	}
	return z.zl, z.zl.(zlib.Resetter).Reset(z.pre, nil)
}

package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

const defaultLine = 16 << 20

// ReaderConfig bounds what a Reader takes. The zero value works.
type ReaderConfig struct {
	// LineBytes bounds a line. Defaults to 16 MiB.
	LineBytes int
	// Depth bounds the nesting of arguments and answers. Defaults to 128.
	Depth int
	// Sessions bounds the sessions of a file. Defaults to 262144.
	Sessions int
	// Bytes bounds the whole of what is unpacked. Defaults to 64 GiB.
	Bytes int64
}

func (c ReaderConfig) withDefaults() ReaderConfig {
	if c.LineBytes <= 0 {
		c.LineBytes = defaultLine
	}
	if c.Depth <= 0 {
		c.Depth = 128
	}
	if c.Sessions <= 0 {
		c.Sessions = 1 << 18
	}
	if c.Bytes <= 0 {
		c.Bytes = 64 << 30
	}
	return c
}

// Error is why a load cannot be read, or not to its end.
type Error struct {
	File string // its name without folders
	Line int64  // 0 if it is of no line
	Err  error
	Hint string // what to do
}

func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("read load %s: line %d: %v", e.File, e.Line, e.Err)
	}
	return fmt.Sprintf("read load %s: %v", e.File, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Causes that callers tell apart.
var (
	// ErrFormat says that the file is no load, or a damaged one.
	ErrFormat = errors.New("not a perfd load")
	// ErrVersion says that a newer perfd wrote it.
	ErrVersion = errors.New("written by a newer perfd")
	// ErrCutOff says that the file ends before its end: what was read is right.
	ErrCutOff = errors.New("the file is cut off")
	// ErrBound says that something exceeds a bound.
	ErrBound = errors.New("more than is allowed")
)

// Reader reads a load, one call at a time. It is not safe for concurrent use.
type Reader struct {
	cfg      ReaderConfig
	file     string
	z        *zstd.Decoder
	in       *bufio.Reader
	line     int64
	buf      []byte
	header   Header
	sessions map[string]Session
	last     Call
	err      error
}

// NewReader reads a load's header. The name is what errors call the file.
func NewReader(in io.Reader, name string, cfg ReaderConfig) (*Reader, error) {
	r := &Reader{cfg: cfg.withDefaults(), file: showName(name), sessions: map[string]Session{}}
	var err error
	r.z, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return nil, r.fail(fmt.Errorf("%w: %w", ErrFormat, err))
	}
	r.in = bufio.NewReaderSize(io.LimitReader(r.z, r.cfg.Bytes), 64<<10)
	if err := r.begin(); err != nil {
		r.z.Close()
		return nil, err
	}
	return r, nil
}

// showName is a file's name as errors show it.
func showName(name string) string {
	name = filepath.Base(name)
	if !isText(name, maxName) {
		return strconv.QuoteToASCII(name[:min(len(name), maxName)])
	}
	return name
}

// Close frees what the reader holds. The stream beneath stays open.
func (r *Reader) Close() { r.z.Close() }

// Header is what the file says of itself.
func (r *Reader) Header() Header { return r.header }

// Session is what was read so far of a session.
func (r *Reader) Session(id string) (Session, bool) {
	s, ok := r.sessions[id]
	return s, ok
}

func (r *Reader) begin() error {
	first, err := r.next(64)
	if err != nil {
		if errors.Is(err, ErrBound) || errors.Is(err, ErrCutOff) {
			return r.fail(ErrFormat)
		}
		return err
	}
	word, number, _ := strings.Cut(string(first), " ")
	version, err := strconv.Atoi(number)
	switch {
	case word != magic || err != nil || version < 1:
		return r.fail(ErrFormat)
	case version > Version:
		return r.fail(fmt.Errorf("version %d: %w", version, ErrVersion))
	}
	rec, err := r.record(min(r.cfg.LineBytes, headerLine))
	if err != nil {
		return err
	}
	if rec.Header == nil {
		return r.fail(fmt.Errorf("there is no header: %w", ErrFormat))
	}
	r.header = *rec.Header
	if err := r.header.check(); err != nil {
		return r.fail(err)
	}
	if r.header.Version != version {
		return r.fail(fmt.Errorf("version: %w", ErrFormat))
	}
	return nil
}

// Next is the next call, settled (see Call.Settle), which is the caller's to keep; io.EOF after the last. An error that wraps ErrCutOff comes after
// all that could be read.
func (r *Reader) Next() (Call, error) {
	if r.err != nil {
		return Call{}, r.err
	}
	c, err := r.call()
	r.err = err
	return c, err
}

func (r *Reader) call() (Call, error) {
	for {
		rec, err := r.record(r.cfg.LineBytes)
		if err != nil {
			return Call{}, err
		}
		switch {
		case rec.Session != nil:
			if err := rec.Session.check(); err != nil {
				return Call{}, r.fail(err)
			}
			if _, known := r.sessions[rec.Session.ID]; !known && len(r.sessions) >= r.cfg.Sessions {
				return Call{}, r.fail(fmt.Errorf("sessions: %w", ErrBound))
			}
			r.sessions[rec.Session.ID] = *rec.Session
		case rec.Call != nil:
			c, err := rec.Call.call()
			if err == nil {
				err = r.checkCall(&c)
			}
			if err != nil {
				return Call{}, r.fail(err)
			}
			r.last = c
			c.Settle()
			return c, nil
		case rec.End != nil:
			return Call{}, r.ended(rec.End)
		default:
			return Call{}, r.fail(fmt.Errorf("a line of no known kind: %w", ErrFormat))
		}
	}
}

// ended checks the last line against what was read.
func (r *Reader) ended(e *end) error {
	if e.Calls != r.last.Seq || e.Sessions != int64(len(r.sessions)) {
		return r.fail(fmt.Errorf("%d calls of %d: %w", r.last.Seq, e.Calls, ErrFormat))
	}
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		return r.fail(fmt.Errorf("there is more after the end: %w", ErrFormat))
	}
	return io.EOF
}

func (r *Reader) checkCall(c *Call) error {
	if err := c.check(); err != nil {
		return err
	}
	switch _, known := r.sessions[c.Session]; {
	case !known:
		return fmt.Errorf("its session is not known: %w", errOrder)
	case c.Seq != r.last.Seq+1:
		return fmt.Errorf("number %d after %d: %w", c.Seq, r.last.Seq, errOrder)
	case c.At < r.last.At:
		return fmt.Errorf("it begins before the call before it: %w", errOrder)
	}
	for _, raw := range []json.RawMessage{c.Args, c.Kwargs, c.Params, c.Query, c.Fields, c.Answer} {
		if deeper(raw, r.cfg.Depth) {
			return fmt.Errorf("nesting of arguments: %w", ErrBound)
		}
	}
	if err := kindOf(c.Args, '['); err != nil {
		return fmt.Errorf("args: %w", err)
	}
	if err := kindOf(c.Kwargs, '{'); err != nil {
		return fmt.Errorf("kwargs: %w", err)
	}
	for _, raw := range []json.RawMessage{c.Query, c.Fields} {
		if _, err := ParseFields(raw); err != nil {
			return fmt.Errorf("query or fields: %w: %w", ErrFormat, err)
		}
	}
	return nil
}

// kindOf checks that a value that is there begins as it must.
func kindOf(raw json.RawMessage, open byte) error {
	if len(raw) > 0 && raw[0] != open {
		return ErrFormat
	}
	return nil
}

// deeper reports whether valid JSON nests deeper than limit.
func deeper(raw []byte, limit int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > limit {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

// headerLine bounds the header's line, and mintedText the list of what a call made: small texts of them take much memory.
const (
	headerLine = 1 << 20
	mintedText = maxMinted * 20
)

// foundRecord is a record as it is read.
type foundRecord struct {
	Header  *Header    `json:"load"`
	Session *Session   `json:"session"`
	Call    *foundCall `json:"call"`
	End     *end       `json:"end"`
}

// foundCall is a call whose list of what it made is not read yet.
type foundCall struct {
	Call
	Minted json.RawMessage `json:"minted"`
}

func (f *foundCall) call() (Call, error) {
	switch {
	case len(f.Minted) == 0:
		return f.Call, nil
	case len(f.Minted) > mintedText:
		return f.Call, fmt.Errorf("minted: %w", ErrBound)
	}
	if err := json.Unmarshal(f.Minted, &f.Call.Minted); err != nil {
		return f.Call, fmt.Errorf("minted: %w: %s", ErrFormat, jsonTrouble(err))
	}
	return f.Call, nil
}

// record reads a line.
func (r *Reader) record(limit int) (foundRecord, error) {
	b, err := r.next(limit)
	if err != nil {
		return foundRecord{}, err
	}
	if deeper(b, r.cfg.Depth+4) {
		return foundRecord{}, r.fail(fmt.Errorf("nesting: %w", ErrBound))
	}
	var rec foundRecord
	if err := json.Unmarshal(b, &rec); err != nil {
		return foundRecord{}, r.fail(fmt.Errorf("%w: %s", ErrFormat, jsonTrouble(err)))
	}
	return rec, nil
}

// jsonTrouble is what an error of encoding/json says, without the values that it may quote.
func jsonTrouble(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return "byte " + strconv.FormatInt(syntax.Offset, 10) + " is no JSON"
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return "byte " + strconv.FormatInt(kind.Offset, 10) + " is of another type"
	}
	return "no JSON"
}

// next reads a line of at most limit bytes, valid until the next one.
func (r *Reader) next(limit int) ([]byte, error) {
	r.line++
	r.buf = r.buf[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		if len(r.buf)+len(part) > limit {
			return nil, r.fail(fmt.Errorf("it is longer than %d bytes: %w", limit, ErrBound))
		}
		r.buf = append(r.buf, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(r.buf, []byte{'\n'}), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, r.fail(ErrCutOff)
		case r.line == 1:
			return nil, r.fail(fmt.Errorf("%w: %w", ErrFormat, err))
		default:
			return nil, r.fail(fmt.Errorf("unpack: %w", err))
		}
	}
}

// fail is err with where it was and what to do about it.
func (r *Reader) fail(err error) error {
	hint := "the file is damaged: copy it again, or record it anew with perfd record"
	switch {
	case errors.Is(err, ErrVersion):
		hint = "use the perfd that wrote it, or a newer one"
	case errors.Is(err, ErrCutOff):
		hint = "what stands before can be used; copy the file again, or record anew, for the rest"
	case errors.Is(err, ErrBound):
		hint = "perfd record writes no such file: do not trust it, and record anew"
	case errors.Is(err, ErrFormat) && r.line <= 1:
		hint = "name a file that perfd record wrote"
	}
	line := r.line
	if line == 1 {
		line = 0
	}
	return &Error{File: r.file, Line: line, Err: err, Hint: hint}
}

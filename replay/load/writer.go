package load

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
)

// magic is the first line of the stream, before the version.
const magic = "perfd-load"

// Config is how a Writer writes. The zero value writes no arguments and no answers.
type Config struct {
	// Key keys the aliases that stand in the place of values: the same value has the same alias in all files of one key,
	// and who has it can tell whether a value stood there. Defaults to a random one that nobody knows.
	Key []byte
	// Rules say of which calls the arguments are kept, and which of their values stand as they are. Defaults to none.
	Rules Rules
	// Logins keeps the logins of users instead of user1, user2…
	Logins bool
	// Answers keeps the answers of the calls whose arguments are kept, by the same rules.
	Answers bool
	// LineBytes bounds a line; arguments and answers that do not fit are left out of their call. Defaults to 16 MiB.
	LineBytes int
}

// Writer writes a load to a stream, redacted. It is not safe for concurrent use.
type Writer struct {
	cfg   Config
	out   *counting
	z     *zstd.Encoder
	alias *aliases
	buf   bytes.Buffer
	fresh int   // bytes since the last flush
	head  int64 // bytes of the header's frame
	seq   int64
	last  time.Duration
	known map[string]bool
	usage usage
	err   error
}

// counting counts what passes.
type counting struct {
	io.Writer
	n int64
}

func (c *counting) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.n += int64(n)
	return n, err //nolint:wrapcheck // whoever gave the writer knows better
}

// NewWriter begins a load. Version, Arguments, Answers, Redacted and Pepper of the header are the writer's to say.
func NewWriter(w io.Writer, h Header, cfg Config) (*Writer, error) {
	if cfg.LineBytes <= 0 {
		cfg.LineBytes = defaultLine
	}
	if len(cfg.Key) == 0 {
		cfg.Key = make([]byte, 32)
		_, _ = rand.Read(cfg.Key) // never fails
	}
	o := &Writer{cfg: cfg, out: &counting{Writer: w}, alias: newAliases(cfg.Key), known: map[string]bool{}, usage: newUsage()}
	var err error
	if o.z, err = zstd.NewWriter(o.out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20)); err != nil {
		return nil, fmt.Errorf("begin load: %w", err)
	}
	if err := o.begin(h); err != nil {
		return nil, fmt.Errorf("begin load: %w", err)
	}
	return o, nil
}

// begin writes the first lines, in a frame of their own so that Amend can change them.
func (w *Writer) begin(h Header) error {
	h.Version, h.Arguments, h.Answers, h.Redacted, h.Pepper = Version, w.cfg.Rules.Any(), w.cfg.Answers && w.cfg.Rules.Any(), true, Pepper(w.cfg.Key)
	if err := h.check(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w.z, "%s %d\n", magic, Version); err != nil {
		return err //nolint:wrapcheck // wrapped by the caller
	}
	if err := w.line(record{Header: &h}); err != nil {
		return err
	}
	if err := w.z.Close(); err != nil {
		return err //nolint:wrapcheck // wrapped by the caller
	}
	w.head = w.out.n
	w.z.Reset(w.out)
	return nil
}

// record is a line: one of its members.
type record struct {
	Header  *Header  `json:"load,omitempty"`
	Session *Session `json:"session,omitempty"`
	Call    *Call    `json:"call,omitempty"`
	End     *end     `json:"end,omitempty"`
}

// end is the last line; without it the file is cut off.
type end struct {
	Calls    int64 `json:"calls"`
	Sessions int64 `json:"sessions"`
}

// line writes a record.
func (w *Writer) line(r record) error {
	w.buf.Reset()
	e := json.NewEncoder(&w.buf)
	e.SetEscapeHTML(false) // arguments stand as they travelled
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write load: %w", err)
	}
	if w.buf.Len() > w.cfg.LineBytes {
		return fmt.Errorf("write load: %w", errLong)
	}
	if _, err := w.z.Write(w.buf.Bytes()); err != nil {
		return fmt.Errorf("write load: %w", err)
	}
	if w.fresh += w.buf.Len(); w.fresh < flushBytes {
		return nil
	}
	w.fresh = 0
	if err := w.z.Flush(); err != nil {
		return fmt.Errorf("write load: %w", err)
	}
	return nil
}

// flushBytes is after how much a block ends, so that a file that is cut off can be read up to there.
const flushBytes = 32 << 10

var errLong = errors.New("a line is too long")

// Session writes a session, before its first call; again, what was learned of it since. Its ID may be anything that is
// the same for the same session; its alias is returned.
func (w *Writer) Session(s Session) (alias string, err error) {
	if w.err != nil {
		return "", w.err
	}
	s.ID = w.alias.session(s.ID)
	if s.Login != "" && !w.cfg.Logins {
		s.Login = w.alias.login(s.Login)
	}
	if !isText(s.Login, maxName) {
		s.Login = ""
	}
	if !isText(s.Database, maxName) {
		s.Database = ""
	}
	if err := s.check(); err != nil {
		return "", fmt.Errorf("write session: %w", err)
	}
	w.known[s.ID] = true
	w.err = w.line(record{Session: &s})
	return s.ID, w.err
}

// Call writes a call, redacted. Its Session is what was given as the session's ID, its Seq is the writer's to say, and it
// may not begin before the call before it. What Answer holds is left out unless answers are kept.
func (w *Writer) Call(c Call) error {
	if w.err != nil {
		return w.err
	}
	c.Session = w.alias.session(c.Session)
	switch {
	case !w.known[c.Session]:
		return fmt.Errorf("write call: session: %w", errOrder)
	case c.At < w.last:
		return fmt.Errorf("write call: time: %w", errOrder)
	}
	w.last = c.At
	w.seq++
	c.Seq = w.seq
	c.mend()
	w.redact(&c)
	if err := c.check(); err != nil {
		return fmt.Errorf("write call: %w", err)
	}
	err := w.line(record{Call: &c})
	if errors.Is(err, errLong) {
		c.drop()
		c.Minted = nil
		c.lack("arguments")
		err = w.line(record{Call: &c})
	}
	w.err = err
	return err
}

// Close ends the load. The stream beneath stays open.
func (w *Writer) Close() error {
	if w.err != nil {
		_ = w.z.Close() // the error before is the one to tell
		return w.err
	}
	if err := w.line(record{End: &end{Calls: w.seq, Sessions: int64(len(w.known))}}); err != nil {
		return err
	}
	w.err = errClosed
	if err := w.z.Close(); err != nil {
		return fmt.Errorf("write load: %w", err)
	}
	return nil
}

var errClosed = errors.New("the load is closed")

// Amend copies the closed load that w wrote, read from its beginning, to dst under another header: what is known at the
// end alone stands at the beginning.
func (w *Writer) Amend(dst io.Writer, src io.ReadSeeker, h Header) error {
	if _, err := src.Seek(w.head, io.SeekStart); err != nil {
		return fmt.Errorf("amend load: %w", err)
	}
	cfg := w.cfg
	o := &Writer{cfg: cfg, out: &counting{Writer: dst}, alias: w.alias}
	var err error
	if o.z, err = zstd.NewWriter(o.out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20)); err == nil {
		err = o.begin(h)
	}
	if err == nil {
		_, err = io.Copy(dst, src)
	}
	if err != nil {
		return fmt.Errorf("amend load: %w", err)
	}
	return nil
}

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/rpclog"
)

// loadWriter is a sink that writes a load: first to a file beside it, since what its header says shows at the end.
type loadWriter struct {
	o      *recordOptions
	cfg    load.Config
	pepper string
	file   *os.File
	writer *load.Writer // nil until the first call

	pending atomic.Int64 // bytes of arguments and answers that wait

	start    time.Time
	last     time.Duration
	sessions map[string]load.Session // as they were written

	sources, lacks               []string
	products, databases, servers map[string]int
	uuids                        map[string]string // by database
	calls, left, late, anonymous int
	bare, secret, blank, gapped  int
	unread                       int
}

var _ analyzer.Sink = (*loadWriter)(nil)

// keptBytes bounds what is read of one request or answer to keep it or to hash it.
const keptBytes = 4 << 20

// newLoadWriter opens the file beside the one that is to be.
func newLoadWriter(o *recordOptions) (*loadWriter, error) {
	f, err := os.OpenFile(beside(o.out), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, hinted{fmt.Errorf("create load %s: %w", o.out, cause(err)), "check the folder of OUT"}
	}
	return &loadWriter{
		o: o, file: f, cfg: load.Config{Key: o.key, Rules: o.rules, Logins: o.logins, Answers: o.answers}, pepper: load.Pepper(o.key),
		sessions: map[string]load.Session{}, products: map[string]int{}, databases: map[string]int{}, servers: map[string]int{}, uuids: map[string]string{},
	}, nil
}

// discard removes the file beside.
func (r *loadWriter) discard() {
	_ = r.file.Close()
	_ = os.Remove(r.file.Name()) // what is wrong with it was told when it was written
}

// noted is what a call's end leaves of its answer.
type noted struct {
	digest string
	minted []load.Minted
	uuid   string // of the database, if the answer tells it
}

// keeping asks for answers, to hash them, and for the arguments that rules or hashes want.
func (r *loadWriter) keeping() keeping {
	return keeping{
		rpc: rpclog.Config{KeepBytes: keptBytes, Keep: func(c *rpclog.Call) rpclog.Keep {
			switch {
			case c.Class != rpclog.Ordinary:
				return 0
			case r.o.rules.Any() && c.Transport == rpclog.HTTP, r.o.rules.Keeps(c.Model), c.Method == "web_save", c.Model == "ir.config_parameter", c.Path == "/web/session/account":
				return rpclog.KeepRequest | rpclog.KeepAnswer
			}
			return rpclog.KeepAnswer
		}},
		ended: r.note,
	}
}

// note takes of an answer what is to be known of it, as soon as it is there, and lets it go.
func (r *loadWriter) note(c *rpclog.Call) {
	o := c.Content
	if o == nil {
		return
	}
	if o.Result != nil {
		as := load.Call{Transport: c.Transport.String(), Service: c.Service, Model: c.Model, Method: c.Method, Error: c.Error, Args: o.Args, Kwargs: o.Kwargs}
		o.Note = noted{load.Digest(r.pepper, o.Result), load.Mints(&as, o.Result), o.DatabaseUUID}
	} else if o.DatabaseUUID != "" {
		o.Note = noted{uuid: o.DatabaseUUID}
	}
	keep := r.o.rules.Keeps(c.Model)
	if !keep {
		o.Args, o.Kwargs, o.Params = nil, nil, nil
	}
	if !keep || !r.o.answers {
		o.Result = nil
	}
	if n := contentBytes(o); r.pending.Add(n) > pendingBytes {
		r.pending.Add(-n)
		o.Unread = o.Unread || o.Query != nil
		o.Args, o.Kwargs, o.Params, o.Query, o.Fields, o.Result = nil, nil, nil, nil, nil, nil
	}
}

// pendingBytes bounds the arguments and answers of calls whose statements are not yet known.
const pendingBytes = 64 << 20

func contentBytes(o *rpclog.Content) int64 {
	return int64(len(o.Args) + len(o.Kwargs) + len(o.Params) + len(o.Query) + len(o.Fields) + len(o.Result))
}

// written takes a call's arguments out of the count; those of a hop before it, which is no call of its own, too.
func (r *loadWriter) written(t *analyzer.Trace) {
	if t.Call.Content == nil {
		return
	}
	n := contentBytes(t.Call.Content)
	if t.Front != nil {
		n = min(2*n, r.pending.Load())
	}
	r.pending.Add(-n)
}

// Background implements analyzer.Sink.
func (r *loadWriter) Background(*analyzer.Background) error { return nil }

// Trace implements analyzer.Sink.
func (r *loadWriter) Trace(t *analyzer.Trace) error {
	defer r.written(t)
	c := t.Call
	if c.Class == rpclog.Poll || c.Class == rpclog.Handshake {
		r.left++
		return nil
	}
	if err := r.begin(c.Start); err != nil {
		return err
	}
	database := c.Database
	if database == "" && len(t.Spans) > 0 {
		database = t.Spans[0].Statement.Session.Database
	}
	r.tell(c, database)
	if o := c.Content; o != nil {
		if n, ok := o.Note.(noted); ok && n.uuid != "" && len(r.uuids) < maxSources {
			r.uuids[database] = n.uuid
		}
	}
	key, err := r.session(c, database)
	if err != nil {
		return err
	}
	l := r.call(t)
	l.Session = key
	return r.writer.Call(l)
}

// begin writes the header when the first call comes; zero if there is none.
func (r *loadWriter) begin(start time.Time) (err error) {
	if r.writer != nil {
		return nil
	}
	r.start = start
	r.writer, err = load.NewWriter(r.file, load.Header{Start: start}, r.cfg)
	return err
}

// tell counts what the header says of all calls.
func (r *loadWriter) tell(c *rpclog.Call, database string) {
	r.calls++
	switch {
	case c.Transport == rpclog.Tryton:
		r.products["tryton"]++
	case c.Transport != rpclog.HTTP:
		r.products["odoo"]++
	}
	if database != "" { // most web calls do not show it
		r.databases[database]++
	}
	if c.Server.IsValid() {
		r.servers[c.Server.String()]++
	}
}

// session writes a call's session, or what is known of it since, and returns its key. Calls that show none are together by
// user and client.
func (r *loadWriter) session(c *rpclog.Call, database string) (key string, err error) {
	s := load.Session{UID: max(c.UID, 0), Login: c.Login, Transport: c.Transport.String(), Database: database}
	switch {
	case c.Session != 0:
		key = strconv.FormatUint(uint64(c.Session), 16)
	case c.UID > 0:
		key, s.Anonymous = fmt.Sprint("user ", c.UID, c.Transport, database, " ", c.Client.Addr()), true
	default:
		key, s.Anonymous = fmt.Sprint("client ", c.Transport, " ", c.Client.Addr()), true
	}
	before, known := r.sessions[key]
	if !known && len(r.sessions) >= maxSessions {
		key, s = "others", load.Session{Transport: "http", Anonymous: true}
		before, known = r.sessions[key]
	}
	if s.Anonymous {
		r.anonymous++
	}
	if known {
		s.Transport = before.Transport
		if before.Transport == "http" && c.Transport != rpclog.HTTP {
			s.Transport = c.Transport.String()
		}
		s.UID, s.Login, s.Database = cmp.Or(before.UID, s.UID), cmp.Or(before.Login, s.Login), cmp.Or(before.Database, s.Database)
		if s == before {
			return key, nil
		}
	}
	r.sessions[key] = s
	s.ID = key
	_, err = r.writer.Session(s)
	return key, err
}

// call makes the load's form of a call.
func (r *loadWriter) call(t *analyzer.Trace) load.Call {
	c := t.Call
	l := load.Call{
		At: c.Start.Sub(r.start), Transport: c.Transport.String(), Verb: c.Verb, Path: c.Path, Service: c.Service, Model: c.Model, Method: c.Method,
		Status: c.Status, Error: c.Error, RequestBytes: c.RequestBytes, ResponseBytes: c.ResponseBytes,
		Statements: len(t.Spans), SQL: t.Time.SQL, Wait: t.Time.Lock,
	}
	if l.At < r.last {
		l.At = r.last
		r.late++
	}
	r.last = l.At
	if !c.End.IsZero() {
		l.Duration = c.End.Sub(c.Start)
	}
	if !c.First.IsZero() {
		l.First = c.First.Sub(c.Start)
	}
	var lacks []string
	for i, word := range []string{"request", "response", "start", "answer", "statements"} {
		if c.Gaps&(1<<i) != 0 {
			lacks = append(lacks, word)
		}
	}
	if len(lacks) > 0 {
		r.gapped++
	}
	if o := c.Content; o != nil {
		l.Args, l.Kwargs, l.Params, l.Query, l.Fields, l.Form, l.Answer = o.Args, o.Kwargs, o.Params, o.Query, o.Fields, o.Form, o.Result
		if n, ok := o.Note.(noted); ok {
			l.Digest, l.Minted = n.digest, n.minted
		}
		if o.Unread {
			lacks = append(lacks, "query")
			r.unread++
		}
		if o.Secret {
			r.secret++
			lacks = append(lacks, "secrets")
		}
	}
	if l.Digest == "" && c.Error == "" && c.Transport != rpclog.HTTP {
		r.blank++
	}
	if c.Verb == "POST" && l.Args == nil && l.Kwargs == nil && l.Params == nil && l.Fields == nil {
		lacks = append(lacks, "arguments")
		r.bare++
	}
	l.Lacks = strings.Join(lacks, ", ")
	return l
}

// finish ends the load and writes it to out under the header that it deserves.
func (r *loadWriter) finish(out io.Writer, rec analyzer.Recording) error {
	if err := r.begin(time.Time{}); err != nil {
		return err
	}
	if err := r.writer.Close(); err != nil {
		return err
	}
	database := most(r.databases)
	return r.writer.Amend(out, r.file, load.Header{
		Product: most(r.products), Database: database, DatabaseUUID: cmp.Or(r.o.uuid, r.uuids[database], r.uuids[""]), Server: most(r.servers), Start: r.start,
		Sources: r.sources[:min(len(r.sources), maxSources)], Lacks: r.missing(rec),
	})
}

// Bounds of what a load lists; a reader takes no more sessions than some over this.
const (
	maxSources  = 64
	maxSessions = 200000
)

// most is the key that was counted most.
func most(counts map[string]int) string {
	keys := slices.Sorted(maps.Keys(counts))
	if len(keys) == 0 {
		return ""
	}
	return slices.MaxFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(counts[a], counts[b]), strings.Compare(b, a)) })
}

// missing says in sentences what the load lacks.
func (r *loadWriter) missing(rec analyzer.Recording) []string {
	list := slices.Clone(r.lacks)
	say := func(n int, noun, what string) {
		if n > 0 {
			list = append(list, figures.Plural(int64(n), noun)+" "+what)
		}
	}
	if !r.o.rules.Any() && len(r.lacks) == 0 {
		list = append(list, "arguments were not kept: the load can be counted and asked what-if, not sent")
	}
	if r.o.rules.Any() {
		say(r.bare, "call", "without arguments: no rule keeps them, they are of log-ins, or they were not whole")
		say(r.unread, "call", "without the query: no rule keeps it, it is of a log-in, or it was not whole")
		say(r.secret, "call", "with secrets among the arguments, which are not kept")
	}
	say(r.blank, "call", "without a hash of the answer: it was not whole, too large, or of a log-in")
	say(r.anonymous, "call", "that showed no session, put together by user and client")
	say(r.left, "websocket or long-polling request", "left out")
	say(r.gapped, "call", "not whole in the recording")
	say(r.late, "call", "put later than it began, to be in order")
	say(int(rec.LostBytes), "byte", "not captured")
	say(int(rec.EncryptedHTTP), "encrypted connection", "of HTTP, whose calls are not in it")
	say(int(rec.EncryptedSQL), "encrypted connection", "of PostgreSQL, whose statements are not in it")
	say(int(rec.Truncated), "packet", "cut by the capture")
	say(int(rec.Evicted), "connection or packet", "given up at a limit")
	if rec.Partial != "" {
		why := rec.Partial
		for _, file := range r.o.from {
			why = strings.ReplaceAll(why, file, filepath.Base(file)) // where it stood is nobody's business
		}
		list = append(list, "the recording ends early: "+strings.Map(printable, why))
	}
	return list
}

// printable leaves control characters out.
func printable(c rune) rune {
	if c < ' ' || c >= 0x7f && c < 0xa0 {
		return ' '
	}
	return c
}

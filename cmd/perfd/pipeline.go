package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// The heap is small and short-lived, so collecting it less often than Go does by default saves a quarter of
// the work, and recordings of some 50 MB need no collection at all; the limit keeps a large one within
// 128 MiB all the same.
const (
	gcPercent   = 800
	memoryLimit = 84 << 20
)

// input is one capture to read.
type input struct {
	name string
	open func() (*capture.File, error)
}

func fileInput(path string) input {
	return input{path, func() (*capture.File, error) {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, fmt.Errorf("open capture %s: %w", path, cause(err))
		case info.IsDir():
			return nil, hinted{fmt.Errorf("open capture: %s is a folder", path), "name the files in it, such as " + filepath.Join(path, "*.pcap")}
		case info.Mode().IsRegular() && info.Size() == 0:
			return nil, hinted{fmt.Errorf("open capture: %s is empty", path), "record again; tcpdump writes when it ends, or with -U at once"}
		}
		f, err := capture.OpenFile(path)
		if err != nil {
			return nil, notACapture(path, err)
		}
		return f, nil
	}}
}

// pipeline is the wiring from captures to sinks.
type pipeline struct {
	inputs   []input
	rpcPorts []uint16
	pgPorts  []uint16
	from, to moment
	// watch is told when a file is read and returns what to do when that ends. May be nil.
	watch func(name string, progress func() (done, total int64)) (stop func())
	keep  keeping

	snapLength int // the smallest of the inputs read; 0 if unknown
}

// relay closes the circle between the decoders, which need a sink, and the analyzer, which needs their
// dictionary and identities. It notes the recording's first packet on the decoders' side.
type relay struct {
	*analyzer.Analyzer
	engine *capture.Engine
	first  time.Time
	ended  func(*rpclog.Call) // is shown each call as it ends; nil for nobody
}

// keeping is what a recorder wants of calls; the zero value wants nothing.
type keeping struct {
	rpc   rpclog.Config
	ended func(*rpclog.Call)
}

var (
	_ rpclog.Sink   = (*relay)(nil)
	_ sqltrace.Sink = (*relay)(nil)
)

func (r *relay) Begin(c *rpclog.Call) {
	r.note()
	r.Analyzer.Begin(c)
}

func (r *relay) End(c *rpclog.Call) {
	if r.ended != nil {
		r.ended(c)
	}
	r.Analyzer.End(c)
}

func (r *relay) Opened(s *sqltrace.Session) {
	r.note()
	r.Analyzer.Opened(s)
}

// disordered tells whether the times of packets are not to be trusted; those that proxies take are.
func (r *relay) disordered() bool { return r.engine != nil && r.engine.Stats().Disordered() }

func (r *relay) note() {
	if r.engine != nil && r.first.IsZero() { // relays of perfd's own have no engine
		r.first = r.engine.Stats().First
	}
}

// run reads the inputs as one recording and gives the results to the sink that makeSink makes of the shapes'
// dictionary. An error that wraps capture.ErrPartial comes with a usable result.
func (p *pipeline) run(ctx context.Context, makeSink func(sqltrace.Dictionary) (analyzer.Sink, error)) (analyzer.Recording, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(memoryLimit))

	r := &relay{ended: p.keep.ended}
	rpc := rpclog.New(p.keep.rpc, r)
	pg := sqltrace.New(sqltrace.Config{}, r)
	others := &onlooker{protocols: [2]capture.Protocol{rpc, pg}}
	protocols := []capture.Protocol{rpc, pg}
	if len(p.rpcPorts)+len(p.pgPorts) > 0 {
		protocols = append(protocols, others)
	}
	r.engine = capture.NewEngine(capture.Config{Ports: p.ports()}, protocols...)
	sink, err := makeSink(pg.Dictionary())
	if err != nil {
		return analyzer.Recording{}, err
	}
	out := newAside(sink)
	w := &window{from: p.from, to: p.to, base: func() time.Time { return r.first }, next: out}
	r.Analyzer = analyzer.New(analyzer.Config{Disordered: r.disordered}, pg.Dictionary(), rpc.Identify, w)

	partial, err := p.read(ctx, r.engine)
	if err != nil {
		return analyzer.Recording{}, errors.Join(err, cmp.Or(r.Flush(), out.finish()))
	}
	r.engine.Flush()
	if err := cmp.Or(r.Flush(), out.finish()); err != nil {
		return analyzer.Recording{}, fmt.Errorf("deliver results: %w", err)
	}
	rec := recording(r.engine.Stats(), rpc.Stats(), pg.Stats())
	w.narrow(&rec, rec.From, rec.To)
	rec.SnapLength = p.snapLength
	if len(p.rpcPorts) > 0 && rec.HTTPConnections == 0 {
		rec.NoHTTP, rec.HTTPSeen = p.rpcPorts, others.seen[0]
	}
	if len(p.pgPorts) > 0 && rec.SQLConnections == 0 {
		rec.NoSQL, rec.SQLSeen = p.pgPorts, others.seen[1]
	}
	if partial != nil {
		rec.Partial = whyPartial(partial)
	}
	return rec, partial
}

// read gives all inputs to the engine in order of their first packets. What keeps an input from being read
// to its end is partial; the others are read all the same.
func (p *pipeline) read(ctx context.Context, e *capture.Engine) (partial, err error) {
	inputs, err := p.sorted(ctx)
	if err != nil {
		return nil, err
	}
	for _, in := range inputs {
		err := p.readOne(ctx, in, e)
		switch {
		case errors.Is(err, capture.ErrPartial):
			partial = errors.Join(partial, err)
		case err != nil:
			return nil, err
		}
	}
	return partial, nil
}

func (p *pipeline) readOne(ctx context.Context, in input, e *capture.Engine) error {
	f, err := in.open()
	if err != nil {
		return err
	}
	stop := func() {}
	if p.watch != nil {
		stop = p.watch(in.name, f.Progress)
	}
	err = f.Run(ctx, e)
	stop()
	if n := f.SnapLen(); n > 0 && (p.snapLength == 0 || n < p.snapLength) {
		p.snapLength = n
	}
	if closing := f.Close(); err == nil && closing != nil {
		err = fmt.Errorf("close capture: %w", closing)
	}
	return err
}

// sorted orders the inputs by their first packets. Standard input, which cannot be read twice, comes alone.
func (p *pipeline) sorted(ctx context.Context) ([]input, error) {
	if len(p.inputs) < 2 {
		return p.inputs, nil
	}
	type dated struct {
		input
		first time.Time
	}
	list := make([]dated, 0, len(p.inputs))
	for _, in := range p.inputs {
		first, err := firstPacket(ctx, in)
		if err != nil {
			return nil, err
		}
		list = append(list, dated{in, first})
	}
	slices.SortStableFunc(list, func(a, b dated) int { return a.first.Compare(b.first) })
	inputs := make([]input, 0, len(list))
	for _, d := range list {
		inputs = append(inputs, d.input)
	}
	return inputs, nil
}

// firstPacket reads the beginning of an input.
func firstPacket(ctx context.Context, in input) (time.Time, error) {
	f, err := in.open()
	if err != nil {
		return time.Time{}, err
	}
	e := capture.NewEngine(capture.Config{})
	err = f.Run(&onceContext{Context: ctx}, e)
	if closing := f.Close(); closing != nil {
		return time.Time{}, fmt.Errorf("close capture: %w", closing)
	}
	if err != nil && ctx.Err() != nil {
		return time.Time{}, err
	}
	return e.Stats().First, nil // a damaged file shows when it is read
}

// onceContext is done from the second look on, which ends File.Run after its first batch of packets.
type onceContext struct {
	context.Context
	looks int
}

func (c *onceContext) Err() error {
	if c.looks++; c.looks > 1 {
		return context.Canceled
	}
	return c.Context.Err()
}

// ports assigns the ports given on the command line to the decoders, by their place in NewEngine.
func (p *pipeline) ports() map[uint16]int {
	ports := make(map[uint16]int)
	for _, n := range p.rpcPorts {
		ports[n] = 0
	}
	for _, n := range p.pgPorts {
		ports[n] = 1
	}
	return ports
}

// recording gathers what the stages counted.
func recording(c capture.Stats, rpc rpclog.Stats, pg sqltrace.Stats) analyzer.Recording {
	rec := analyzer.Recording{
		From: c.First, To: c.Last, Packets: c.Packets, Bytes: c.Bytes,
		LostBytes: c.Lost, Gaps: c.Gaps, Truncated: c.Truncated, Evicted: c.Evicted, OutOfOrder: c.OutOfOrder, Disordered: c.Disordered(),
		HTTPConnections: rpc.Streams, SQLConnections: pg.Connections, OtherConnections: c.Ignored,
		EncryptedSQL: pg.Encrypted, JoinedConnections: c.Joined, UnknownTexts: pg.Unknown,
	}
	for _, n := range c.Encrypted {
		rec.EncryptedHTTP += n
	}
	return rec
}

// whyPartial words what a recording lacks.
func whyPartial(err error) string {
	text := strings.ReplaceAll(err.Error(), ": "+capture.ErrPartial.Error(), "")
	return strings.Join(strings.Split(text, "\n"), "; ")
}

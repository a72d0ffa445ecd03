package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/bench"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/report"
	"github.com/perfd/perfd/sqltrace/statements"
)

// Collections delay the calls that are due meanwhile, so that they are made rare: the heap grows to nine times the few
// MiB that are live, but not beyond the limit where a cache holds more.
const (
	replayGC     = 800
	replayMemory = 512 << 20
)

// thresholdError is a threshold that was not kept.
type thresholdError struct{ outcomes []compare.Outcome }

func (e thresholdError) Error() string {
	var broken []string
	for _, o := range e.outcomes {
		if o.State != compare.Kept {
			broken = append(broken, o.Threshold+" ("+string(o.State)+": "+strings.Join(o.Reasons, "; ")+")")
		}
	}
	return "thresholds: " + strings.Join(broken, ", ")
}

func (o *replayOptions) run(ctx context.Context, t terminal) error {
	src, closeSource, err := o.open()
	if err != nil {
		return replayError(err)
	}
	header := src.Header()
	closeSource()
	c := bench.Config{Open: o.open, Cold: o.cold}
	if c.A.Replay, err = o.config(header); err != nil {
		return err
	}
	c.Answers = c.A.Replay.Answers
	c.A.Before = shell(o.beforeA, t)
	done := report.Report{
		Version: version(false), Load: report.Load{Name: filepath.Base(o.file), Header: header}, A: o.target, Made: time.Now().UTC(), Mode: o.pace(),
	}
	if c.Rounds = o.rounds; o.arms() {
		if c.B, err = o.second(&c.A, t); err != nil {
			return err
		}
		done.B = o.armB()
	} else {
		c.Rounds = 1
	}
	var sums [2]statements.Sums
	if o.dsn != "" {
		c.Around = around(c.Around, func(ctx context.Context, p bench.Pass, send func(context.Context) error) error {
			return o.count(ctx, p, &sums, send)
		})
	}
	seen, err := o.look(ctx, t, header.Product)
	if err != nil {
		return err
	}
	if seen != nil {
		c.Around = around(c.Around, seen.around)
		c.A.Replay.Sink = seen.sent
		if c.B != nil {
			c.B.Replay.Sink = seen.sent
		}
	}
	if o.pyroscope != "" {
		profiler, err := o.profiles(t, done.Made)
		if err != nil {
			return err
		}
		defer func() { _ = profiler.Stop() }() // what the server did not take is told in the log
		c.Around = around(c.Around, o.labelled(done.Made))
	}
	c.Watch = watchReplay(t)
	defer debug.SetGCPercent(debug.SetGCPercent(replayGC))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(replayMemory))
	out, err := bench.Run(ctx, c)
	if seen != nil {
		var failed error
		if done.Observed, failed = seen.close(ctx); failed != nil { // which is no reason to forget the rest
			done.Doubts = append(done.Doubts, "Not all that was seen of the target is known: "+failed.Error()+".")
		}
	}
	if err != nil && !out.Measured() {
		return replayError(err)
	}
	done.Comparison, done.Passes, done.Answers, done.Stopped, done.Failed = out.Comparison, out.Passes, out.Answers, out.Stopped, out.Failed
	done.Doubts = append(done.Doubts, out.Doubts...)
	if o.dsn != "" {
		done.Statements = statements.Changes(&sums[0], &sums[1], changesTold)
		if sums[0].Partial || sums[1].Partial {
			done.Doubts = append(done.Doubts, "The counters of pg_stat_statements were reset meanwhile, or are not of all statements.")
		}
	}
	var broken bool
	for _, th := range o.thresholds {
		out := th.Check(done.Comparison)
		broken = broken || !out.State.Holds()
		done.Thresholds = append(done.Thresholds, out)
	}
	if err := o.tell(t, &done); err != nil {
		return err
	}
	if o.store != "" && out.Measured() {
		if err := keepReplay(ctx, o.store, &done); err != nil {
			return err
		}
	}
	switch {
	case err != nil: // what came before it is told
		return replayError(err)
	case done.Stopped:
		return context.Canceled
	case !out.Measured():
		return hinted{errors.New("no call was sent"), "the report says why not"}
	case broken:
		return thresholdError{done.Thresholds}
	}
	return nil
}

// second is the second arm: the first with what differs.
func (o *replayOptions) second(a *bench.Arm, t terminal) (*bench.Arm, error) {
	b := bench.Arm{Replay: a.Replay, Before: shell(o.beforeB, t)}
	if o.targetB != "" {
		b.Replay.Target = o.targetB
	}
	if o.baseB != "" {
		b.Replay.Database = o.baseB
	}
	if o.targetB != "" || o.baseB != "" { // what was said of the first database says nothing of another one
		b.Replay.Confirm = o.confirmB
	}
	if o.cache == "off" {
		return &b, nil
	}
	l, empty, err := o.loader()
	if err != nil {
		return nil, err
	}
	b.Replay.Cache = l
	before := b.Before
	b.Before = func(ctx context.Context) error {
		if before != nil {
			if err := before(ctx); err != nil {
				return err
			}
		}
		return empty(ctx)
	}
	return &b, nil
}

// armB is what the second arm is called.
func (o *replayOptions) armB() string {
	var words []string
	for _, w := range []string{o.targetB, o.baseB, program(o.beforeB)} {
		if w != "" {
			words = append(words, w)
		}
	}
	if o.cache != "off" {
		words = append(words, "cache "+o.cache)
	}
	return strings.Join(words, ", ")
}

// program is what a command runs, without its arguments, which may hold a password.
func program(command string) string {
	words := strings.Fields(command)
	if len(words) == 0 {
		return ""
	}
	return "after " + words[0]
}

// shell is a command that runs before a pass.
func shell(command string, t terminal) func(context.Context) error {
	if command == "" {
		return nil
	}
	return func(ctx context.Context) error {
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, "sh", "-c", command) //nolint:gosec // it is what the user asks for
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Run(); err != nil {
			text := said.Bytes()
			_, _ = t.err.Write(text[max(0, len(text)-4096):])
			return fmt.Errorf("run %s: %w", strings.TrimPrefix(program(command), "after "), err)
		}
		return nil
	}
}

// around is two things to be done around a pass, the second within the first.
func around(outer, inner sender) sender {
	if outer == nil {
		return inner
	}
	return func(ctx context.Context, p bench.Pass, send func(context.Context) error) error {
		return outer(ctx, p, func(ctx context.Context) error { return inner(ctx, p, send) })
	}
}

// sender sends a pass, as bench.Config.Around.
type sender = func(ctx context.Context, p bench.Pass, send func(context.Context) error) error

// count adds what the database of an arm does during a pass.
func (o *replayOptions) count(ctx context.Context, p bench.Pass, sums *[2]statements.Sums, send func(context.Context) error) error {
	if p.Arm == compare.Again || p.Round == 0 { // it is for the noise alone, or to warm up
		return send(ctx)
	}
	dsn, i := o.dsn, 0
	if p.Arm == compare.B {
		i = 1
		if o.dsnB != "" {
			dsn = o.dsnB
		}
	}
	before, err := statements.Take(ctx, dsn, false)
	if errors.Is(err, statements.ErrMissing) {
		return hinted{err, "CREATE EXTENSION pg_stat_statements, or leave out --database-url"}
	} else if err != nil {
		return err
	}
	if err := send(ctx); err != nil {
		return err
	}
	after, err := statements.Take(context.WithoutCancel(ctx), dsn, true)
	if err != nil {
		return err
	}
	sums[i].Add(before, after)
	return nil
}

const changesTold = 20 // statements

// pace words the mode.
func (o *replayOptions) pace() string {
	switch {
	case o.mode == string(replay.Rate):
		return fmt.Sprintf("%g calls a second", o.rate)
	case o.mode == string(replay.Max) || o.speed == 1:
		return o.mode
	}
	return fmt.Sprintf("%s, %g times the speed", o.mode, o.speed)
}

// tell writes what came of a replay to wherever it was asked for.
func (o *replayOptions) tell(t terminal, done *report.Report) error {
	for file, write := range map[string]func(io.Writer) error{
		o.jsonFile: func(w io.Writer) error { return report.JSON(w, done) },
		o.htmlFile: func(w io.Writer) error { return report.HTML(w, done, report.HTMLConfig{}) },
	} {
		if file != "" {
			if err := writeReplay(file, t, write); err != nil {
				return err
			}
		}
	}
	if o.jsonFile == "-" || o.htmlFile == "-" {
		return nil
	}
	return report.Text(t.out, done, report.TextConfig{Color: hasColor(t.out)})
}

func writeReplay(file string, t terminal, write func(io.Writer) error) error {
	out, err := openOutput(file, t)
	if err != nil {
		return err
	}
	defer out.discard()
	if err := write(out); err != nil {
		return err
	}
	return out.commit()
}

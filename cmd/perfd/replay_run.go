package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/bench"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/report"
	"github.com/perfd/perfd/sqltrace/statements"
)

// Collections delay the calls that are due meanwhile, so that they are made rare: the heap grows to seventeen times the few
// MiB that are live, but not beyond the limit where a cache holds more.
const (
	replayGC     = 1600
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

// tellUndecided tells who looks at the exit status alone of the thresholds that decided nothing.
func tellUndecided(w io.Writer, outcomes []compare.Outcome) {
	for _, o := range outcomes {
		if o.State == compare.Undecided {
			fmt.Fprintf(w, "threshold undecided: %s (%s)\n", o.Threshold, strings.Join(o.Reasons, "; "))
		}
	}
}

func (o *replayOptions) run(ctx context.Context, t terminal) error {
	src, closeSource, err := o.open()
	if err != nil {
		return err
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
		Version: version(false), Load: report.Load{Name: filepath.Base(o.file), Header: header}, Label: o.label, A: o.armA(), Made: time.Now().UTC(), Mode: o.pace(),
	}
	if c.Rounds = o.rounds; o.arms() {
		if c.B, err = o.second(&c.A, t); err != nil {
			return err
		}
		done.B = o.armB()
	} else if !o.roundsGiven {
		c.Rounds = 1
	}
	outputs, err := o.openOutputs(ctx, t)
	if err != nil {
		return err
	}
	defer outputs.discard()
	var sums [2]statements.Sums
	if o.dsn != "" {
		if err := o.countable(ctx); err != nil {
			return err
		}
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
	if err := o.tellPlan(t, &c); err != nil {
		return err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(replayGC))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(replayMemory))
	out, err := bench.Run(ctx, c)
	if seen != nil {
		var failed error
		if done.Observed, failed = seen.close(ctx); failed != nil { // which is no reason to forget the rest
			done.Doubts = append(done.Doubts, "Not all that was seen of the target is known: "+failed.Error()+".")
		}
	}
	done.Comparison, done.Passes, done.Answers, done.Stopped, done.Failed = out.Comparison, out.Passes, out.Answers, out.Stopped, out.Failed
	done.Doubts = append(done.Doubts, out.Doubts...)
	if err != nil && !out.Measured() { // there is nothing to show, but the files that were asked for say why
		if failed := outputs.files(&done); failed != nil {
			return failed
		}
		return replayError(err)
	}
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
	tellUndecided(t.err, done.Thresholds)
	if o.cut != nil {
		done.Doubts = append(done.Doubts, fmt.Sprintf("The load file is cut off: what came after its first %s is not in this replay.", figures.Plural(o.whole, "call")))
	}
	nothing := nothingSent(out.Passes)
	if err := outputs.tell(t, &done); err != nil {
		return err
	}
	if nothing == nil && out.Measured() {
		if err := outputs.keep(ctx, &done); err != nil {
			return err
		}
	}
	switch {
	case err != nil: // what came before it is told
		return replayError(err)
	case done.Stopped:
		return context.Canceled
	case nothing != nil:
		return nothing
	case broken:
		return thresholdError{done.Thresholds}
	}
	return o.cut
}

// nothingSent is the error of a replay that sent no call, and what to do for that there be some.
func nothingSent(passes []bench.Pass) error {
	left := map[replay.Left]int64{}
	for i := range passes {
		if r := &passes[i].Report; r.Sent > 0 || r.Cached > 0 {
			return nil
		} else {
			for why, n := range r.Left {
				left[why] += n
			}
		}
	}
	if len(passes) == 0 {
		return nil
	}
	err, most := errors.New("no call was sent"), int64(0)
	hint := "perfd record --show says what is in the load"
	for why, advice := range map[replay.Left]string{
		replay.LeftOut: "check --sessions and --methods", replay.LeftWrite: "give --allow-writes", replay.LeftArguments: "record with --keep-args",
		replay.LeftDangerous: "name methods with --allow-dangerous", replay.LeftLogin: "check --users and the passwords",
	} {
		if n := left[why]; n > most || n == most && n > 0 && advice < hint {
			most, hint = n, advice
		}
	}
	return hinted{err, hint}
}

// second is the second arm: the first with what differs.
func (o *replayOptions) second(a *bench.Arm, t terminal) (*bench.Arm, error) {
	b := bench.Arm{Replay: a.Replay, Before: shell(o.beforeB, t), Changes: o.beforeB != ""}
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

// armA is what the first arm is called.
func (o *replayOptions) armA() string {
	if name := after(o.beforeA); name != "" {
		return o.target + ", " + name
	}
	return o.target
}

// armB is what the second arm is called.
func (o *replayOptions) armB() string {
	var words []string
	for _, w := range []string{o.targetB, o.baseB, after(o.beforeB)} {
		if w != "" {
			words = append(words, w)
		}
	}
	if o.cache != "off" {
		words = append(words, "cache "+o.cache)
	}
	return strings.Join(words, ", ")
}

// after names the command before the passes of an arm; empty if there is none.
func after(command string) string {
	if name := program(command); name != "" {
		return "after " + name
	}
	return ""
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
	if err != nil {
		return countError(err)
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

// countable makes sure, before anything is sent, that the databases tell what they do.
func (o *replayOptions) countable(ctx context.Context) error {
	for _, dsn := range []string{o.dsn, o.dsnB} {
		if dsn == "" {
			continue
		}
		if _, err := statements.Take(ctx, dsn, false); err != nil {
			return countError(err)
		}
	}
	return nil
}

func countError(err error) error {
	if errors.Is(err, statements.ErrMissing) {
		return hinted{err, "CREATE EXTENSION pg_stat_statements, or leave out --database-url"}
	}
	return hinted{err, "check --database-url, or leave it out"}
}

const changesTold = 20 // statements

// pace words the mode, and the rounds of one arm alone.
func (o *replayOptions) pace() string {
	if o.roundsGiven && o.rounds > 1 && !o.arms() {
		return fmt.Sprintf("%s, %d times", o.gait(), o.rounds)
	}
	return o.gait()
}

func (o *replayOptions) gait() string {
	switch {
	case o.mode == string(replay.Rate):
		return fmt.Sprintf("%g calls a second", o.rate)
	case o.mode == string(replay.Max) || o.speed == 1:
		return o.mode
	}
	return fmt.Sprintf("%s, %g times the speed", o.mode, o.speed)
}

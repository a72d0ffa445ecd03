package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/perfd/perfd/replay/bench"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/sqltrace/statements"
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

// replayed is a replay with all that is told of it.
type replayed struct {
	Load       string             `json:"load"`
	Header     load.Header        `json:"header"`
	Started    time.Time          `json:"started"`
	Arms       []string           `json:"arms"`
	Outcome    bench.Outcome      `json:"outcome"`
	Thresholds []compare.Outcome  `json:"thresholds,omitempty"`
	Statements *statementsOutcome `json:"statements,omitempty"`
}

// statementsOutcome is what the databases did.
type statementsOutcome struct {
	SecondsA float64             `json:"seconds_a"`
	SecondsB float64             `json:"seconds_b"`
	CallsA   float64             `json:"calls_a"`
	CallsB   float64             `json:"calls_b"`
	Changes  []statements.Change `json:"changes"`
	Partial  bool                `json:"partial,omitempty"`
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
	c.A.Before = shell(o.beforeA, t)
	done := replayed{Load: o.file, Header: header, Started: time.Now().UTC(), Arms: []string{o.target}}
	if c.Rounds = o.rounds; o.arms() {
		if c.B, err = o.second(&c.A, t); err != nil {
			return err
		}
		done.Arms = append(done.Arms, o.armB())
	} else {
		c.Rounds = 1
	}
	var sums [2]statements.Sums
	if o.dsn != "" {
		c.Around = func(ctx context.Context, arm compare.Arm) (func(context.Context) error, error) {
			return o.count(ctx, arm, &sums)
		}
	}
	c.Watch = watchReplay(t)
	if done.Outcome, err = bench.Run(ctx, c); err != nil {
		return replayError(err)
	}
	if o.dsn != "" {
		done.Statements = tellStatements(&sums)
	}
	var broken bool
	for _, th := range o.thresholds {
		out := th.Check(done.Outcome.Comparison)
		broken = broken || out.State == compare.Broken
		done.Thresholds = append(done.Thresholds, out)
	}
	if err := o.tell(t, &done); err != nil {
		return err
	}
	switch {
	case done.Outcome.Stopped:
		return context.Canceled
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
		if b.Replay.Confirm == b.Replay.Database && b.Replay.Confirm != "" {
			b.Replay.Confirm = o.baseB
		}
		b.Replay.Database = o.baseB
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
	for _, w := range []string{o.targetB, o.baseB, o.beforeB} {
		if w != "" {
			words = append(words, w)
		}
	}
	if o.cache != "off" {
		words = append(words, "cache "+o.cache)
	}
	return strings.Join(words, ", ")
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
			return fmt.Errorf("run %q: %w", command, err)
		}
		return nil
	}
}

// count adds what the database of an arm does during a pass.
func (o *replayOptions) count(ctx context.Context, arm compare.Arm, sums *[2]statements.Sums) (func(context.Context) error, error) {
	if arm == compare.Again {
		return nil, nil //nolint:nilnil // it is for the noise alone
	}
	dsn, i := o.dsn, 0
	if arm == compare.B {
		i = 1
		if o.dsnB != "" {
			dsn = o.dsnB
		}
	}
	before, err := statements.Take(ctx, dsn, false)
	if errors.Is(err, statements.ErrMissing) {
		return nil, hinted{err, "CREATE EXTENSION pg_stat_statements, or leave out --database-url"}
	} else if err != nil {
		return nil, err //nolint:wrapcheck // it says what it was about
	}
	return func(ctx context.Context) error {
		after, err := statements.Take(context.WithoutCancel(ctx), dsn, true)
		if err != nil {
			return err //nolint:wrapcheck // it says what it was about
		}
		sums[i].Add(before, after)
		return nil
	}, nil
}

const changesTold = 20

func tellStatements(sums *[2]statements.Sums) *statementsOutcome {
	a, b := &sums[0], &sums[1]
	per := func(n float64, passes int) float64 { return n / float64(max(passes, 1)) }
	return &statementsOutcome{
		SecondsA: per(a.Seconds, a.Passes), SecondsB: per(b.Seconds, b.Passes), CallsA: per(float64(a.Calls), a.Passes), CallsB: per(float64(b.Calls), b.Passes),
		Changes: statements.Changes(a, b, changesTold), Partial: a.Partial || b.Partial,
	}
}

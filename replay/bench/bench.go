// Package bench runs a load at two arms in turn, so that what is compared differs in the arm alone and not in the hour.
package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/compare/answer"
)

// Arm is one of the things compared.
type Arm struct {
	// Replay says whom to send the load, and how. It has to be given.
	Replay replay.Config
	// Before is done before each pass of the arm: it switches an index, a build or a setting, or restores a snapshot.
	// Defaults to nothing.
	Before func(context.Context) error
	// Changes says that Before may make another database of the target, so that only a pass can tell whose it is. Defaults
	// to not: no pass is run if that of B would be refused.
	Changes bool
}

// Config says what is compared. A and Open have to be given; everything else works as its zero value.
type Config struct {
	A Arm
	// B is what A is compared with. Defaults to nothing: A is run alone, Rounds times.
	B *Arm
	// Rounds is the number of passes of each arm. Defaults to 5, of A alone to 1.
	Rounds int
	// Cold leaves out the first pass of each arm, which is not counted and warms what is cold. Defaults to not.
	Cold bool
	// Compare is the statistics'. Defaults to its own defaults.
	Compare compare.Config
	// Open begins the load anew.
	Open func() (replay.Source, func(), error)
	// Watch is told of each pass when it begins; what it returns is called at its end. Defaults to nothing.
	Watch func(Pass, *replay.Runner) func()
	// MaxAnswers bounds the bytes of answers that are kept to be compared. Defaults to 64 MiB, a negative value to none.
	MaxAnswers int64
	// Answers tunes what counts as a difference between answers. Defaults to its own defaults.
	Answers answer.Config
	// Around sends a pass by calling send, once, and does what is to be done right before and right after. Those that warm
	// up come by it too. If send returns an error, the pass counts for nothing, and the error is to be returned as it is.
	// Defaults to calling send.
	Around func(ctx context.Context, p Pass, send func(context.Context) error) error
}

// Pass is the load sent once.
type Pass struct {
	Arm   compare.Arm `json:"arm"`
	Round int         `json:"round"` // from 1; 0 for the pass that warms up
	// Number counts the passes from 1, and Of is how many there are to be.
	Number int           `json:"number"`
	Of     int           `json:"of"`
	Report replay.Report `json:"report"`
}

// Outcome is what came of it.
type Outcome struct {
	Comparison *compare.Comparison `json:"comparison"`
	// Answers is in what the answers of A and B differ, apart from what those of A and A do; of A alone, in what they
	// differ from recorded ones.
	Answers *answer.Result `json:"answers,omitempty"`
	Passes  []Pass         `json:"passes"`
	// Doubts are sentences on what makes the comparison doubtful, beside those of the comparison itself.
	Doubts []string `json:"doubts,omitempty"`
	// Stopped says that not all passes were run to their end. What was compared are the rounds that were.
	Stopped bool `json:"stopped,omitempty"`
	// Failed says what ended the passes, if that was an error.
	Failed string `json:"failed,omitempty"`
}

// ErrStopped is of a pass that was not sent to its end.
var ErrStopped = errors.New("the pass was not sent to its end")

// Measured reports whether anything was sent that counts.
func (o *Outcome) Measured() bool {
	for _, p := range o.Passes {
		if p.Round > 0 && p.Report.Sent > 0 {
			return true
		}
	}
	return false
}

// Order is how passes of A and B follow one another: A B, B A, A B. In few rounds, where no A follows upon another, one
// more does, for the noise.
func Order(rounds int) []Pass {
	var out []Pass
	for round := 1; round <= rounds; round++ {
		pair := []compare.Arm{compare.A, compare.B}
		if round%2 == 0 {
			pair = []compare.Arm{compare.B, compare.A}
		}
		for _, arm := range pair {
			out = append(out, Pass{Arm: arm, Round: round})
		}
	}
	if rounds < 3 {
		at := len(out)
		if rounds == 1 {
			at = 1
		}
		out = append(out[:at:at], append([]Pass{{Arm: compare.Again, Round: rounds}}, out[at:]...)...)
	}
	return out
}

// Passes are all passes, those that warm up first.
func (c *Config) Passes() []Pass {
	if c.B == nil {
		var out []Pass
		for round := range c.Rounds {
			out = append(out, Pass{Arm: compare.A, Round: round + 1})
		}
		return out
	}
	if c.Cold {
		return Order(c.Rounds)
	}
	return append([]Pass{{Arm: compare.A}, {Arm: compare.B}}, Order(c.Rounds)...)
}

// Run runs the passes. If ctx ends, or there is an error, the outcome is of what was run until then.
func Run(ctx context.Context, c Config) (Outcome, error) {
	if c.Rounds == 0 {
		c.Rounds = 5
		if c.B == nil {
			c.Rounds = 1
		}
	}
	run := &runs{Config: c, study: compare.New(c.Compare), ledger: answer.NewLedger(c.Answers), kept: map[int64][]byte{}}
	if run.room = c.MaxAnswers; run.room == 0 {
		run.room = 64 << 20
	}
	var out Outcome
	var failure error
	passes := c.Passes()
	if err := run.judge(ctx); err != nil && ctx.Err() == nil {
		return out, fmt.Errorf("judge B, before anything is sent: %w", err)
	}
	for i := range passes {
		p := &passes[i]
		p.Number, p.Of = i+1, len(passes)
		err := run.pass(ctx, p)
		if err == nil {
			out.Passes = append(out.Passes, *p)
			if ctx.Err() == nil {
				continue
			}
			out.Stopped = i+1 < len(passes) || p.Report.Stopped
			break
		}
		if out.Stopped = true; !errors.Is(err, ErrStopped) && ctx.Err() == nil {
			failure = fmt.Errorf("pass %d of %d (%s): %w", p.Number, p.Of, p.Arm, err)
			out.Failed = failure.Error()
		}
		if p.Report.Sent > 0 {
			p.Report.Stopped = true
			out.Passes = append(out.Passes, *p)
		}
		break
	}
	out.Comparison, out.Answers = run.study.Result(), run.ledger.Result()
	out.doubts(&c, len(passes))
	return out, failure
}

// doubts says what became of passes that were not as they should be.
func (o *Outcome) doubts(c *Config, of int) {
	say := func(format string, a ...any) { o.Doubts = append(o.Doubts, fmt.Sprintf(format, a...)) }
	if o.Stopped && c.B != nil {
		what := "Only rounds of which both arms were sent to their end are compared"
		if n := o.Comparison.Rounds; n == 0 {
			what += ", and there is none"
		}
		if k := len(o.Passes); k > 0 && o.Passes[k-1].Report.Stopped {
			what += fmt.Sprintf("; pass %d of %d (%s) was not, and is left out", o.Passes[k-1].Number, of, o.Passes[k-1].Arm)
		}
		say("%s.", what)
	}
	late := 0
	for _, p := range o.Passes {
		if p.Report.Invalid != "" {
			late++
		}
	}
	if late > 0 && late < len(o.Passes) {
		say("%d of %d passes are not valid.", late, len(o.Passes))
	}
}

// runs is the passes of a benchmark.
type runs struct {
	Config
	study  *compare.Study
	ledger *answer.Ledger
	kept   map[int64][]byte // A's answers, by the number of the call
	room   int64
	first  bool // the answers of a pass of A are kept
	noisy  bool // those of another one were compared with them
	done   bool // those of B were
}

// alone tells whether there is but one pass, of which what was sent is told even if it was stopped.
func (c *runs) alone() bool { return c.B == nil && c.Rounds == 1 }

// answers is what looks at a pass's answers; nil if nothing is to be learned of them.
func (c *runs) answers(arm compare.Arm) func(*replay.Result) {
	switch {
	case c.room < 0:
		return nil
	case c.B == nil: // there is nothing but the recording to compare with
		return func(r *replay.Result) {
			if len(r.Was) > 0 && r.Error == "" {
				c.ledger.Add(r.Seq, r.Name, r.Was, r.Answer)
			}
		}
	case arm == compare.B && c.first && !c.done:
		c.done = true
		return func(r *replay.Result) {
			if a, ok := c.kept[r.Seq]; ok && r.Error == "" {
				c.ledger.Add(r.Seq, r.Name, a, r.Answer)
			}
		}
	case arm != compare.B && !c.first:
		c.first = true
		return func(r *replay.Result) {
			if n := int64(len(r.Answer)); n > 0 && n <= c.room && r.Error == "" {
				c.room -= n
				c.kept[r.Seq] = bytes.Clone(r.Answer)
			}
		}
	case arm != compare.B && !c.noisy:
		c.noisy = true
		return func(r *replay.Result) {
			if a, ok := c.kept[r.Seq]; ok && r.Error == "" {
				c.ledger.Noise(r.Name, a, r.Answer)
			}
		}
	}
	return nil
}

// judge refuses a target of B that is another than A's, before A is sent anything. That of A is judged when its first pass
// begins.
func (c *runs) judge(ctx context.Context) error {
	if c.B == nil || c.B.Changes {
		return nil
	}
	a, b := &c.A.Replay, &c.B.Replay
	if a.Target == b.Target && a.Database == b.Database && a.Confirm == b.Confirm {
		return nil
	}
	src, closeSource, err := c.Open()
	if err != nil {
		return err
	}
	defer closeSource()
	conf := *b
	conf.Cache = nil
	runner, err := replay.New(conf)
	if err != nil {
		return err //nolint:wrapcheck // it says what it was about
	}
	return runner.Judge(ctx, src) //nolint:wrapcheck // likewise
}

// pass runs one pass.
func (c *runs) pass(ctx context.Context, p *Pass) (err error) {
	arm := c.A
	if p.Arm == compare.B {
		arm = *c.B
	}
	if arm.Before != nil {
		if err := arm.Before(ctx); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	src, closeSource, err := c.Open()
	if err != nil {
		return err
	}
	defer closeSource()
	conf := arm.Replay
	var samples *compare.Pass
	if p.Round > 0 {
		samples = c.study.Begin(p.Arm, p.Round)
		defer func() {
			if err == nil || c.alone() {
				samples.End()
			} else {
				samples.Drop()
			}
		}()
		also, look := conf.Sink, c.answers(p.Arm)
		conf.Sink = func(r *replay.Result) {
			samples.Add(Sample(r))
			if look != nil {
				look(r)
			}
			if also != nil {
				also(r)
			}
		}
	}
	runner, err := replay.New(conf)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	if c.Watch != nil {
		if done := c.Watch(*p, runner); done != nil {
			defer done()
		}
	}
	send := func(ctx context.Context) (err error) {
		if p.Report, err = runner.Run(ctx, src); err == nil && p.Report.Stopped && !c.alone() {
			err = ErrStopped
		}
		return err //nolint:wrapcheck // it says what it was about
	}
	if c.Around == nil {
		return send(ctx)
	}
	return c.Around(ctx, *p, send)
}

// Sample is a result as the statistics want it, by what those who waited for it would have waited.
func Sample(r *replay.Result) compare.Sample {
	return compare.Sample{
		Seq: r.Seq, Session: r.Session, Method: r.Name, At: r.Due.Seconds(), Seconds: r.Latency.Seconds(), Error: r.Error != "", Cached: r.Cached,
		Retried: r.Retried,
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/perfd/perfd/replay/report"
	"github.com/perfd/perfd/store"
)

// replayOutputs are where the reports of a replay go. They are opened before anything is sent: what cannot be written is told
// then, and not after the hours that a replay may take.
type replayOutputs struct {
	json, html *output
	store      *store.Keeper
}

func (o *replayOptions) openOutputs(ctx context.Context, t terminal) (_ *replayOutputs, err error) {
	out := &replayOutputs{}
	defer func() {
		if err != nil {
			out.discard()
		}
	}()
	if o.jsonFile != "" {
		if out.json, err = openOutput(o.jsonFile, t); err != nil {
			return nil, err
		}
	}
	if o.htmlFile != "" {
		if out.html, err = openOutput(o.htmlFile, t); err != nil {
			return nil, err
		}
	}
	if o.store != "" {
		if out.store, err = store.OpenKeeper(ctx, o.store); err != nil {
			return nil, err //nolint:wrapcheck // it says what it was about
		}
	}
	return out, nil
}

// tell writes what came of a replay to wherever it was asked for. What cannot be written keeps nothing else from being.
func (out *replayOutputs) tell(t terminal, done *report.Report) error {
	failed := out.files(done)
	if !out.json.terminal() && !out.html.terminal() {
		failed = errors.Join(failed, report.Text(t.out, done, report.TextConfig{Color: hasColor(t.out)}))
	}
	return failed
}

// files writes what goes elsewhere than to the terminal's page.
func (out *replayOutputs) files(done *report.Report) error {
	var failed []error
	for _, one := range []struct {
		to    *output
		write func(io.Writer) error
	}{
		{out.json, func(w io.Writer) error { return report.JSON(w, done) }},
		{out.html, func(w io.Writer) error { return report.HTML(w, done, report.HTMLConfig{}) }},
	} {
		if one.to == nil {
			continue
		}
		err := one.write(one.to)
		if err == nil {
			err = one.to.commit()
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// keep puts the report into the store, if there is one.
func (out *replayOutputs) keep(ctx context.Context, done *report.Report) error {
	if out.store == nil {
		return nil
	}
	return keepReplay(ctx, out.store, done)
}

// discard closes what was opened and not written.
func (out *replayOutputs) discard() {
	for _, o := range []*output{out.json, out.html} {
		if o != nil {
			o.discard()
		}
	}
	if out.store != nil {
		_ = out.store.Close() // what was wrong with it was told when it was written
	}
}

// keepReplay puts a replay's report into a store, beside those of earlier ones.
func keepReplay(ctx context.Context, to *store.Keeper, r *report.Report) error {
	var document bytes.Buffer
	if err := report.JSON(&document, r); err != nil {
		return err //nolint:wrapcheck // it says what it was about
	}
	b := store.Benchmark{Made: r.Made, Load: r.Load.Name, A: r.A, B: r.B, Document: document.Bytes(), Version: report.FormatVersion}
	if b.Verdict, b.Sentence = r.Headline(); r.Label != "" { // which tells it from others in a list
		b.Sentence = r.Label + ": " + b.Sentence
	}
	if c := r.Comparison; c != nil {
		tried := &c.Overall.A
		if r.B != "" {
			tried = &c.Overall.B
		}
		b.P50, b.P95 = inSeconds(tried.P50.Seconds), inSeconds(tried.P95.Seconds)
	}
	_, err := to.Keep(context.WithoutCancel(ctx), b) // also of a replay that was interrupted
	return err                                       //nolint:wrapcheck // it says what it was about
}

func inSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

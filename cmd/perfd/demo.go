package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures/demo"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
)

func demoCommand(t terminal) *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a bundled recording of a real Odoo in the browser",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), t, listen) },
	}
	cmd.Flags().StringVar(&listen, "listen", defaultListen, "`address` to serve on")
	return cmd
}

func runDemo(ctx context.Context, t terminal, listen string) (err error) {
	// A port in use is told before the work, not after it.
	ln, err := listenOn(ctx, listen)
	if err != nil {
		return err
	}
	defer func() { _ = ln.Close() }() // the server closes it too
	p := &pipeline{inputs: []input{{demo.File, func() (*capture.File, error) { return capture.NewFile(demo.Capture()) }}}}
	var (
		summarizer *analyzer.Summarizer
		recorder   *newStore
	)
	rec, err := p.run(ctx, func(dict sqltrace.Dictionary) (analyzer.Sink, error) {
		summarizer = analyzer.NewSummarizer(analyzer.SummaryConfig{}, dict)
		var err error
		recorder, err = createStore("", dict)
		return fanout{summarizer, recorder}, err
	})
	defer func() { err = errors.Join(err, recorder.close()) }()
	if err != nil {
		return err
	}
	source := store.Source{Version: version(false), Files: []string{demo.File}}
	if err := recorder.Finish(source, summarizer.Summary(rec)); err != nil {
		return err
	}
	return serveStore(ctx, t, ln, recorder)
}

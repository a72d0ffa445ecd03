package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/report"
)

// outcome is what a watch came to.
type outcome struct {
	span              time.Duration
	calls, statements int64
	packets, results  int64  // dropped: packets before the decoders, calls and groups behind them
	agreement         string // with the server's log; empty if none was compared
	store             string
	tapping           bool
}

// farewell tells what the watch that has ended came to, and what to do next.
func (w *watcher) farewell(to io.Writer) {
	sum := w.writer.summary.Summary(w.front.recording())
	o := outcome{
		span: time.Since(w.started), calls: sum.Calls, statements: sum.Statements, packets: w.front.links().Drops,
		results: w.queue.Stats().Dropped + w.writer.recorder.Stats().Lost, store: w.settings.Load().Store, tapping: len(w.front.relays()) == 0,
	}
	if a := w.writer.source().Agreement; a != nil {
		o.agreement = report.Agreement(a.Equal, a.Compared)
	}
	for _, line := range o.lines() {
		fmt.Fprintln(to, line)
	}
}

// lines are what is told, a line each.
func (o outcome) lines() (list []string) {
	var dropped []string
	if o.packets > 0 {
		dropped = append(dropped, figures.Plural(o.packets, "packet"))
	}
	if o.results > 0 {
		dropped = append(dropped, figures.Plural(o.results, "call"))
	}
	lost := "nothing"
	if len(dropped) > 0 {
		lost = strings.Join(dropped, " and ")
	}
	list = append(list, fmt.Sprintf("perfd watched for %s: %s, %s; dropped: %s",
		analyzer.Figure(o.span), figures.Plural(o.calls, "call"), figures.Plural(o.statements, "statement"), lost))
	if o.agreement != "" {
		list = append(list, o.agreement)
	}
	switch {
	case o.calls > 0:
		list = append(list, "next: perfd analyze "+shellWord(o.store))
	case o.tapping:
		list = append(list, "next: perfd doctor --tap, which tells why no call was seen")
	}
	return list
}

// shellWord is a path as a shell takes it.
func shellWord(path string) string {
	if strings.ContainsAny(path, " \t\n'\"\\$`!*?[](){}<>|&;#~") {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}

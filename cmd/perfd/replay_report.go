package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/compare"
)

// tell writes what came of a replay to wherever it was asked for.
func (o *replayOptions) tell(t terminal, done *replayed) error {
	if o.jsonFile != "" {
		if err := writeReplay(o.jsonFile, t, func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			return e.Encode(done) //nolint:wrapcheck // the caller words it
		}); err != nil {
			return err
		}
	}
	if o.jsonFile == "-" {
		return nil
	}
	return tellReplay(t.out, done)
}

func writeReplay(file string, t terminal, write func(io.Writer) error) error {
	out, err := openOutput(file, t)
	if err != nil {
		return err
	}
	defer out.discard()
	if err := write(out); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return out.commit()
}

// tellReplay writes text for a terminal.
func tellReplay(out io.Writer, done *replayed) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	passes := done.Outcome.Passes
	if len(passes) == 0 {
		_, err := fmt.Fprintln(out, "nothing was sent")
		return err //nolint:wrapcheck // of the terminal
	}
	last := &passes[len(passes)-1].Report
	if len(done.Arms) == 2 {
		tellComparison(w, done)
	} else {
		tellRun(w, last)
	}
	tellLeft(w, last)
	for _, s := range slices.Concat(done.Outcome.Doubts, last.Notes) {
		fmt.Fprintln(w, "note: "+s)
	}
	if s := done.Statements; s != nil {
		tellDatabase(w, s)
	}
	for _, o := range done.Thresholds {
		fmt.Fprintf(w, "%s: %s %s\n", o.State, o.Threshold, strings.Join(o.Reasons, "; "))
	}
	if done.Outcome.Stopped {
		fmt.Fprintln(w, "interrupted: this is of what was sent until then")
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// tellRun is one pass.
func tellRun(w io.Writer, r *replay.Report) {
	fmt.Fprintf(w, "%d calls of %d sessions in %s, %d of them failed\n", r.Sent, r.Sessions, r.Duration.Round(time.Millisecond), r.Errors)
	if n := r.Matches["same"] + r.Matches["different"] + r.Matches["failed"] + r.Matches["recovered"]; n > 0 {
		fmt.Fprintf(w, "%.1f %% of %d answers are as recorded\n", 100*float64(r.Matches["same"])/float64(n), n)
	}
	fmt.Fprint(w, "\n\tmean\tp50\tp95\tp99\tmax\t\n")
	for _, row := range []struct {
		name string
		replay.Durations
		what string
	}{
		{"latency", r.Latency, "from the time a call was due"}, {"service", r.Service, "from the time it was sent"}, {"first byte", r.First, ""},
		{"waited", r.Wait, fmt.Sprintf("%d calls, for ids and log-ins", r.Wait.Calls)}, {"generator", r.Late, "how late perfd itself was"},
	} {
		if row.Calls > 0 {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", row.name, brief(row.Mean), brief(row.P50), brief(row.P95), brief(row.P99), brief(row.Max), row.what)
		}
	}
	fmt.Fprintf(w, "\nthe generator used %.0f %% of a processor\n", 100*r.CPU)
	tellMost(w, "errors", r.Failures)
	tellMost(w, "answers that differ", r.Differing)
	if r.Invalid != "" {
		fmt.Fprintln(w, "NOT VALID: "+r.Invalid)
	}
}

const mostTold = 10

// tellMost lists the largest counts.
func tellMost(w io.Writer, title string, counts map[string]int64) {
	if len(counts) == 0 {
		return
	}
	fmt.Fprintln(w, title+":")
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return int(min(max(counts[b]-counts[a], -1), 1))
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		if i == mostTold {
			fmt.Fprintf(w, "  and %d more\n", len(names)-mostTold)
			break
		}
		fmt.Fprintf(w, "  %d\t%s\n", counts[name], shown(name))
	}
}

// shown is a text of a load or a server without what a terminal would obey.
func shown(s string) string { return strings.Map(printable, s) }

// tellLeft is what was not sent.
func tellLeft(w io.Writer, r *replay.Report) {
	counts := map[string]int64{}
	for why, n := range r.Left {
		counts[string(why)] = n
	}
	tellMost(w, "not sent", counts)
	if r.LoginError != "" {
		fmt.Fprintf(w, "%d sessions could not log in: %s\n", r.LoggedOut, shown(r.LoginError))
	}
}

// tellComparison is two arms.
func tellComparison(w io.Writer, done *replayed) {
	c := done.Outcome.Comparison
	fmt.Fprintf(w, "A: %s\nB: %s\n%d rounds\n\nmethod\tcalls\tA\tB\tchange\t\tverdict\n", shown(done.Arms[0]), shown(done.Arms[1]), c.Rounds)
	for i, row := range slices.Concat([]compare.Row{c.Overall}, c.Methods) {
		if i > 30 {
			fmt.Fprintf(w, "and %d more\n", len(c.Methods)-30)
			break
		}
		change := "~"
		if row.Typical.P > 0 || row.Typical.Delta != 0 {
			change = fmt.Sprintf("%+.1f %%", 100*row.Typical.Delta)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\tp=%.3f\t%s\n", shown(row.Method), row.A.Calls, seconds(row.A.P50.Seconds), seconds(row.B.P50.Seconds),
			change, row.Typical.P, row.Verdict)
	}
	if a := done.Outcome.Answers; a != nil && a.Compared > 0 {
		fmt.Fprintf(w, "\n%d of %d answers of A and B are alike\n", a.Alike, a.Compared)
		for i, p := range a.Places {
			if i == mostTold || p.Cancelled {
				break
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\t%d of %d\n", shown(p.Method), shown(p.Path), p.Kind, p.Calls, p.Of)
		}
	}
	for _, s := range c.Doubts {
		fmt.Fprintln(w, "doubt: "+s)
	}
}

func seconds(s float64) string { return brief(time.Duration(s * float64(time.Second))) }

// tellDatabase is what the databases did.
func tellDatabase(w io.Writer, s *statementsOutcome) {
	fmt.Fprintf(w, "\nthe database worked %s for %.0f statements a pass of A, %s for %.0f of B\n", seconds(s.SecondsA), s.CallsA, seconds(s.SecondsB), s.CallsB)
	if s.Partial {
		fmt.Fprintln(w, "its counters were reset or incomplete meanwhile")
	}
	for i, c := range s.Changes {
		if i == mostTold {
			break
		}
		text := shown(strings.Join(strings.Fields(c.Text), " "))
		if r := []rune(text); len(r) > 60 {
			text = string(r[:60]) + "…"
		}
		fmt.Fprintf(w, "  %s → %s\t%.0f → %.0f calls\t%.0f → %.0f blocks\t%s\n", seconds(c.A.Seconds), seconds(c.B.Seconds), c.A.Calls, c.B.Calls, c.A.Blocks, c.B.Blocks, text)
	}
}

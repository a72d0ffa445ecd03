// Command simulate measures how often package compare is right: it replays against simulated servers whose change is
// known, and writes the tables of docs/statistics.md.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/perfd/perfd/figures"
)

// The tables stand between these lines of the document.
const (
	begin = "<!-- written by go run ./replay/compare/simulate -write docs/statistics.md -->"
	end   = "<!-- end -->"
)

func main() {
	runs := flag.Int("runs", 200, "runs of each row; of those without a change ten times as many")
	seed := flag.Uint64("seed", 1, "of the simulated servers")
	write := flag.String("write", "", "the document whose tables are replaced; standard output if empty")
	flag.Parse()
	if err := run(*runs, *seed, *write); err != nil {
		log.Fatal(err)
	}
}

func run(runs int, seed uint64, document string) error {
	var out bytes.Buffer
	tables(&out, runs, seed)
	if document == "" {
		_, err := os.Stdout.Write(out.Bytes())
		return err
	}
	return replace(document, out.Bytes())
}

// replace puts the tables in the place of those of the document.
func replace(document string, tables []byte) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return fmt.Errorf("find the tables in %s: no line %q followed by %q", document, begin, end)
	}
	text = fmt.Appendf(nil, "%s%s\n\n%s%s%s", before, begin, tables, end, after)
	if err := os.WriteFile(document, text, 0o644); err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	return nil
}

// typical is a benchmark as perfd runs it by default, on a machine that is neither quiet nor bad.
var typical = world{calls: 500, noise: 0.03, rounds: 10}

// sure is how many times as many runs the shares of false alarms are of.
const sure = 10

func tables(out io.Writer, runs int, seed uint64) {
	fmt.Fprintf(out, "%s runs a row, of those without a change %s; 12 methods, 40 sessions, 500 calls a pass. Shares are of runs in %%. *Noise* is the standard deviation\n"+
		"of the ratio of two passes; *faster* and *slower* are what was said of all calls, *a method* that anything was said of\n"+
		"any of the 12 methods, *anything* either.\n\n| noise | rounds | change | faster | slower | tail | a method | anything |\n|--:|--:|--:|--:|--:|--:|--:|--:|\n", figures.Thousands(runs), figures.Thousands(sure*runs))
	for _, noise := range []float64{0.015, 0.03, 0.045} {
		for _, rounds := range []int{5, 10} {
			for _, change := range []float64{0, -.03, -.05, -.20} {
				w := typical
				w.noise, w.rounds, w.change = noise, rounds, change
				n := runs
				if change == 0 { // a share of a few percent takes more of them to be known
					n *= sure
				}
				t := w.tally(n, seed)
				fmt.Fprintf(out, "| %.1f %% | %d | %s | %s | %s | %s | %s | %s |\n", 100*noise, rounds, signed(change),
					t.share(t.faster), t.share(t.slower), t.share(t.tailFaster+t.tailSlower), t.share(t.methods), t.share(t.anything))
			}
		}
	}
	fmt.Fprintf(out, "\nWhat is not the same everywhere or at all times, with 3 %% noise. *That method* is the one that changed, where one did;\n"+
		"*another* is a method of which nothing changed.\n\n"+
		"| server | rounds | faster | slower | tail faster | tail slower | that method | another |\n|:--|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, w := range uneven() {
		t := w.tally(runs, seed)
		another := t.share(t.methodWrong)
		if w.change != 0 || w.tail != 0 {
			another = "" // something changed of every method
		}
		fmt.Fprintf(out, "| %s | %d | %s | %s | %s | %s | %s | %s |\n", w.name, w.rounds, t.share(t.faster), t.share(t.slower),
			t.share(t.tailFaster), t.share(t.tailSlower), t.share(t.method), another)
	}
	fmt.Fprintf(out, "\nFalse alarms of tests that take calls as independent, for calls that are all alike, with 3 %% noise, no change,\n5 rounds, beside that of the paired "+
		"rounds on the same samples.\n\n| calls in a pass | Mann-Whitney over calls | paired rounds |\n|--:|--:|--:|\n")
	for _, calls := range []int{50, 500, 5000} {
		w := typical
		w.calls, w.rounds, w.alike = calls, 5, true
		pooled, paired := w.pooled(min(runs, 200), seed)
		fmt.Fprintf(out, "| %d | %.0f | %.1f |\n", calls, pooled, paired)
	}
	fmt.Fprintln(out)
}

// uneven are servers on which the change, or the noise, is not everywhere.
func uneven() []world {
	var out []world
	add := func(name string, change func(*world)) {
		w := typical
		w.name = name
		change(&w)
		out = append(out, w)
	}
	for _, rounds := range []int{5, 10} {
		add("one method of twelve −20 %", func(w *world) { w.method, w.rounds = -.20, rounds })
		add("one method of twelve −5 %", func(w *world) { w.method, w.rounds = -.05, rounds })
		add("only the slowest 2 % of calls, +50 %; 2,000 calls", func(w *world) { w.tail, w.calls, w.rounds = .5, 2000, rounds })
		add("only the slowest 2 % of calls, −20 %; 2,000 calls", func(w *world) { w.tail, w.calls, w.rounds = -.2, 2000, rounds })
		add("1 % slower from pass to pass, no change", func(w *world) { w.drift, w.rounds = .01, rounds })
		add("1 % slower from pass to pass, −5 %", func(w *world) { w.drift, w.change, w.rounds = .01, -.05, rounds })
		add("noisy neighbour in one of five passes, no change", func(w *world) { w.noisy, w.rounds = .2, rounds })
		add("noisy neighbour in one of five passes, −5 %", func(w *world) { w.noisy, w.change, w.rounds = .2, -.05, rounds })
	}
	add("all of A before all of B, 1 % slower from pass to pass", func(w *world) { w.drift, w.blocked = .01, true })
	return out
}

func (t tally) share(n int) string { return fmt.Sprintf("%.1f", 100*float64(n)/float64(t.runs)) }

func signed(x float64) string {
	if x == 0 {
		return "0"
	}
	return fmt.Sprintf("−%.0f %%", -100*x)
}

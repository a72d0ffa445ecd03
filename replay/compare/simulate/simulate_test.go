package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The bounds of docs/statistics.md, by fewer calls than there so that it is quick. Seeds are fixed: what these tests
// find changes only when the code does.
func TestVerdictsAreRightOftenEnough(t *testing.T) {
	const runs = 200
	for _, c := range []struct {
		name  string
		world world
		check func(tally) string
	}{
		{"no change, 5 rounds", world{calls: 150, noise: 0.03, rounds: 5}, falseAlarms},
		{"no change, 10 rounds", world{calls: 150, noise: 0.03, rounds: 10}, falseAlarms},
		{"no change, a noisy machine", world{calls: 150, noise: 0.045, rounds: 10}, falseAlarms},
		{"no change, a noisy machine, 5 rounds", world{calls: 150, noise: 0.045, rounds: 5}, falseAlarms},
		{"no change, drift", world{calls: 150, noise: 0.03, rounds: 10, drift: 0.01}, falseAlarms},
		{"no change, noisy neighbour", world{calls: 150, noise: 0.03, rounds: 10, noisy: 0.2}, falseAlarms},
		{"-5 %, 10 rounds", world{calls: 150, noise: 0.03, rounds: 10, change: -0.05}, func(t tally) string {
			return unless(t.faster*100 >= 90*runs && t.slower == 0, "−5 % is found too seldom")
		}},
		{"-5 %, 10 rounds, drift", world{calls: 150, noise: 0.03, rounds: 10, change: -0.05, drift: 0.01}, func(t tally) string {
			return unless(t.faster*100 >= 90*runs && t.slower == 0, "−5 % is found too seldom")
		}},
		{"-20 %, 5 rounds", world{calls: 150, noise: 0.03, rounds: 5, change: -0.20}, func(t tally) string {
			return unless(t.faster == runs, "−20 % is not always found")
		}},
		{"one method -20 %, 10 rounds", world{calls: 300, noise: 0.03, rounds: 10, method: -0.20}, func(t tally) string {
			// The family of methods has a share of false discoveries, not of runs with one.
			return unless(t.method*100 >= 90*runs && t.methodWrong*100 <= 15*runs, "the method that changed is found too seldom, or others too often")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := c.world.tally(runs, 1)
			if failed := c.check(got); failed != "" {
				t.Errorf("%s: %+v", failed, got)
			}
		})
	}
}

// TestAnyClaimAtAll: all that a report claims of all calls, of their tail and of methods is together wrong as seldom. A share
// this small takes more runs to be known: of 200 runs 13 are no sign of more than 5 %.
func TestAnyClaimAtAll(t *testing.T) {
	const runs = 1000
	if got := (world{calls: 150, noise: 0.045, rounds: 5}).tally(runs, 1); got.anything*100 > 6*runs {
		t.Errorf("%+v", got)
	}
}

// TestTheTailAlone: only the slowest 2 % of calls change, the typical call does not.
func TestTheTailAlone(t *testing.T) {
	const runs = 30
	got := world{calls: 2000, noise: 0.03, rounds: 10, tail: 0.5}.tally(runs, 1)
	if got.tailSlower*100 < 85*runs || got.tailFaster > 0 || got.faster > 0 {
		t.Errorf("a tail that is 50 %% slower: %+v", got)
	}
	got = world{calls: 2000, noise: 0.03, rounds: 10}.tally(runs, 1)
	if (got.tailSlower+got.tailFaster)*100 > 6*runs {
		t.Errorf("a tail that did not change: %+v", got)
	}
}

// TestAllOfAThenAllOfB: with drift such a benchmark would always be wrong, so it says nothing.
func TestAllOfAThenAllOfB(t *testing.T) {
	if got := (world{calls: 150, noise: 0.03, rounds: 10, drift: 0.01, blocked: true}).tally(20, 1); got.anything > 0 {
		t.Errorf("%+v", got)
	}
}

// TestCallsAreNotIndependent is why rounds are tested and not calls.
func TestCallsAreNotIndependent(t *testing.T) {
	pooled, paired := world{calls: 500, noise: 0.03, rounds: 5, alike: true}.pooled(100, 1)
	if pooled < 15 || paired > 6 {
		t.Errorf("false alarms: %v %% of Mann-Whitney over calls, %v %% of paired rounds", pooled, paired)
	}
}

func TestTablesAreReplaced(t *testing.T) {
	document := filepath.Join(t.TempDir(), "statistics.md")
	if err := os.WriteFile(document, []byte("before\n"+begin+"\nold\n"+end+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replace(document, []byte("| new |\n")); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(document)
	if want := "before\n" + begin + "\n\n| new |\n" + end + "\nafter\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	if err := replace(document, nil); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(document, []byte("no tables"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replace(document, nil); err == nil || !strings.Contains(err.Error(), "find the tables") {
		t.Errorf("a document without tables: %v", err)
	}
}

func falseAlarms(t tally) string {
	limit := t.runs * 6 / 100
	all := t.faster + t.slower
	tail := t.tailFaster + t.tailSlower
	return unless(all <= limit && tail <= limit && t.methods <= limit, "more than 6 % false alarms")
}

func unless(ok bool, text string) string {
	if ok {
		return ""
	}
	return text
}

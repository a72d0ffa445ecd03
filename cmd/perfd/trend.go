package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/report"
	"github.com/perfd/perfd/store"
)

const trendHelp = `Trend reads reports of runs of one load at different times, files of perfd replay --json or the store of its --store, and says
from which run on all calls, or a method's, are slower or faster than before. What changes but once is no change of level. docs/statistics.md
says how it is found.

`

func trendCommand(t terminal) *cobra.Command {
	var c compare.TrendConfig
	var asJSON bool
	var least float64
	cmd := &cobra.Command{
		Use:     "trend REPORT…|STORE",
		Short:   "Find the run from which on replays are slower or faster",
		Long:    trendHelp + "Exit status:\n  0    done\n  1    failure\n  2    wrong usage",
		Example: "  perfd replay day.load --target http://staging:8069 --json runs/$(date +%F).json\n  perfd trend runs/*.json\n  perfd replay day.load --target http://staging:8069 --store runs.perfd\n  perfd trend runs.perfd",
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usagef("trend takes the REPORTs of several runs, or a STORE")
			case least <= 0 || least > 1000:
				return usagef("--min-change must be above 0, not %g", least)
			}
			c.MinEffect = least / 100
			runs := make([]*report.Past, 0, len(args))
			for _, name := range args {
				p, err := readPast(cmd.Context(), name)
				if err != nil {
					return err
				}
				runs = append(runs, p...)
			}
			turns := report.Turns(runs, c)
			if !asJSON {
				return report.History(t.out, runs, turns) //nolint:wrapcheck // it says what it was about
			}
			e := json.NewEncoder(t.out)
			e.SetIndent("", "  ")
			if err := e.Encode(append([]report.Turn{}, turns...)); err != nil {
				return fmt.Errorf("write history: %w", err)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.Float64Var(&least, "min-change", 5, "least change of the level in `percent`")
	f.BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// readPast reads a report, or all that a store keeps.
func readPast(ctx context.Context, name string) ([]*report.Past, error) {
	if store.IsStore(name) {
		return storedPast(ctx, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read report %s: %w", name, cause(err))
	}
	defer f.Close()
	p, err := report.Read(f, filepath.ToSlash(name))
	switch what := kindOf(name); {
	case err == nil:
	case what == captureFile || what == loadFile:
		return nil, hinted{fmt.Errorf("read report %s: it is %s, not a report", filepath.Base(name), kindNames[what]),
			"give files that perfd replay --json wrote, or the store of its --store"}
	default:
		return nil, hinted{err, "give files that perfd replay --json wrote, or the store of its --store"}
	}
	return []*report.Past{p}, nil
}

func storedPast(ctx context.Context, name string) ([]*report.Past, error) {
	r, err := store.Open(name, store.Config{})
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it was about
	}
	defer r.Close()
	list, err := r.Benchmarks(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it was about
	}
	if len(list) == 0 {
		return nil, hinted{fmt.Errorf("read store %s: it keeps no replay", filepath.Base(name)), "perfd replay --store puts reports there"}
	}
	out := make([]*report.Past, 0, len(list))
	for _, b := range list {
		kept, err := r.Benchmark(ctx, b.ID)
		if err != nil {
			return nil, err //nolint:wrapcheck // it says what it was about
		}
		p, err := report.Read(bytes.NewReader(kept.Document), fmt.Sprintf("%s:%d", filepath.ToSlash(name), b.ID))
		if err != nil {
			return nil, err //nolint:wrapcheck // it says what it was about
		}
		out = append(out, p)
	}
	return out, nil
}

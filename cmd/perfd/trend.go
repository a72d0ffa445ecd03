package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/report"
)

const trendHelp = `Trend reads reports that perfd replay --json wrote, of runs of one load at different times, and says from which run on all
calls, or a method's, are slower or faster than before. What changes but once is no change of level. docs/statistics.md
says how it is found.

`

func trendCommand(t terminal) *cobra.Command {
	var c compare.TrendConfig
	var asJSON bool
	var least float64
	cmd := &cobra.Command{
		Use:     "trend REPORT…",
		Short:   "Find the run from which on replays are slower or faster",
		Long:    trendHelp + "Exit status:\n  0    done\n  1    failure\n  2    wrong usage",
		Example: "  perfd replay day.load --target http://staging:8069 --json runs/$(date +%F).json && perfd trend runs/*.json",
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usagef("trend takes the REPORTs of several runs")
			case least <= 0 || least > 1000:
				return usagef("--min-change must be above 0, not %g", least)
			}
			c.MinEffect = least / 100
			runs := make([]*report.Past, 0, len(args))
			for _, name := range args {
				p, err := readPast(name)
				if err != nil {
					return err
				}
				runs = append(runs, p)
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

func readPast(name string) (*report.Past, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	defer f.Close()
	p, err := report.Read(f, filepath.Base(name))
	if err != nil {
		return nil, hinted{err, "give files that perfd replay --json wrote"}
	}
	return p, nil
}

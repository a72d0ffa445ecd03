package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/replay/report"
	"github.com/perfd/perfd/replay/whatif"
)

const whatIfHelp = `What-if answers questions about a load file without a server: what the client's cache would have answered, by how long and
how much it keeps; how many calls there would be if records that are read one by one were read together; and how long
calls would have waited for one, two, three… workers. The answers are of the recorded calls and their recorded
durations; docs/statistics.md says how they come about.

Caches need the arguments of calls: perfd record --keep-args.

`

func whatIfCommand(t terminal) *cobra.Command {
	var c whatif.Config
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "whatif LOAD",
		Short:   "Answer what a cache or other workers would change, from recorded calls alone",
		Long:    whatIfHelp + "Exit status:\n  0    done\n  1    failure\n  2    wrong usage\n  3    the load is cut off; the answers are of what could be read",
		Example: "  perfd whatif day.load\n  perfd whatif day.load --workers 8 --ttl 1m --json",
		RunE: func(_ *cobra.Command, args []string) error {
			if err := oneFile(args, "whatif", "LOAD", "which perfd record makes"); err != nil {
				return err
			}
			switch {
			case c.MaxWorkers < 1 || c.MaxWorkers > 256:
				return usagef("--workers must be from 1 to 256, not %d", c.MaxWorkers)
			case c.TTL <= 0:
				return usagef("--ttl must be above 0, not %s", c.TTL)
			}
			a, err := askLoad(args[0], c)
			if a == nil {
				return err
			}
			if said := tellAnswers(t, args[0], a, asJSON); said != nil {
				return said
			}
			return err // of a load that is cut off
		},
	}
	f := cmd.Flags()
	f.IntVar(&c.MaxWorkers, "workers", 32, "most `workers` to ask about")
	f.DurationVar(&c.TTL, "ttl", 5*time.Minute, "how long the caches of several sizes keep an answer, as a `duration`")
	f.BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func tellAnswers(t terminal, file string, a *whatif.Answers, asJSON bool) error {
	if !asJSON {
		return report.WhatIf(t.out, report.Load{Name: filepath.Base(file)}, a) //nolint:wrapcheck // it says what it was about
	}
	e := json.NewEncoder(t.out)
	e.SetIndent("", "  ")
	if err := e.Encode(a); err != nil {
		return fmt.Errorf("write answers: %w", err)
	}
	return nil
}

// askLoad reads a load file and answers, if it is cut off of what could be read and with an error.
func askLoad(file string, c whatif.Config) (*whatif.Answers, error) {
	r, done, err := openLoad(file)
	if err != nil {
		return nil, err
	}
	defer done()
	s := whatif.New(r.Header(), c)
	for {
		call, err := r.Next()
		if errors.Is(err, io.EOF) {
			return s.Answer(), nil
		}
		if errors.Is(err, load.ErrCutOff) {
			return s.Answer(), loadError(err)
		}
		if err != nil {
			return nil, loadError(err)
		}
		of, _ := r.Session(call.Session)
		s.Add(&call, of)
	}
}

// openLoad opens a load file; the function closes it.
func openLoad(file string) (*load.Reader, func(), error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, fmt.Errorf("open load %s: %w", file, cause(err))
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		_ = f.Close() // nothing was written
		return nil, nil, hinted{fmt.Errorf("open load: %s is a folder", file), "name a file that perfd record wrote"}
	}
	r, err := load.NewReader(f, file, load.ReaderConfig{})
	if err != nil {
		_ = f.Close() // nothing was written
		if other := notALoad(file); other != nil && errors.Is(err, load.ErrFormat) {
			return nil, nil, other
		}
		return nil, nil, loadError(err)
	}
	return r, func() {
		r.Close()
		_ = f.Close() // nothing was written
	}, nil
}

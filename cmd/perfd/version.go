package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

func versionCommand(t terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print perfd's version, Go's and the commit it was built from",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(t.out, "perfd "+version(true))
			if err != nil {
				return fmt.Errorf("print version: %w", err)
			}
			return nil
		},
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, not %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// version names the build: its module version and, if long, Go's version and the commit.
func version(long bool) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	if !long {
		return v
	}
	facts := []string{info.GoVersion}
	changed := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			facts = append(facts, "commit "+s.Value[:12])
		case s.Key == "vcs.time":
			facts = append(facts, s.Value)
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "with changes"
		}
	}
	if changed != "" {
		facts = append(facts, changed)
	}
	return v + " (" + strings.Join(facts, ", ") + ")"
}

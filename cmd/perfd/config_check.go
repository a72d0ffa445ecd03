package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/perfd/perfd/config"
)

func configCheckCommand(t terminal) *cobra.Command {
	var effective bool
	var input func() config.Input
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check the settings of file, environment and flags, and say what is wrong, by line",
		Long: "Check reads the settings as perfd watch would, FILE in place of its file, and prints what is wrong with\n" +
			"them, a line each. With --effective it prints every setting, its value and where that comes from; secrets\n" +
			"are masked. It takes the flags of perfd watch.",
		Example: "  perfd config check /etc/perfd/perfd.yaml\n" +
			"  PERFD_MEMORY=512MiB perfd config check --effective",
		RunE: func(cmd *cobra.Command, args []string) error {
			in := input()
			switch {
			case len(args) > 1:
				return usagef("perfd config check takes one FILE, not %d", len(args))
			case len(args) == 1 && in.File != "":
				return usagef("the file is given by --config and as an argument")
			case len(args) == 1:
				in.File = args[0]
			}
			return checkConfig(t, in, effective)
		},
	}
	input = settingFlags(cmd.Flags())
	cmd.Flags().BoolVar(&effective, "effective", false, "print every setting with its value and its source")
	return cmd
}

func checkConfig(t terminal, in config.Input, effective bool) error {
	c, problems := config.Load(in)
	for _, p := range problems {
		fmt.Fprintln(t.err, p)
	}
	if effective {
		if err := c.WriteEffective(t.out); err != nil {
			return err
		}
	}
	if problems.Err() != nil {
		return hinted{fmt.Errorf("the settings cannot be used: %s", problemCount(problems)), "perfd config default prints what is allowed"}
	}
	if !effective {
		fmt.Fprintln(t.out, "the settings are right")
	}
	return nil
}

func problemCount(problems config.Problems) string {
	n := 0
	for _, p := range problems {
		if !p.Warning {
			n++
		}
	}
	if n == 1 {
		return "1 problem"
	}
	return fmt.Sprintf("%d problems", n)
}

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/perfd/perfd/config"
)

func configCommand(t terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check, show or write the settings of perfd watch",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q", "config "+args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(configCheckCommand(t), configDefaultCommand(t), configHashCommand(t))
	return cmd
}

func configDefaultCommand(t terminal) *cobra.Command {
	return &cobra.Command{
		Use:     "default",
		Short:   "Print a file with every setting, its default and what it is for",
		Example: "  perfd config default > /etc/perfd/perfd.yaml",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return config.WriteDefault(t.out) },
	}
}

// settingFlags adds a flag for each setting but those named, and --config. What it returns makes the input of config.Load of
// those that were given.
func settingFlags(f *pflag.FlagSet, but ...string) func() config.Input {
	file := f.String("config", "", "settings `file` (default: "+config.DefaultFile+", if it exists)")
	given := make(map[string]*settingValue)
	for _, s := range config.Flags() {
		if slices.Contains(but, s.Key) {
			continue
		}
		v := &settingValue{show: s.Default, kind: s.Placeholder}
		flag := f.VarPF(v, s.Name, "", s.Help)
		if s.Bool {
			flag.NoOptDefVal = "true"
		}
		section, _, _ := strings.Cut(s.Key, ".")
		under(f, settingHeadings[section], s.Name)
		given[s.Key] = v
	}
	return func() config.Input {
		in := config.Input{File: *file, Fallback: config.DefaultFile, Env: os.Environ(), Flags: make(map[string][]string)}
		for key, v := range given {
			if v.set {
				in.Flags[key] = v.values
			}
		}
		return in
	}
}

// loadSettings reads all settings and tells what is wrong with them.
func loadSettings(t terminal, input func() config.Input) (*config.Config, error) {
	c, problems := config.Load(input())
	for _, p := range problems {
		fmt.Fprintln(t.err, "perfd:", p)
	}
	if problems.Err() != nil {
		return nil, hinted{usagef("the settings cannot be used"), "perfd config default prints what is allowed"}
	}
	return c, nil
}

// settingValue takes a setting's text down; package config parses it, as it does that of the other sources.
type settingValue struct {
	show, kind string
	values     []string
	set        bool
}

var _ pflag.Value = (*settingValue)(nil)

func (v *settingValue) String() string { return v.show }

func (v *settingValue) Type() string { return v.kind }

func (v *settingValue) Set(text string) error {
	v.values, v.set = append(v.values, text), true
	return nil
}

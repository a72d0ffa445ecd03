package main

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/perfd/perfd/config"
)

// suggestFlag words which flag was probably meant by an unknown one; empty if none comes near.
func suggestFlag(cmd *cobra.Command, err error) string {
	_, name, unknown := strings.Cut(err.Error(), "unknown flag: --")
	if !unknown {
		return ""
	}
	var flags []string
	begun := "" // the flag that the name begins
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		flags = append(flags, f.Name)
		if begun == "" && strings.HasPrefix(f.Name, name) {
			begun = f.Name
		}
	})
	if best := cmp.Or(begun, config.Nearest(name, flags)); best != "" {
		return ", did you mean --" + best + "?"
	}
	return ""
}

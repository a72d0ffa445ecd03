package main

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	helpWidth = 100
	helpGroup = "perfd group" // annotation of a flag: the heading it stands under
)

// flagHeadings are the headings of flags in the order of --help. Flags of none come last.
var flagHeadings = []string{
	headTarget, headSent, headSafety, headCompare, headWhy, headRelays, headTLS, headReport, headWatch, headEvidence, headKeep, headPages, headLimits, headLog,
}

const (
	headTarget   = "Target and users"
	headSent     = "What is sent, and when"
	headSafety   = "Safety"
	headCompare  = "Comparison"
	headWhy      = "What the server does meanwhile"
	headRelays   = "What to relay"
	headTLS      = "TLS of PostgreSQL"
	headReport   = "Report at the end"
	headWatch    = "What to watch"
	headEvidence = "Evidence and logs to follow"
	headKeep     = "What to keep"
	headPages    = "Pages and metrics"
	headLimits   = "Limits"
	headLog      = "perfd's own log and profiles"
)

// settingHeadings are the headings of settings by the first word of their key.
var settingHeadings = map[string]string{
	"interfaces": headWatch, "rpc_ports": headWatch, "pg_ports": headWatch,
	"evidence": headEvidence, "pg_log": headEvidence, "odoo_log": headEvidence, "database": headEvidence,
	"store": headKeep, "retention": headKeep, "keep": headKeep, "privacy": headKeep,
	"listen": headPages, "hosts": headPages, "auth": headPages, "metrics": headPages,
	"memory": headLimits, "cpu": headLimits,
	"log": headLog, "pyroscope": headLog,
}

// under puts flags under a heading.
func under(f *pflag.FlagSet, heading string, names ...string) {
	for _, name := range names {
		flag := f.Lookup(name)
		if flag.Annotations == nil {
			flag.Annotations = map[string][]string{}
		}
		flag.Annotations[helpGroup] = []string{heading}
	}
}

// flagHelp writes flags by heading.
func flagHelp(f *pflag.FlagSet) string {
	sets := map[string]*pflag.FlagSet{}
	f.VisitAll(func(flag *pflag.Flag) {
		heading := strings.Join(flag.Annotations[helpGroup], "")
		if sets[heading] == nil {
			sets[heading] = pflag.NewFlagSet(heading, pflag.ContinueOnError)
		}
		sets[heading].AddFlag(flag)
	})
	var parts []string
	for _, heading := range append(slices.Clone(flagHeadings), "") {
		set := sets[heading]
		if set == nil {
			continue
		}
		if heading == "" {
			heading = "Flags"
			if len(sets) > 1 {
				heading = "Others"
			}
		}
		parts = append(parts, heading+":\n"+set.FlagUsagesWrapped(helpWidth))
	}
	return strings.Join(parts, "\n")
}

// groupFlags has a command and those below it show flags by heading.
func groupFlags(root *cobra.Command) {
	cobra.AddTemplateFunc("flagHelp", flagHelp)
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "Flags:\n{{.LocalFlags.FlagUsages ", "{{flagHelp .LocalFlags ", 1))
}

// narrow wraps what a command and those below it say of themselves.
func narrow(cmd *cobra.Command) {
	cmd.Long = reflow(cmd.Long)
	for _, c := range cmd.Commands() {
		narrow(c)
	}
}

// reflow wraps the paragraphs of a text. Lines that are indented stay as they are.
func reflow(text string) string {
	var out strings.Builder
	column := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == ' ' {
			if column > 0 {
				out.WriteByte('\n')
			}
			out.WriteString(line + "\n")
			column = 0
			continue
		}
		for word := range strings.FieldsSeq(line) {
			n := utf8.RuneCountInString(word)
			switch {
			case column > 0 && column+1+n > helpWidth:
				out.WriteByte('\n')
				column = 0
			case column > 0:
				out.WriteByte(' ')
				column++
			}
			out.WriteString(word)
			column += n
		}
	}
	return strings.TrimRight(out.String(), "\n")
}

// helpCommand is cobra's, but for what it says of commands that there are not.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			if err != nil || of == nil || len(rest) > 0 {
				return hinted{usagef("unknown command %q", strings.Join(args, " ")), "perfd --help lists the commands"}
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}

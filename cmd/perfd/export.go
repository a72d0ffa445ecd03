package main

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/replay/report/export"
)

const exportHelp = `Export writes a load file as a script for k6 or as an HTTP archive (HAR 1.2), for those who replay by other means. Calls
that write are left out unless --allow-writes says otherwise, and what reaches beyond the database always is. Neither
form knows of record ids that other calls make, or of users' passwords: perfd replay does.

`

func exportCommand(t terminal) *cobra.Command {
	var c export.Config
	var k6, har, target string
	cmd := &cobra.Command{
		Use:     "export LOAD",
		Short:   "Write a load file as a k6 script or as a HAR file",
		Long:    exportHelp + "Exit status:\n  0    done\n  1    failure\n  2    wrong usage\n  3    the load is cut off; what could be read was exported",
		Example: "  perfd export day.load --k6 day.js && k6 run -e TARGET=http://staging:8069 -e PASSWORD=demo day.js\n  perfd export day.load --har day.har --target http://staging:8069",
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return usagef("export takes the LOAD file, not %d of them", len(args))
			case (k6 == "") == (har == ""):
				return hinted{usagef("it has to be said in which form"), "give --k6 or --har"}
			}
			c.Name, c.Version = filepath.Base(args[0]), version(false)
			r, done, err := openLoad(args[0])
			if err != nil {
				return err
			}
			defer done()
			return exportLoad(t, r, c, k6, har, target)
		},
	}
	f := cmd.Flags()
	f.StringVar(&k6, "k6", "", "write a script for k6 to this `file`; - is standard output")
	f.StringVar(&har, "har", "", "write an HTTP archive to this `file`; - is standard output")
	f.StringVar(&target, "target", "http://localhost:8069", "`address` that stands in the archive")
	f.StringVar(&c.Database, "database", "", "`name` of the target's database (default: the captured one's)")
	f.BoolVar(&c.Writes, "allow-writes", false, "export calls that write")
	f.IntVar(&c.MaxCalls, "max-calls", 0, "most `calls` (default: 20000 for k6, 1000000 for HAR)")
	return cmd
}

func exportLoad(t terminal, r *load.Reader, c export.Config, k6, har, target string) error {
	out, err := openOutput(k6+har, t)
	if err != nil {
		return err
	}
	defer out.discard()
	if err := out.private(); err != nil {
		return err
	}
	var done export.Done
	if k6 != "" {
		done, err = export.K6(out, r, c)
	} else {
		done, err = export.HAR(out, r, target, c)
	}
	if err != nil {
		return loadError(err)
	}
	if err := out.commit(); err != nil {
		return err
	}
	sayExported(t.err, done)
	return loadError(done.CutOff)
}

// sayExported says what was exported, and what was not.
func sayExported(w io.Writer, done export.Done) {
	fmt.Fprintf(w, "perfd: %s of %s exported\n", figures.Plural(int64(done.Calls), "call"), figures.Plural(int64(done.Sessions), "session"))
	for _, why := range slices.Sorted(maps.Keys(done.Left)) {
		fmt.Fprintf(w, "perfd: %s left out: %s\n", figures.Plural(done.Left[why], "call"), why)
	}
}

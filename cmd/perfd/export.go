package main

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay/report/export"
)

const exportHelp = `Export writes a load file as a script for k6 or as an HTTP archive (HAR 1.2), for those who replay by other means. Calls
that write, forms and JSON bodies among them, are left out unless --allow-writes says otherwise, and what reaches beyond the database always is.
Neither form knows of record ids that other calls make: perfd replay does.

The script logs every session in, reads the csrf token of its forms, and sends each call when it was due (MODE and SPEED are
told at its head). An archive has no log-ins: its comment says what to put in.

`

func exportCommand(t terminal) *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export LOAD",
		Short: "Write a load file as a k6 script or as a HAR file",
		Long: exportHelp + "Exit status:\n  0    done\n  1    failure, also if no call could be exported\n  2    wrong usage\n" +
			"  3    the load is cut off; what could be read was exported",
		Example: "  perfd export day.load --k6 day.js && k6 run -e TARGET=http://staging:8069 -e PASSWORD=demo day.js\n  perfd export day.load --har day.har --target http://staging:8069",
		RunE: func(_ *cobra.Command, args []string) error {
			if err := o.validate(args); err != nil {
				return err
			}
			return o.run(t)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.k6, "k6", "", "write a script for k6 to this `file`; - is standard output")
	f.StringVar(&o.har, "har", "", "write an HTTP archive to this `file`; - is standard output")
	f.StringVar(&o.target, "target", "http://localhost:8069", "`address` that stands in the archive; scripts take theirs when they run")
	f.StringVar(&o.Database, "database", "", "`name` of the target's database (default: the captured one's)")
	f.BoolVar(&o.Writes, "allow-writes", false, "export calls that write")
	f.IntVar(&o.MaxCalls, "max-calls", 0, "most `calls` (default: 20000 for k6, 1000000 for HAR)")
	return cmd
}

// exportOptions are the flags of `perfd export`.
type exportOptions struct {
	export.Config
	file, k6, har, target string
}

// validate is the one place where options are checked.
func (o *exportOptions) validate(args []string) error {
	if err := oneFile(args, "export", "LOAD", "which perfd record makes"); err != nil {
		return err
	}
	o.file = args[0]
	switch {
	case o.k6 == "" && o.har == "":
		return hinted{usagef("it has to be said in which form"), "give --k6, --har or both"}
	case o.MaxCalls < 0:
		return usagef("--max-calls must not be negative")
	case o.har != "" && !export.IsServer(o.target):
		return usagef("--target must be the address of a server, as http://staging:8069, not %q", o.target)
	}
	return apart([]string{o.file}, flagged{"--k6", o.k6}, flagged{"--har", o.har})
}

func (o *exportOptions) run(t terminal) error {
	o.Name, o.Version = filepath.Base(o.file), version(false)
	var cut error
	for _, form := range []struct {
		file  string
		write func(io.Writer, export.Source) (export.Done, error)
	}{
		{o.k6, func(w io.Writer, from export.Source) (export.Done, error) { return export.K6(w, from, o.Config) }},
		{o.har, func(w io.Writer, from export.Source) (export.Done, error) {
			return export.HAR(w, from, o.target, o.Config)
		}},
	} {
		if form.file == "" {
			continue
		}
		done, err := o.write(t, form.file, form.write)
		if err != nil {
			return err
		}
		sayExported(t.err, done, form.file)
		cut = loadError(done.CutOff)
	}
	return cut
}

// write writes one form. A file is not made for no call at all.
func (o *exportOptions) write(t terminal, file string, write func(io.Writer, export.Source) (export.Done, error)) (done export.Done, err error) {
	r, closeLoad, err := openLoad(o.file)
	if err != nil {
		return done, err
	}
	defer closeLoad()
	out, err := openOutput(file, t)
	if err != nil {
		return done, err
	}
	defer out.discard()
	if err := out.private(); err != nil {
		return done, err
	}
	if done, err = write(out, r); err != nil {
		return done, loadError(err)
	}
	if done.Calls == 0 {
		return done, nothingExported(o.file, done)
	}
	return done, out.commit()
}

// sayExported says what was exported, and what was not.
func sayExported(w io.Writer, done export.Done, file string) {
	fmt.Fprintf(w, "perfd: %s of %s exported", figures.Plural(int64(done.Calls), "call"), figures.Plural(int64(done.Sessions), "session"))
	if file != "-" {
		fmt.Fprintf(w, " to %s", file)
	}
	fmt.Fprintln(w)
	for _, why := range slices.Sorted(maps.Keys(done.Left)) {
		fmt.Fprintf(w, "perfd: %s left out: %s\n", figures.Plural(done.Left[why], "call"), why)
	}
}

// nothingExported is the error of an export without a call.
func nothingExported(file string, done export.Done) error {
	var why []string
	for _, reason := range slices.Sorted(maps.Keys(done.Left)) {
		why = append(why, fmt.Sprintf("%d: %s", done.Left[reason], reason))
	}
	err := fmt.Errorf("export %s: it has no call", filepath.Base(file))
	if len(why) > 0 {
		err = fmt.Errorf("export %s: no call of it can be exported (%s)", filepath.Base(file), strings.Join(why, "; "))
	}
	switch {
	case done.Left[export.LeftArguments] > 0:
		return hinted{err, "record with --keep-args"}
	case done.Left[export.LeftWrite] > 0:
		return hinted{err, "give --allow-writes for those that write"}
	}
	return hinted{err, "perfd record --show says what is in it"}
}

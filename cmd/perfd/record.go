package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
)

// recordOptions are the flags of `perfd record`.
type recordOptions struct {
	out     string
	from    []string
	length  time.Duration
	args    []string
	answers bool
	logins  bool
	keyFile string
	uuid    string
	show    bool
	force   bool

	rules load.Rules
	key   []byte
}

const recordHelp = `Record writes a load file: sessions, calls, timings and hashes of the answers, from captures, from a perfd store, or live
from the network interfaces, as perfd watch taps them. Ctrl-C ends a live recording with a file that is whole.

A load file without arguments can be counted and asked what-if, but not sent. --keep-args keeps them, of the models that
a rule names; values stand in them as aliases, the same value always as the same one, so that what belongs together can
still be told. A rule:

  res.partner                   the arguments, an alias for each value
  res.partner:city,country_id   the same, but the values of these fields as they are
  res.partner:-vat,-email       all values as they are but those of these fields
  sale.*                        a model may end in a star; * is all of them
  -res.users                    no arguments
  @FILE                         rules of a file, one a line

The last rule that names a model counts. Names of fields and models, dates and whole numbers that may be ids stay as they
are. Forms and the queries of pages go by the model that they name, or else by *. Passwords, tokens, keys and cookies are
never kept, nor is any argument of a log-in. docs/load-format.md has the rest.
`

func recordCommand(t terminal) *cobra.Command {
	var o recordOptions
	var input func() config.Input
	cmd := &cobra.Command{
		Use:   "record OUT",
		Short: "Record sessions and calls in a load file, for perfd replay",
		Long:  recordHelp + exitHelp,
		Example: "  perfd record day.load --from odoo.pcap.gz --keep-args '*'\n" +
			"  perfd record day.load --from odoo.pcap --keep-args '*:*' --keep-args 'res.partner:-vat,-email' --keep-args -hr.payslip\n" +
			"  sudo perfd record day.load --interface lo --rpc-port 8069 --pg-port 5432 --for 10m\n" +
			"  perfd record --show day.load",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.validate(args); err != nil {
				return err
			}
			if o.show {
				return showLoad(t, o.out)
			}
			c, err := loadSettings(t, input)
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), t, c)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.from, "from", nil, "capture or perfd store `file` to read; captures also several times (default: live)")
	f.DurationVar(&o.length, "for", 0, "end a live recording after this `duration` (default: at Ctrl-C)")
	f.StringArrayVar(&o.args, "keep-args", nil, "keep arguments by this `rule`, also several times (default: none)")
	f.BoolVar(&o.answers, "keep-answers", false, "keep the answers of those calls too, by the same rules")
	f.BoolVar(&o.logins, "keep-logins", false, "keep logins instead of user1, user2…")
	f.StringVar(&o.keyFile, "key-file", "", "`file` with the key of the aliases: one key, one alias (default: a new key each time)")
	f.StringVar(&o.uuid, "database-uuid", "", "the recorded database's `uuid`, its parameter database.uuid: a replay knows it by that (default: what an answer tells)")
	f.BoolVar(&o.force, "force", false, "let the recording take the place of the load file OUT, if there is one")
	f.BoolVar(&o.show, "show", false, "print what is in the load file OUT")
	under(f, headWatch, "from", "for", "database-uuid")
	under(f, headKeep, "keep-args", "keep-answers", "keep-logins", "key-file", "force")
	input = settingFlags(f, settingsBut("interfaces", "rpc_ports", "pg_ports", "evidence", "memory", "log")...)
	return cmd
}

// settingsBut lists the settings but those of some sections.
func settingsBut(sections ...string) (keys []string) {
	for _, s := range config.Flags() {
		if section, _, _ := strings.Cut(s.Key, "."); !slices.Contains(sections, section) {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// validate is the one place where options are checked.
func (o *recordOptions) validate(args []string) error {
	if err := oneFile(args, "record", "OUT", "the load that it writes (captures are named by --from)"); err != nil {
		return err
	}
	o.out = args[0]
	switch {
	case o.show && len(o.from)+len(o.args) > 0:
		return usagef("--show reads a load file, and takes no --from and no --keep-args")
	case o.length < 0:
		return usagef("--for must not be negative")
	case o.length > 0 && len(o.from) > 0:
		return usagef("--for is of live recordings, and --from reads files")
	case strings.Trim(o.uuid, "0123456789abcdefABCDEF-") != "" || len(o.uuid) > 64:
		return usagef("--database-uuid must be a uuid, not %q", o.uuid)
	case slices.Contains(o.from, "-") && len(o.from) > 1:
		return usagef("standard input cannot be read together with other files")
	case o.answers && len(o.args) == 0:
		return hinted{usagef("--keep-answers is of the calls whose arguments are kept"), "add --keep-args"}
	}
	for _, file := range o.from {
		if file != "-" && same(file, o.out) {
			return usagef("OUT would overwrite the input %s", file)
		}
	}
	if !o.show {
		if kindOf(o.out) == captureFile && len(o.from) == 0 {
			return hinted{usagef("OUT would overwrite %s, which is a capture", o.out), "to record from it, perfd record OUT --from " + o.out}
		}
		if err := overwrites("OUT", o.out, loadFile); err != nil {
			return err
		}
		if !o.force && kindOf(o.out) == loadFile { // which may be of a day that does not come again
			return hinted{usagef("OUT would overwrite %s, which is a recording", o.out), "name another file, or give --force"}
		}
	}
	for _, text := range o.args {
		rules, err := readRules(text)
		if err != nil {
			return hinted{usagef("--keep-args %w", err), "perfd record --help has the form"}
		}
		o.rules = o.rules.With(rules)
	}
	return nil
}

// readRules reads a rule, or those of @FILE.
func readRules(text string) (load.Rules, error) {
	name, file := strings.CutPrefix(text, "@")
	if !file {
		return load.ParseRules(text)
	}
	f, err := os.Open(name)
	if err != nil {
		return load.Rules{}, fmt.Errorf("read rules %s: %w", name, cause(err))
	}
	defer func() { _ = f.Close() }() // it was read
	rules, err := load.ReadRules(f)
	if err != nil {
		return load.Rules{}, fmt.Errorf("read rules %s: %w", name, err)
	}
	return rules, nil
}

// run records from wherever is asked for.
func (o *recordOptions) run(ctx context.Context, t terminal, c *config.Config) (err error) {
	c.Privacy.SessionKeyFile = o.keyFile
	if o.key, err = sessionKey(c.Privacy); errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return hinted{err, "check --key-file"}
	} else if err != nil {
		return err
	}
	out, err := openOutput(o.out, t)
	if err != nil {
		return err
	}
	defer out.discard()
	if err := out.private(); err != nil { // it is what users did, whatever was redacted
		return err
	}
	r, err := newLoadWriter(o)
	if err != nil {
		return err
	}
	defer r.discard()
	rec, partial, err := o.read(ctx, t, c, r)
	if err != nil {
		return err
	}
	if r.calls == 0 {
		return o.nothingRecorded(r)
	}
	if err := r.finish(out, rec); err != nil {
		return err
	}
	if err := out.commit(); err != nil {
		return err
	}
	r.farewell(t.err, o.out)
	return partial
}

// nothingRecorded is the error of a recording without a call. No file is made of it, and what stood there stays.
func (o *recordOptions) nothingRecorded(r *loadWriter) error {
	where, hint := " in "+strings.Join(r.sources, ", "), "check --rpc-port; perfd analyze says what is in a capture"
	if len(o.from) == 0 {
		where, hint = "", "check --interface and --rpc-port; perfd doctor says what can be seen here"
	}
	err := fmt.Errorf("record %s: no call was seen%s", filepath.Base(o.out), where)
	if r.left > 0 {
		err = fmt.Errorf("%w, but %s", err, figures.Plural(int64(r.left), "websocket or long-polling request"))
	}
	return hinted{err, hint}
}

// read gives the sink what is recorded. What is partial comes with a usable result.
func (o *recordOptions) read(ctx context.Context, t terminal, c *config.Config, r *loadWriter) (rec analyzer.Recording, partial, err error) {
	if len(o.from) == 0 {
		rec, err = o.live(ctx, t, c, r)
		return rec, nil, err
	}
	for _, file := range o.from {
		if file == "-" || !store.IsStore(file) {
			continue
		}
		if len(o.from) > 1 {
			return rec, nil, usagef("a perfd store is read alone: %s", file)
		}
		if o.rules.Any() {
			return rec, nil, hinted{usagef("--keep-args: a perfd store holds no arguments"), "record from the captures, or live"}
		}
		rec, err = recordStore(ctx, file, r)
		return rec, nil, err
	}
	p := &pipeline{rpcPorts: c.RPCPorts, pgPorts: c.PGPorts, keep: r.keeping()}
	reading := ctx
	for _, file := range o.from {
		r.sources = append(r.sources, filepath.Base(file))
		if file != "-" {
			p.inputs = append(p.inputs, fileInput(file))
			continue
		}
		r.sources = []string{"standard input"}
		in, _ := stdinInput(ctx, t.in)
		p.inputs = append(p.inputs, in)
		reading = context.WithoutCancel(ctx) // the first signal ends the recording
	}
	p.watch = func(name string, progress func() (done, total int64)) func() {
		return showProgress(t.err, filepath.Base(name), progress)
	}
	rec, partial = p.run(reading, func(sqltrace.Dictionary) (analyzer.Sink, error) { return r, nil })
	if partial != nil && !errors.Is(partial, capture.ErrPartial) {
		return rec, nil, partial
	}
	return rec, partial, nil
}

// recordStore gives the sink a store's calls.
func recordStore(ctx context.Context, path string, r *loadWriter) (rec analyzer.Recording, err error) {
	reader, err := store.Open(path, store.Config{})
	if err != nil {
		return rec, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	stored, err := reader.Recording(ctx)
	if err != nil {
		return rec, fmt.Errorf("read store: %w", err)
	}
	r.sources = append(r.sources, stored.Files...)
	if len(r.sources) == 0 {
		r.sources = []string{filepath.Base(path)}
	}
	r.lacks = append(r.lacks, "a perfd store keeps no arguments and no answers: the load can be counted and asked what-if, not sent")
	if stored.Summary.LostBytes > 0 {
		rec.LostBytes, rec.Gaps = stored.Summary.LostBytes, stored.Summary.Gaps
	}
	return rec, retell(ctx, reader, seenShapes{}, r)
}

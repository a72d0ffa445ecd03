package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/store"
)

// Exit codes, as documented in the help and the README.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitPartial     = 3   // a result was given, from a recording that is cut off or damaged
	exitThreshold   = 4   // a replay did not keep a threshold
	exitInterrupted = 130 // 128 + SIGINT, as shells count
)

const exitHelp = `
Exit status:
  0    done
  1    failure
  2    wrong usage
  3    the recording is cut off or damaged; the result covers what could be read
  130  interrupted`

// usageError is a mistake in the command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// hinted adds what to do about an error.
type hinted struct {
	err  error
	hint string
}

func (e hinted) Error() string { return e.err.Error() }
func (e hinted) Unwrap() error { return e.err }

// terminal is where a command reads and writes.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	t := terminal{in, out, errOut}
	root := &cobra.Command{
		Use:   "perfd",
		Short: "perfd shows who waits for Odoo or Tryton, how long and on what",
		Long: "perfd taps the network traffic of an Odoo or Tryton server and of its PostgreSQL database, live or from a\n" +
			"recording, puts every RPC call together with its SQL statements, and says where the time went.\n" + exitHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return nil
			case len(cmd.SuggestionsFor(args[0])) > 0:
				return usagef("unknown command %q, did you mean %s?", args[0], cmd.SuggestionsFor(args[0])[0])
			}
			return usagef("unknown command %q", args[0])
		},
		SuggestionsMinimumDistance: 2,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		CompletionOptions:          cobra.CompletionOptions{HiddenDefaultCmd: true},
		Version:                    version(true),
	}
	root.SetVersionTemplate("perfd {{.Version}}\n")
	root.AddCommand(analyzeCommand(t), proxyCommand(t), demoCommand(t), watchCommand(t), configCommand(t), doctorCommand(t), clientCommand(t), recordCommand(t), replayCommand(t), whatIfCommand(t), trendCommand(t), exportCommand(t), versionCommand(t))
	root.SetHelpCommand(helpCommand())
	groupFlags(root)
	narrow(root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hinted{usageError{fmt.Errorf("%s%s", flagMessage(err), suggestFlag(cmd, err))}, "see " + cmd.CommandPath() + " --help"}
	})
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' { // cobra would show the help of perfd for an unknown command's
		if cmd, rest, err := root.Find(args[:1]); err == nil && cmd == root && len(rest) > 0 && args[0] != "help" && args[0] != "completion" {
			args = args[:1]
		}
	}
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	message := strings.Join(strings.Fields(err.Error()), " ")
	if errors.Is(err, context.Canceled) {
		message = "interrupted"
	}
	if h := strings.Replace(hintFor(err), "see perfd --help", "see "+cmd.CommandPath()+" --help", 1); h != "" {
		message += "; " + h
	}
	fmt.Fprintf(errOut, "perfd: %s\n", figures.Clean(message)) // which a server may have worded
	return exitCode(err)
}

// damagedStore reports whether SQLite found a file that is none of its own or not whole: SQLITE_CORRUPT and
// SQLITE_NOTADB (sqlite.org/rescode.html).
func damagedStore(err error) bool {
	var coded interface {
		error
		Code() int
	}
	return errors.As(err, &coded) && (coded.Code()&0xff == 11 || coded.Code()&0xff == 26)
}

// flagMessage words what is wrong with a flag's value without the words of the library that parsed it:
// `invalid argument "abc" for "--top" flag: strconv.ParseInt: parsing "abc": invalid syntax`.
func flagMessage(err error) string {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err.Error()
	}
	f := invalid.GetFlag()
	want := "of the kind " + f.Value.Type()
	switch f.Value.Type() {
	case "int", "int64":
		want = "a whole number"
	case "uint", "uint64":
		want = "a whole number that is not negative"
	case "float64":
		want = "a number, as 1.5"
	case "duration":
		want = "a duration, as 30s, 5m or 1h30m"
	case "stringSlice":
		want = "a text, or several with commas"
	case "uintSlice":
		want = "a port from 1 to 65535, or several with commas"
	case "bool":
		want = "true or false"
	}
	return fmt.Sprintf("--%s must be %s, not %q", f.Name, want, invalid.GetValue())
}

func exitCode(err error) int {
	var usage usageError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, new(thresholdError)):
		return exitThreshold
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, capture.ErrPartial):
		return exitPartial
	}
	return exitFailure
}

// hintFor says what to do about err; empty if the error says it all.
func hintFor(err error) string {
	var (
		h     hinted
		s     *store.Error
		usage usageError
	)
	switch {
	case errors.As(err, &h):
		return h.hint
	case damagedStore(err):
		return "the store is damaged: copy it again, or make it anew from the capture"
	case errors.As(err, &s):
		return s.Hint
	case errors.As(err, &usage):
		return "see perfd --help"
	case errors.Is(err, context.Canceled):
		return ""
	case errors.Is(err, capture.ErrPartial):
		return "the result covers what could be read"
	case errors.Is(err, capture.ErrFormat):
		return "give a pcap, pcapng or perfd store file; tcpdump -w and Wireshark write the former"
	case errors.Is(err, fs.ErrNotExist):
		return "check the path"
	case errors.Is(err, fs.ErrPermission):
		return "run perfd as a user who may do that"
	case errors.Is(err, syscall.ENOSPC):
		return "free some space, or write elsewhere"
	}
	return ""
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/compare/answer"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/replay/safety"
)

const maxLabel = 200 // bytes

// replayOptions are the flags of `perfd replay`.
type replayOptions struct {
	file                             string
	target, targetB, database, baseB string
	mode, cache, redis               string
	speed, rate                      float64
	rounds                           int
	sessions, methods, dangerous     []string
	ignore                           []string
	users, passwordFile              string
	confirm, confirmB                string
	writes, shift, keepIDs, cold     bool
	beforeA, beforeB, dsn, dsnB      string
	tap                              []string
	rpcPorts, pgPorts                []uint
	pyroscope, watched               string
	failIf                           []string
	jsonFile, htmlFile, store, label string
	maxInFlight, maxQueued           int
	timeout, maxGap                  time.Duration

	roundsGiven bool
	thresholds  []compare.Threshold
	closers     []func()
	whole       int64 // calls before the load is cut off,
	cut         error // which is why; nil if it is not
}

const replayHelp = `Replay sends the calls of a load file, which perfd record made, to a server: in the sessions, in the order and at the
times of the recording, under users of the target. It says how long they took and whether the answers were the
recorded ones.

With two arms it says which is faster, and how sure that is: --target-b names a second server, --before-a and --before-b
are commands that switch something on one server before each pass, and --cache lets the second arm use the caching
client. Passes follow one another as A B, B A, A B, so that what changes by itself is not taken for a difference.

--tap watches the server meanwhile, as perfd watch does, and --database-url asks its PostgreSQL, to say why: where the
time of the calls went, in SQL, locks or the application, and on which statements. --tap takes root on the server's host; --watched takes the store of a perfd watch that has it.

Only what reads is sent. --allow-writes sends the rest, but for what reaches beyond the database, as mail, payments,
postings and deletions: such methods have to be named one by one with --allow-dangerous. Writes are refused unless it
is known that the target is not the captured database: by its database.uuid, because it is neutralized, or because
--target-is repeats its name. Ids of records that the load creates are put in the place of the recorded ones.

The users' password is that of --password-file or ODOO_PASSWORD; users of their own stand in the file of --users:

  user1: {login: anna, password_env: ANNA_PASSWORD}
  "*": demo

`

func replayCommand(t terminal) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay LOAD",
		Short: "Send recorded calls to a server again, and compare",
		Long: replayHelp + "Exit status:\n  0    done\n  1    failure, also if no call was sent\n  2    wrong usage\n" +
			"  3    the load is cut off; what could be read was replayed\n  4    a threshold of --fail-if was not kept\n  130  interrupted; the report covers what was sent",
		Example: "  perfd replay day.load --target http://staging:8069 --database staging\n" +
			"  perfd replay day.load --target http://a:8069 --target-b http://b:8069 --database copy --rounds 10 --html ab.html\n" +
			"  perfd replay day.load --target http://a:8000 --database copy --target-is copy --allow-writes \\\n" +
			"      --before-a 'make restore' --before-b 'make restore index' --fail-if 'p95(res.partner.*) > +5%'",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.roundsGiven = cmd.Flags().Changed("rounds")
			if err := o.validate(args); err != nil {
				return err
			}
			defer o.close()
			return o.run(cmd.Context(), t)
		},
	}
	o.add(cmd.Flags())
	return cmd
}

func (o *replayOptions) add(f *pflag.FlagSet) {
	f.StringVar(&o.target, "target", "", "`address` of the server")
	f.StringVar(&o.targetB, "target-b", "", "`address` of a second server, to compare")
	f.StringVar(&o.database, "database", "", "`name` of the target's database (default: the captured one's)")
	f.StringVar(&o.baseB, "database-b", "", "`name` of the second server's database (default: as --database)")
	f.StringVar(&o.users, "users", "", "`file` that says who stands in for whom")
	f.StringVar(&o.passwordFile, "password-file", "", "`file` with the users' password (default: $ODOO_PASSWORD)")
	f.StringVar(&o.mode, "mode", "timeline", "when calls are due: timeline, think, rate or max")
	f.Float64Var(&o.speed, "speed", 1, "`factor` of the recorded speed")
	f.Float64Var(&o.rate, "rate", 0, "calls a `second`, with --mode rate")
	f.StringSliceVar(&o.sessions, "sessions", nil, "`patterns` of sessions or logins to replay (default: all)")
	f.StringSliceVar(&o.methods, "methods", nil, "`patterns` of methods, as res.partner.*, to replay (default: all)")
	f.BoolVar(&o.shift, "shift-dates", false, "move the dates in searches by the days since the recording")
	f.BoolVar(&o.keepIDs, "keep-ids", false, "send recorded ids as they are")
	f.IntVar(&o.rounds, "rounds", 5, "`number` of passes of each arm; of one arm alone 1, unless it is given")
	f.BoolVar(&o.cold, "cold", false, "no pass to warm up first")
	f.StringVar(&o.cache, "cache", "off", "let the second arm use the caching client: off, memory, redis or tiered")
	f.StringVar(&o.redis, "redis", "", "`address` of a Redis, for --cache redis and tiered (default: $REDIS_URL)")
	f.StringVar(&o.beforeA, "before-a", "", "`command` of the shell before each pass of the first arm")
	f.StringVar(&o.beforeB, "before-b", "", "`command` of the shell before each pass of the second arm")
	f.StringVar(&o.dsn, "database-url", "", "connection `string` of the target's PostgreSQL, for pg_stat_statements (default: $PERFD_REPLAY_DATABASE)")
	f.StringVar(&o.dsnB, "database-url-b", "", "that of the second server's (default: as --database-url)")
	f.StringSliceVar(&o.tap, "tap", nil, "watch the target meanwhile on this `interface` of its host, or on any, and tell why")
	f.UintSliceVar(&o.rpcPorts, "rpc-port", nil, "`ports` of the application server, for --tap (default: the targets')")
	f.UintSliceVar(&o.pgPorts, "pg-port", nil, "`ports` of PostgreSQL, for --tap (default: those found)")
	f.StringVar(&o.watched, "watched", "", "in place of --tap, the store `file` that a perfd watch beside the target writes meanwhile")
	f.StringVar(&o.pyroscope, "pyroscope", "", "send profiles of perfd itself to this Pyroscope `server`, with the run, mode, side and round")
	for _, name := range []string{"rpc-port", "pg-port"} {
		f.Lookup(name).DefValue = "" // which the sentence tells
	}
	f.BoolVar(&o.writes, "allow-writes", false, "send calls that write")
	f.StringSliceVar(&o.dangerous, "allow-dangerous", nil, "send this dangerous `method` too, also several times")
	f.StringVar(&o.confirmB, "target-b-is", "", "`name` of the second server's database once more, as --target-is")
	f.StringVar(&o.confirm, "target-is", "", "`name` of the target's database once more: it is not the captured one")
	f.StringArrayVar(&o.failIf, "fail-if", nil, "exit with 4 if so, as 'p95(res.partner.*) > +5%'; also several times")
	f.StringSliceVar(&o.ignore, "ignore-fields", nil, "`patterns` of fields whose values in answers do not matter, besides times and tokens")
	f.StringVar(&o.jsonFile, "json", "", "write the result as JSON to this `file`")
	f.StringVar(&o.htmlFile, "html", "", "write the result as a page to this `file`")
	f.StringVar(&o.label, "label", "", "`text` that says in reports which experiment this is")
	f.StringVar(&o.store, "store", "", "keep the result in this perfd store `file`, beside those of earlier replays")
	f.IntVar(&o.maxInFlight, "max-in-flight", 512, "most requests at once")
	f.IntVar(&o.maxQueued, "max-waiting", 20_000, "most calls that wait")
	f.DurationVar(&o.timeout, "timeout", 2*time.Minute, "limit of one request, as a `duration`")
	f.DurationVar(&o.maxGap, "max-gap", 5*time.Minute, "longest `pause` in which nothing is sent")
	under(f, headTarget, "target", "target-b", "database", "database-b", "users", "password-file")
	under(f, headSent, "mode", "speed", "rate", "sessions", "methods", "shift-dates", "keep-ids")
	under(f, headSafety, "allow-writes", "allow-dangerous", "target-is", "target-b-is")
	under(f, headCompare, "rounds", "cold", "cache", "redis", "before-a", "before-b")
	under(f, headWhy, "tap", "rpc-port", "pg-port", "watched", "database-url", "database-url-b")
	under(f, headReport, "ignore-fields", "fail-if", "json", "html", "store", "label", "pyroscope")
	under(f, headLimits, "max-in-flight", "max-waiting", "timeout", "max-gap")
}

// arms tells whether there are two to compare.
func (o *replayOptions) arms() bool {
	return o.targetB != "" || o.beforeB != "" || o.cache != "off" || o.baseB != ""
}

// validate is the one place where options are checked.
func (o *replayOptions) validate(args []string) error {
	if err := oneFile(args, "replay", "LOAD", "which perfd record makes"); err != nil {
		return err
	}
	o.file = args[0]
	switch {
	case o.target == "":
		return hinted{usagef("no server is named"), "give --target"}
	case o.rounds < 1 || o.rounds > 1000:
		return usagef("--rounds must be from 1 to 1000, not %d", o.rounds)
	case !slices.Contains([]string{"off", "memory", "redis", "tiered"}, o.cache):
		return usagef("--cache must be off, memory, redis or tiered, not %q", o.cache)
	case o.beforeA != "" && !o.arms():
		return hinted{usagef("--before-a is of the first of two arms, and there is one"), "give --before-b, --target-b or --cache too"}
	case len(o.tap) > 0 && o.watched != "":
		return usagef("--tap and --watched are two ways to the same")
	case len(o.tap) == 0 && len(o.rpcPorts)+len(o.pgPorts) > 0:
		return hinted{usagef("--rpc-port and --pg-port are of a tap, and there is none"), "give --tap"}
	case slices.ContainsFunc(slices.Concat(o.rpcPorts, o.pgPorts), func(n uint) bool { return n == 0 || n > 65535 }):
		return usagef("a port must be from 1 to 65535")
	case !(o.speed > 0):
		return usagef("--speed must be above 0, not %v", o.speed)
	case len(o.label) > maxLabel || !utf8.ValidString(o.label) || strings.ContainsFunc(o.label, unicode.IsControl):
		return usagef("--label must be one line of at most %d bytes", maxLabel)
	case o.rate != 0 && o.mode != string(replay.Rate):
		return hinted{usagef("--rate is of --mode rate, not of %s", o.mode), "give --mode rate"}
	}
	if err := apart([]string{o.file, o.users, o.passwordFile}, flagged{"--json", o.jsonFile}, flagged{"--html", o.htmlFile}, flagged{"--store", o.store}); err != nil {
		return err
	}
	for _, one := range []flagged{{"--target", o.target}, {"--target-b", o.targetB}} {
		if one.file == "" {
			continue
		}
		if _, err := client.ParseAddress(one.file, client.Odoo); err != nil {
			return hinted{usagef("%s: %w", one.flag, err), "as http://staging:8069"}
		}
	}
	c := o.settings()
	if err := c.Validate().Err(); err != nil {
		return usageError{err}
	}
	for _, text := range o.failIf {
		th, err := compare.ParseThreshold(text)
		if err != nil {
			var bad *compare.SyntaxError
			if errors.As(err, &bad) {
				return hinted{usageError{err}, bad.Hint}
			}
			return usageError{err}
		}
		if th.Compares() && !o.arms() {
			return hinted{usagef("threshold %q is of a change between two arms, and there is one", text), "give --target-b, --before-b or --cache too, or a bound as 'p95(all) > 800ms'"}
		}
		o.thresholds = append(o.thresholds, th)
	}
	if o.dsn == "" {
		o.dsn = os.Getenv("PERFD_REPLAY_DATABASE")
	}
	return nil
}

func (o *replayOptions) close() {
	for _, f := range slices.Backward(o.closers) {
		f()
	}
}

// config is the first arm's configuration.
func (o *replayOptions) config(h load.Header) (replay.Config, error) {
	c := replay.Config{
		Target: o.target, Database: o.database, Mode: replay.Mode(o.mode), Speed: o.speed, Rate: o.rate, Sessions: o.sessions, Methods: o.methods,
		Safety: safety.Policy{Writes: o.writes, Dangerous: o.dangerous}, Confirm: o.confirm, ShiftDates: o.shift, KeepIDs: o.keepIDs,
		MaxInFlight: o.maxInFlight, MaxQueued: o.maxQueued, Timeout: o.timeout, MaxGap: o.maxGap, Password: client.Secret(os.Getenv("ODOO_PASSWORD")),
	}
	if len(o.ignore) > 0 {
		c.Answers.Ignore = slices.Concat(answer.Volatile, o.ignore)
	}
	if c.Database == "" {
		c.Database = h.Database
	}
	if c.Database == "" {
		return c, hinted{usagef("no database is named, and the load does not name one"), "give --database"}
	}
	if o.passwordFile != "" {
		password, err := passwordOf(o.passwordFile)
		if err != nil {
			return c, err
		}
		c.Password = client.Secret(password)
	}
	if o.users != "" {
		b, err := os.ReadFile(o.users)
		if err != nil {
			return c, fmt.Errorf("read users: %w", err)
		}
		if c.Users, err = replay.ReadUsers(b, os.Getenv); err != nil {
			return c, hinted{err, "perfd replay --help shows the form"}
		}
	}
	if err := c.Validate(); err != nil {
		return c, usageError{err}
	}
	return c, nil
}

// loader is a cache for the second arm, and what empties it.
func (o *replayOptions) loader() (*cache.Loader, func(context.Context) error, error) {
	var tiers []cache.Cache
	if o.cache != "redis" {
		memory, err := cache.NewMemory(cache.MemoryConfig{MaxItems: 100_000, MaxBytes: 256 << 20})
		if err != nil {
			return nil, nil, fmt.Errorf("make a cache: %w", err)
		}
		tiers = append(tiers, memory)
	}
	if o.cache != "memory" {
		address := o.redis
		if address == "" {
			address = os.Getenv("REDIS_URL")
		}
		if address == "" {
			return nil, nil, hinted{usagef("--cache %s needs a Redis", o.cache), "give --redis, or set REDIS_URL"}
		}
		c, err := redisConfig(address)
		if err != nil {
			return nil, nil, err
		}
		c.Namespace = fmt.Sprintf("perfd-replay-%d", time.Now().UnixNano()) // no answer of an earlier run
		redis, err := cache.NewRedis(c)
		if err != nil {
			return nil, nil, usageError{err}
		}
		tiers = append(tiers, redis)
	}
	all := tiers[0]
	if len(tiers) == 2 {
		all = cache.NewTiered(tiers[0], tiers[1], cache.TieredConfig{})
	}
	l := cache.NewLoader(all, cache.LoaderConfig{})
	o.closers = append(o.closers, func() { _ = l.Close() })
	return l, all.Clear, nil
}

// open begins the load anew. Of one that is cut off what is whole is replayed: whoever has it at night has no other.
func (o *replayOptions) open() (replay.Source, func(), error) {
	r, done, err := openLoad(o.file)
	if err != nil {
		return nil, nil, err
	}
	return &wholePart{r, o, 0}, done, nil
}

// wholePart is a load up to where it is cut off.
type wholePart struct {
	*load.Reader
	o     *replayOptions
	calls int64
}

func (w *wholePart) Next() (load.Call, error) {
	c, err := w.Reader.Next()
	switch {
	case err == nil:
		w.calls++
	case errors.Is(err, load.ErrCutOff):
		w.o.cut, w.o.whole = loadError(err), w.calls
		err = io.EOF
	}
	return c, err //nolint:wrapcheck // it says what it was about
}

// replayError adds what a person can do about an error.
func replayError(err error) error {
	var refused *replay.Refusal
	var bad *load.Error
	switch {
	case errors.As(err, &refused):
		return hinted{err, refused.Hint}
	case errors.As(err, &bad):
		return hinted{err, bad.Hint}
	case errors.Is(err, context.Canceled):
		return err
	}
	return clientError(err)
}

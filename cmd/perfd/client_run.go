package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/metrics/collect"
)

func clientLoginCommand(t terminal, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "login",
		Short:   "Log in, and show who the user is and what the server is",
		Example: "  perfd client login --url https://odoo.example.com --database prod --login me",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.withClient(cmd.Context(), t, func(ctx context.Context, k *client.Client) error {
				u, err := k.Login(ctx)
				if err != nil {
					return err
				}
				v, err := k.Version(ctx)
				if err != nil {
					return err
				}
				in, err := json.Marshal(u.Context)
				if err != nil {
					return fmt.Errorf("show context: %w", err)
				}
				w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
				fmt.Fprintf(w, "user\t%s (%d)\nversion\t%s\ncompanies\t%s\ncontext\t%s\n", u.Login, u.UID, v.Server, numbers(u.Companies), in)
				if err := w.Flush(); err != nil {
					return fmt.Errorf("write result: %w", err)
				}
				return k.Logout(ctx)
			})
		},
	}
}

func numbers(ids []int64) string {
	if len(ids) == 0 {
		return "not known"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(ids), " ", ", "), "[]")
}

func clientCallCommand(t terminal, f *clientFlags) *cobra.Command {
	var kwargs, in string
	var readOnly bool
	var o callFlags
	cmd := &cobra.Command{
		Use:   "call MODEL METHOD [ARGUMENTS]",
		Short: "Call a method and print its result as JSON",
		Long: "Call calls a method with positional arguments, a JSON list, and prints the result as JSON. Methods that are not\n" +
			"known to change nothing are called once, whatever happens, unless --read-only says that they do not.",
		Example: "  perfd client call res.partner read '[[1], [\"name\"]]'\n" +
			"  perfd client call res.partner search_count --kwargs '{\"domain\": []}' --repeat 3 --stats",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 || len(args) > 3 {
				return usagef("client call takes MODEL, METHOD and perhaps ARGUMENTS, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var positional []any
			var named, more map[string]any
			if len(args) == 3 {
				if err := jsonArgument("ARGUMENTS", args[2], &positional); err != nil {
					return err
				}
			}
			if err := jsonArgument("--kwargs", kwargs, &named); err != nil {
				return err
			}
			if err := jsonArgument("--context", in, &more); err != nil {
				return err
			}
			options := []client.CallOption{client.InContext(more)}
			if readOnly {
				options = append(options, client.ReadOnly())
			}
			once := onlyOnce{model: args[0], method: args[1]}
			var hooks []client.Hook
			if o.repeat > 1 {
				hooks = append(hooks, client.Hook{Before: once.before})
			}
			return f.withClient(cmd.Context(), t, func(ctx context.Context, k *client.Client) error {
				err := o.run(ctx, t, k, func() (json.RawMessage, error) {
					return k.Call(ctx, args[0], args[1], positional, named, options...)
				})
				if once.refused.Load() {
					return hinted{
						usagef("%s of %s may change something and is not called %d times", args[1], args[0], o.repeat),
						"leave out --repeat, or give --read-only if it changes nothing",
					}
				}
				return err
			}, hooks...)
		},
	}
	cmd.Flags().StringVar(&kwargs, "kwargs", "{}", "named arguments, as a `JSON` object")
	cmd.Flags().StringVar(&in, "context", "{}", "context over the user's, as a `JSON` object")
	cmd.Flags().BoolVar(&readOnly, "read-only", false, "the method changes nothing, so that it may be called again")
	o.add(cmd)
	return cmd
}

// onlyOnce calls requests of a method off that may change something, before anything of them is sent: the client knows
// which they are.
type onlyOnce struct {
	model, method string
	refused       atomic.Bool
}

func (o *onlyOnce) before(ctx context.Context, r *client.Request) context.Context {
	if r.Safe || r.Model != o.model || r.Method != o.method {
		return ctx
	}
	o.refused.Store(true)
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

func clientSearchCommand(t terminal, f *clientFlags) *cobra.Command {
	var fields []string
	var limit, offset int
	var order string
	var o callFlags
	cmd := &cobra.Command{
		Use:     "search MODEL [DOMAIN]",
		Short:   "Search records and print some of their fields as JSON",
		Example: "  perfd client search res.partner '[[\"name\", \"ilike\", \"wood\"]]' --fields name,email --limit 5",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usagef("client search takes MODEL and perhaps DOMAIN, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			domain := []any{}
			if len(args) == 2 {
				if err := jsonArgument("DOMAIN", args[1], &domain); err != nil {
					return err
				}
			}
			return f.withClient(cmd.Context(), t, func(ctx context.Context, k *client.Client) error {
				named := map[string]any{"domain": domain, "fields": fields, "limit": limit, "offset": offset}
				switch {
				case order == "":
				case k.Protocol() == client.Tryton:
					named["order"] = trytonOrder(order)
				default:
					named["order"] = order
				}
				return o.run(ctx, t, k, func() (json.RawMessage, error) { return k.Call(ctx, args[0], "search_read", nil, named) })
			})
		},
	}
	cmd.Flags().StringSliceVar(&fields, "fields", []string{"id"}, "`names` of the fields, with commas")
	cmd.Flags().IntVar(&limit, "limit", 80, "largest `number` of records")
	cmd.Flags().IntVar(&offset, "offset", 0, "`number` of records to leave out first")
	cmd.Flags().StringVar(&order, "order", "", "`fields` to sort by, as \"name, id desc\"")
	o.add(cmd)
	return cmd
}

// trytonOrder makes the pairs of Tryton of an order as Odoo and SQL have it.
func trytonOrder(order string) []any {
	out := []any{}
	for part := range strings.SplitSeq(order, ",") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		direction := "ASC"
		if len(words) > 1 && strings.EqualFold(words[1], "desc") {
			direction = "DESC"
		}
		out = append(out, []any{words[0], direction})
	}
	return out
}

// callFlags say how often to call and whether to show what the cache did.
type callFlags struct {
	repeat         int
	stats, metrics bool
}

func (o *callFlags) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&o.repeat, "repeat", 1, "`number` of times to call, printing the last result")
	cmd.Flags().BoolVar(&o.stats, "stats", false, "print what the cache did to standard error")
	cmd.Flags().BoolVar(&o.metrics, "metrics", false, "print what client and cache did to standard error, as Prometheus gets it")
}

func (o *callFlags) run(ctx context.Context, t terminal, k *client.Client, call func() (json.RawMessage, error)) error {
	if o.repeat < 1 {
		return usagef("--repeat must be 1 or more, not %d", o.repeat)
	}
	var result json.RawMessage
	for range o.repeat {
		var err error
		if result, err = call(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	var b bytes.Buffer
	if err := json.Indent(&b, result, "", "  "); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	if _, err := fmt.Fprintln(t.out, b.String()); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	if o.stats {
		if err := writeCacheStats(t.err, k.CacheStats()); err != nil {
			return err
		}
	}
	if o.metrics {
		return collect.Write(t.err, collect.Client(k))
	}
	return nil
}

func clientCacheCommand(t terminal, f *clientFlags) *cobra.Command {
	var forget bool
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Show how the cache does that REDIS_URL names",
		Long: "Cache tries the Redis that --redis or REDIS_URL names and shows the state of each tier. What programs that use\n" +
			"it have hit and missed they count themselves; for one call, --stats shows it.",
		Example: "  perfd client cache --redis redis://127.0.0.1:6379/0\n  perfd client cache --forget",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e := client.CacheEnv{Redis: f.redis}
			if e.Redis == "" {
				e.Redis = os.Getenv("REDIS_URL")
			}
			if e.Redis == "" {
				return hinted{usagef("no Redis is named"), "give --redis, or set REDIS_URL"}
			}
			loader, redis, err := clientCache(e)
			if err != nil {
				return err
			}
			defer func() { _ = loader.Close() }()
			if err := redis.Check(cmd.Context()); err != nil {
				return err
			}
			if forget {
				if err := redis.Clear(cmd.Context()); err != nil {
					return fmt.Errorf("forget: %w", err)
				}
				fmt.Fprintln(t.err, "all answers are forgotten")
			}
			return writeCacheStats(t.out, loader.Stats())
		},
	}
	cmd.Flags().BoolVar(&forget, "forget", false, "forget all answers first")
	return cmd
}

// writeCacheStats is a line for each tier and each model.
func writeCacheStats(w io.Writer, s cache.Stats) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "cache\thits\tmisses\thit rate\tstored\titems\tbytes\tcircuit\t")
	for _, t := range s.Tiers {
		circuit := t.Circuit
		if circuit == "" {
			circuit = "-"
		}
		items, size := "-", "-" // which a store that others share does not say
		if t.Circuit == "" {
			items, size = strconv.FormatInt(t.Items, 10), strconv.FormatInt(t.Bytes, 10)
		}
		fmt.Fprintf(tw, "%s\t%d\t%d\t%.2f\t%d\t%s\t%s\t%s\t\n", t.Name, t.Hits, t.Misses, t.HitRate(), t.Sets, items, size, circuit)
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("write statistics: %w", err)
	}
	l := s.Loads
	_, err := fmt.Fprintf(w, "%d loads, %d of them failed; %d waited for another's, %d stale\n", l.Loads, l.Errors, l.Coalesced, l.StaleServes)
	return err
}

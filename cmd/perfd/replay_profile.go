package main

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/profile"
	"github.com/perfd/perfd/replay/bench"
)

// settings are those of the tap and of the profiles, as the settings of perfd watch.
func (o *replayOptions) settings() config.Config {
	c := config.Default()
	for _, name := range o.tap {
		if name != "any" {
			c.Interfaces = append(c.Interfaces, name)
		}
	}
	c.RPCPorts, c.PGPorts = toPorts(o.rpcPorts), toPorts(o.pgPorts)
	c.Pyroscope = config.Pyroscope{URL: o.pyroscope}
	if o.pyroscope != "" {
		c.Pyroscope.User, c.Pyroscope.Password = os.Getenv("PERFD_PYROSCOPE_USER"), config.Secret(os.Getenv("PERFD_PYROSCOPE_PASSWORD"))
	}
	return c
}

// profiles begins to send profiles of perfd itself, with tags of the run, if it is asked to.
func (o *replayOptions) profiles(t terminal, made time.Time) (*profile.Profiler, error) {
	c := o.settings().Pyroscope
	p, err := profile.Start(profile.Config{
		URL: c.URL, User: c.User, Password: string(c.Password), Logger: newLog(t.err, config.Log{Level: "warn"}, new(slog.LevelVar)),
		Tags: map[string]string{"command": "replay", "run": runName(made), "mode": profile.Tag(o.mode)},
	})
	if err != nil {
		return nil, hinted{err, "check --pyroscope"}
	}
	return p, nil
}

// runName is what a run is called in profiles: when it began.
func runName(made time.Time) string { return made.UTC().Format("20060102T150405Z") }

// labelled sends a pass under the labels of its samples.
func (o *replayOptions) labelled(made time.Time) sender {
	return func(ctx context.Context, p bench.Pass, send func(context.Context) error) (err error) {
		round := "warm-up"
		if p.Round > 0 {
			round = strconv.Itoa(p.Round)
		}
		profile.With(ctx, map[string]string{"run": runName(made), "mode": o.mode, "side": p.Arm.String(), "round": round}, func(ctx context.Context) { err = send(ctx) })
		return err
	}
}

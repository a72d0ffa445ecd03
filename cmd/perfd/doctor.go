package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/doctor"
	"github.com/perfd/perfd/process"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// errUnwell ends perfd doctor when a check failed; the report has said why.
var errUnwell = errors.New("a check failed")

const (
	doctorTap  = 2 * time.Second
	doctorLook = time.Second // at the processes of this host, at most
)

func doctorCommand(t terminal) *cobra.Command {
	var asJSON, tap bool
	var input func() config.Input
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what keeps perfd watch from seeing everything, and what to do about it",
		Long: "Doctor checks permissions, interfaces, servers, how they reach PostgreSQL, clock, disk and more, and says\n" +
			"for each finding how to mend it. It sends nothing to the observed servers; PostgreSQL is asked, read-only,\n" +
			"where the settings name a role (database.dsn). It takes the settings and flags of perfd watch.\n\n" +
			"Exit status: 0 if nothing failed, 1 otherwise.",
		Example: "  perfd doctor\n  perfd doctor --tap --config /etc/perfd/perfd.yaml\n  perfd doctor --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, problems := config.Load(input())
			c := doctor.Config{Settings: settings, Problems: problems, Version: version(true), Host: observeHost}
			if tap {
				c.Tap = func(ctx context.Context) (doctor.Traffic, error) { return tapBriefly(ctx, settings) }
			}
			r := doctor.Examine(cmd.Context(), c)
			write := r.WriteText
			if asJSON {
				write = r.WriteJSON
			}
			if err := write(t.out); err != nil {
				return err
			}
			if !r.Healthy() {
				return hinted{errUnwell, "the fixes stand in the report"}
			}
			return nil
		},
	}
	input = settingFlags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	cmd.Flags().BoolVar(&tap, "tap", false, "look at the packets for two seconds")
	return cmd
}

// observeHost looks once at the processes of this host.
func observeHost(ctx context.Context) (doctor.Host, error) {
	o, err := process.New(process.Config{Rescan: time.Second})
	if err != nil {
		return doctor.Host{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, doctorLook)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for seen := 0; seen < 3 && ctx.Err() == nil; <-look.C { // the first look at sockets may come after that at processes
		if len(o.Servers())+len(o.Databases()) > 0 {
			seen++
		}
	}
	h := hostOf(o)
	cancel()
	return h, <-done
}

// hostOf is what an observer knows of the processes of this host.
func hostOf(o *process.Observer) doctor.Host {
	stats := o.Stats()
	h := doctor.Host{Denied: stats.Denied, Sockets: lack(stats.Sockets), Threads: lack(stats.Threads.Err)}
	for _, s := range o.Servers() {
		x := doctor.Server{Name: serverName(s.Kind), PID: s.Pid, Listen: s.Listen}
		for _, l := range s.Databases {
			x.Links = append(x.Links, doctor.Link(l))
		}
		h.Servers = append(h.Servers, x)
	}
	for _, d := range o.Databases() {
		h.Databases = append(h.Databases, doctor.Database{Command: d.Command, PID: d.Pid, Listen: d.Listen, Sockets: d.Sockets})
	}
	return h
}

func serverName(k process.Kind) string {
	if k == process.Tryton {
		return "Tryton"
	}
	return "Odoo"
}

func lack(err error) doctor.Lack {
	if err == nil {
		return doctor.Lack{}
	}
	l := doctor.Lack{Reason: err.Error()}
	var p *process.Error
	if errors.As(err, &p) {
		l.Fix = p.Hint
	}
	return l
}

// tally counts what a short tap finds.
type tally struct{ calls, statements int64 }

var (
	_ rpclog.Sink   = (*tally)(nil)
	_ sqltrace.Sink = (*tally)(nil)
)

func (*tally) Begin(*rpclog.Call)                  {}
func (n *tally) End(*rpclog.Call)                  { n.calls++ }
func (*tally) Message(rpclog.Message)              {}
func (*tally) Opened(*sqltrace.Session)            {}
func (n *tally) Statement(*sqltrace.Statement)     { n.statements++ }
func (*tally) Closed(*sqltrace.Session, time.Time) {}

// tapBriefly looks at the packets that perfd watch would see.
func tapBriefly(ctx context.Context, c *config.Config) (doctor.Traffic, error) {
	live, err := capture.OpenLive(capture.LiveConfig{Interfaces: c.Interfaces, RPCPorts: c.RPCPorts, PGPorts: c.PGPorts})
	if err != nil {
		return doctor.Traffic{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTap)
	defer cancel()
	var n tally
	rpc, pg := rpclog.New(rpclog.Config{}, &n), sqltrace.New(sqltrace.Config{}, &n)
	ports := (&pipeline{rpcPorts: c.RPCPorts, pgPorts: c.PGPorts}).ports()
	engine := capture.NewEngine(capture.Config{Ports: ports}, rpc, pg)
	err = live.Run(ctx, engine)
	stats := live.Stats()
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = nil
	}
	if err = cmp.Or(err, live.Close()); err != nil {
		return doctor.Traffic{}, err
	}
	engine.Flush()
	rec := recording(engine.Stats(), rpc.Stats(), pg.Stats())
	return doctor.Traffic{
		For: doctorTap, Packets: stats.Packets, Drops: stats.Drops, Calls: n.calls, Statements: n.statements,
		HTTP: rec.HTTPConnections, SQL: rec.SQLConnections, EncryptedHTTP: rec.EncryptedHTTP, EncryptedSQL: rec.EncryptedSQL,
	}, nil
}

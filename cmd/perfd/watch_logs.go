package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/follow"
	"github.com/perfd/perfd/metrics"
	"github.com/perfd/perfd/odoolog"
	"github.com/perfd/perfd/sqltrace/pglog"
	"github.com/perfd/perfd/web"
)

// journal is a log that the settings name.
type journal struct {
	*follow.Follower
	name string // of its series
	path string
	to   follow.Handler
	told string // why it cannot be read, as told
}

// journals makes the followers of the logs that the settings name.
func (w *watcher) journals() (list []*journal) {
	c := w.settings.Load()
	if c.PGLog.Path != "" {
		e := errands{w.front.parts()}
		f := follow.New(follow.Config{Path: c.PGLog.Path, Poll: logPoll, Caught: e.caught})
		list = append(list, &journal{Follower: f, name: "postgresql", path: c.PGLog.Path, to: e})
	}
	if c.OdooLog.Path != "" {
		lines := odoolog.New(odoolog.Config{}, w.writer.agreement)
		list = append(list, &journal{Follower: follow.New(follow.Config{Path: c.OdooLog.Path}), name: "odoo", path: c.OdooLog.Path, to: reading{lines}})
	}
	return list
}

// follow reads the logs until ctx is done.
func (w *watcher) follow(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, j := range w.logs {
		group.Go(func() error { return quiet(j.Run(ctx, j.to)) })
	}
	return group.Wait()
}

// tap is the log for the pages.
func (j *journal) tap() web.Tap {
	s := j.Stats()
	t := web.Tap{Name: j.path, Kind: "log", State: "up", Bytes: s.Bytes}
	switch n := s.Rotations + s.Truncated; {
	case s.Problem != "":
		t.State, t.Detail = "blind", s.Problem
	case n > 0:
		t.Detail = figures.Plural(s.Lines, "line") + ", rotated " + figures.Plural(n, "time")
	default:
		t.Detail = figures.Plural(s.Lines, "line")
	}
	return t
}

// tell tells of a log that cannot be read, and when it can again.
func (j *journal) tell(log *slog.Logger) {
	switch problem := j.Stats().Problem; {
	case problem == j.told:
	case problem != "":
		log.Warn("log cannot be read", "file", j.path, "why", problem)
		j.told = problem
	default:
		log.Info("log is read again", "file", j.path)
		j.told = ""
	}
}

// logFigures are the logs for Prometheus.
func (w *watcher) logFigures() (list []metrics.Log) {
	for _, j := range w.logs {
		s := j.Stats()
		list = append(list, metrics.Log{Name: j.name, Up: s.Problem == "", Lines: s.Lines, Rotations: s.Rotations + s.Truncated, Behind: s.Behind})
	}
	return list
}

// openLog makes the decoder of PostgreSQL's log, if the settings name one.
func (s *stages) openLog(c config.PGLog) error {
	if c.Path == "" {
		return nil
	}
	format := pglog.Detect
	if c.Format != "auto" {
		var err error
		if format, err = pglog.ParseFormat(c.Format); err != nil {
			return usagef("pg_log.format: %w", err)
		}
	}
	var err error
	s.log, err = pglog.New(pglog.Config{Format: format, Prefix: c.LinePrefix, Server: s.database}, s.pg, s.relay)
	var wrong *pglog.PrefixError
	if errors.As(err, &wrong) {
		return hinted{err, wrong.Hint}
	}
	return err
}

// database is the address of PostgreSQL that a client on this host most likely reached: the one that the application
// servers use, or where a PostgreSQL listens here.
func (s *stages) database(client netip.AddrPort) netip.AddrPort {
	if s.observer == nil {
		return netip.AddrPort{}
	}
	var used, listening []netip.AddrPort
	for _, server := range s.observer.Servers() {
		for _, l := range server.Databases {
			if a, err := netip.ParseAddrPort(l.Address); err == nil && l.Network == "tcp" {
				used = append(used, a)
			}
		}
	}
	for _, d := range s.observer.Databases() {
		listening = append(listening, d.Listen...)
	}
	return reached(client, used, listening)
}

// reached picks the address that a client's connection goes to: one in use, on the client's own address rather than
// on another, or else the port of one that listens, on the client's own address.
func reached(client netip.AddrPort, used, listening []netip.AddrPort) netip.AddrPort {
	for _, a := range used {
		if a.Addr().Unmap() == client.Addr() {
			return netip.AddrPortFrom(client.Addr(), a.Port())
		}
	}
	if len(used) > 0 {
		return used[0]
	}
	for _, a := range listening {
		return netip.AddrPortFrom(client.Addr(), a.Port())
	}
	return netip.AddrPort{}
}

// errands take lines of PostgreSQL's log to the decoders' goroutine.
type errands struct{ *stages }

var _ follow.Handler = errands{}

// Lines implements follow.Handler.
func (e errands) Lines(block []byte) {
	block = bytes.Clone(block)
	e.inbox.Put(len(block), func() { e.log.Lines(block) })
}

// Idle implements follow.Handler.
func (e errands) Idle() {
	now := time.Now()
	e.inbox.Put(1, func() { e.log.Idle(now) })
}

// caught notes up to when the log was read.
func (e errands) caught(up time.Time) {
	e.inbox.Put(1, func() { e.logged = up })
}

// known is up to when the statements are known: where a log tells of them, as far as it was read, unless it cannot be.
func (s *stages) known(now time.Time) time.Time {
	if s.log == nil || now.Before(s.logged) {
		return now
	}
	if late := now.Add(-logPatience); s.logged.Before(late) {
		return late
	}
	return s.logged
}

// reading reads lines of the server's own log where they arrive.
type reading struct{ decoder *odoolog.Decoder }

var _ follow.Handler = reading{}

// Lines implements follow.Handler.
func (r reading) Lines(block []byte) { r.decoder.Lines(block) }

// Idle implements follow.Handler.
func (reading) Idle() {}

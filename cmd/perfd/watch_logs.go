package main

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/follow"
	"github.com/perfd/perfd/odoolog"
	"github.com/perfd/perfd/sqltrace/pglog"
)

// logs follows the logs that the settings name, until ctx is done.
func (w *watcher) logs(ctx context.Context) error {
	c := w.settings.Load()
	group, ctx := errgroup.WithContext(ctx)
	if c.PGLog.Path != "" {
		group.Go(func() error {
			e := errands{w.front.parts()}
			return quiet(follow.New(follow.Config{Path: c.PGLog.Path, Poll: logPoll, Caught: e.caught}).Run(ctx, e))
		})
	}
	if c.OdooLog.Path != "" {
		lines := odoolog.New(odoolog.Config{}, w.writer.agreement)
		group.Go(func() error { return quiet(follow.New(follow.Config{Path: c.OdooLog.Path}).Run(ctx, reading{lines})) })
	}
	return group.Wait()
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

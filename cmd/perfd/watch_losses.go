package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/web"
)

// What connections lack is worth telling from lossGaps places in lossWindow on, if these are more than one in
// lossRare packets, or from lossBytes on, if these are more than one in lossShare; it is on the pages for lossShown
// after that. A connection that is cut off lacks its end, and that is no trouble.
const (
	lossWindow = 10 * time.Second
	lossGaps   = 3
	lossRare   = 2000
	lossBytes  = 64 << 10
	lossShare  = 100
	lossShown  = 10 * time.Minute
)

// losses tells what was lost on the way to the decoders and behind them.
type losses struct {
	w                *watcher
	told             time.Time // when packets or results were
	packets, results int64     // lost, as told

	window time.Time          // when it began
	before analyzer.Recording // what was counted then
	warned time.Time
	last   atomic.Int64 // Unix nanoseconds: when the gaps were last worth telling
}

// tell tells what was lost since it was told last, and not every moment.
func (l *losses) tell(now time.Time) {
	l.tellGaps(now)
	if now.Sub(l.told) < complainEvery {
		return
	}
	packets, results := l.w.front.links().Drops, l.w.queue.Stats().Dropped
	if n := packets - l.packets; n > 0 {
		l.w.log.Warn("packets were dropped: perfd was too slow, or kept from running", "packets", n, "all", packets)
	}
	if n := results - l.results; n > 0 {
		l.w.log.Warn("calls were dropped: the store was too slow", "calls", n, "all", results)
	}
	if packets > l.packets || results > l.results {
		l.told, l.packets, l.results = now, packets, results
	}
}

// tellGaps tells of connections that lack bytes, whoever lost them.
func (l *losses) tellGaps(now time.Time) {
	rec := l.w.front.recording()
	if worthTelling(&l.before, &rec) {
		l.last.Store(now.UnixNano())
		if now.Sub(l.warned) >= complainEvery {
			l.warned = now
			l.w.log.Warn("connections lack bytes: packets did not reach the decoders", "gaps", rec.Gaps, "bytes", rec.LostBytes, "dropped by the ring", l.w.front.links().Drops)
		}
	}
	if now.Sub(l.window) >= lossWindow {
		l.window, l.before = now, rec
	}
}

func worthTelling(before, now *analyzer.Recording) bool {
	gaps, lost := now.Gaps-before.Gaps, now.LostBytes-before.LostBytes
	return gaps >= lossGaps && gaps*lossRare >= now.Packets-before.Packets ||
		lost >= lossBytes && lost*lossShare >= now.Bytes-before.Bytes
}

// notice words for the pages what connections lacked a short while ago.
func (l *losses) notice(now time.Time) (n web.Notice, ok bool) {
	last := l.last.Load()
	if last == 0 || now.Sub(time.Unix(0, last)) > lossShown {
		return n, false
	}
	rec, drops := l.w.front.recording(), l.w.front.links().Drops
	n = web.Notice{
		Severity: "warning",
		Title: fmt.Sprintf("Connections lack bytes: %s lost in %s since the start. Calls and statements beside them are marked, and some may be missing.",
			figures.Plural(rec.LostBytes, "byte"), figures.Plural(rec.Gaps, "gap")),
		Fix: "The packets never came to the tap: if it is on a mirror port, see what that drops, or tap on the server itself.",
	}
	if drops > 0 {
		n.Fix = "perfd was too slow, or kept from running: give it more CPU, and name the ports so that the kernel filters."
	}
	return n, true
}

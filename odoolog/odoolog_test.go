package odoolog_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/odoolog"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// collector keeps what it is given.
type collector struct {
	requests []*odoolog.Request
	jobs     []*odoolog.Job
	workers  []*odoolog.Worker
}

func (c *collector) Request(r *odoolog.Request) { c.requests = append(c.requests, r) }
func (c *collector) Job(j *odoolog.Job)         { c.jobs = append(c.jobs, j) }
func (c *collector) Worker(w *odoolog.Worker)   { c.workers = append(c.workers, w) }

func decode(lines ...string) (*collector, odoolog.Stats) {
	c := &collector{}
	d := odoolog.New(odoolog.Config{}, c)
	for _, l := range lines {
		d.Lines([]byte(l + "\n"))
	}
	return c, d.Stats()
}

var addresses = cmpopts.EquateComparable(netip.Addr{})

func clock(h, m, s, ms int) time.Time { return time.Date(2026, 11, 22, h, m, s, ms*1e6, time.UTC) }

func TestRequests(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.1")
	full := odoolog.Request{At: clock(10, 0, 0, 123), PID: 4711, Database: "db", Client: local, Verb: "POST", Path: "/web/dataset/call_kw/res.partner/web_search_read",
		Status: 200, Logger: "werkzeug", Counted: true, Queries: 41, SQLTime: 12 * time.Millisecond, RestTime: 34 * time.Millisecond}
	with := func(change func(*odoolog.Request)) odoolog.Request {
		r := full
		change(&r)
		return r
	}
	bare := func(r *odoolog.Request) { r.Counted, r.Queries, r.SQLTime, r.RestTime = false, 0, 0, 0 }
	for name, c := range map[string]struct {
		line string
		want odoolog.Request
	}{
		"of 16 to 18": {`2026-11-22 10:00:00,123 4711 INFO db werkzeug: 127.0.0.1 - - [22/Nov/2026 10:00:00] "POST /web/dataset/call_kw/res.partner/web_search_read HTTP/1.1" 200 - 41 0.012 0.034`, full},
		"in colour": {"2026-11-22 10:00:00,123 4711 \x1b[1;32m\x1b[1;49mINFO\x1b[0m db werkzeug: 127.0.0.1 - - [22/Nov/2026 10:00:00] \"\x1b[35m\x1b[1mPOST /web/dataset/call_kw/res.partner/web_search_read HTTP/1.1\x1b[0m\" 500 - \x1b[1;33m\x1b[1;49m141\x1b[0m \x1b[1;31m\x1b[1;49m3.500\x1b[0m 0.034",
			with(func(r *odoolog.Request) { r.Status, r.Queries, r.SQLTime = 500, 141, 3500*time.Millisecond })},
		"with a replica": {`2026-11-22 10:00:00,123 4711 INFO db werkzeug: 127.0.0.1 - - [22/Nov/2026 10:00:00] "POST /web/dataset/call_kw/res.partner/web_search_read HTTP/1.1" 200 - 41 0.012 0.034 ro->rw`,
			with(func(r *odoolog.Request) { r.Cursor = "ro->rw" })},
		"without figures": {`2026-11-22 10:00:00,123 4711 INFO db werkzeug: 127.0.0.1 - - [22/Nov/2026 10:00:00] "POST /web/dataset/call_kw/res.partner/web_search_read HTTP/1.1" 200 - - - -`, with(bare)},
		"without a database, with a query string": {`2026-11-22 10:00:00,123 4711 INFO ? werkzeug: 2001:db8::7 - - [22/Nov/2026 10:00:00] "GET /web/login?token=canary&x="1" HTTP/1.1" 303 - 1 0.001 0.002`,
			with(func(r *odoolog.Request) {
				r.Database, r.Verb, r.Path, r.Status, r.Client = "", "GET", "/web/login", 303, netip.MustParseAddr("2001:db8::7")
				r.Queries, r.SQLTime, r.RestTime = 1, time.Millisecond, 2*time.Millisecond
			})},
		"behind what a container's log adds": {`web-1  | 2026-11-22 10:00:00,123 4711 INFO db werkzeug: 127.0.0.1 - - [22/Nov/2026 10:00:00] "POST /web/dataset/call_kw/res.partner/web_search_read HTTP/1.1" 200 - 41 0.012 0.034`, full},
		"of the evented server": {`2026-11-22 10:00:00,123 4711 INFO db longpolling: 127.0.0.1 - - [2026-11-22 10:00:00] "POST /web/dataset/call_kw/res.partner/web_search_read HTTP/1.1" 200 3941 1.573077 `,
			with(func(r *odoolog.Request) { bare(r); r.Logger, r.Took = "longpolling", 1573077*time.Microsecond })},
		"of trytond": {`4711 140123456789012 [2026-11-22 10:00:00,123] INFO werkzeug 127.0.0.1 - - [22/Nov/2026 10:00:00] "POST /tryton/ HTTP/1.1" 200 -`,
			with(func(r *odoolog.Request) { bare(r); r.Database, r.Path = "", "/tryton/" })},
		"of trytond's dispatcher": {`4711 140123456789012 [2026-11-22 10:00:00,123] INFO trytond.protocols.dispatcher party.party.search_read([('name', '=', 'canary from (x) in 5 ms')]) from al@ice@127.0.0.1/tryton/ in 37 ms`,
			with(func(r *odoolog.Request) {
				bare(r)
				r.Database, r.Path, r.Logger, r.Took, r.Method = "tryton", "/tryton/", "trytond.protocols.dispatcher", 37*time.Millisecond, "party.party.search_read"
			})},
	} {
		got, s := decode(c.line)
		if diff := cmp.Diff([]*odoolog.Request{&c.want}, got.requests, addresses); diff != "" || s.Unread != 0 {
			t.Errorf("%s: %+v (-want +got):\n%s", name, s, diff)
		}
	}
}

func TestLinesThatAreNoRequests(t *testing.T) {
	got, s := decode(
		``, `Traceback (most recent call last):`, `  File "x.py", line 3, in f`,
		`2026-11-22 10:00:00,123 4711 INFO db werkzeug: 127.0.0.1 - - [22/Nov/2026 10:00:00] code 400, message Bad request syntax`,
		`2026-11-22 10:00:00,123 4711 ERROR db odoo.sql_db: bad query: SELECT 'canary "POST / HTTP/1.1" 200 - 1 2 3'`,
		`2026-11-22 10:00:00,123 x INFO db werkzeug: "GET / HTTP/1.1" 200 - 1 2 3`,
		`2026-99-22 10:00:00,123 1 INFO db werkzeug: "GET / HTTP/1.1" 200 - 1 2 3`,
		`2026-11-22 10:00:00,123 1 INFO db werkzeug: "GET / HTTP/1.1" abc - 1 2 3`,
		`2026-11-22 10:00:00,123`, `2026-11-22 10:00:00,123 1`, `1 2 [2026-11-22 10:00:00,123]`)
	if len(got.requests) != 0 || s.Unread != 1 || s.Entries != 3 {
		t.Errorf("%d requests, %+v", len(got.requests), s)
	}
}

func TestJobs(t *testing.T) {
	got, _ := decode(
		"2026-11-22 05:52:37,031 12090 INFO odoo16 odoo.addons.base.models.ir_cron: Starting job `Lab: count partners`. ",
		"2026-11-22 05:52:38,979 12090 INFO odoo16 odoo.addons.base.models.ir_cron: Job `Lab: count partners` done. ",
		"2026-11-22 05:52:38,979 12090 INFO odoo17 odoo.addons.base.models.ir_cron: Job done: `Lab: count partners` (1.948s). ",
		"2026-11-22 05:43:00,466 7239 INFO odoo18 odoo.addons.base.models.ir_cron: Job 'Lab: sales (31)' (31) starting ",
		"2026-11-22 05:43:01,705 7239 INFO odoo18 odoo.addons.base.models.ir_cron: Job 'Lab: sales (31)' (31) done in 1.234s ",
		`2026-11-22 05:43:01,739 7239 INFO odoo18 odoo.addons.base.models.ir_cron: Job "It's \"x\"" (32) processed 5 records, 7 records remaining `,
		"2026-11-22 05:43:01,811 7239 INFO odoo18 odoo.addons.base.models.ir_cron: Job 'a' (31) completed ",
		"2026-11-22 05:43:01,811 7239 ERROR odoo18 odoo.addons.base.models.ir_cron: Job 'a' (31) server action #77 failed",
		"2026-11-22 05:43:01,811 7239 ERROR odoo18 odoo.addons.base.models.ir_cron: Job 'a' (31) timed out",
		"2026-11-22 05:43:01,811 7239 INFO odoo18 odoo.addons.base.models.ir_cron: Job 'a' (31) is not known",
		"2026-11-22 05:43:01,811 7239 INFO odoo18 odoo.addons.base.models.ir_cron: Job '",
		"77 1401 [2026-11-22 10:00:00,123] INFO trytond.ir.cron <Cron 3@tryton ir.trigger|trigger_time> started",
		"77 1401 [2026-11-22 10:00:01,123] ERROR trytond.ir.cron <Cron 3@tryton ir.trigger|trigger_time> failed",
		"77 1401 [2026-11-22 10:00:01,123] INFO trytond.worker <Task 9@tryton> done",
		"77 1401 [2026-11-22 10:00:01,123] INFO trytond.ir.cron cron finished for \"tryton\"")
	want := []odoolog.Job{
		{PID: 12090, Database: "odoo16", Name: "Lab: count partners", Phase: odoolog.Started},
		{PID: 12090, Database: "odoo16", Name: "Lab: count partners", Phase: odoolog.Done},
		{PID: 12090, Database: "odoo17", Name: "Lab: count partners", Phase: odoolog.Done, Took: 1948 * time.Millisecond},
		{PID: 7239, Database: "odoo18", Name: "Lab: sales (31)", ID: 31, Phase: odoolog.Started},
		{PID: 7239, Database: "odoo18", Name: "Lab: sales (31)", ID: 31, Phase: odoolog.Done, Took: 1234 * time.Millisecond},
		{PID: 7239, Database: "odoo18", Name: `It's \"x\"`, ID: 32, Phase: odoolog.Progress, Processed: 5, Remaining: 7},
		{PID: 7239, Database: "odoo18", Name: "a", ID: 31, Phase: odoolog.Completed},
		{PID: 7239, Database: "odoo18", Name: "a", ID: 31, Phase: odoolog.Failed},
		{PID: 7239, Database: "odoo18", Name: "a", ID: 31, Phase: odoolog.Failed},
		{PID: 77, Database: "tryton", Name: "ir.trigger|trigger_time", ID: 3, Phase: odoolog.Started},
		{PID: 77, Database: "tryton", Name: "ir.trigger|trigger_time", ID: 3, Phase: odoolog.Failed},
		{PID: 77, Database: "tryton", Name: "Task 9", ID: 9, Phase: odoolog.Done},
	}
	var jobs []odoolog.Job
	for _, j := range got.jobs {
		jobs = append(jobs, *j)
	}
	if diff := cmp.Diff(want, jobs, cmpopts.IgnoreFields(odoolog.Job{}, "At")); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

func TestWorkers(t *testing.T) {
	got, _ := decode(
		"2026-11-22 05:43:00,466 7239 INFO ? odoo.service.server: Worker WorkerHTTP (7239) alive ",
		"2026-11-22 05:43:00,466 7240 INFO ? odoo.service.server: Worker WorkerCron (7240) alive ",
		"2026-11-22 05:43:00,466 7241 INFO ? odoo.service.server: HTTP service (werkzeug) running on lab:8069 ",
		"2026-11-22 05:43:00,466 7242 INFO ? odoo.service.server: Evented Service (longpolling) running on 0.0.0.0:8072 ",
		"2026-11-22 05:43:00,466 7242 INFO ? odoo.service.server: Initiating shutdown ")
	var all []string
	for _, w := range got.workers {
		all = append(all, strings.TrimSpace(w.Kind+" "+w.Addr))
	}
	if diff := cmp.Diff([]string{"http", "cron", "listen lab:8069", "evented 0.0.0.0:8072"}, all); diff != "" {
		t.Error(diff)
	}
}

// What perfd finds in a recording agrees with what the server said of it, to the statement.
func TestAgreementWithARealServer(t *testing.T) {
	a := odoolog.NewAgreement(odoolog.AgreementConfig{})
	var r struct{ *analyzer.Analyzer }
	calls := rpclog.New(rpclog.Config{}, &r)
	sql := sqltrace.New(sqltrace.Config{}, &r)
	r.Analyzer = analyzer.New(analyzer.Config{}, sql.Dictionary(), calls.Identify, a)
	engine := capture.NewEngine(capture.Config{}, calls, sql)
	file, err := capture.NewFile(bytes.NewReader(fixtures.Tap(t, "odoo18-a")))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Run(context.Background(), engine), file.Close()); err != nil {
		t.Fatal(err)
	}
	engine.Flush()
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile("testdata/odoo18-a.log")
	if err != nil {
		t.Fatal(err)
	}
	odoolog.New(odoolog.Config{}, a).Lines(log)
	a.Flush()
	got := a.Figures()
	want := odoolog.Figures{Compared: 151, Equal: 151, Ours: 3046, Odoos: 3046, Matched: 151, Recent: 1, RecentN: 151}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
}

package odoolog

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// take reads the messages of the loggers that tell of requests and jobs.
func (d *Decoder) take(e *entry) {
	if string(e.database) == "?" {
		e.database = nil
	}
	switch string(e.logger) {
	case "werkzeug", "longpolling":
		d.request(e)
	case "trytond.protocols.dispatcher":
		d.dispatched(e)
	case "odoo.addons.base.models.ir_cron":
		d.job(e)
	case "trytond.ir.cron", "trytond.worker":
		d.trytonJob(e)
	case "odoo.service.server":
		d.worker(e)
	}
}

// request reads: 127.0.0.1 - - [22/Nov/2026 10:00:00] "POST /path HTTP/1.1" 200 - 41 0.012 0.034.
func (d *Decoder) request(e *entry) {
	open, shut := bytes.IndexByte(e.message, '"'), bytes.LastIndex(e.message, []byte(`" `))
	if open < 0 || shut <= open {
		return // the server says something else
	}
	r := &Request{At: e.at, PID: e.pid, Database: d.names.Intern(e.database), Logger: d.names.Intern(e.logger)}
	verb, rest, ok := bytes.Cut(e.message[open+1:shut], space)
	path := rest
	if n := bytes.LastIndex(rest, []byte(" HTTP/")); n >= 0 {
		path = rest[:n]
	}
	path, _, _ = bytes.Cut(path, []byte("?")) // what follows may be a token
	f := bytes.Fields(e.message[shut+2:])
	if !ok || len(verb) > 16 || len(path) == 0 || path[0] != '/' || len(f) < 2 {
		d.stats.Unread++
		return
	}
	if r.Status, ok = small(f[0]); !ok || r.Status < 100 || r.Status > 999 {
		d.stats.Unread++
		return
	}
	r.Verb, r.Path = d.names.Intern(verb), d.names.Intern(path)
	client, _, _ := bytes.Cut(e.message[:open], space)
	if a, err := netip.ParseAddr(string(client)); err == nil {
		r.Client = a.Unmap()
	}
	figures := f[2:]
	switch {
	case len(figures) >= 3:
		d.figures(r, figures)
	case len(figures) == 1 && string(e.logger) == "longpolling":
		r.Took, _ = seconds(figures[0])
	}
	d.stats.Requests++
	d.sink.Request(r)
}

// figures reads what Odoo appends to a request's line; - - - where it has none.
func (d *Decoder) figures(r *Request, f [][]byte) {
	n, ok1 := small(f[0])
	sql, ok2 := seconds(f[1])
	rest, ok3 := seconds(f[2])
	if !ok1 || !ok2 || !ok3 {
		return
	}
	r.Counted, r.Queries, r.SQLTime, r.RestTime = true, n, sql, rest
	if len(f) > 3 && string(f[3]) != "-" {
		r.Cursor = d.names.Intern(f[3])
	}
	d.stats.Counted++
}

// dispatched reads what trytond from 7.0 on logs of a call: model.method(arguments) from user@addr/db/ in 12 ms.
func (d *Decoder) dispatched(e *entry) {
	text, ok := bytes.CutSuffix(e.message, []byte(" ms"))
	in := bytes.LastIndex(text, []byte(" in "))
	from := bytes.LastIndex(text, []byte(" from "))
	paren := bytes.IndexByte(text, '(')
	if !ok || in < 0 || from > in || from < 0 || paren <= 0 || paren > from || paren > 256 {
		return
	}
	ms, ok := small(text[in+4:])
	where := text[from+6 : in]
	host := where[bytes.LastIndexByte(where, '@')+1:]
	slash := bytes.IndexByte(host, '/')
	if !ok || slash < 0 {
		d.stats.Unread++
		return
	}
	r := &Request{At: e.at, PID: e.pid, Logger: d.names.Intern(e.logger), Verb: "POST", Path: d.names.Intern(host[slash:]), Status: 200,
		Took: time.Duration(ms) * time.Millisecond, Method: d.names.Intern(text[:paren])}
	r.Database = d.names.Intern(bytes.Trim(host[slash:], "/"))
	if a, err := netip.ParseAddr(string(host[:slash])); err == nil {
		r.Client = a.Unmap()
	}
	d.stats.Requests++
	d.sink.Request(r)
}

func (d *Decoder) emit(e *entry, j Job) {
	j.At, j.PID, j.Database = e.at, e.pid, d.names.Intern(e.database)
	if len(j.Name) > 200 {
		j.Name = strings.ToValidUTF8(j.Name[:200], "")
	}
	d.stats.Jobs++
	d.sink.Job(&j)
}

// job reads the lines of Odoo's scheduled actions: of 18, Job 'name' (31) starting; before, Starting job `name`.
func (d *Decoder) job(e *entry) {
	m := e.message
	if name, ok := quoted(m, "Starting job `", "`."); ok {
		d.emit(e, Job{Name: name, Phase: Started})
		return
	}
	if name, ok := quoted(m, "Job `", "` done."); ok {
		d.emit(e, Job{Name: name, Phase: Done})
		return
	}
	if text, ok := bytes.CutPrefix(m, []byte("Job done: `")); ok { // of 17
		n := bytes.LastIndex(text, []byte("` ("))
		if n < 0 {
			return
		}
		took, _ := seconds(bytes.TrimSuffix(text[n+3:], []byte("s).")))
		d.emit(e, Job{Name: string(text[:n]), Phase: Done, Took: took})
		return
	}
	text, ok := bytes.CutPrefix(m, []byte("Job "))
	if !ok || len(text) < 2 || text[0] != '\'' && text[0] != '"' {
		return
	}
	shut := bytes.LastIndex(text, append([]byte{text[0]}, " ("...))
	if shut < 1 {
		return
	}
	name := text[1:shut]
	id, rest, ok := bytes.Cut(text[shut+3:], []byte(") "))
	n, isID := small(id)
	if !ok || !isID {
		return
	}
	j := Job{Name: strings.ReplaceAll(string(name), `\'`, `'`), ID: int64(n)}
	switch s := string(rest); {
	case s == "starting", s == "started manually":
		j.Phase = Started
	case s == "done":
		j.Phase = Done
	case strings.HasPrefix(s, "done in "):
		j.Phase = Done
		j.Took, _ = seconds(bytes.TrimSuffix(rest[len("done in "):], []byte("s")))
	case strings.HasPrefix(s, "processed "):
		f := strings.Fields(s)
		if len(f) < 5 {
			return
		}
		j.Phase = Progress
		j.Processed, _ = strconv.ParseInt(f[1], 10, 64)
		j.Remaining, _ = strconv.ParseInt(f[3], 10, 64)
	case s == "completed":
		j.Phase = Completed
	case s == "timed out", strings.HasSuffix(s, " failed"):
		j.Phase = Failed
	default:
		return
	}
	d.emit(e, j)
}

func quoted(m []byte, before, behind string) (string, bool) {
	text, ok1 := bytes.CutPrefix(m, []byte(before))
	text, ok2 := bytes.CutSuffix(text, []byte(behind))
	return string(text), ok1 && ok2
}

// trytonJob reads: <Cron 3@db ir.trigger|trigger_time> started, and <Task 17@db> done.
func (d *Decoder) trytonJob(e *entry) {
	text, ok := bytes.CutPrefix(e.message, []byte("<"))
	shut := bytes.LastIndex(text, []byte("> "))
	if !ok || shut < 0 {
		return
	}
	name, phase := text[:shut], text[shut+2:]
	kind, rest, ok1 := bytes.Cut(name, space)
	id, rest, ok2 := bytes.Cut(rest, []byte("@"))
	n, ok3 := small(id)
	if !ok1 || !ok2 || !ok3 {
		return
	}
	database, method, _ := bytes.Cut(rest, space)
	e.database = database
	j := Job{ID: int64(n), Name: string(kind) + " " + string(id)}
	if len(method) > 0 {
		j.Name = string(method)
	}
	first, _, _ := bytes.Cut(phase, space)
	switch string(first) {
	case "started":
		j.Phase = Started
	case "done", "finished":
		j.Phase = Done
	case "failed", "failed,":
		j.Phase = Failed
	default:
		return
	}
	d.emit(e, j)
}

// worker reads: Worker WorkerHTTP (4711) alive, and: HTTP service (werkzeug) running on 0.0.0.0:8069.
func (d *Decoder) worker(e *entry) {
	m := string(e.message)
	w := &Worker{At: e.at, PID: e.pid}
	switch {
	case strings.HasPrefix(m, "Worker WorkerHTTP (") && strings.HasSuffix(m, ") alive"):
		w.Kind = "http"
	case strings.HasPrefix(m, "Worker WorkerCron (") && strings.HasSuffix(m, ") alive"):
		w.Kind = "cron"
	case strings.HasPrefix(m, "HTTP service (werkzeug) running on "):
		w.Kind, w.Addr = "listen", strings.TrimPrefix(m, "HTTP service (werkzeug) running on ")
	case strings.HasPrefix(m, "Evented Service (longpolling) running on "):
		w.Kind, w.Addr = "evented", strings.TrimPrefix(m, "Evented Service (longpolling) running on ")
	default:
		return
	}
	d.sink.Worker(w)
}

package process

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		line    string
		want    Title
		foreign bool
	}{
		{line: "odoo: WorkerHTTP 4711", want: Title{Odoo, HTTP, "odoo: WorkerHTTP", ""}},
		{line: "odoo: WorkerCron 4712", want: Title{Odoo, Cron, "odoo: WorkerCron", ""}},
		{line: "openerp: WorkerHTTP 4711", want: Title{Odoo, HTTP, "openerp: WorkerHTTP", ""}},
		{line: "odoo: gevent", want: Title{Odoo, Gevent, "odoo: gevent", ""}},
		{line: "odoo: WorkerQueue 1", want: Title{Odoo, Worker, "odoo: WorkerQueue", ""}},
		{line: "odoo: WorkerHTTP 4711|||||", want: Title{Odoo, HTTP, "odoo: WorkerHTTP", ""}},
		{line: "/usr/bin/python3|/usr/bin/odoo|-c|/etc/odoo/odoo.conf|--db_password=secret|", want: Title{Odoo, Main, "odoo", "/etc/odoo/odoo.conf"}},
		{line: "python3.11|-u|-W|ignore|./odoo-bin|--config=/o.conf|--workers=4|", want: Title{Odoo, Main, "odoo-bin", "/o.conf"}},
		{line: "/opt/venv/bin/python|/opt/odoo/odoo-bin|gevent|--config|/o.conf|", want: Title{Odoo, Gevent, "odoo-bin gevent", "/o.conf"}},
		{line: "python3|odoo-bin|shell|-d|prod|", want: Title{Odoo, Other, "odoo-bin shell", ""}},
		{line: "python|openerp-server|", want: Title{Odoo, Main, "openerp-server", ""}},
		{line: "python|/usr/bin/openerp-gevent|", want: Title{Odoo, Gevent, "openerp-gevent", ""}},
		{line: "python3|-m|odoo|--dev=all|", want: Title{Odoo, Main, "odoo", ""}},
		{line: "/usr/bin/python3|/usr/bin/trytond|-c|/etc/tryton/trytond.conf|", want: Title{Tryton, Main, "trytond", "/etc/tryton/trytond.conf"}},
		{line: "python3|/usr/bin/trytond-cron|", want: Title{Tryton, Cron, "trytond-cron", ""}},
		{line: "python3|/usr/bin/trytond-worker|", want: Title{Tryton, Worker, "trytond-worker", ""}},
		{line: "python3|/usr/bin/trytond-admin|-p|", want: Title{Tryton, Other, "trytond-admin", ""}},
		{line: "gunicorn: master [trytond.application:app]", want: Title{Tryton, Main, "gunicorn: master", ""}},
		{line: "gunicorn: worker [trytond.application:app]", want: Title{Tryton, Worker, "gunicorn: worker", ""}},
		{line: "/usr/bin/python3|/usr/bin/gunicorn|-b|:8000|trytond.application:app|", want: Title{Tryton, Main, "gunicorn", ""}},
		{line: "uwsgi|--http|:8000|--module|trytond.application:app|", want: Title{Tryton, Main, "uwsgi", ""}},
		{line: "gunicorn: worker [shop.wsgi]", foreign: true},
		{line: "python3|/usr/bin/gunicorn|shop.wsgi|", foreign: true},
		{line: "vim|odoo-bin|", foreign: true},
		{line: "bash|-c|odoo-bin -c x|", foreign: true},
		{line: "python3|-c|import odoo|", foreign: true},
		{line: "grep|trytond|", foreign: true},
		{line: "postgres: odoo prod 127.0.0.1(40000) idle", foreign: true},
		{line: "nginx: worker process", foreign: true},
		{line: "python3|", foreign: true},
		{line: "python3|-m|", foreign: true},
		{line: "", foreign: true},
	} {
		got, ok := Classify([]byte(strings.ReplaceAll(c.line, "|", "\x00")))
		if ok == c.foreign || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.line, got, ok, c.want)
		}
	}
}

func FuzzClassify(f *testing.F) {
	f.Add([]byte("odoo: WorkerHTTP 1"))
	f.Add([]byte("python3\x00-m\x00odoo\x00gevent\x00-c\x00x\x00"))
	f.Add([]byte("uwsgi\x00trytond"))
	f.Fuzz(func(t *testing.T, b []byte) {
		title, ok := Classify(b)
		if ok != (title.Kind != "") {
			t.Errorf("%+v, %v", title, ok)
		}
		if len(title.Command) > 3*maxCommand || !utf8.ValidString(title.Command) || strings.ContainsAny(title.Command, "\n\x00\x1b") {
			t.Errorf("command %q", title.Command)
		}
	})
}

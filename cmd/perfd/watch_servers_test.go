package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/perfd/perfd/process"
)

// Servers that come, are restarted and go are told of, each once.
func TestRollOfServers(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	odoo, tryton := process.Server{Kind: process.Odoo, Pid: 7, Command: "odoo-bin"}, process.Server{Kind: process.Tryton, Pid: 8, Command: "trytond"}
	again := odoo
	again.Pid = 9
	var r roll
	r.note([]process.Server{odoo})
	for _, step := range []struct {
		now  []process.Server
		want []string
	}{
		{[]process.Server{odoo}, nil},
		{[]process.Server{odoo, tryton}, []string{`msg="Tryton is found and watched" process=8 command=trytond`}},
		{[]process.Server{odoo, tryton}, nil},
		{[]process.Server{again, tryton}, []string{`msg="Odoo is found and watched" process=9 command=odoo-bin`, `msg="Odoo has ended" process=7 command=odoo-bin`}},
		{[]process.Server{again}, []string{`msg="Tryton has ended" process=8`}},
	} {
		out.Reset()
		r.compare(log, step.now)
		if n := strings.Count(out.String(), "\n"); n != len(step.want) {
			t.Errorf("%d lines, want %d:\n%s", n, len(step.want), out.String())
		}
		for _, w := range step.want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("lacks %q:\n%s", w, out.String())
			}
		}
	}
}

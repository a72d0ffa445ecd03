package pglog

import (
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// fuzz feeds a decoder of one format with anything, in two blocks, and checks what must always hold.
func fuzz(f *testing.F, format Format, file string) {
	log := read(f, file)
	entries := strings.SplitAfter(log, "\n")
	for i := 0; i+8 < len(entries); i += 8 {
		f.Add([]byte(strings.Join(entries[i:i+8], "")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &collector{}
		c.decoder = sqltrace.New(sqltrace.Config{}, c)
		cfg := Config{Format: format, MaxEntry: 4096, Sessions: 16, Plans: 4}
		if len(data)%2 == 0 {
			cfg.Prefix = goldenPrefix
		}
		d, err := New(cfg, c.decoder, c)
		if err != nil {
			t.Fatal(err)
		}
		half := len(data) / 2
		d.Lines(data[:half])
		d.Idle(time.Unix(2e9, 0))
		d.Lines(data[half:])
		d.Flush()
		s := d.Stats()
		if s.Statements != int64(len(c.statements)) || s.Sessions != int64(len(c.opened)) || c.closed != len(c.opened) {
			t.Errorf("%d statements, %d opened, %d closed: %+v", len(c.statements), len(c.opened), c.closed, s)
		}
		for _, st := range c.statements {
			if st.End.Before(st.Start) || st.First.After(st.End) || st.Session == nil {
				t.Errorf("statement %+v", *st)
			}
		}
		for _, p := range c.plans {
			if len(p.Nodes) > maxNodes {
				t.Errorf("plan of %d nodes", len(p.Nodes))
			}
		}
	})
}

func FuzzStderr(f *testing.F) { fuzz(f, Stderr, "server.log") }
func FuzzCSV(f *testing.F)    { fuzz(f, CSV, "server.csv") }
func FuzzJSON(f *testing.F)   { fuzz(f, JSON, "server.json") }

func FuzzPrefix(f *testing.F) {
	for _, p := range usual {
		f.Add(p.source, "2026-11-22 10:00:00.123 UTC [4711] odoo@prod LOG:  statement: SELECT 1")
	}
	f.Fuzz(func(t *testing.T, source, line string) {
		p, err := newPrefix(source, false)
		if err != nil {
			return
		}
		var e entry
		c := clock{location: time.UTC}
		if at, ok := p.match([]byte(line), &e, &c); ok && (at < 0 || at > len(line)) {
			t.Errorf("%q ends at %d of %q", source, at, line)
		}
	})
}

type nothing struct{}

func (nothing) Opened(*sqltrace.Session)            {}
func (nothing) Statement(*sqltrace.Statement)       {}
func (nothing) Closed(*sqltrace.Session, time.Time) {}

// BenchmarkLines reads the golden log over and over in each form.
func BenchmarkLines(b *testing.B) {
	for _, name := range []string{"server.log", "server.csv", "server.json"} {
		b.Run(strings.TrimPrefix(name, "server."), func(b *testing.B) {
			log := []byte(read(b, name))
			cfg := Config{}
			if name == "server.log" {
				cfg.Prefix = goldenPrefix
			}
			d, err := New(cfg, sqltrace.New(sqltrace.Config{}, nothing{}), nothing{})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(log)))
			b.ReportAllocs()
			for b.Loop() {
				d.Lines(log)
			}
		})
	}
}

package lab

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/perfd/perfd/fixtures/truth"
)

// Truth is what trytond noted of the calls, in the form of package fixtures/truth. Requests that are not among
// the calls are left out; statements of no request are background if they ran between the first and the last of
// the calls, and left out otherwise. A call that the server did not note, or noted otherwise than it was made,
// fails the test.
func (s *Trytond) Truth(calls []Call) truth.Record {
	s.t.Helper()
	r, err := truth.Read(s.TruthLines(calls))
	if err != nil {
		s.t.Fatalf("read trytond's notes: %v", err)
	}
	return r
}

// TruthByBackend is Truth with BackendPort of each statement's connection in place of its port, for connections
// without one.
func (s *Trytond) TruthByBackend(calls []Call) truth.Record {
	s.t.Helper()
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	for text := range bytes.Lines(s.TruthLines(calls)) {
		fields := map[string]any{}
		err := json.Unmarshal(text, &fields)
		events, _ := fields["ev"].([]any)
		for _, event := range events {
			event := event.(map[string]any)
			backend, _ := event["bpid"].(float64)
			event["port"] = BackendPort(int32(backend))
		}
		if err := errors.Join(err, e.Encode(fields)); err != nil {
			s.t.Fatalf("read trytond's notes: %v", err)
		}
	}
	r, err := truth.Read(out.Bytes())
	if err != nil {
		s.t.Fatalf("read trytond's notes: %v", err)
	}
	return r
}

// BackendPort stands for the port of a connection to the backend of that process id. Backends of one test have
// ids close to each other and so different ports.
func BackendPort(pid int32) uint16 { return uint16(pid) }

// TruthLines is the notes themselves, one JSON object a line, in order of time. http_port in it is the client's
// end of the connection, also where a proxy stands between.
func (s *Trytond) TruthLines(calls []Call) []byte {
	s.t.Helper()
	made := make(map[int64]Call, len(calls))
	from, to := math.Inf(1), math.Inf(-1)
	for _, c := range calls {
		made[c.ID] = c
		from, to = min(from, seconds(c.Start)), max(to, seconds(c.End))
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "truth-*.jsonl"))
	if err != nil || len(files) == 0 {
		s.t.Fatalf("read trytond's notes: found %d files, %v", len(files), err)
	}
	type note struct {
		at     float64
		fields map[string]any
	}
	var all []note
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			s.t.Fatalf("read trytond's notes: %v", err)
		}
		for text := range bytes.Lines(b) {
			fields := map[string]any{}
			if err := json.Unmarshal(text, &fields); err != nil {
				s.t.Fatalf("read trytond's notes: %s: %v\n%s", name, err, text)
			}
			if fields["type"] == "bg" {
				event, _ := fields["ev"].([]any)[0].(map[string]any)
				if at, _ := event["t"].(float64); at >= from && at <= to {
					all = append(all, note{at, fields})
				}
				continue
			}
			id, _ := fields["rpc_id"].(float64)
			c, ok := made[int64(id)]
			if !ok {
				continue
			}
			delete(made, c.ID)
			status, _ := fields["status"].(float64)
			if fields["method"] != c.Method || int(status) != c.Status || (fields["error_kind"] == "rpc") != (c.Error != "") {
				s.t.Fatalf("read trytond's notes: call %+v was noted as %s", c, text)
			}
			if c.Client.IsValid() {
				fields["http_port"] = c.Client.Port()
			}
			at, _ := fields["t_start"].(float64)
			all = append(all, note{at, fields})
		}
	}
	for _, c := range made {
		s.t.Fatalf("read trytond's notes: %d calls are missing, %+v among them", len(made), c)
	}
	slices.SortStableFunc(all, func(a, b note) int { return cmp.Compare(a.at, b.at) })
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	for _, n := range all {
		if err := e.Encode(n.fields); err != nil {
			s.t.Fatalf("write trytond's notes: %v", err)
		}
	}
	return out.Bytes()
}

// Use is a time in which one thread of trytond worked with a TCP connection.
type Use struct {
	Local, Remote netip.AddrPort // trytond's end first
	From, To      time.Time
	PID, TID      int32
}

// Uses is who worked for the calls, by trytond's own notes: for each call the thread that answered it, for each
// statement the thread that ran it.
func (s *Trytond) Uses(calls []Call) []Use {
	s.t.Helper()
	made := make(map[int64]Call, len(calls))
	for _, c := range calls {
		made[c.ID] = c
	}
	var all []Use
	for text := range bytes.Lines(s.TruthLines(calls)) {
		var n struct {
			PID    int32 `json:"pid"`
			TID    int32 `json:"tid"`
			ID     int64 `json:"rpc_id"`
			Events []struct {
				Port     uint16  `json:"port"`
				At       float64 `json:"t"`
				Duration float64 `json:"d"`
			} `json:"ev"`
		}
		if err := json.Unmarshal(text, &n); err != nil {
			s.t.Fatalf("read trytond's notes: %v\n%s", err, text)
		}
		if c, ok := made[n.ID]; ok {
			all = append(all, Use{s.Addr, c.Client, c.Start, c.End, n.PID, n.TID})
		}
		for _, e := range n.Events {
			if e.Port != 0 {
				from := time.UnixMicro(int64(e.At * 1e6))
				to := from.Add(time.Duration(e.Duration * 1e9))
				all = append(all, Use{loopback(e.Port), s.config.Postgres.Addr, from, to, n.PID, n.TID})
			}
		}
	}
	return all
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

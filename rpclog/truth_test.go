package rpclog_test

import (
	"bytes"
	"testing"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/fixtures/truth"
	"github.com/perfd/perfd/rpclog"
)

type calls []*rpclog.Call

func (c *calls) Begin(*rpclog.Call)     {}
func (c *calls) End(call *rpclog.Call)  { *c = append(*c, call) }
func (c *calls) Message(rpclog.Message) {}

// TestRecordings holds the calls found in real recordings against what the servers noted.
func TestRecordings(t *testing.T) {
	for _, name := range fixtures.Names() {
		t.Run(name, func(t *testing.T) {
			want, err := truth.Read(fixtures.Truth(t, name))
			if err != nil {
				t.Fatal(err)
			}
			var found calls
			d := rpclog.New(rpclog.Config{}, &found)
			e := capture.NewEngine(capture.Config{}, d)
			f, err := capture.NewFile(bytes.NewReader(fixtures.Tap(t, name)))
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Run(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			e.Flush()
			var got truth.Answers
			for _, c := range found {
				d.Identify(c)
				got.Calls = append(got.Calls, truth.Call{
					Port: c.Client.Port(), Start: float64(c.Start.UnixNano()) / 1e9, End: float64(c.End.UnixNano()) / 1e9,
					Path: c.Path, Model: c.Model, Method: c.Method, UID: c.UID, Status: c.Status, Failed: c.Error != "",
				})
				if c.Gaps != 0 {
					t.Errorf("%s has gaps %d", c.Path, c.Gaps)
				}
			}
			s := truth.Judge(want, got)
			for field, share := range map[string]truth.Share{
				"calls": s.Calls, "path": s.Path, "model": s.Model, "method": s.Method, "status": s.Status, "error": s.Failed, "uid": s.UID,
			} {
				if share.Of == 0 || share.Right < share.Of {
					t.Errorf("%s: %d of %d", field, share.Right, share.Of)
				}
			}
		})
	}
}

package sidecar_test

import (
	"context"
	"fmt"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sidecar"
)

// printer writes calls as soon as they come.
type printer struct{}

func (printer) Write(t *analyzer.Trace, _ *analyzer.Background) { fmt.Println(t.Call.Method) }
func (printer) Tick(time.Time)                                  {} // nothing is due

func Example() {
	q := sidecar.NewQueue(sidecar.QueueConfig{Bytes: 1 << 20})
	written := make(chan error)
	go func() { written <- q.Run(context.Background(), printer{}) }()

	// The analyzer's side never waits.
	for _, method := range []string{"read", "write"} {
		_ = q.Trace(&analyzer.Trace{Call: &rpclog.Call{Method: method}})
	}
	q.Close()
	fmt.Println(<-written, q.Stats().Dropped)

	s := sidecar.NewShedder(sidecar.ShedConfig{})
	fmt.Println(s.Observe(time.Now(), sidecar.Load{Queue: 0.8}))
	// Output:
	// read
	// write
	// <nil> 0
	// texts
}

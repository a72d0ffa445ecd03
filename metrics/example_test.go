package metrics_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/metrics"
	"github.com/perfd/perfd/rpclog"
)

func Example() {
	m, err := metrics.New(metrics.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	start := time.Unix(0, 0)
	call := &rpclog.Call{Model: "res.partner", Method: "read", Transport: rpclog.JSONRPC, Status: 200, Start: start, End: start.Add(time.Second)}
	if err := m.Trace(&analyzer.Trace{Call: call}); err != nil {
		fmt.Println(err)
		return
	}
	page := httptest.NewRecorder()
	m.Handler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(page.Body.String()) {
		if strings.HasPrefix(line, "perfd_calls_total") {
			fmt.Print(line)
		}
	}
	// Output:
	// perfd_calls_total{method="read",model="res.partner",outcome="ok",transport="jsonrpc"} 1
}

// Command perfd reads recordings of Odoo and Tryton traffic and says who waited, how long and on what.
//
// It is the only place where the packages meet: pipeline.go wires capture, rpclog, sqltrace and analyzer,
// and each subcommand has a file of its own. Nothing imports it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default handling is back: a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

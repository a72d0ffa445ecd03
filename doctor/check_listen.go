package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/perfd/perfd/config"
)

// listenCheck tells whether the pages and metrics can be served where the settings say.
type listenCheck struct {
	settings *config.Config
	try      func(ctx context.Context, address string) error
}

func (listenCheck) name() string { return "listen" }

func (c listenCheck) run(ctx context.Context) []Finding {
	var out []Finding
	for _, l := range []struct{ key, address string }{
		{"listen", c.settings.Listen}, {"metrics.listen", c.settings.Metrics.Listen},
	} {
		if l.address == "" || l.address == "off" {
			continue
		}
		err := c.try(ctx, l.address)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			out = append(out, warn(fmt.Sprintf("%s (%s) is in use", l.address, l.key),
				"That is right if perfd watch is running; otherwise name another address.")...)
		case err != nil:
			out = append(out, fail(fmt.Sprintf("%s (%s): %v", l.address, l.key, err), "Name an address of this host.")...)
		default:
			out = append(out, ok(l.address+" is free")...)
		}
	}
	return out
}

// tryListen opens an address and closes it again.
func tryListen(ctx context.Context, address string) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return ln.Close()
}

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// machine is what an Observer needs of Linux.
type machine struct {
	finder  *diagnoser // for one connection at a time
	lister  *diagnoser // for all sockets
	sockets error
	threads *threads
}

func (o *Observer) open() error {
	if _, err := os.Stat(o.cfg.Root + "/self/stat"); err != nil {
		return &Error{
			Op: "observe processes", Err: fmt.Errorf("%s is no proc file system: %w", o.cfg.Root, err),
			Hint: "mount it: mount -t proc proc /proc",
		}
	}
	o.finder, o.sockets = openDiagnoser()
	if o.sockets == nil {
		if o.lister, o.sockets = openDiagnoser(); o.sockets != nil {
			o.finder.close()
		}
	}
	if o.sockets != nil {
		o.finder, o.lister = nil, nil
		if errors.Is(o.sockets, unix.EPERM) || errors.Is(o.sockets, unix.EACCES) || errors.Is(o.sockets, unix.EAFNOSUPPORT) {
			o.sockets = &Error{Op: "observe sockets", Err: o.sockets, Hint: "allow AF_NETLINK (systemd: RestrictAddressFamilies)"}
		}
	}
	o.threads = openThreads(o.cfg, o.table)
	return nil
}

func (o *Observer) report(s *Stats) {
	s.Sockets = o.sockets
	s.Threads = o.threads.stats()
	if s.Sockets == nil && s.Denied > 0 {
		s.Sockets = &Error{
			Op: "observe sockets", Err: fmt.Errorf("the open files of %s may not be looked at", processes(s.Denied)),
			Hint: "run perfd as the user of these processes, or give it CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
		}
	}
}

func processes(n int) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}

func (o *Observer) run(ctx context.Context) error {
	scan := newScanner(o)
	scan.step(time.Now())
	var work sync.WaitGroup
	work.Go(func() { scan.run(ctx) })
	if o.finder != nil {
		work.Go(func() { newSeeker(o).run(ctx) })
	}
	work.Go(func() { o.threads.run(ctx) })
	<-ctx.Done()
	work.Wait()
	o.closeAll()
	return nil
}

func (o *Observer) closeAll() {
	if o.finder != nil {
		o.finder.close()
		o.lister.close()
	}
	o.threads.close()
}

package main

import (
	"fmt"
	"log/slog"

	"github.com/perfd/perfd/process"
)

// roll is the list of the application servers that were told of, by process. The zero value has told of none.
type roll map[int32]process.Server

// tell writes into the log which servers were found and which have ended since it was asked last.
func (r *roll) tell(w *watcher) {
	if o := w.front.parts().observer; o != nil {
		r.compare(w.log, o.Servers())
	}
}

// compare tells what differs from the list. A server has a new process after a restart, and is found again.
func (r *roll) compare(log *slog.Logger, now []process.Server) {
	left := *r
	*r = make(roll, len(now))
	for _, s := range now {
		if _, known := left[s.Pid]; !known {
			log.Info(fmt.Sprintf("%s is found and watched", serverName(s.Kind)), "process", s.Pid, "command", s.Command)
		}
		delete(left, s.Pid)
		(*r)[s.Pid] = s
	}
	for _, s := range left {
		log.Info(fmt.Sprintf("%s has ended", serverName(s.Kind)), "process", s.Pid, "command", s.Command)
	}
}

// note takes servers that were told of otherwise.
func (r *roll) note(list []process.Server) {
	*r = make(roll, len(list))
	for _, s := range list {
		(*r)[s.Pid] = s
	}
}

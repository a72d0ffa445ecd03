package doctor

import (
	"cmp"
	"context"
	"fmt"

	"github.com/perfd/perfd/config"
)

// evidenceCheck tells whether the kernel answers who used a socket.
type evidenceCheck struct {
	settings *config.Config
	host     hostFunc
}

func (evidenceCheck) name() string { return "evidence" }

func (c evidenceCheck) run(ctx context.Context) []Finding {
	h, asked, err := c.host(ctx)
	if err != nil {
		return warn("processes cannot be observed: "+err.Error(), "Mount /proc, and in Kubernetes share the process namespace (shareProcessNamespace: true).")
	}
	if !asked {
		return nil
	}
	say := func(what string, mode config.Mode, lack Lack, without string) Finding {
		switch {
		case mode == config.Off:
			return Finding{State: OK, Found: what + " is switched off"}
		case lack.Reason == "":
			return Finding{State: OK, Found: what + " is available"}
		}
		f := Finding{State: Warn, Found: fmt.Sprintf("%s is not available: %s; %s", what, lack.Reason, without),
			Fix: cmp.Or(lack.Fix, "Give perfd the capabilities named in docs/operations.md, or switch it off.")}
		if mode == config.On {
			f.State = Fail
		}
		return f
	}
	return []Finding{
		say("process evidence", c.settings.Evidence.Process, h.Sockets, "which process made a statement is inferred"),
		say("thread evidence", c.settings.Evidence.Threads, h.Threads, "which thread made a statement is inferred"),
	}
}

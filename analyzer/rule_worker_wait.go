package analyzer

import "fmt"

// workerWait finds calls that lay complete in front of the server before anything was done for them: for want of a
// free worker where workers serve one call at a time, for want of their turn where threads of one process serve all.
type workerWait struct{ cfg RuleConfig }

var _ Rule = workerWait{}

func (workerWait) Name() string { return "worker-wait" }

func (r workerWait) Check(t *Trace) []Finding {
	if t.Time.Wait < r.cfg.WorkerWait {
		return nil
	}
	wait, all := Figure(t.Time.Wait), Figure(lasted(t.Call))
	f := Finding{Rule: r.Name(), Cost: t.Time.Wait, Spans: []int{}}
	switch t.Serving {
	case ServingWorkers:
		f.Title = fmt.Sprintf("waited %s of %s for a free worker", wait, all)
		f.Fix = "Give the server more workers (about twice its processors and one, as memory allows), or shorten the calls that keep them busy."
	case ServingThreads:
		f.Title = fmt.Sprintf("took %s of %s to come to its first statement, in a server of threads", wait, all)
		f.Fix = "Its calls share one process, of which one thread at a time runs Python: start the server with workers (Odoo: --workers), " +
			"or shorten the calls that compute at the same time."
	default:
		f.Title = fmt.Sprintf("waited %s of %s before its first statement", wait, all)
		f.Fix = "If workers serve the calls, give the server more of them or shorten the calls that keep them busy; " +
			"if threads of one process do, they wait for each other: start the server with workers."
	}
	return []Finding{f}
}

package analyzer

import "fmt"

// workerWait finds calls that lay complete in front of the server while all its workers were busy.
type workerWait struct{ cfg RuleConfig }

var _ Rule = workerWait{}

func (workerWait) Name() string { return "worker-wait" }

func (r workerWait) Check(t *Trace) []Finding {
	if t.Time.Wait < r.cfg.WorkerWait {
		return nil
	}
	return []Finding{{
		Rule:  r.Name(),
		Title: fmt.Sprintf("waited %s of %s for a free worker", Figure(t.Time.Wait), Figure(lasted(t.Call))),
		Fix:   "Give the server more workers (about twice its processors and one, as memory allows), or shorten the calls that keep them busy.",
		Cost:  t.Time.Wait,
		Spans: []int{},
	}}
}

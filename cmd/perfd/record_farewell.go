package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay/load"
)

// farewell says what was written, and which rules did nothing.
func (r *loadWriter) farewell(w io.Writer, name string) {
	fmt.Fprintf(w, "perfd recorded %s of %s in %s", figures.Plural(int64(r.calls), "call"), figures.Plural(int64(len(r.sessions)), "session"), name)
	if !r.o.rules.Any() {
		fmt.Fprint(w, ", without arguments: it can be counted and asked what-if, not sent; --keep-args keeps them")
	}
	fmt.Fprintln(w)
	if r.writer == nil {
		return
	}
	var kept int64
	uses, models := r.writer.RuleUses(), r.writer.Models()
	said := 0
	for _, use := range uses {
		kept += use.Kept
		if why := idle(use, models); why != "" {
			if said++; said <= maxIdle {
				fmt.Fprintf(w, "perfd: --keep-args %s: %s\n", figures.Clean(use.Rule), why)
			}
		}
	}
	if said > maxIdle {
		fmt.Fprintf(w, "perfd: and %s more that did nothing\n", figures.Plural(int64(said-maxIdle), "rule"))
	}
	if r.o.rules.Any() && len(uses) > 0 && kept == 0 {
		fmt.Fprintln(w, "perfd: no call of the load has arguments: it can be counted and asked what-if, not sent")
	}
}

// maxIdle bounds the rules that are told one by one.
const maxIdle = 20

// idle says what a rule did not do; empty if it did all it says.
func idle(use load.RuleUse, models []string) string {
	model, _, _ := strings.Cut(strings.TrimPrefix(use.Rule, "-"), ":")
	switch {
	case use.Calls == 0 && use.Later > 0:
		return fmt.Sprintf("a later rule has its %s", figures.Plural(use.Later, "call"))
	case use.Calls == 0:
		why := "no call was seen that it names"
		if near := config.Nearest(model, models); near != "" {
			why += ", did you mean " + near + "?"
		}
		return why
	case strings.HasPrefix(use.Rule, "-"):
		return ""
	case use.Kept == 0:
		return fmt.Sprintf("none of its %s has arguments that may be kept", figures.Plural(use.Calls, "call"))
	case len(use.Missing) > 0:
		return "no argument has " + strings.Join(use.Missing, ", ")
	}
	return ""
}

package doctor

import (
	"context"

	"github.com/perfd/perfd/config"
)

// settingsCheck tells what package config found.
type settingsCheck struct {
	problems config.Problems
	settings *config.Config
}

func (settingsCheck) name() string { return "settings" }

func (c settingsCheck) run(context.Context) []Finding {
	var out []Finding
	for _, p := range c.problems {
		state := Fail
		if p.Warning {
			state = Warn
			p.Warning = false // the state says so
		}
		out = append(out, Finding{State: state, Found: p.String(), Fix: "Correct it; perfd config default prints what is allowed."})
	}
	if len(out) == 0 {
		return ok("the settings can be used")
	}
	return out
}

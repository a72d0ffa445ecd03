package doctor

import "context"

// versionCheck tells which perfd this is.
type versionCheck struct{ version string }

func (versionCheck) name() string { return "version" }

func (c versionCheck) run(context.Context) []Finding {
	if c.version == "" {
		return nil
	}
	return ok("perfd " + c.version)
}

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/perfd/perfd/config"
)

// logCheck tells whether the logs to follow can be read.
type logCheck struct {
	settings *config.Config
	readable func(path string) error
}

func (logCheck) name() string { return "logs" }

func (c logCheck) run(context.Context) []Finding {
	var out []Finding
	for _, l := range []struct{ key, path string }{
		{"pg_log.path", c.settings.PGLog.Path}, {"odoo_log.path", c.settings.OdooLog.Path},
	} {
		if l.path == "" {
			continue
		}
		if err := c.readable(l.path); err != nil {
			fix := "Give perfd's user the right to read it (group adm on Debian; systemd: SupplementaryGroups=adm)."
			if errors.Is(err, fs.ErrNotExist) {
				fix = "Check the path; it is followed as soon as the server makes it."
			}
			out = append(out, fail(fmt.Sprintf("%s (%s) cannot be read: %v", l.path, l.key, err), fix)...)
			continue
		}
		out = append(out, ok(l.path+" can be read")...)
	}
	return out
}

// readable opens what a path or pattern names.
func readable(path string) error {
	files := []string{path}
	if found, err := filepath.Glob(path); err == nil && len(found) > 0 {
		files = found[len(found)-1:]
	}
	f, err := os.Open(files[0])
	if err != nil {
		return bare(err)
	}
	return f.Close()
}

// bare is what a path error says without its path.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

package doctor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/perfd/perfd/config"
)

// memoryCheck tells whether what perfd may use is there.
type memoryCheck struct {
	settings *config.Config
	limit    func() (bytes int64, what string, err error)
}

func (memoryCheck) name() string { return "memory" }

func (c memoryCheck) run(context.Context) []Finding {
	limit, what, err := c.limit()
	want := c.settings.Memory
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err != nil:
		return warn("the memory of this host cannot be asked: "+err.Error(), "Mount /proc.")
	case limit < int64(want):
		return warn(fmt.Sprintf("%s %s, perfd may use %s", rounded(limit), what, want),
			"Lower memory, or give perfd more.")
	}
	return ok(fmt.Sprintf("%s %s, perfd may use %s", rounded(limit), what, want))
}

// availableMemory reads /proc/meminfo.
func availableMemory(meminfo string) (int64, error) {
	for line := range strings.Lines(meminfo) {
		if rest, found := strings.CutPrefix(line, "MemAvailable:"); found {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 53)
			if err != nil {
				return 0, fmt.Errorf("parse MemAvailable: %w", err)
			}
			return kib << 10, nil
		}
	}
	return 0, errors.New("no line MemAvailable")
}

// Package profile sends profiles of perfd itself to a Pyroscope server, with the stage, or the part of a replay, that each
// sample is of.
package profile

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/grafana/pyroscope-go"
)

// Stage is a part of perfd, as the label "stage" names it.
type Stage string

// Stages.
const (
	Capture Stage = "capture" // ring, reassembly and decoders
	Solve   Stage = "solve"   // attribution
	Store   Stage = "store"
	Web     Stage = "web"
)

// Do runs f, and what it starts, as a part of a stage. Go's own profiles tell the label too.
func Do(ctx context.Context, s Stage, f func(context.Context)) {
	pprof.Do(ctx, pprof.Labels("stage", string(s)), f)
}

// With runs f, and what it starts, under labels: its samples carry them, beside the tags of the Profiler.
func With(ctx context.Context, labels map[string]string, f func(context.Context)) {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, name, labels[name])
	}
	pprof.Do(ctx, pprof.Labels(pairs...), f)
}

// Tag makes a value of a tag of any text: what would end the value, or the tags, becomes a dash.
func Tag(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == ':':
			return r
		}
		return '-'
	}, text)
}

// Config says where profiles go. The zero value sends none.
type Config struct {
	// URL of the Pyroscope server. Defaults to none: nothing is measured and nothing sent.
	URL string
	// User and Password for basic authentication. Default to none.
	User, Password string
	// Tags added to each profile. Defaults to none.
	Tags map[string]string
	// Every is how often profiles are sent. Defaults to 15 s.
	Every time.Duration
	// Logger is told of what cannot be sent. Defaults to nobody.
	Logger *slog.Logger
}

// Profiler measures until it is stopped.
type Profiler struct {
	sender *pyroscope.Profiler // nil if nothing is sent
	logger *slog.Logger

	patience time.Duration // with the last profiles
}

// Start begins to measure CPU time and the heap, if there is a server to send them to.
func Start(c Config) (*Profiler, error) {
	if c.URL == "" {
		return &Profiler{}, nil
	}
	if c.Every <= 0 {
		c.Every = 15 * time.Second
	}
	logger := c.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	sender, err := pyroscope.Start(pyroscope.Config{
		ApplicationName: "perfd", ServerAddress: c.URL, BasicAuthUser: c.User, BasicAuthPassword: c.Password,
		Tags: c.Tags, UploadRate: c.Every, Logger: teller{logger},
		DisableGCRuns: true, // a collection for the profile's sake would cost more than the profile
		ProfileTypes:  []pyroscope.ProfileType{pyroscope.ProfileCPU, pyroscope.ProfileInuseSpace, pyroscope.ProfileAllocSpace},
	})
	if err != nil {
		return nil, fmt.Errorf("start profiles: %w", err)
	}
	return &Profiler{sender: sender, logger: logger, patience: lastSend}, nil
}

// lastSend is how long the last profiles may take to be sent.
const lastSend = 5 * time.Second

// Stop sends what was measured and ends; a server that does not take it within some seconds is told in the log. A Profiler
// that sends nothing does nothing.
func (p *Profiler) Stop() error {
	if p.sender == nil {
		return nil
	}
	done := make(chan error, 1)
	go func() {
		p.sender.Flush(true) // which stopping does not wait for
		done <- p.sender.Stop()
	}()
	late := time.NewTimer(p.patience)
	defer late.Stop()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("stop profiles: %w", err)
		}
	case <-late.C:
		p.logger.Warn("profiles: the server did not take the last ones", "within", p.patience)
	}
	return nil
}

// teller hands the library's words on. What it does at each upload is of no interest.
type teller struct{ log *slog.Logger }

var _ pyroscope.Logger = teller{}

func (t teller) Infof(format string, args ...any) {
	t.log.Debug("profiles: " + fmt.Sprintf(format, args...))
}
func (t teller) Debugf(format string, args ...any) {
	t.log.Debug("profiles: " + fmt.Sprintf(format, args...))
}
func (t teller) Errorf(format string, args ...any) {
	t.log.Warn("profiles: " + fmt.Sprintf(format, args...))
}

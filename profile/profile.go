// Package profile sends profiles of perfd itself to a Pyroscope server, with the stage that each sample is of.
package profile

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/pprof"
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
	return &Profiler{sender}, nil
}

// Stop sends what was measured and ends. A Profiler that sends nothing does nothing.
func (p *Profiler) Stop() error {
	if p.sender == nil {
		return nil
	}
	if err := p.sender.Stop(); err != nil {
		return fmt.Errorf("stop profiles: %w", err)
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

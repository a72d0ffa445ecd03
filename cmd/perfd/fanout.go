package main

import "github.com/perfd/perfd/analyzer"

// fanout passes every result to several sinks, in order; the first error ends it.
type fanout []analyzer.Sink

var _ analyzer.Sink = fanout(nil)

func (f fanout) Trace(t *analyzer.Trace) error {
	for _, s := range f {
		if err := s.Trace(t); err != nil {
			return err
		}
	}
	return nil
}

func (f fanout) Background(b *analyzer.Background) error {
	for _, s := range f {
		if err := s.Background(b); err != nil {
			return err
		}
	}
	return nil
}

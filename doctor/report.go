package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Report is the outcome of an examination.
type Report struct {
	Findings []Finding
}

// Count returns how many findings have a state.
func (r Report) Count(s State) int {
	n := 0
	for _, f := range r.Findings {
		if f.State == s {
			n++
		}
	}
	return n
}

// Healthy reports whether nothing failed.
func (r Report) Healthy() bool { return r.Count(Fail) == 0 }

// WriteText writes a report for people: a line for each finding, its fix below it.
func (r Report) WriteText(w io.Writer) error {
	width := 0
	for _, f := range r.Findings {
		width = max(width, len(f.Check))
	}
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-4s  %-*s  %s\n", f.State, width, f.Check, f.Found)
		if f.Fix != "" {
			fmt.Fprintf(&b, "%*s  fix: %s\n", width+6, "", f.Fix)
		}
	}
	fmt.Fprintf(&b, "\n%d failed, %d to look at, %d well\n", r.Count(Fail), r.Count(Warn), r.Count(OK))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write findings: %w", err)
	}
	return nil
}

// WriteJSON writes one object: {"healthy": …, "findings": […]}.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	err := e.Encode(struct {
		Healthy  bool      `json:"healthy"`
		Findings []Finding `json:"findings"`
	}{r.Healthy(), append([]Finding{}, r.Findings...)})
	if err != nil {
		return fmt.Errorf("write findings: %w", err)
	}
	return nil
}

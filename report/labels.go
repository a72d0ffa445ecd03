package report

import (
	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/figures"
)

// labels words statements in n columns each: by their names, and where two different ones are called the same, by
// where they differ.
func labels(list []analyzer.ShapeGroup, n int) []string {
	names, texts := make([]string, len(list)), make([]string, len(list))
	for i := range list {
		names[i], texts[i] = figures.Cut(figures.Clean(list[i].Name().Fit(n)), n), list[i].Text
	}
	return figures.Distinct(names, texts, n)
}

package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/perfd/perfd/fixtures"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The report on recordings without concurrency, where nothing has to be inferred.
func TestGoldenReports(t *testing.T) {
	for _, name := range []string{sequential, "tryton60-a"} {
		t.Run(name, func(t *testing.T) {
			got := mustAnalyze(t, fixtures.Path(t, name))
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				write(t, golden, []byte(got))
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("the report changed; if rightly, run go test ./cmd/perfd -run Golden -update (-golden +got):\n%s", d)
			}
		})
	}
}

// The README shows what is printed.
func TestReadmeShowsTheReport(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(mustAnalyze(t, fixtures.Path(t, "demo")), "\n\nIN DETAIL")
	var want strings.Builder
	for l := range strings.Lines(first) {
		want.WriteString(strings.TrimRight(l, " \n") + "\n")
	}
	if !strings.Contains(string(readme), "```\n"+want.String()+"```\n") {
		t.Errorf("README.md does not show\n%s", want.String())
	}
}

package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/perfd/perfd/replay/report"
)

// TestLabelIsTold: what an experiment is called stands in every form of its report, and without what terminals obey.
func TestLabelIsTold(t *testing.T) {
	r := &report.Report{A: "http://a, after make", Label: "index on \x1b[31mpartner"}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"text": func(b *bytes.Buffer) error { return report.Text(b, r, report.TextConfig{}) },
		"JSON": func(b *bytes.Buffer) error { return report.JSON(b, r) },
		"HTML": func(b *bytes.Buffer) error { return report.HTML(b, r, report.HTMLConfig{}) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil || !strings.Contains(b.String(), "index on ") || !strings.Contains(b.String(), "after make") || name == "text" && strings.Contains(b.String(), "\x1b") {
			t.Errorf("%s: %v\n%.2000s", name, err, b.String())
		}
	}
}

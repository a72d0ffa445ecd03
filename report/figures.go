package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/perfd/perfd/analyzer"
)

// part is one of the parts of a call's time, with what shows it.
type part struct {
	name   string
	phrase string // "61 % of it …"
	ansi   string // colour of 256
	mark   string // without colours
	class  string // CSS class
	d      time.Duration
}

// parts lists the parts of b in the order in which they are drawn everywhere.
func parts(b analyzer.Breakdown) []part {
	return []part{
		{"wait", "waiting to be served", "214", "·", "wait", b.Wait},
		{"application", "in the application", "75", "▒", "application", b.Application},
		{"SQL", "in SQL", "37", "█", "sql", b.SQL},
		{"lock", "in locks", "203", "×", "lock", b.Lock},
		{"retry", "asleep between tries", "167", "~", "retry", b.Retry},
		{"transfer", "in transfer", "146", "-", "transfer", b.Transfer},
		{"unknown", "unknown", "242", "░", "unknown", b.Unknown},
	}
}

// largest returns the part that took most.
func largest(b analyzer.Breakdown) part {
	var best part
	for _, x := range parts(b) {
		if x.d > best.d {
			best = x
		}
	}
	return best
}

// aligned writes a duration in eight columns, so that numbers and units stand in columns of their own.
func aligned(d time.Duration) string {
	number, unit, _ := strings.Cut(analyzer.Figure(d), " ")
	return fmt.Sprintf("%5s %-2s", number, unit)
}

// percent writes n of total with two significant digits.
func percent(n, total int64) string {
	if total == 0 {
		return "0 %"
	}
	switch x := 100 * float64(n) / float64(total); {
	case n == 0 || n == total:
		return fmt.Sprintf("%.0f %%", x)
	case x < 0.1:
		return "<0.1 %"
	case x < 10:
		return fmt.Sprintf("%.1f %%", x)
	case x > 99:
		return fmt.Sprintf("%.1f %%", min(x, 99.9))
	default:
		return fmt.Sprintf("%.0f %%", x)
	}
}

func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-len([]rune(s))))
}

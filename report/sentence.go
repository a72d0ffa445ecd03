package report

import (
	"fmt"
	"math"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/figures"
)

// Sentence says in one line how long the recording is, who waited and on what.
func Sentence(s analyzer.Summary) string {
	if s.Calls == 0 {
		return fmt.Sprintf("In %s, no call was seen.", analyzer.Figure(s.To.Sub(s.From)))
	}
	users, nameless := 0, false
	for i := range s.Users {
		if s.Users[i].Key == analyzer.Unknown {
			nameless = true
			continue
		}
		users++
	}
	who := figures.Plural(users, "user")
	switch {
	case users == 0:
		who = "users"
	case nameless:
		who += " and calls without one"
	}
	failed := ""
	if s.Errors > 0 {
		failed = fmt.Sprintf(", %s of which failed", figures.Thousands(s.Errors))
	}
	text := fmt.Sprintf("In %s, %s waited %s in %s%s", analyzer.Figure(s.To.Sub(s.From)), who, analyzer.Figure(s.Waited),
		figures.Plural(int(s.Calls), "call"), failed)
	if best := largest(s.Total); best.d > 0 {
		text += fmt.Sprintf("; %s of it %s", percent(int64(best.d), int64(s.Waited)), best.phrase)
	}
	return text + "."
}

// Attribution says in one line how many statements have found their calls, and how surely.
func Attribution(s analyzer.Summary) string {
	if s.Attributed == 0 {
		return figures.Plural(int(s.Statements), "statement") + ", all in the background."
	}
	calls, background := shares(s.Attributed, s.Statements)
	doubt := percent(s.Exact, s.Statements) + " beyond doubt"
	switch {
	case s.Exact == s.Attributed:
		doubt = "all beyond doubt"
	case s.Sure > 0:
		doubt += ", the others " + sure(s.Sure) + " sure on average"
	}
	text := fmt.Sprintf("%s%s: %s in calls (%s)", figures.Plural(int(s.Statements), "statement"), control(s), calls, doubt)
	if s.Attributed < s.Statements {
		text += fmt.Sprintf(", %s in the background", background)
	}
	return text + "."
}

// control says which part of the statements only frames others; nothing if none does.
func control(s analyzer.Summary) string {
	var frames, all int64
	for i := range s.Shapes {
		all += s.Shapes[i].Statements
		if frameOf(s.Shapes[i].Text) != "" {
			frames += s.Shapes[i].Statements
		}
	}
	if frames == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s transaction control)", percent(frames, all))
}

// Agreement says in one line in how many calls as many statements were seen as the server counts in its own log.
func Agreement(equal, compared int64) string {
	return fmt.Sprintf("Odoo's log counts the same statements in %s of %s (%s).", figures.Thousands(equal), figures.Plural(int(compared), "call"), percent(equal, compared))
}

// shares words n of total and the rest so that both make 100 %.
func shares(n, total int64) (part, rest string) {
	x := 100 * float64(n) / float64(max(total, 1))
	less := min(x, 100-x)
	switch {
	case n == 0 || n == total:
		return fmt.Sprintf("%.0f %%", x), fmt.Sprintf("%.0f %%", 100-x)
	case less < 0.1 && x < 50:
		return "<0.1 %", ">99.9 %"
	case less < 0.1:
		return ">99.9 %", "<0.1 %"
	case less < 9.95:
		x = math.Round(10*x) / 10
		return fmt.Sprintf("%.1f %%", x), fmt.Sprintf("%.1f %%", 100-x)
	}
	x = math.Round(x)
	return fmt.Sprintf("%.0f %%", x), fmt.Sprintf("%.0f %%", 100-x)
}

// sure words a mean probability, never as certainty.
func sure(p float64) string {
	if p > 0.99 {
		return fmt.Sprintf("%.1f %%", math.Min(100*p, 99.9))
	}
	return fmt.Sprintf("%.0f %%", 100*p)
}

package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/bench"
	"github.com/perfd/perfd/replay/compare"
)

// soThatItCounts is what to do about a generator that was late.
func (r *Report) soThatItCounts() string {
	switch less := "Run perfd on another machine than the server, or "; {
	case strings.HasPrefix(r.Mode, string(replay.Max)):
		return less + "with fewer sessions (--sessions)"
	case strings.HasSuffix(r.Mode, "calls a second"):
		return less + "more slowly (--rate)"
	default:
		return less + "more slowly (--speed)"
	}
}

// Headline says in a few sentences what came of the replay, and in a word: faster, slower, ~, not compared, invalid, or empty
// if there was nothing to compare.
func (r *Report) Headline() (word, sentence string) {
	sent, left := r.sent()
	switch {
	case sent == 0:
		return r.noCall(left)
	case !r.compared():
		word, sentence = r.oneArm(sent, left)
		if dead := r.silent(); dead != "" {
			sentence = dead + ". " + sentence
		}
		return word, sentence
	}
	if why := r.invalid(); why != "" {
		return "invalid", "No verdict: " + why + ". " + r.soThatItCounts() + r.unlike() + "."
	}
	word, sentence = r.verdict()
	switch dead := r.silent(); {
	case dead == "":
	case word == string(compare.NotCompared):
		return word, dead + ", so that A and B are not compared."
	default:
		return word, dead + ". " + r.behindCache(sentence) + r.unlike() + "."
	}
	return word, r.behindCache(sentence) + r.unlike() + "."
}

// silent says which server answered at first and then no more, and when; empty if none did.
func (r *Report) silent() string {
	var answered, dead [2]bool
	var since [2]int
	for _, p := range r.Passes {
		arm := p.Arm
		if arm == compare.Again {
			arm = compare.A
		}
		x := &p.Report
		if p.Round == 0 || x.Sent == 0 {
			continue
		}
		lost := int64(0)
		for name, n := range x.Failures {
			if replay.Unanswered(name) {
				lost += n
			}
		}
		alive := answered[arm] || x.Sent > x.Errors
		answered[arm] = alive
		switch is := alive && 2*lost >= x.Sent; {
		case is && !dead[arm]:
			dead[arm], since[arm] = true, p.Round
		case !is:
			dead[arm] = false
		}
	}
	switch {
	case dead[0] && r.B == "":
		return fmt.Sprintf("The server stopped answering in round %d", since[0])
	case dead[0] && dead[1]:
		return fmt.Sprintf("The servers of A and B stopped answering, in round %d", min(since[0], since[1]))
	case dead[0]:
		return fmt.Sprintf("The server of A stopped answering in round %d", since[0])
	case dead[1]:
		return fmt.Sprintf("The server of B stopped answering in round %d", since[1])
	}
	return ""
}

// behindCache is what is said of a verdict on what the cache of B did not answer, after how much it did.
func (r *Report) behindCache(sentence string) string {
	b := &r.Comparison.Overall.B
	if b.Hits == 0 {
		return sentence
	}
	for _, word := range []string{"No ", "The "} { // what begins with A or B keeps its capital
		if rest, ok := strings.CutPrefix(sentence, word); ok {
			sentence = strings.ToLower(word) + rest
		}
	}
	return fmt.Sprintf("%s of B's calls answered by the cache (p50 %s); of what it did not answer: %s", share(b.Hits, b.Hits+b.Calls+b.Errors), figure(b.HitP50), sentence)
}

// verdict words that of all calls, without its full stop.
func (r *Report) verdict() (word, sentence string) {
	o := &r.Comparison.Overall
	t := &o.Typical
	switch o.Verdict {
	case compare.NotCompared:
		return string(o.Verdict), "A and B are not compared: " + o.Reason + r.mostErrors()
	case compare.Faster, compare.Slower:
		sentence = fmt.Sprintf("B is %s: the typical call takes %s (%s to %s, p %s)",
			o.Verdict, moreOrLess(t.Delta), exact(t.Low), exact(t.High), probability(t.Adjusted))
		if tail := r.tail(); tail != "" {
			sentence += ", " + tail
		}
	default:
		switch {
		case o.Tail != compare.Unchanged:
			sentence = "The typical call shows no change, but the slowest do: " + r.tail()
			return string(o.Tail), sentence + r.methodsSay()
		case len(t.PerRound) == 0:
			sentence = "No call was answered by both A and B"
		case strings.HasSuffix(o.Reason, " rounds"):
			sentence = fmt.Sprintf("No verdict after %s that it takes at least: so far the typical call differs by %s", o.Reason, signed(t.Delta))
			if !r.Stopped { // who ended it knows; how many rounds it takes stands among the doubts
				sentence += ". Give --rounds 5, or more"
			}
			return string(o.Verdict), sentence
		case o.Reason != "":
			sentence = fmt.Sprintf("No change shown: the typical call differs by %s, %s", signed(t.Delta), o.Reason)
		default:
			sentence = fmt.Sprintf("No change shown: the typical call differs by %s (%s to %s)", signed(t.Delta), exact(t.Low), exact(t.High))
		}
	}
	if o.Verdict == compare.Unchanged {
		sentence = r.oneChanged(sentence)
	}
	return string(o.Verdict), sentence + r.methodsSay()
}

// oneChanged puts the method that changed most before a verdict of all calls that shows no change.
func (r *Report) oneChanged(sentence string) string {
	if len(r.Comparison.Methods) < 2 {
		return sentence
	}
	most := slices.MinFunc(r.Comparison.Methods, byRank)
	name, v := figures.Middle(figures.Clean(most.Method), 60), overall(most)
	switch {
	case v != compare.Slower && v != compare.Faster:
		return sentence
	case most.Verdict == compare.Unchanged:
		e, tail := &most.P99, "p99"
		if e.Verdict == compare.Unchanged {
			e, tail = &most.P95, "p95"
		}
		name = fmt.Sprintf("%s is %s: its %s takes %s", name, v, tail, moreOrLess(e.Delta))
	default:
		name = fmt.Sprintf("%s is %s: its typical call takes %s", name, v, moreOrLess(most.Typical.Delta))
	}
	return name + ". Over all calls, " + strings.ToLower(sentence[:1]) + sentence[1:]
}

// mostErrors names the error that was most frequent, after a reason that is one; empty if there was none.
func (r *Report) mostErrors() string {
	all := map[string]int64{}
	for _, p := range r.counted() {
		add(all, p.Report.Failures)
	}
	if len(all) == 0 {
		return ""
	}
	return ", mostly " + figures.Cut(figures.Clean(most(all)[0]), 60)
}

// unlike says that A and B answer differently, which no verdict makes up for; empty if they do not.
func (r *Report) unlike() string {
	a := r.Answers
	if a == nil || a.Alike >= a.Compared {
		return ""
	}
	return fmt.Sprintf(". B answers %s of %s otherwise than A", figures.Thousands(a.Compared-a.Alike), figures.Plural(a.Compared, "call"))
}

// counted are the passes that are no warm-up and, where arms are compared, were sent to their end.
func (r *Report) counted() []bench.Pass {
	compared := r.compared()
	return slices.DeleteFunc(slices.Clone(r.Passes), func(p bench.Pass) bool { return p.Round == 0 || compared && p.Report.Stopped })
}

// sent counts the calls that were sent, and those of a pass that were not by why.
func (r *Report) sent() (sent int64, left map[replay.Left]int64) {
	left = map[replay.Left]int64{}
	for _, p := range r.counted() {
		sent += p.Report.Sent
		for why, n := range p.Report.Left {
			left[why] = max(left[why], n)
		}
	}
	return sent, left
}

// invalid is why a pass is worthless.
func (r *Report) invalid() string {
	for _, p := range r.counted() {
		if p.Report.Invalid != "" {
			return p.Report.Invalid
		}
	}
	return ""
}

func (r *Report) noCall(left map[replay.Left]int64) (word, sentence string) {
	switch {
	case r.Failed != "":
		return "invalid", "Nothing was measured: " + r.Failed + "."
	case r.Stopped:
		return "invalid", "The replay was ended before a call was counted."
	case len(left) == 0:
		return "", "No call was sent."
	}
	return "invalid", "No call was sent: " + reasons(left) + "."
}

// reasons lists why calls were not sent, the most frequent first.
func reasons(left map[replay.Left]int64) string {
	var parts []string
	for _, why := range most(left) {
		parts = append(parts, fmt.Sprintf("%s %s", figures.Thousands(left[why]), leftWords(why)))
	}
	return strings.Join(parts, ", ")
}

// leftWords are a reason with what to do about it.
func leftWords(why replay.Left) string {
	switch why {
	case replay.LeftWrite:
		return "writing (--allow-writes)"
	case replay.LeftDangerous:
		return "dangerous (--allow-dangerous)"
	case replay.LeftArguments:
		return "without arguments in the load (perfd record --keep-args)"
	case replay.LeftStopped:
		return "left when the replay was ended"
	case replay.LeftLogin:
		return "of sessions in which nobody could log in"
	case replay.LeftDependency:
		return "made with a record that was not created"
	case replay.LeftOut:
		return "not chosen by --sessions and --methods"
	case replay.LeftExcluded:
		return "never replayed: buses, log-ins, files"
	case replay.LeftInFlight:
		return "dropped: too many under way (--max-in-flight)"
	case replay.LeftQueue:
		return "dropped: too many waiting (--max-waiting)"
	}
	return string(why)
}

// most are the keys of counts, the largest first.
func most[K ~string](counts map[K]int64) []K {
	return slices.SortedFunc(maps.Keys(counts), func(a, b K) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
}

// oneArm says how many answers were as recorded, what failed, and how long the rest took.
func (r *Report) oneArm(sent int64, left map[replay.Left]int64) (word, sentence string) {
	var failed, anew int64
	matches, failures, unjudged := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, p := range r.counted() {
		failed += p.Report.Errors
		add(matches, p.Report.Matches)
		add(failures, p.Report.Failures)
		add(unjudged, p.Report.Unjudged)
	}
	anew = matches[replay.Failed.String()]
	same, unknown := matches[replay.Same.String()], matches[replay.Unknown.String()]
	judged := -unknown
	for _, n := range matches {
		judged += n
	}
	var out string
	switch names := most(failures); {
	case failed == sent && sent > 1:
		out = fmt.Sprintf("All %s failed: %s", figures.Plural(sent, "call"), figures.Clean(names[0]))
		if len(names) > 1 {
			out += fmt.Sprintf(" (%s) and others", figures.Thousands(failures[names[0]]))
		}
	case judged == 0:
		out = fmt.Sprintf("%s answered; nothing recorded to compare with", figures.Plural(sent-failed, "call"))
	case unknown > 0:
		out = fmt.Sprintf("%s of the %s that can be compared are as recorded", figures.Thousands(same), figures.Plural(judged, "answer"))
	default:
		out = fmt.Sprintf("%s of %s answered as recorded", figures.Thousands(same), figures.Plural(sent, "call"))
	}
	if failed > 0 && (failed < sent || sent == 1) {
		out += "; " + figures.Plural(failed, "call") + " failed"
		switch {
		case judged == 0 || anew == failed:
		case anew == 0:
			out += ", as when recorded"
		default:
			out += fmt.Sprintf(" (%s not when recorded)", figures.Thousands(anew))
		}
	}
	if unknown > 0 {
		out += fmt.Sprintf("; %s cannot be compared", figures.Thousands(unknown))
		if why := most(unjudged); len(why) > 0 {
			out += ": " + why[0]
		}
	}
	out += r.durations() + "."
	more := int64(0)
	for why, n := range left {
		if why != replay.LeftOut && why != replay.LeftExcluded { // which is as it was meant
			more += n
		}
	}
	switch {
	case more == 1:
		out += " 1 more call was not sent."
	case more > 1:
		out += " " + figures.Thousands(more) + " more calls were not sent."
	}
	if why := r.invalid(); why != "" {
		return "invalid", out + " The durations do not count: " + why + ". " + r.soThatItCounts() + "."
	}
	return "", out
}

func add(to, from map[string]int64) {
	for k, n := range from {
		to[k] += n
	}
}

// durations are the quantiles of the only arm, after what was said before them.
func (r *Report) durations() string {
	if r.Comparison == nil || r.Comparison.Overall.A.Calls == 0 {
		return ""
	}
	a := &r.Comparison.Overall.A
	out := "; p50 " + figure(a.P50.Seconds)
	if a.P95.Seconds > 0 {
		out += ", p95 " + figure(a.P95.Seconds)
	}
	if a.P99.Seconds > 0 {
		out += ", p99 " + figure(a.P99.Seconds)
	}
	return out
}

// tail words what changed in the slowest calls.
func (r *Report) tail() string {
	o := &r.Comparison.Overall
	switch {
	case o.P99.Verdict == compare.Faster || o.P99.Verdict == compare.Slower:
		return "p99 " + moreOrLess(o.P99.Delta)
	case o.P95.Verdict == compare.Faster || o.P95.Verdict == compare.Slower:
		return "p95 " + moreOrLess(o.P95.Delta)
	}
	return ""
}

// methodsSay counts the methods with a verdict of their own.
func (r *Report) methodsSay() string {
	n := map[compare.Verdict]int{}
	for _, m := range r.Comparison.Methods {
		n[overall(m)]++
	}
	var parts []string
	for _, v := range []compare.Verdict{compare.Slower, compare.Faster, compare.NotCompared} {
		if n[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[v], v))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf(". Of %s, %s", figures.Plural(int64(len(r.Comparison.Methods)), "method"), strings.Join(parts, ", "))
}

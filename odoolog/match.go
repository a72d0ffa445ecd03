package odoolog

import (
	"cmp"
	"slices"
	"time"
)

// pair is a call and its line.
type pair struct{ call, line side }

// step is what is done with the first call and the first line.
type step uint8

const (
	wait     step = iota // they are too new
	onlyCall             // the call has no line
	onlyLine             // the line has no call
	both                 // they are of each other
)

// next decides on the first of some calls and some lines, each in order of time; one of them may be empty.
func next(calls, lines []side, most time.Duration, limit time.Time) step {
	alone, at := onlyCall, time.Time{}
	switch {
	case len(lines) == 0:
		at = calls[0].at
	case len(calls) == 0 || lines[0].at.Before(calls[0].at):
		alone, at = onlyLine, lines[0].at
	default:
		at = calls[0].at
	}
	if at.After(limit) {
		return wait
	}
	if len(calls) == 0 || len(lines) == 0 {
		return alone
	}
	apart := func(call, line int) time.Duration {
		if call == len(calls) || line == len(lines) {
			return 1<<63 - 1
		}
		return calls[call].at.Sub(lines[line].at).Abs()
	}
	here := apart(0, 0)
	switch {
	case here > most:
		return alone
	case apart(1, 0) < here && apart(1, 0) < apart(1, 1): // the next call fits better: this one has no line
		return onlyCall
	case apart(0, 1) < here && apart(0, 1) < apart(1, 1):
		return onlyLine
	}
	return both
}

// match pairs the calls and the lines of one path in the order of their times, and keeps those after limit.
func (a *Agreement) match(k key, calls, lines []side, limit time.Time) {
	byTime := func(x, y side) int { return x.at.Compare(y.at) }
	slices.SortStableFunc(calls, byTime)
	slices.SortStableFunc(lines, byTime)
	var pairs []pair
	var alone, untold []side // calls without a line, lines without a call
	i, j := 0, 0
loop:
	for i < len(calls) || j < len(lines) {
		switch next(calls[i:], lines[j:], a.cfg.Apart, limit) {
		case wait:
			break loop
		case onlyCall:
			alone = append(alone, calls[i])
			i++
		case onlyLine:
			untold = append(untold, lines[j])
			j++
		case both:
			pairs = append(pairs, pair{calls[i], lines[j]})
			i, j = i+1, j+1
		}
	}
	keep(a.seen, &a.nSeen, k, calls, i)
	keep(a.told, &a.nTold, k, lines, j)
	pairs = a.remain(pairs, alone, untold)
	for len(pairs) > 0 {
		n := 1
		for n < len(pairs) && pairs[n].line.at.Sub(pairs[n-1].line.at) <= a.cfg.Blur {
			n++
		}
		var ours, odoos []int
		for _, p := range pairs[:n] {
			a.figures.Matched++
			switch {
			case !p.line.counted:
			case p.call.damaged:
				a.figures.Damaged++
			default:
				ours, odoos = append(ours, p.call.n), append(odoos, p.line.n)
			}
		}
		a.compare(ours, odoos)
		pairs = pairs[n:]
	}
}

// remain pairs what the nearest were not of each other, as far as it is near enough at all.
func (a *Agreement) remain(pairs []pair, calls, lines []side) []pair {
	n := len(pairs)
	for len(calls) > 0 && len(lines) > 0 {
		switch d := calls[0].at.Sub(lines[0].at); {
		case d.Abs() <= a.cfg.Apart:
			pairs = append(pairs, pair{calls[0], lines[0]})
			calls, lines = calls[1:], lines[1:]
		case d < 0:
			a.figures.OnlySeen++
			calls = calls[1:]
		default:
			a.figures.OnlyLogged++
			lines = lines[1:]
		}
	}
	a.figures.OnlySeen += int64(len(calls))
	a.figures.OnlyLogged += int64(len(lines))
	if len(pairs) > n {
		slices.SortStableFunc(pairs, func(x, y pair) int { return x.line.at.Compare(y.line.at) })
	}
	return pairs
}

// keep leaves out the first n of a key's sides.
func keep(m map[key][]side, total *int, k key, all []side, n int) {
	*total -= n
	if n == len(all) {
		delete(m, k)
		return
	}
	if n > 0 {
		m[k] = slices.Clone(all[n:])
	}
}

// compare takes the numbers of answers that cannot be told apart: equal ones first, then in order of size.
func (a *Agreement) compare(ours, odoos []int) {
	slices.Sort(ours)
	slices.Sort(odoos)
	var restOurs, restOdoos []int
	i, j := 0, 0
	for i < len(ours) && j < len(odoos) {
		switch cmp.Compare(ours[i], odoos[j]) {
		case 0:
			a.count(ours[i], odoos[j])
			i, j = i+1, j+1
		case -1:
			restOurs = append(restOurs, ours[i])
			i++
		default:
			restOdoos = append(restOdoos, odoos[j])
			j++
		}
	}
	restOurs, restOdoos = append(restOurs, ours[i:]...), append(restOdoos, odoos[j:]...)
	for n := range restOurs {
		a.count(restOurs[n], restOdoos[n])
	}
}

func (a *Agreement) count(ours, odoos int) {
	f := &a.figures
	f.Compared++
	f.Ours, f.Odoos = f.Ours+int64(ours), f.Odoos+int64(odoos)
	switch {
	case ours == odoos:
		f.Equal++
	case ours > odoos:
		f.More++
		f.Off += int64(ours - odoos)
	default:
		f.Fewer++
		f.Off += int64(odoos - ours)
	}
	if len(a.recent) < a.cfg.Recent {
		a.recent = append(a.recent, ours == odoos)
		return
	}
	a.recent[a.at%len(a.recent)] = ours == odoos
	a.at++
}

package analyzer

// overlap judges two leases of one owner that overlap in time, a beginning first: a single thread runs one
// statement at a time, and closes cursors in the reverse order of opening them.
func (w *window) overlap(a, b int32, r route) float64 {
	const impossible, crossing, unusual = -100, -12.5, -8
	switch w.meeting(a, b) {
	case meetBusy:
		return impossible
	case meetCross:
		return crossing
	}
	if r == routeWeb || r == routeAPI || r == routeAPISession {
		return unusual
	}
	return meetUsual
}

// meetUsual is the best that two leases of one call come to that overlap.
const meetUsual = -0.5

// meeting is how two leases overlap.
type meeting uint8

const (
	meetUnknown meeting = iota
	meetNested          // b lies in an idle stretch of a
	meetCross           // a ends first
	meetBusy            // statements of both run at once
)

// meeting looks up how leases a and b, a < b, overlap; the search asks for the same pairs again and again.
func (w *window) meeting(a, b int32) meeting {
	row := w.meetings[a]
	at := int(b - a - 1)
	if at < len(row) && row[at] != meetUnknown {
		return row[at]
	}
	m := meet(&w.leases[a], &w.leases[b])
	if at >= len(row) {
		row = append(row, make([]meeting, at+1-len(row))...)
		w.meetings[a] = row
	}
	row[at] = m
	return m
}

func meet(a, b *lease) meeting {
	if b.end > a.end+slack {
		return meetCross
	}
	const grain, times = 20_000, 3 // so many short overlaps are no fault of the capture's order
	i, j, short := 0, 0, 0
	for i < len(a.statements) && j < len(b.statements) {
		x, y := a.statements[i], b.statements[j]
		xe, ye := x.End.UnixNano(), y.End.UnixNano()
		both := min(xe, ye) - max(x.Start.UnixNano(), y.Start.UnixNano())
		if both > grain {
			short++
		}
		if both > slack || short >= times {
			return meetBusy
		}
		if xe < ye {
			i++
		} else {
			j++
		}
	}
	return meetNested
}

package analyzer

import (
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// lull is how long after the settings in front of it whoever made them goes on with a connection, as a rule.
const lull = 2 * time.Millisecond

// prepared cuts off what a lease begins with where that is not its user's. A pool that opens several connections for
// one call sets all of them up, the others for whoever comes next. The second part is the lease of who came; parts is empty if there is
// nothing to cut.
//
// That nobody could own the whole shows it, or that another thread made the rest. Likewise a lease does not begin when its connection
// was opened, if that was for somebody else.
func (s *solver) prepared(l *lease, holds func(start, end int64) bool) (parts []*lease) {
	if first := l.statements[0].Start.UnixNano(); l.opening && first-l.start > int64(lull) &&
		(s.ofLease(l).tid != 0 || !holds(l.start+slack, l.end-slack) && holds(first+slack, l.end-slack)) {
		l.start = first
	}
	n := 0
	for n < len(l.statements) && l.statements[n].Kind == sqltrace.Reset && s.info(l.statements[n].Fingerprint).marks&markDiscard == 0 {
		n++
	}
	if n == 0 || n == len(l.statements) || l.statements[n].Start.Sub(l.statements[n-1].End) <= lull {
		return nil
	}
	rest := l.part(n, len(l.statements))
	rest.opening = l.opening
	if !holds(l.start+slack, l.end-slack) && holds(rest.start+slack, rest.end-slack) {
		return []*lease{l.part(0, n), rest}
	}
	if by := s.ofLease(rest); by.tid != 0 && s.ofLease(l) != by {
		return []*lease{l.part(0, n), rest}
	}
	return nil
}

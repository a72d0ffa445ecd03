package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// Finds sums up the findings of one rule on one method and one kind of statement.
type Finds struct {
	Rule, Name, Title, Fix string // title and fix of the costliest
	Calls, Findings        int64
	Cost, Max              time.Duration
	First, Last            time.Time
	Users                  []string        // sorted
	Examples               []rpclog.CallID // costliest first
}

// subjects tells what kind of statement a finding is about, each by its name. It tells apart what analyzer.Summary
// tells apart, so that the report and the pages count the same groups.
type subjects map[*sqltrace.Shape]string

func (m subjects) of(s *sqltrace.Shape) string {
	if s == nil {
		return ""
	}
	subject, ok := m[s]
	if !ok {
		subject = s.Name().Subject
		m[s] = subject
	}
	return subject
}

// Findings sums up the findings of the matching calls by rule, method and kind of statement, costliest first,
// with at most the given number of examples each.
func Findings(ctx context.Context, r Reader, f Filter, examples int) ([]Finds, error) {
	type key struct {
		rule, name string
		about      string
	}
	type example struct {
		id   rpclog.CallID
		cost time.Duration
	}
	type sum struct {
		Finds
		calls []example
		users map[string]struct{}
	}
	sums, about := map[key]*sum{}, subjects{}
	err := r.Findings(ctx, f, func(b *Brief, found Finding) {
		k := key{found.Rule, b.Name, about.of(found.Shape)}
		s := sums[k]
		if s == nil {
			s = &sum{Finds: Finds{Rule: found.Rule, Name: b.Name, First: b.Start, Last: b.Start}, users: map[string]struct{}{}}
			sums[k] = s
		}
		if s.Findings == 0 || found.Cost > s.Max {
			s.Title, s.Fix, s.Max = found.Title, found.Fix, found.Cost
		}
		s.Findings++
		s.Cost += found.Cost
		if b.Start.Before(s.First) {
			s.First = b.Start
		}
		if b.Start.After(s.Last) {
			s.Last = b.Start
		}
		if b.User != "" {
			s.users[b.User] = struct{}{}
		}
		if n := len(s.calls); n > 0 && s.calls[n-1].id == b.ID {
			s.calls[n-1].cost += found.Cost
		} else {
			s.calls = append(s.calls, example{b.ID, found.Cost})
			s.Calls++
		}
	})
	if err != nil {
		return nil, err
	}
	out := make([]Finds, 0, len(sums))
	for _, s := range sums {
		slices.SortStableFunc(s.calls, func(a, b example) int { return cmp.Compare(b.cost, a.cost) })
		s.Examples = []rpclog.CallID{}
		for _, e := range s.calls[:min(len(s.calls), examples)] {
			s.Examples = append(s.Examples, e.id)
		}
		s.Users = sortedKeys(s.users)
		out = append(out, s.Finds)
	}
	slices.SortFunc(out, func(a, b Finds) int {
		return cmp.Or(cmp.Compare(b.Cost, a.Cost), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Title, b.Title))
	})
	return out, nil
}

func sortedKeys(m map[string]struct{}) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

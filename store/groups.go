package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
)

// Group sums up calls that share a key.
type Group struct {
	Name          string // of the method, model, user or lane
	Model, Method string // of a method
	UID           int64  // of a user or lane
	Login         string
	User          string // of a lane
	Session       rpclog.SessionKey
	Host          string

	Calls, Errors, Statements int64
	Total, P50, P95, P99, Max time.Duration
	Time                      analyzer.Breakdown
	First, Last               time.Time // first start, last end
	Users, Methods            int       // distinct ones
}

// By is what calls are grouped by.
type By uint8

// Keys of groups. A lane is a session, or for calls without one a user at an address.
const (
	ByMethod By = iota
	ByModel
	ByUser
	ByLane
)

type laneKey struct {
	session    rpclog.SessionKey
	user, host string
}

func lane(b *Brief) laneKey {
	if b.Session != 0 {
		return laneKey{session: b.Session}
	}
	return laneKey{user: b.User, host: b.Host}
}

// tally is a group that is being summed up.
type tally struct {
	Group
	q              quantiles
	users, methods map[string]struct{}
}

func (t *tally) add(b *Brief) {
	t.Calls++
	if b.Failed {
		t.Errors++
	}
	t.Statements += b.Statements
	t.Total += b.Duration
	addTime(&t.Time, &b.Time)
	t.q.add(b.Duration)
	if t.First.IsZero() || b.Start.Before(t.First) {
		t.First = b.Start
	}
	if end := b.Start.Add(b.Duration); end.After(t.Last) {
		t.Last = end
	}
	if t.users == nil {
		t.users, t.methods = map[string]struct{}{}, map[string]struct{}{}
	}
	t.users[b.User] = struct{}{}
	t.methods[b.Name] = struct{}{}
}

func (t *tally) group() Group {
	g := t.Group
	g.P50, g.P95, g.P99, g.Max = t.q.at(.5), t.q.at(.95), t.q.at(.99), t.q.max
	g.Users, g.Methods = len(t.users), len(t.methods)
	if _, unknown := t.users[""]; unknown {
		g.Users--
	}
	return g
}

func addTime(to, from *analyzer.Breakdown) {
	to.Wait += from.Wait
	to.Application += from.Application
	to.SQL += from.SQL
	to.Lock += from.Lock
	to.Retry += from.Retry
	to.Transfer += from.Transfer
	to.Unknown += from.Unknown
}

// tallies sums up calls by one key.
type tallies struct {
	by    By
	named map[string]*tally
	lanes map[laneKey]*tally
	order []*tally // of first appearance
}

func newTallies(by By) *tallies {
	return &tallies{by: by, named: map[string]*tally{}, lanes: map[laneKey]*tally{}}
}

// add puts a call into its group and returns it. Calls without a model make no group of models.
func (ts *tallies) add(b *Brief) *tally {
	var t *tally
	switch ts.by {
	case ByLane:
		k := lane(b)
		if t = ts.lanes[k]; t == nil {
			t = &tally{Group: Group{Session: b.Session}}
			ts.lanes[k] = t
			ts.order = append(ts.order, t)
		}
		t.Host = b.Host
		if b.User != "" && (t.Login == "" || b.Login != "") {
			t.User, t.UID, t.Login = b.User, b.UID, b.Login
		}
		t.Name = t.User
	default:
		name := b.Name
		switch ts.by {
		case ByModel:
			if name = b.Model; name == "" {
				return nil
			}
		case ByUser:
			name = b.User
		}
		if t = ts.named[name]; t == nil {
			t = &tally{Group: Group{Name: name}}
			ts.named[name] = t
			ts.order = append(ts.order, t)
		}
		switch ts.by {
		case ByMethod:
			t.Model, t.Method = b.Model, b.Method
		case ByModel:
			t.Model = b.Model
		case ByUser:
			t.UID, t.Login = b.UID, b.Login
		}
	}
	t.add(b)
	return t
}

// groups returns the groups, greatest total first, ties by name.
func (ts *tallies) groups() []Group {
	out := make([]Group, len(ts.order))
	for i, t := range ts.order {
		out[i] = t.group()
	}
	slices.SortStableFunc(out, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// Groups sums up the matching calls by one key, greatest total first.
func Groups(ctx context.Context, r Reader, f Filter, by By) ([]Group, error) {
	ts := newTallies(by)
	if err := r.Scan(ctx, f, func(b *Brief) { ts.add(b) }); err != nil {
		return nil, err
	}
	return ts.groups(), nil
}

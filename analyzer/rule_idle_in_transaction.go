package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// idleInTransaction finds gaps inside an open transaction: locks and a connection are held while the
// server does something else, often a request to another service. Only where the transaction had written
// before, so that others may wait for its locks, does the gap count as a cost: moving it elsewhere does not
// shorten the call itself. What a login takes to hash a password, on purpose, is no such gap.
type idleInTransaction struct {
	cfg  RuleConfig
	dict sqltrace.Dictionary
}

var _ Rule = idleInTransaction{}

func (idleInTransaction) Name() string { return "idle-in-transaction" }

func (r idleInTransaction) Check(t *Trace) []Finding {
	if lasted(t.Call) <= r.cfg.Idle {
		return nil
	}
	last := make(map[int]int) // lease → its last span so far
	var sum, longest, locked time.Duration
	var proof []int
	for i := range t.Spans {
		s := t.Spans[i].Statement
		if j, ok := last[t.Spans[i].Lease]; ok {
			before := t.Spans[j].Statement
			gap := s.Start.Sub(before.End)
			if gap > r.cfg.Idle && before.Tx == 'T' && !r.hashes(t, j, i) {
				sum = plus(sum, gap)
				longest = max(longest, gap)
				proof = append(proof, j, i)
				if r.wrote(t, j) {
					locked = plus(locked, gap)
				}
			}
		}
		last[t.Spans[i].Lease] = i
	}
	if len(proof) == 0 {
		return nil
	}
	title := fmt.Sprintf("a transaction stood open for %s without a statement", Figure(longest))
	if len(proof) > 2 {
		title = fmt.Sprintf("transactions stood open %d times without a statement, %s in all", len(proof)/2, Figure(sum))
	}
	return []Finding{{
		Rule:  r.Name(),
		Title: title,
		Fix:   "Move what runs between these statements, such as a request to another service, out of the transaction.",
		Cost:  locked,
		Spans: proof,
	}}
}

// wrote reports whether the transaction that span j belongs to took row locks before or by it.
func (r idleInTransaction) wrote(t *Trace, j int) bool {
	for i := j; i >= 0; i-- {
		if t.Spans[i].Lease != t.Spans[j].Lease {
			continue
		}
		s := t.Spans[i].Statement
		if s.Kind == sqltrace.Begin || s.Kind == sqltrace.Commit || s.Kind == sqltrace.Rollback {
			return false
		}
		if s.SQLState == "" && locking(r.dict.Shape(s.Fingerprint)) {
			return true
		}
	}
	return false
}

// hashes reports whether the gap between spans j and i is the time that a password's hash takes: it follows the
// statement that reads the hash to compare with, or comes before the one that stores a new one. Whatever the login's
// route, that is what Odoo's and Tryton's users have in common. Odoo asks for the number of rounds in between.
func (r idleInTransaction) hashes(t *Trace, j, i int) bool {
	password := func(n int) (concerned, written bool) {
		sh := r.dict.Shape(t.Spans[n].Statement.Fingerprint)
		users := slices.Contains(sh.Tables, "res_users") || slices.Contains(sh.Tables, "res_user")
		return users && (sh.Text == "" || strings.Contains(sh.Text, "password")), sh.Written != ""
	}
	if stored, written := password(i); stored && written {
		return true
	}
	for n := j; n >= 0; n-- {
		switch s := t.Spans[n]; {
		case s.Lease != t.Spans[j].Lease:
		case slices.Equal(r.dict.Shape(s.Statement.Fingerprint).Tables, []string{"ir_config_parameter"}):
		default:
			read, written := password(n)
			return read && !written
		}
	}
	return false
}

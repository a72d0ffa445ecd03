package analyzer

import (
	"testing"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// kindsOf replays statement kinds through a builder and returns the length of each lease.
func kindsOf(pooled bool, kinds ...sqltrace.Kind) (lengths []int) {
	b := &leaseBuilder{session: &sqltrace.Session{}}
	at := time.Unix(1000, 0)
	for _, k := range kinds {
		at = at.Add(time.Millisecond)
		s := &sqltrace.Statement{Kind: k, Start: at, End: at.Add(time.Microsecond)}
		if l := b.add(s, pooled && k == sqltrace.Reset); l != nil {
			lengths = append(lengths, len(l.statements))
		}
	}
	if l := b.close(); l != nil {
		lengths = append(lengths, len(l.statements))
	}
	return lengths
}

func TestLeaseFromResetToReset(t *testing.T) {
	const (
		q, b, c, r, d = sqltrace.Query, sqltrace.Begin, sqltrace.Commit, sqltrace.Rollback, sqltrace.Reset
	)
	cases := []struct {
		name   string
		pooled bool
		kinds  []sqltrace.Kind
		want   []int
	}{
		{"odoo: two leases", true, []sqltrace.Kind{d, b, q, r, d, b, q, q, c}, []int{4, 5}},
		{"odoo: several transactions in one lease", true, []sqltrace.Kind{d, b, q, r, b, q, c, d, b, q, c}, []int{7, 4}},
		{"odoo: first lease after startup has no reset", true, []sqltrace.Kind{b, q, c, d, b, q, c}, []int{3, 4}},
		{"tryton: check, call, touch", false, []sqltrace.Kind{b, q, c, b, q, q, c, d, q, q, q}, []int{3, 4, 4}},
		{"tryton: the next user's resets stand in front", false, []sqltrace.Kind{d, q, q, d, d, b, q, c}, []int{3, 5}},
		{"statements outside of transactions after one", false, []sqltrace.Kind{b, q, c, q, q}, []int{3, 2}},
	}
	for _, tc := range cases {
		got := kindsOf(tc.pooled, tc.kinds...)
		if len(got) != len(tc.want) {
			t.Errorf("%s: leases of %v statements, want %v", tc.name, got, tc.want)
			continue
		}
		for i := range got {
			if got[i] != tc.want[i] {
				t.Errorf("%s: leases of %v statements, want %v", tc.name, got, tc.want)
				break
			}
		}
	}
}

func TestMarkers(t *testing.T) {
	cases := []struct {
		shape sqltrace.Shape
		want  marker
	}{
		{sqltrace.Shape{Kind: sqltrace.Reset, Text: "DISCARD ALL"}, markDiscard | markServer},
		{sqltrace.Shape{Kind: sqltrace.Reset, Text: "SET default_transaction_read_only TO DEFAULT"}, 0},
		{sqltrace.Shape{Text: "LISTEN imbus"}, markListen},
		{sqltrace.Shape{Text: "SELECT", Tables: []string{"base_registry_signaling", "base_cache_signaling_default"}}, markSignaling | markServer},
		{sqltrace.Shape{Text: "SELECT", Tables: []string{"orm_signaling_registry"}}, markSignaling | markServer},
		{sqltrace.Shape{Text: "INSERT", Tables: []string{"base_cache_signaling"}, Written: "base_cache_signaling"}, 0},
		{sqltrace.Shape{Text: "SELECT", Tables: []string{"ir_cron"}}, markCron | markServer},
		{sqltrace.Shape{Text: "INSERT", Tables: []string{"ir_cron_trigger"}, Written: "ir_cron_trigger"}, 0},
		{sqltrace.Shape{Text: "SELECT", Tables: []string{"res_partner"}}, 0},
	}
	for _, tc := range cases {
		if got := markersOf(tc.shape); got != tc.want {
			t.Errorf("%q %v: markers %b, want %b", tc.shape.Text, tc.shape.Tables, got, tc.want)
		}
	}
}

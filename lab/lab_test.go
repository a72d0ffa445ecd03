package lab_test

import (
	"testing"

	"github.com/perfd/perfd/lab"
)

func TestTrytond(t *testing.T) {
	for name, c := range map[string]lab.TrytondConfig{
		"threaded": {},
		"gunicorn": {Workers: 2},
	} {
		t.Run(name, func(t *testing.T) {
			c.Postgres = lab.TrytonPostgreSQL(t, lab.PostgresConfig{})
			s := lab.RunTrytond(t, c)
			calls, err := lab.Crowd{Host: s.Addr.String()}.Work(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r := s.Truth(calls)
			if len(r.Calls) != len(calls) || len(r.Statements) < 5*len(calls) {
				t.Errorf("truth of %d calls: %d calls, %d statements", len(calls), len(r.Calls), len(r.Statements))
			}
			t.Logf("%d calls, %d statements", len(r.Calls), len(r.Statements))
		})
	}
}

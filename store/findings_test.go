package store

import (
	"testing"

	"github.com/perfd/perfd/sqltrace"
)

// Findings on different functions are not one finding, as they are not in the report.
func TestSubjects(t *testing.T) {
	of := subjects{}
	sleep, next, again := sqltrace.Shape{Text: "SELECT pg_sleep ( ? )"}, sqltrace.Shape{Text: "SELECT nextval ( ? )"}, sqltrace.Shape{Text: "SELECT ?, pg_sleep ( ? )"}
	if a, b := of.of(&sleep), of.of(&next); a != "SELECT pg_sleep" || b != "SELECT nextval" {
		t.Errorf("the subjects are %q and %q", a, b)
	}
	if a, b := of.of(&sleep), of.of(&again); a != b {
		t.Errorf("one function has the subjects %q and %q", a, b)
	}
	if a, b := of.of(nil), of.of(&sqltrace.Shape{}); a != "" || b == "" {
		t.Errorf("of no statement %q, of one of unknown text %q", a, b)
	}
}

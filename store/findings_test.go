package store

import (
	"testing"

	"github.com/perfd/perfd/sqltrace"
)

// Findings on different functions are not one finding, as they are not in the report.
func TestSubjectOf(t *testing.T) {
	sleep, next := sqltrace.Shape{Text: "SELECT pg_sleep ( ? )"}, sqltrace.Shape{Text: "SELECT nextval ( ? )"}
	if a, b := subjectOf(&sleep), subjectOf(&next); a == b || a != (subject{"SELECT", "pg_sleep"}) {
		t.Errorf("the subjects are %v and %v", a, b)
	}
	if got := subjectOf(&sqltrace.Shape{Text: "SELECT ?"}); got != (subject{"SELECT", ""}) {
		t.Errorf("without a function the subject is %v", got)
	}
}

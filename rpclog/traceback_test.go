package rpclog

import (
	"strings"
	"testing"
)

const calledBy = "Traceback (most recent call last):\n  File \"/odoo/http.py\", line 2, in dispatch\n    raise X(secret)\n    ^^^^^\n"

func TestTraceback(t *testing.T) {
	for text, want := range map[string]string{
		calledBy + "odoo.exceptions.ValidationError: secret: words\nmore: secret\n": "odoo.exceptions.ValidationError",
		calledBy + "KeyError": "KeyError",
		calledBy + "psycopg2.errors.UniqueViolation: duplicate\nDETAIL:  Key (a)=(secret)\n\n":                              "psycopg2.errors.UniqueViolation",
		calledBy + "A: x\n\nThe above exception was the direct cause of the following exception:\n\n" + calledBy + "B: y\n": "B",
		calledBy + "A: x\n\nDuring handling of the above exception, another exception occurred:\n\n" + calledBy + "b.C\n":   "b.C",
		strings.ReplaceAll(calledBy+"A: x\n", "\n", "\r\n"):                                                                 "A",
		calledBy + "A: x\n" + calledBy + "Secret: y\n":                                                                      "A", // in a message
		"a secret\n" + calledBy + "A: x\n":                                                                                  "A",
		"Secret: words\n":                                                                                                   "",
		"secret":                                                                                                            "",
		calledBy:                                                                                                            "",
		calledBy + "some secret words: x\n":                                                                                 "",
		calledBy + strings.Repeat("x", 1000) + ": y\n":                                                                      "",
		calledBy + strings.Repeat("x", fieldMax) + "\n":                                                                     "",
		"": "",
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			var tb traceback
			for rest := text; rest != ""; {
				n := min(size, len(rest))
				tb.write([]byte(rest[:n]))
				rest = rest[n:]
			}
			if got := string(tb.found()); got != want {
				t.Errorf("%q in pieces of %d: got %q, want %q", text, size, got, want)
			}
		}
	}
}

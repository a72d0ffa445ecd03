package main

import (
	"strings"
	"testing"
	"time"
)

func TestFarewell(t *testing.T) {
	for want, o := range map[string]outcome{
		"perfd watched for 75.0 s: 1,695 calls, 34,157 statements; dropped: nothing\nnext: perfd analyze odoo.db": {
			span: 75 * time.Second, calls: 1695, statements: 34157, store: "odoo.db", tapping: true},
		"perfd watched for 2.00 s: 1 call, 1 statement; dropped: 3 packets and 1 call\nOdoo's log counts the same.\nnext: perfd analyze '/my store/it'\\''s.db'": {
			span: 2 * time.Second, calls: 1, statements: 1, packets: 3, results: 1, agreement: "Odoo's log counts the same.", store: "/my store/it's.db"},
		"perfd watched for 2.00 s: 0 calls, 0 statements; dropped: nothing\nnext: perfd doctor --tap, which tells why no call was seen": {
			span: 2 * time.Second, store: "odoo.db", tapping: true},
		"perfd watched for 2.00 s: 0 calls, 0 statements; dropped: nothing": {span: 2 * time.Second, store: "odoo.db"},
	} {
		if got := strings.Join(o.lines(), "\n"); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

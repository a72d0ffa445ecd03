package figures_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/perfd/perfd/figures"
)

func TestWords(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{figures.Plural(1, "call"), "1 call"}, {figures.Plural(int64(1695), "call"), "1,695 calls"}, {figures.Plural(0, "gap"), "0 gaps"},
		{figures.Thousands(-1234567), "-1,234,567"}, {figures.Thousands(-123), "-123"}, {figures.Thousands(999), "999"},
		{figures.Clean("a\x1b[2Jb\n"), "a [2Jb "}, {figures.Cut("sale order", 6), "sale…"}, {figures.Cut("größe", 5), "größe"}, {figures.Cut("ab", 0), "…"},
		{figures.Middle("account.move.line.read_group", 16), "accou…read_group"},
		{fmt.Sprint(figures.Wrap("one two three", 7)), "[one two three]"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	if got := figures.Wrap("a longish word", 4); !slices.Equal(got, []string{"a", "lon…", "word"}) {
		t.Errorf("got %q", got)
	}
}

func TestDistinct(t *testing.T) {
	texts := []string{"SELECT a FROM t LIMIT ?", "SELECT a FROM t OFFSET ?", "SELECT a FROM t LIMIT ?", "COMMIT"}
	labels := []string{"SELECT t", "SELECT t", "SELECT t", "COMMIT"}
	want := []string{"SELECT t … LIMIT ?", "SELECT t … OFFSET ?", "SELECT t … LIMIT ?", "COMMIT"}
	if got := figures.Distinct(labels, texts, 30); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	texts = []string{"SELECT a FROM t WHERE a_long_column_name = ? LIMIT ?", "SELECT a FROM t WHERE a_long_column_name = ? OFFSET ?"}
	labels = []string{"SELECT t by a_long_column_name", "SELECT t by a_long_column_name"}
	if got := figures.Distinct(labels, texts, 30); got[0] != "SELECT t … LIMIT ?" || got[1] != "SELECT t … OFFSET ?" {
		t.Errorf("%q", got)
	}
}

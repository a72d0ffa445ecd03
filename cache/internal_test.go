package cache

import (
	"bytes"
	"errors"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestGlob: without slashes, and with patterns that are whole, a glob is path.Match's.
func TestGlob(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		pattern := rapid.StringOfN(rapid.SampledFrom([]rune(`ab:*?[]^-\`)), 0, 8, -1).Draw(r, "pattern")
		s := rapid.StringOfN(rapid.SampledFrom([]rune(`ab:]-^`)), 0, 8, -1).Draw(r, "text")
		want, err := path.Match(pattern, s)
		got := newGlob(pattern).match(s)
		if err == nil && !loose(pattern) && got != want {
			r.Fatalf("%q on %q: %v, want %v", pattern, s, got, want)
		}
		if got && !strings.HasPrefix(s, newGlob(pattern).literal()) {
			r.Fatalf("%q matches %q, which does not begin with %q", pattern, s, newGlob(pattern).literal())
		}
		if !newGlob(quoteGlob(pattern)).match(pattern) {
			r.Fatalf("%q in quotes does not match itself", pattern)
		}
	})
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "", true},
		{"", "", true},
		{"", "a", false},
		{"a*b*c", "aXXbYYc", true},
		{"a*b*c", "aXXbYY", false},
		{"*:res.partner:*", "db1:res.partner:read:u2:x", true},
		{"[^a]", "a", false},
		{"[^a]", "b", true},
		{"[c-a]", "b", true}, // as Redis has it
		{`\*`, "*", true},
		{`\*`, "a", false},
		{"[ab", "a", true},
		{strings.Repeat("*a", 50), strings.Repeat("a", 60) + "b", false},
	} {
		if got := newGlob(c.pattern).match(c.text); got != c.want {
			t.Errorf("%q on %q: %v", c.pattern, c.text, got)
		}
	}
}

// loose tells patterns with sets that are Redis's and not path's, or the other way round.
func loose(pattern string) bool {
	return strings.Contains(pattern, "[]") || strings.Contains(pattern, "[^]") || strings.Contains(pattern, "-")
}

// TestNames: no two entries have one name, none is taken for a counter, and the logical key comes back out.
func TestNames(t *testing.T) {
	part := rapid.StringOfN(rapid.SampledFrom([]rune("ab:#*%[]|. é")), 0, 4, -1)
	rapid.Check(t, func(r *rapid.T) {
		draw := func(label string) (Key, Generation) {
			return Key{
				DB: part.Draw(r, label+" db"), Model: part.Draw(r, label+" model"), Op: part.Draw(r, label+" op"),
				Scope: Scope(part.Draw(r, label+" scope")), Hash: [16]byte{byte(rapid.IntRange(0, 1).Draw(r, label+" hash"))},
			}, Generation(rapid.SampledFrom([]string{"1.2.3", "4.5.6"}).Draw(r, label+" generation"))
		}
		n := newNames(part.Draw(r, "namespace"), 0)
		k1, g1 := draw("one")
		k2, g2 := draw("other")
		if (n.entry(k1, g1) == n.entry(k2, g2)) != (k1 == k2 && g1 == g2) || (k1.String() == k2.String()) != (k1 == k2) {
			r.Fatalf("%+v and %+v: %q and %q", k1, k2, n.entry(k1, g1), n.entry(k2, g2))
		}
		if logical, ok := n.logical(n.entry(k1, g1)); !ok || logical != k1.String() {
			r.Fatalf("%q of %q, want %q", logical, n.entry(k1, g1), k1)
		}
		for _, ref := range []modelRef{everything, {db: k1.DB, whole: true}, {db: k1.DB, model: k1.Model}} {
			if _, ok := n.logical(n.counter(ref)); ok {
				r.Fatalf("the counter %q is an entry", n.counter(ref))
			}
		}
		for _, p := range []string{"*", k1.String(), escape(k1.DB) + ":*", escape(k1.DB) + ":" + escape(k1.Model) + ":*", "?*"} {
			if newGlob(p).match(k1.String()) && !newGlob(n.scan(newGlob(p))).match(n.entry(k1, g1)) {
				r.Fatalf("a scan for %q by %q misses %q", p, n.scan(newGlob(p)), n.entry(k1, g1))
			}
		}
	})
}

func codecs(t testing.TB) map[string]codec {
	t.Helper()
	out := map[string]codec{}
	for name, c := range map[string]struct {
		form Serializer
		keys [][]byte
	}{
		"json": {form: JSON}, "msgpack": {form: MessagePack},
		"sealed": {MessagePack, [][]byte{bytes.Repeat([]byte{1}, 32)}}, "sealed json": {JSON, [][]byte{bytes.Repeat([]byte{2}, 16)}},
	} {
		co, err := newCodec(c.form, c.keys)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = co
	}
	return out
}

func TestEnvelopes(t *testing.T) {
	all := codecs(t)
	rapid.Check(t, func(r *rapid.T) {
		e := envelope{
			value:  rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Map(rapid.SampledFrom([]string{"null", "false", "[]", ` {"a": "<é>"}`, "", `"x"`, "{} "}), func(s string) []byte { return []byte(s) })).Draw(r, "value"),
			stored: rapid.Int64Range(0, 1<<42).Draw(r, "stored"), fresh: rapid.Int64Range(0, 1<<42).Draw(r, "fresh"),
		}
		for name, c := range all {
			b, err := c.encode("key", e)
			if err != nil {
				r.Fatalf("%s: %v", name, err)
			}
			got, err := c.decode("key", b)
			if err != nil || !bytes.Equal(got.value, e.value) || got.stored != e.stored || got.fresh != e.fresh {
				r.Fatalf("%s: %+v became %+v, %v", name, e, got, err)
			}
			if len(c.seals) == 0 {
				continue
			}
			if _, err := c.decode("another key", b); !errors.Is(err, errSealed) {
				r.Fatalf("%s: is opened in another's place: %v", name, err)
			}
			if len(e.value) > 3 && bytes.Contains(b, e.value) {
				r.Fatalf("%s: the value can be read", name)
			}
			b[rapid.IntRange(0, len(b)-1).Draw(r, "byte")] ^= 0x40
			if _, err := c.decode("key", b); err == nil {
				r.Fatalf("%s: a changed entry is opened", name)
			}
		}
	})
}

// TestCutEnvelopes: an entry that is not whole, or followed by something, is none.
func TestCutEnvelopes(t *testing.T) {
	c, err := newCodec(MessagePack, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 255, 256, 1<<16 - 1, 1 << 16} {
		for _, fresh := range []int64{0, 1 << 41} {
			e := envelope{value: bytes.Repeat([]byte{7}, n), stored: 1 << 41, fresh: fresh}
			b, err := c.encode("key", e)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.decode("key", b); err != nil || !bytes.Equal(got.value, e.value) || got.fresh != fresh || got.stored != e.stored {
				t.Errorf("%d bytes: %d at %d until %d, %v", n, len(got.value), got.stored, got.fresh, err)
			}
			for cut := range min(len(b), 40) {
				for _, wrong := range [][]byte{b[:cut], b[:len(b)-1-cut], append(bytes.Clone(b), b[:cut+1]...)} {
					if got, err := c.decode("key", wrong); err == nil {
						t.Errorf("%d of %d bytes are an entry of %d", len(wrong), len(b), len(got.value))
					}
				}
			}
		}
	}
}

// TestKeyChange: entries of an earlier key are read, those of a key that was taken away, and those in the clear, are not.
func TestKeyChange(t *testing.T) {
	k1, k2 := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	make := func(keys ...[]byte) codec {
		c, err := newCodec(MessagePack, keys)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	old, err := make(k1).encode("k", envelope{value: []byte("v")})
	if err != nil {
		t.Fatal(err)
	}
	clear, err := make().encode("k", envelope{value: []byte("v")})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := make(k2, k1).decode("k", old); err != nil || string(e.value) != "v" {
		t.Errorf("with both keys: %v", err)
	}
	for name, b := range map[string][]byte{"an earlier key's": old, "in the clear": clear} {
		if _, err := make(k2).decode("k", b); !errors.Is(err, errSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := make().decode("k", old); !errors.Is(err, errSealed) {
		t.Errorf("without a key: %v", err)
	}
}

// TestForeignJSON: other programs may write the members of an envelope in any order, and more of them.
func TestForeignJSON(t *testing.T) {
	c := codecs(t)["json"]
	for text, want := range map[string]string{
		`{"stored":1,"fresh":2,"value":{"a":[1]}}`:                        `{"a":[1]}`,
		` { "fresh" : 2, "value": [1, 2], "stored": 1 } `:                 `[1, 2]`,
		`{"stored":1,"fresh":2,"value":1,"other":2}`:                      `1`,
		`{"stored":1,"fresh":2,"bytes":"AAE="}`:                           "\x00\x01",
		`{"stored":1,"fresh":2,"value":null}`:                             `null`,
		`{"stored":1,"fresh":2,"value":}`:                                 "?",
		`{"stored":1,"fresh":2}`:                                          "?",
		`{"stored":1,"fresh":2,"xxh64":"0000000000000000","value":[1,2]}`: `[1,2]`, // a person changed the value
		`{"stored":1,"fresh":2,"xxh64":"0000000000000000","value":[1,2}`:  "?",
		`{"stored":1,"fresh":2,"xxh64":"00","value":[1,2]}`:               `[1,2]`,
		`{"stored":99999999999999999999,"fresh":2,"value":1}`:             "?",
		`{"stored":1,"fresh":2,"value":1`:                                 "?",
		`{"stored":1,"fresh":2,"value":`:                                  "?",
	} {
		e, err := c.decode("k", []byte(strings.TrimSpace(text)))
		if want == "?" && err == nil {
			t.Errorf("%s is %+v", text, e)
		}
		if want != "?" && (err != nil || string(e.value) != want || e.stored != 1 || e.fresh != 2) {
			t.Errorf("%s is %+v, %v", text, e, err)
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	all := codecs(f)
	for _, c := range all {
		b, err := c.encode("key", envelope{value: []byte(`{"a":1}`), stored: 1, fresh: 2})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("{}"))
	f.Add([]byte{leadPack, 0, 0, 0xc6, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{leadPack, 0, 0, 0xc0})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range all {
			e, err := c.decode("key", b)
			if err == nil && len(e.value) > len(b) {
				t.Errorf("%d bytes out of %d", len(e.value), len(b))
			}
		}
	})
}

func TestHistogram(t *testing.T) {
	var r recorder
	if h := r.histogram(); h.Count != 0 || h.Quantile(0.5) != 0 {
		t.Errorf("empty: %+v", h)
	}
	for range 90 {
		r.add(700 * time.Microsecond)
	}
	for range 10 {
		r.add(2 * time.Minute)
	}
	h := r.histogram()
	if h.Count != 100 || h.Sum != 90*700*time.Microsecond+20*time.Minute || h.Quantile(0.5) != time.Millisecond || h.Quantile(0.9) != time.Millisecond || h.Quantile(1) <= 2*time.Minute {
		t.Errorf("%+v", h)
	}
}

func TestPending(t *testing.T) {
	var p pending
	p.add(modelRef{db: "a", model: "m"}, modelRef{db: "a", model: "n"})
	refs, seq := p.take()
	p.add(modelRef{db: "a", model: "m"}) // again, meanwhile
	p.settled(refs, seq)
	if refs, _ = p.take(); len(refs) != 1 || refs[0].model != "m" {
		t.Errorf("left: %v", refs)
	}
	for i := range 2 * maxPending {
		p.add(modelRef{db: "b", model: strings.Repeat("x", i)})
	}
	if refs, _ = p.take(); len(refs) > maxPending || !slices.Contains(refs, everything) {
		t.Errorf("%d are kept", len(refs))
	}
	if n := noticeOf(refs); !n.all() {
		t.Errorf("notice %+v", n)
	}
}

package rpclog

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/perfd/perfd/evidence"
)

// seen lists the scalars a scanner shows, with their paths.
type seen struct {
	set  evidence.Set
	list []string
}

func newSeen() *seen { return &seen{set: evidence.NewSet(1 << 20)} }

// tokens returns tokens that write to s; visit is a closure, which only a test can afford.
func (s *seen) tokens() tokens {
	return tokens{set: &s.set, depth: maxPathDepth, visit: func(_ *exchange, at path, k kind, v []byte) {
		s.list = append(s.list, fmt.Sprintf("%x %d %s", uint64(at), k, v))
	}}
}

func scanJSON(pieces ...string) *seen {
	s := newSeen()
	var j jsonScanner
	j.start(s.tokens())
	for _, p := range pieces {
		j.write([]byte(p))
	}
	j.end()
	return s
}

func TestJSONPaths(t *testing.T) {
	got := scanJSON(`{"params" : {"model":"a\u0062c","args":[[1,2.50],{"x":[true,-3e2]}], "other":null},"id":9}`).list
	p := func(at path, k kind, v string) string { return fmt.Sprintf("%x %d %s", uint64(at), k, v) }
	want := []string{
		p(at(kParams, kModel), text, "abc"),
		p(at(kParams, kArgs, elem, elem), number, "1"),
		p(at(kParams, kArgs, elem, elem+1), number, "2.50"),
		p(at(kParams, kArgs, elem+1, other, elem), literal, "t"),
		p(at(kParams, kArgs, elem+1, other, elem+1), number, "-3e2"),
		p(at(kParams, other), literal, "n"),
		p(at(kID), number, "9"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestJSONStrings(t *testing.T) {
	for in, want := range map[string]string{
		`"plain"`:                           "plain",
		`"a\"b\\c\/d\b\f\n\r\t"`:            "a\"b\\c/d\b\f\n\r\t",
		`"caf\u00e9"`:                       "café",
		`"\ud83d\ude00!"`:                   "😀!",
		`"\ud83dx"`:                         "\ufffdx",
		`"\ud83d\ud83d\ude00"`:              "\ufffd😀",
		`"\ude00\ud83d"`:                    "\ufffd\ufffd",
		`"\ud83d\n\ude00"`:                  "\ufffd\n\ufffd",
		`"` + strings.Repeat("é", 90) + `"`: strings.Repeat("é", 90),
		`""`:                                "",
	} {
		for n := 1; n <= len(in); n++ {
			var pieces []string
			for rest := in; len(rest) > 0; {
				k := min(n, len(rest))
				pieces, rest = append(pieces, rest[:k]), rest[k:]
			}
			if got := scanJSON(pieces...).list; len(got) != 1 || got[0] != "0 0 "+want {
				t.Errorf("%s in pieces of %d is %q", in, n, got)
			}
		}
	}
}

// jsonValue draws a JSON value as encoding/json decodes it.
func jsonValue(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kind := rapid.IntRange(0, 6).Draw(t, "kind")
		if depth == 0 {
			kind %= 5
		}
		switch kind {
		case 0:
			return rapid.String().Draw(t, "string")
		case 1:
			return rapid.StringN(50, 100, 400).Draw(t, "long string")
		case 2:
			return rapid.Int64().Draw(t, "int")
		case 3:
			return rapid.Float64Range(-1e6, 1e6).Draw(t, "float")
		case 4:
			return rapid.SampledFrom([]any{true, false, nil}).Draw(t, "literal")
		case 5:
			return rapid.SliceOfN(jsonValue(depth-1), 0, 5).Draw(t, "array")
		default:
			return rapid.MapOfN(rapid.StringMatching(`[a-z]{1,8}`), jsonValue(depth-1), 0, 5).Draw(t, "object")
		}
	})
}

// hashes adds the hashes of all scalars of a decoded JSON value.
func hashes(v any, set *evidence.Set) {
	switch v := v.(type) {
	case string:
		set.Add(evidence.Value([]byte(v)))
	case json.Number:
		set.Add(evidence.Value([]byte(v)))
	case []any:
		for _, e := range v {
			hashes(e, set)
		}
	case map[string]any:
		for k, e := range v {
			if stepOf([]byte(k)) != kSecret {
				hashes(e, set)
			}
		}
	}
}

func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	if err == nil && d.More() {
		err = fmt.Errorf("more than one value")
	}
	return v, err
}

func TestJSONAgreesWithEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, err := json.Marshal(jsonValue(4).Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		v, err := decode(text)
		if err != nil {
			t.Fatal(err)
		}
		want := evidence.NewSet(1 << 20)
		hashes(v, &want)
		cut := rapid.IntRange(0, len(text)).Draw(t, "cut")
		got := scanJSON(string(text[:cut]), string(text[cut:]))
		if !slices.Equal(got.set.Hashes(), want.Hashes()) {
			t.Fatalf("%s: %d hashes, want %d", text, len(got.set.Hashes()), len(want.Hashes()))
		}
	})
}

func TestJSONEndsAtNonsense(t *testing.T) {
	for _, in := range []string{`}`, `[}`, `{"a":"b"]`, `["x",\`, `["\uZZZZ"`, strings.Repeat("[", 100000), "\x00\xff", `<html>`} {
		s := scanJSON(in, `"late value"`, in)
		if has(&s.set, "late value") {
			t.Errorf("%.20q did not end the scan", in)
		}
	}
}

func scanXML(pieces ...string) *seen {
	s := newSeen()
	var x xmlScanner
	x.start(s.tokens())
	for _, p := range pieces {
		x.write([]byte(p))
	}
	return s
}

func TestXMLPaths(t *testing.T) {
	in := `<?xml version='1.0'?><!DOCTYPE x><methodCall><!-- <value>no</value> -- > --><methodName>execute</methodName><params>` +
		`<param><value>un&lt;typed&#xe9;&bad;</value></param><param> <value> <struct> <member><name>model</name><value><string>a.b</string></value></member>` +
		`<member><name>ids</name><value><array><data><value><int> 1 </int></value><value><boolean>1</boolean></value><value><nil/></value><value><double>2.50</double></value><value><base64>AAAA</base64></value><value/></data></array></value></member></struct></value></param>` +
		`<param><value><dateTime.iso8601>20310102T03:04:05</dateTime.iso8601></value></param></params></methodCall>`
	p := func(at path, k kind, v string) string { return fmt.Sprintf("%x %d %s", uint64(at), k, v) }
	want := []string{
		p(at(kMethod), text, "execute"),
		p(at(kParams, elem), text, "un<typedé\ufffd"),
		p(at(kParams, elem+1, kModel), text, "a.b"),
		p(at(kParams, elem+1, kIDs, elem), number, "1"),
		p(at(kParams, elem+1, kIDs, elem+1), literal, "t"),
		p(at(kParams, elem+1, kIDs, elem+2), literal, "n"),
		p(at(kParams, elem+1, kIDs, elem+3), number, "2.50"),
		p(at(kParams, elem+1, kIDs, elem+5), text, ""),
		p(at(kParams, elem+2), text, "2031-01-02 03:04:05"),
	}
	for n := 1; n <= len(in); n += 1 + n/3 {
		var pieces []string
		for rest := in; len(rest) > 0; {
			k := min(n, len(rest))
			pieces, rest = append(pieces, rest[:k]), rest[k:]
		}
		if diff := cmp.Diff(want, scanXML(pieces...).list); diff != "" {
			t.Fatalf("pieces of %d: %s", n, diff)
		}
	}
}

func TestXMLStringsAgreeWithEncodingXML(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var doc bytes.Buffer
		want := evidence.NewSet(1 << 20)
		doc.WriteString("<methodResponse><params><param><value><array><data>")
		for _, v := range rapid.SliceOf(rapid.StringOf(rapid.RuneFrom([]rune("abc <>&'\"é😀.-0123456789")))).Draw(t, "strings") {
			doc.WriteString("<value><string>")
			if err := xml.EscapeText(&doc, []byte(v)); err != nil {
				t.Fatal(err)
			}
			doc.WriteString("</string></value>\n")
			want.Add(evidence.Value([]byte(v)))
		}
		doc.WriteString("</data></array></value></param></params></methodResponse>")
		in := doc.String()
		cut := rapid.IntRange(0, len(in)).Draw(t, "cut")
		got := scanXML(in[:cut], in[cut:])
		if !slices.Equal(got.set.Hashes(), want.Hashes()) {
			t.Fatalf("%s: other values", in)
		}
	})
}

func TestQuote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOf(rapid.SampledFrom([]byte{'"', '\\', '!', '#', '[', ']', 0, 0x80, 0xa2, 0xdc, 0xff, 'a'})).Draw(t, "bytes")
		want := slices.IndexFunc(b, func(c byte) bool { return c == '"' || c == '\\' })
		if want < 0 {
			want = len(b)
		}
		if got := quote(b); got != want {
			t.Fatalf("quote(%q) = %d, want %d", b, got, want)
		}
	})
}

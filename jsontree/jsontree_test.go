package jsontree

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestKeepsOrderAndNumbers(t *testing.T) {
	for _, text := range []string{
		`{"b":1.50,"a":[1e3,-0,12345678901234567890],"":{"x":null}}`,
		`"a\"\\\u0001\n<é😀"`, `[]`, `{}`, `true`, `[false,null,{"a":1,"a":2}]`,
	} {
		v, err := Parse([]byte(text), Config{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := string(v.Append(nil)); got != text {
			t.Errorf("got %s, want %s", got, text)
		}
	}
}

func TestSortMakesEqualValuesEqual(t *testing.T) {
	v, _ := Parse([]byte(`{"b":{"d":1,"c":2},"a":[{"z":1,"y":2}]}`), Config{})
	v.Sort()
	if got := string(v.Append(nil)); got != `{"a":[{"y":2,"z":1}],"b":{"c":2,"d":1}}` {
		t.Error(got)
	}
}

func TestBounds(t *testing.T) {
	for text, cfg := range map[string]Config{
		strings.Repeat("[", 129) + strings.Repeat("]", 129): {},
		`[[1]]`:   {Depth: 1},
		`[1,2,3]`: {Values: 3},
	} {
		if _, err := Parse([]byte(text), cfg); !errors.Is(err, ErrBound) {
			t.Errorf("%.20s: %v", text, err)
		}
	}
	for _, text := range []string{``, `[1`, `[1]]`, `{"a"}`, `NaN`, `[1] 2`, `{"a":1,}`} {
		if v, err := Parse([]byte(text), Config{}); err == nil {
			t.Errorf("%q gave %+v", text, v)
		}
	}
}

func TestMembersAndItems(t *testing.T) {
	v, _ := Parse([]byte(`{"a":[1,{"b":"c"}]}`), Config{})
	if got := v.Member("a").Item(1).Member("b").Text; got != "c" {
		t.Error(got)
	}
	if v.Item(0).Kind != Null || v.Member("x").Member("y").Kind != Null || v.Member("a").Item(7).Kind != Null {
		t.Error("what is not there is null")
	}
}

// FuzzParse holds the trees against encoding/json.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"x\ud83d\ude00"],"b":{"c":null}}`, `[[[]]]`, `"\u0000"`, `{"a":1,"a":{}}`, "\"\xff\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := Parse(text, Config{})
		if err != nil {
			return
		}
		want, got := decode(t, text), decode(t, v.Append(nil))
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("%q became %q", text, v.Append(nil))
		}
		v.Sort()
		if got := decode(t, v.Append(nil)); !reflect.DeepEqual(want, got) {
			t.Fatalf("sorted, %q became %q", text, v.Append(nil))
		}
	})
}

func decode(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

func BenchmarkParse(b *testing.B) {
	text := []byte(`[` + strings.Repeat(`{"id":1000,"name":"Azure Interior","country_id":{"id":233,"display_name":"United States"},"active":true},`, 80) + `null]`)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		v, err := Parse(text, Config{})
		if err != nil {
			b.Fatal(err)
		}
		_ = v.Append(nil)
	}
}

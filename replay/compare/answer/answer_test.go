package answer

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDiff(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, c := range []struct {
		name, a, b string
		want       []Difference
	}{
		{"equal", `{"a":1}`, `{"a":1}`, nil},
		{"space and order of members", `{"a":1,"b":[]}`, ` {"b": [], "a": 1}`, nil},
		{"a value", `{"a":{"b":1}}`, `{"a":{"b":2}}`, []Difference{{"$.a.b", Value}}},
		{"a type", `{"a":1}`, `{"a":"1"}`, []Difference{{"$.a", Type}}},
		{"an empty field", `{"a":false,"b":"x"}`, `{"a":"x","b":null}`, []Difference{{"$.a", Value}, {"$.b", Value}}},
		{"members", `{"a":1}`, `{"b":1}`, []Difference{{"$.a", Missing}, {"$.b", Added}}},
		{"volatile", `{"write_date":"1","csrf_token":"x","checksum":"1","__last_update":1}`, `{"write_date":"2"}`, nil},
		{"records in another order", `[{"id":1,"n":"a"},{"id":2,"n":"b"}]`, `[{"id":2,"n":"b"},{"id":1,"n":"a"}]`, []Difference{{"$[]", Order}}},
		{"a record's field", `[{"id":1,"n":"a"},{"id":2,"n":"b"}]`, `[{"id":1,"n":"a"},{"id":2,"n":"c"}]`, []Difference{{"$[].n", Value}}},
		{"another record", `[{"id":1},{"id":2}]`, `[{"id":1},{"id":3}]`, []Difference{{"$[]", Added}, {"$[]", Missing}}},
		{"ids in another order", `[1,2,3]`, `[3,1,2]`, []Difference{{"$[]", Order}}},
		{"other ids", `[1,2,3]`, `[1,2,4]`, []Difference{{"$[]", Value}}},
		{"fewer", `[1,2,3]`, `[1,2]`, []Difference{{"$[]", Missing}}},
		{"a relation", `[[1,"a"]]`, `[[1,"b"]]`, []Difference{{"$[][]", Value}}},
		{"by id", `{"1":{"x":1},"2":{"x":2}}`, `{"1":{"x":3},"2":{"x":4}}`, []Difference{{"$.*.x", Value}}},
		{"a float's last bit", `0.30000000000000004`, `0.3`, nil},
		{"a float and its integer", `3.0`, `3`, nil},
		{"floats", `1.001`, `1.002`, []Difference{{"$", Value}}},
		{"large integers", `9007199254740993`, `9007199254740992`, []Difference{{"$", Value}}},
		{"nothing and something", ``, `1`, []Difference{{"$", Value}}},
		{"no JSON", `{"a":`, `{"a":1}`, []Difference{{"$", Whole}}},
		{"too deep", strings.Repeat("[", 100), strings.Repeat("[", 101), []Difference{{"$", Whole}}},
		{"a long name", `{"` + long + `":1}`, `{}`, []Difference{{"$." + long[:64] + "…", Missing}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Config{}.Diff("res.partner", []byte(c.a), []byte(c.b))
			if len(got) != len(c.want) || len(got) > 0 && !reflect.DeepEqual(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestFloatsByTheirDigits(t *testing.T) {
	c := Config{Digits: func(model, field string) (int, bool) { return 2, model == "sale.order" && field == "amount_total" }}
	a, b := []byte(`[{"id":1,"amount_total":10.001}]`), []byte(`[{"id":1,"amount_total":10.002}]`)
	if d := c.Diff("sale.order", a, b); len(d) != 0 {
		t.Errorf("in the third digit of two: %v", d)
	}
	if d := c.Diff("sale.order", a, []byte(`[{"id":1,"amount_total":10.011}]`)); len(d) != 1 {
		t.Errorf("in the second digit of two: %v", d)
	}
	if d := c.Diff("stock.move", a, b); len(d) != 1 {
		t.Errorf("of a model without digits: %v", d)
	}
}

func TestNoiseIsCancelled(t *testing.T) {
	l := NewLedger(Config{})
	answer := func(tick, name int) []byte { return fmt.Appendf(nil, `[{"id":1,"tick":%d,"name":"n%d"}]`, tick, name) }
	for i := range 100 {
		l.Noise("res.partner.read", answer(i, 0), answer(i+i%2, 0)) // half of the time
	}
	for i := range 200 {
		changed := 0
		if i%20 == 7 {
			changed = 1
		}
		l.Add(int64(i), "res.partner.read", answer(i, 0), answer(i+i%2, changed))
	}
	for i := range 10 {
		l.Add(int64(i), "sale.order.read", answer(i, 0), answer(i+1, 0)) // the same place of another method is no noise
	}
	r := l.Result()
	if r.Compared != 210 || r.Equal != 100 || r.Alike != 190 {
		t.Errorf("%d compared, %d equal, %d alike; want 210, 100, 190", r.Compared, r.Equal, r.Alike)
	}
	var got []string
	for _, p := range r.Places {
		got = append(got, fmt.Sprintf("%s %s %d of %d, first %d, %v", p.Method, p.Path, p.Calls, p.Of, p.First, p.Cancelled))
	}
	want := []string{
		"res.partner.read $[].name 10 of 200, first 7, false",
		"sale.order.read $[].tick 10 of 10, first 0, false",
		"res.partner.read $[].tick 100 of 200, first 1, true",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("places\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestMoreThanNoise(t *testing.T) {
	l := NewLedger(Config{})
	for i := range 100 {
		l.Noise("m", fmt.Append(nil, 0), fmt.Append(nil, i/95)) // 5 %
		l.Add(int64(i), "m", fmt.Append(nil, 0), fmt.Append(nil, i/50))
	}
	if p := l.Result().Places; len(p) != 1 || p[0].Cancelled {
		t.Errorf("ten times as often as noise, and cancelled: %+v", p)
	}
}

func TestLedgerIsBounded(t *testing.T) {
	l := NewLedger(Config{MaxPlaces: 3})
	for i := range 20_000 {
		l.Add(int64(i), "m", fmt.Appendf(nil, `{"a%d":1,"b%d":1,"c":1,"d":1,"e":1}`, i, i), []byte(`{}`))
	}
	if l.places > 3000 || len(l.sets) > 3000 || l.beyond == 0 {
		t.Errorf("%d places, %d sets, %d beyond", l.places, len(l.sets), l.beyond)
	}
	if r := l.Result(); r.Alike != 0 || r.Compared != 20_000 {
		t.Errorf("%d alike of %d", r.Alike, r.Compared)
	}
}

// TestDiffIsALaw: nothing differs from itself, and what differs one way differs the other way.
func TestDiffIsALaw(t *testing.T) {
	text := rapid.StringMatching(`(\[|\]|\{"id":|\{"a":|\}|,|1|2\.5|"x"|null|false){0,20}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := []byte(text.Draw(t, "a")), []byte(text.Draw(t, "b"))
		if d := (Config{}).Diff("m", a, append([]byte(" "), a...)); len(d) > 0 && d[0].Kind != Whole {
			t.Fatalf("%s differs from itself: %v", a, d)
		}
		there, back := Config{}.Diff("m", a, b), Config{}.Diff("m", b, a)
		if len(there) != len(back) {
			t.Fatalf("%v there and %v back", there, back)
		}
	})
}

func FuzzDiff(f *testing.F) {
	f.Add([]byte(`[{"id":1,"name":"a"}]`), []byte(`[{"id":1,"name":"b"}]`))
	f.Add([]byte(`{"1":[1,2,3.5]}`), []byte(`{"1":[3.5,2,1]}`))
	f.Add([]byte(`"\`), []byte(`{`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, d := range (Config{MaxPlaces: 5}).Diff("m", a, b) {
			if !strings.HasPrefix(d.Path, "$") || d.Kind == "" {
				t.Fatalf("%+v", d)
			}
		}
	})
}

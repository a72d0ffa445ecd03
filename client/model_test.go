package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

type everything struct {
	_       struct{}        `odoo:"all.types" tryton:"all.types"`
	ID      int64           `odoo:"id" tryton:"id"`
	Text    string          `odoo:"text" tryton:"text"`
	Maybe   *string         `odoo:"maybe" tryton:"maybe"`
	Flag    bool            `odoo:"flag" tryton:"flag"`
	Tri     *bool           `odoo:"tri" tryton:"tri"`
	Small   int8            `odoo:"small" tryton:"small"`
	Plus    uint16          `odoo:"plus" tryton:"plus"`
	Float   float64         `odoo:"float" tryton:"float"`
	Exact   Decimal         `odoo:"exact" tryton:"exact"`
	At      time.Time       `odoo:"at" tryton:"at"`
	AtMaybe *time.Time      `odoo:"at_maybe" tryton:"at_maybe"`
	Day     Date            `odoo:"day" tryton:"day"`
	Clock   Clock           `odoo:"clock" tryton:"clock"`
	Span    time.Duration   `odoo:"span" tryton:"span"`
	Data    []byte          `odoo:"data" tryton:"data"`
	Ref     Ref             `odoo:"ref" tryton:"ref"`
	RefID   int64           `odoo:"ref_id" tryton:"ref_id"`
	IDs     []int64         `odoo:"ids" tryton:"ids"`
	Words   []string        `odoo:"words" tryton:"words"`
	Map     map[string]any  `odoo:"map" tryton:"map"`
	Any     any             `odoo:"any" tryton:"any"`
	Raw     json.RawMessage `odoo:"raw" tryton:"raw"`
	Other   string
	stamps
}

type stamps struct {
	Created time.Time `odoo:"create_date,readonly" tryton:"create_date,readonly"`
}

// TestDecodeValues reads each type as either server writes it, and as it writes none.
func TestDecodeValues(t *testing.T) {
	maybe, yes, at := "x", true, time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	full := everything{
		ID: 7, Text: "é\n\"", Maybe: &maybe, Flag: true, Tri: &yes, Small: -3, Plus: 4, Float: 1.5, Exact: "24.0000", At: at, AtMaybe: &at,
		Day: Date{2026, 2, 3}, Clock: Clock{Hour: 8, Minute: 30}, Span: 90 * time.Minute, Data: []byte("hello"), Ref: Ref{3, "Three"}, RefID: 4,
		IDs: []int64{1, 2}, Words: []string{"a", "b"}, Map: map[string]any{"k": "v"}, Any: "thing", Raw: json.RawMessage(`[1]`), stamps: stamps{at},
	}
	common := `"id":7,"text":"é\n\"","maybe":"x","flag":true,"tri":true,"small":-3,"plus":4,"ids":[1,2],"words":["a","b"],"map":{"k":"v"},"any":"thing","raw":[1],"more":[{"a":[]}]`
	odoo := `{` + common + `,"float":1.5,"exact":24.0000,"at":"2026-02-03 04:05:06","at_maybe":"2026-02-03 04:05:06","day":"2026-02-03","clock":8.5,"span":1.5,` +
		`"data":"aGVsbG8=","ref":[3,"Three"],"ref_id":[4,"Four"],"create_date":"2026-02-03 04:05:06.000000"}`
	stamp := `{"__class__":"datetime","year":2026,"month":2,"day":3,"hour":4,"minute":5,"second":6,"microsecond":0}`
	tryton := `{` + common + `,"float":1.5,"exact":{"__class__":"Decimal","decimal":"24.0000"},"at":` + stamp + `,"at_maybe":` + stamp +
		`,"day":{"__class__":"date","year":2026,"month":2,"day":3},"clock":{"__class__":"time","hour":8,"minute":30,"second":0,"microsecond":0},` +
		`"span":{"__class__":"timedelta","seconds":5400.0},"data":{"__class__":"bytes","base64":"aGVs\nbG8=\n"},"ref":3,"ref.":{"id":3,"rec_name":"Three"},"ref_id":4,"create_date":` + stamp + `}`
	empty := func(v string) string {
		var parts []string
		for _, name := range strings.Fields("text maybe small plus float exact at at_maybe day clock span data ref ref_id ids words map create_date") {
			parts = append(parts, fmt.Sprintf("%q:%s", name, v))
		}
		return `{"id":7,"flag":false,"tri":null,"any":null,"raw":null,` + strings.Join(parts, ",") + `}`
	}
	none := everything{ID: 7, Raw: json.RawMessage("null")}
	for name, test := range map[string]struct {
		p    Protocol
		json string
		want everything
	}{
		"odoo": {Odoo, odoo, full}, "tryton": {Tryton, tryton, full},
		"odoo empty": {Odoo, empty("false"), none}, "tryton empty": {Tryton, empty("null"), none},
	} {
		plan, err := planOf[everything](test.p)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"[" + test.json + "]", "\n [ " + strings.ReplaceAll(test.json, ":", " :\t") + " ] "} {
			if strings.Contains(text, "04 :") {
				continue // a time, and no separator
			}
			got, err := decodeAll[everything](json.RawMessage(text), plan)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !reflect.DeepEqual(got, []everything{test.want}) {
				t.Errorf("%s: got\n%+v, want\n%+v", name, got, test.want)
			}
		}
	}
}

// TestDecodeOtherForms are those that some versions of the servers use.
func TestDecodeOtherForms(t *testing.T) {
	plan, err := planOf[everything](Odoo)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeAll[everything](json.RawMessage(`[{"ref":{"id":3,"display_name":"Three"},"ref_id":3.0,"at":"2026-02-03","day":"2026-02-03 23:00:00","at_maybe":"2026-02-03T04:05:06+02:00","small":null,"tri":false,"float":{"__class__":"Decimal","decimal":"2.5"}}]`), plan)
	if err != nil {
		t.Fatal(err)
	}
	no, at := false, time.Date(2026, 2, 3, 2, 5, 6, 0, time.UTC)
	want := everything{Ref: Ref{3, "Three"}, RefID: 3, At: time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC), Day: Date{2026, 2, 3}, AtMaybe: &at, Tri: &no, Float: 2.5}
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("got\n%+v, want\n%+v", got[0], want)
	}
}

// TestDecodeRefusesOtherTypes: what is not of the field's type is an error that names the field.
func TestDecodeRefusesOtherTypes(t *testing.T) {
	plan, err := planOf[everything](Odoo)
	if err != nil {
		t.Fatal(err)
	}
	for field, values := range map[string][]string{
		"text": {`1`, `true`, `[]`}, "flag": {`1`, `"yes"`}, "small": {`"1"`, `300`, `1.5`, `[]`, `true`, `[[1],"x"]`}, "plus": {`-1`, `70000`}, "float": {`"1"`, `true`},
		"exact": {`"1"`, `[1]`}, "at": {`"yesterday"`, `1`, `"2026-02-30 00:00:00"`, `{"__class__":"Decimal"}`}, "day": {`"2026-13-01"`, `true`}, "clock": {`25`, `"8:30"`}, "span": {`"x"`, `1e300`},
		"data": {`"12.5 Kb"`, `1`}, "ref": {`"x"`, `[1]`, `[1,2]`, `[1,"x",2]`, `{}`, `true`}, "ids": {`5`, `["x"]`, `{"a":1}`}, "map": {`"x"`},
	} {
		for _, v := range values {
			_, err := decodeAll[everything](json.RawMessage(`[{"`+field+`":`+v+`}]`), plan)
			if err == nil || !strings.Contains(err.Error(), "field "+field) {
				t.Errorf("%s = %s: %v", field, v, err)
			}
		}
	}
	for _, v := range []string{``, `{}`, `null`, `[1]`, `[[]]`, `["x"]`, `[{"id":1}`, `[{"id":1}]]`} {
		if got, err := decodeAll[everything](json.RawMessage(v), plan); !errors.Is(err, errShape) {
			t.Errorf("%s: %v, %v", v, got, err)
		}
		if got, err := decodeAll[Record](json.RawMessage(v), nil); !errors.Is(err, errShape) {
			t.Errorf("%s: %v, %v", v, got, err)
		}
	}
}

// TestWrittenValuesComeBack: what Create sends for a struct is what reading it gives, with either dialect.
func TestWrittenValuesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0).UTC()
		want := everything{
			ID: rapid.Int64Range(1, math.MaxInt32).Draw(t, "id"), Text: rapid.String().Draw(t, "text"), Flag: rapid.Bool().Draw(t, "flag"),
			Small: rapid.Int8().Draw(t, "small"), Plus: rapid.Uint16().Draw(t, "plus"), Float: rapid.Float64Range(-1e9, 1e9).Draw(t, "float"),
			At: at, Day: DateOf(at), Data: rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "data"), RefID: rapid.Int64Range(1, 99).Draw(t, "ref"),
			Ref: Ref{ID: rapid.Int64Range(0, 3).Draw(t, "ref")}, Exact: Decimal(fmt.Sprint(rapid.IntRange(-99, 99).Draw(t, "exact"))),
			Span: time.Duration(rapid.IntRange(0, 1000).Draw(t, "span")) * time.Minute, Raw: json.RawMessage(`{"a":1}`),
		}
		if s := rapid.String().Draw(t, "maybe"); s != "" {
			want.Maybe = &s
		}
		p := rapid.SampledFrom([]Protocol{Odoo, Tryton}).Draw(t, "protocol")
		plan, err := planFor(reflect.TypeFor[everything](), p)
		if err != nil {
			t.Fatal(err)
		}
		values := plan.values(reflect.ValueOf(want))
		if _, ok := values["create_date"]; ok || values["id"] != nil {
			t.Fatalf("sends what cannot be written: %v", values)
		}
		values["id"] = want.ID
		b, err := json.Marshal([]Record{values})
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeAll[everything](b, plan)
		if err != nil {
			t.Fatal(err)
		}
		// A false pointer to bool and an empty list are nothing at Odoo, as is everything without a value.
		got[0].Tri, got[0].IDs, got[0].Words, got[0].Any = nil, nil, nil, nil
		if !reflect.DeepEqual(got[0], want) {
			t.Fatalf("sent %s\ngot  %+v\nwant %+v", b, got[0], want)
		}
	})
}

// TestPlansAreMadeOnce and name what is wrong with a type.
func TestPlansAreMadeOnce(t *testing.T) {
	a, err := planOf[everything](Odoo)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := planOf[everything](Odoo)
	c, _ := planOf[everything](Tryton)
	if a != b || a == c || a.model != "all.types" {
		t.Errorf("plans %p, %p and %p", a, b, c)
	}
	if !slices.Contains(a.names, "create_date") || slices.Contains(a.names, "ref.rec_name") || !slices.Contains(c.names, "ref.rec_name") {
		t.Errorf("fields %v and %v", a.names, c.names)
	}
	for name, typ := range map[string]reflect.Type{
		"two of a name": reflect.TypeFor[struct {
			A string `odoo:"a"`
			B string `odoo:"a"`
		}](),
		"no name": reflect.TypeFor[struct {
			A string `odoo:",readonly"`
		}](),
		"path": reflect.TypeFor[struct {
			A string `odoo:"a.b"`
		}](),
		"unexported": reflect.TypeFor[struct {
			a string `odoo:"a"`
		}](),
		"flag": reflect.TypeFor[struct {
			A string `odoo:"a,often"`
		}](),
		"channel": reflect.TypeFor[struct {
			A chan int `odoo:"a"`
		}](),
		"id of a text": reflect.TypeFor[struct {
			A string `odoo:"id"`
		}](),
		"embedded pointer": reflect.TypeFor[struct{ *Embedded }](),
	} {
		if p, err := planFor(typ, Odoo); !errors.Is(err, ErrModel) {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}

type Embedded struct {
	A string `odoo:"a"`
}

// FuzzDecode: no answer makes decoding panic, and what decodes as a Record does so as JSON.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`[{"id":1,"text":"a\u00e9","ref":[1,"x"],"at":"2026-01-02 03:04:05","ids":[1,2],"map":{"a":[{}]}}]`))
	f.Add([]byte(`[{"ref":1,"ref.":{"id":1,"rec_name":"x"},"at":{"__class__":"datetime","year":2026},"data":{"__class__":"bytes","base64":"AA=="}}]`))
	odoo, err1 := planOf[everything](Odoo)
	tryton, err2 := planOf[everything](Tryton)
	if err := errors.Join(err1, err2); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = decodeAll[everything](b, odoo)
		_, _ = decodeAll[everything](b, tryton)
		records, err := decodeAll[Record](b, nil)
		var plain []map[string]json.RawMessage
		if err == nil && json.Unmarshal(b, &plain) != nil {
			t.Fatalf("%q is no list of objects", b)
		}
		for i := range records {
			if len(records[i]) != len(plain[i]) {
				t.Fatalf("%q: %d members, want %d", b, len(records[i]), len(plain[i]))
			}
		}
	})
}

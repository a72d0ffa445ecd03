package xmlrpc_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/client/xmlrpc"
)

func values() *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.Just[any](nil),
		rapid.Map(rapid.Bool(), func(v bool) any { return v }),
		rapid.Map(rapid.Int64(), func(v int64) any { return v }),
		rapid.Map(rapid.Float64Range(-1e300, 1e300), func(v float64) any { return v }),
		rapid.Map(rapid.StringMatching(`[ -~äöü€\t\n\r]{0,12}`), func(v string) any { return v }),
	)
	return rapid.OneOf(leaf, rapid.Custom(func(t *rapid.T) any {
		if rapid.Bool().Draw(t, "list") {
			return rapid.SliceOfN(leaf, 0, 4).Draw(t, "items")
		}
		return rapid.MapOfN(rapid.StringMatching(`[a-z<&> _]{0,8}`), leaf, 0, 4).Draw(t, "members")
	}))
}

func TestCallsSurviveMarshalling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		params := rapid.SliceOfN(values(), 0, 4).Draw(t, "params")
		b, err := xmlrpc.AppendCall(nil, "execute_kw", params...)
		if err != nil {
			t.Fatal(err)
		}
		method, got, err := xmlrpc.Call(b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		if len(params) == 0 {
			params = []any{}
		}
		if method != "execute_kw" || !reflect.DeepEqual(got, params) {
			t.Fatalf("got %s %#v, want %#v\n%s", method, got, params, b)
		}
	})
}

func TestAnswerReadsWhatServersWrite(t *testing.T) {
	wrap := func(v string) []byte {
		return []byte("<?xml version=\"1.0\"?>\n<methodResponse>\n<params>\n<param>\n<value>" + v + "</value>\n</param>\n</params>\n</methodResponse>\n")
	}
	for in, want := range map[string]any{
		"<int>7</int>":                    int64(7),
		"<i8>-9000000000</i8>":            int64(-9000000000),
		"bare text":                       "bare text",
		"":                                "",
		"<nil/>":                          nil,
		"<boolean>0</boolean>":            false,
		"<double>1e3</double>":            1000.0,
		"<string>a &amp; b&#13;</string>": "a & b\r",
		"<dateTime.iso8601>20260102T03:04:05</dateTime.iso8601>":                                "2026-01-02 03:04:05",
		"<base64>\nYWJj\nZGVm\n</base64>":                                                       "YWJjZGVm",
		"<array><data>\n</data></array>":                                                        []any{},
		"<struct>\n<member>\n<name>a</name>\n<value><int>1</int></value>\n</member>\n</struct>": map[string]any{"a": int64(1)},
	} {
		got, err := xmlrpc.Answer(wrap(in))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v; want %#v", in, got, err, want)
		}
	}
	for _, in := range []string{"<int>x</int>", "<boolean>yes</boolean>", "<double>nan</double>", "<what>1</what>", "<array><value/></array>", "<int><int/></int>"} {
		if v, err := xmlrpc.Answer(wrap(in)); err == nil {
			t.Errorf("%s: read as %#v", in, v)
		}
	}
	deep := strings.Repeat("<array><data><value>", 300) + strings.Repeat("</value></data></array>", 300)
	if _, err := xmlrpc.Answer(wrap(deep)); err == nil {
		t.Error("read 300 levels")
	}
}

func TestWhatXMLCannotCarryIsRefused(t *testing.T) {
	for _, v := range []any{"\x00", "\x1b", "\xff", math.NaN(), math.Inf(1), make(chan int)} {
		if b, err := xmlrpc.AppendCall(nil, "m", v); err == nil {
			t.Errorf("%#v: %s", v, b)
		}
	}
	b, err := xmlrpc.AppendCall(nil, "m", []string{"a"}, json.RawMessage(`{"n":12345678901}`))
	if err != nil || !strings.Contains(string(b), "<i8>12345678901</i8>") {
		t.Errorf("%v\n%s", err, b)
	}
}

func TestFaults(t *testing.T) {
	fault := func(code string) []byte {
		return []byte("<?xml version='1.0'?><methodResponse><fault><value><struct><member><name>faultCode</name><value>" + code +
			"</value></member><member><name>faultString</name><value><string>why</string></value></member></struct></value></fault></methodResponse>")
	}
	var f *xmlrpc.Fault
	if _, err := xmlrpc.Answer(fault("<int>3</int>")); !errors.As(err, &f) || f.Code != 3 || f.String != "why" {
		t.Errorf("%#v", f)
	}
	if _, err := xmlrpc.Answer(fault("<string>warning -- UserError</string>")); !errors.As(err, &f) || f.Text != "warning -- UserError" {
		t.Errorf("%#v", f)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("<methodResponse><params><param><value><array><data><value><int>1</int></value></data></array></value></param></params></methodResponse>"))
	f.Add([]byte("<methodResponse><fault><value><struct></struct></value></fault></methodResponse>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := xmlrpc.Answer(b)
		if err != nil {
			return
		}
		if _, err := json.Marshal(v); err != nil {
			t.Errorf("%#v: %v", v, err)
		}
	})
}

func FuzzCall(f *testing.F) {
	b, _ := xmlrpc.AppendCall(nil, "execute_kw", "db", 2, []any{map[string]any{"a": nil}})
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, params, err := xmlrpc.Call(b)
		if err != nil {
			return
		}
		if _, err := xmlrpc.AppendCall(nil, "again", params...); err != nil && !strings.Contains(err.Error(), "XML cannot carry") {
			t.Error(err)
		}
	})
}

func BenchmarkAnswer(b *testing.B) {
	var rows []any
	for i := range 100 {
		rows = append(rows, map[string]any{"id": i, "name": "A partner", "email": "someone@example.com", "active": true})
	}
	call, err := xmlrpc.AppendCall(nil, "m", rows)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(call)))
	for b.Loop() {
		if _, _, err := xmlrpc.Call(call); err != nil {
			b.Fatal(err)
		}
	}
}

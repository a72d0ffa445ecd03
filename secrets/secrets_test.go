package secrets

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/jsontree"
)

const canary = "Zx9CANARYq7Zx9"

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"password": true, "new_passwd": true, "accessToken": true, "apiKey": true, "api-key": true, "X-Api-Key": true, "order_id.access_token": true, "user_ids/password": true,
		"pin": true, "_pin": true, "pin_code": true, "employee_id.pin": true, "pinned": false, "pin_count": false, "otp": true, "passphrase": true, "cvv": true, "smtp_pass": true,
		"openai_key": true, "secret_key": true, "key": false, "sort_key": false, "publishable_key": false, "key_ids": false, "parent_id.key": false,
		"code": false, "zip_code": false, "access_code": true, "default_code": false, "barcode": false, "name": false, "ref": false, "uuid": false, "passed": false,
		"password:count": true, "state": false, "signature": false, "": false, "keys": false, "monkey": false,
	} {
		if got := Name(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}

func TestBeside(t *testing.T) {
	for _, tt := range []struct {
		owner, name string
		want        bool
	}{
		{"hr.employee", "barcode", true}, {"product.product", "barcode", false}, {"sale.order", "employee_id.barcode", true}, {"web.user.session", "key", true},
		{"ir.ui.view", "key", false}, {"discuss.channel", "uuid", true}, {"pos.order", "uuid", false},
	} {
		if got := Field(tt.owner, tt.name); got != tt.want {
			t.Errorf("%s of %s: %t", tt.name, tt.owner, got)
		}
	}
}

func TestTexts(t *testing.T) {
	for text, want := range map[string]bool{
		"postgresql://u:" + canary + "@h/db": true, "https://u@h/x": false, "https://" + canary + "@h": true, "http://h:8069/@x": false, "http://[::1]:80/a@b": false,
		"host=h password=x": true, "a=b": false, "Bearer abc": true, "a bearer bond": false, "Basic dTpw": true, "Basic plan": false, "-----BEGIN RSA PRIVATE KEY-----": true,
		"sk_live_0123456789abcdef": true, "{'token': 'x'}": true, "{'token': ''}": false, `{"a":{"pin":"1"}}`: true, `{"a":1}`: false, "/chat/7/QLQV9H64Iu": true, "/chat/7/general": false,
		"/x?key=Q1LQV9H64Iu": true, "x key=Q1LQV9H64Iu": false, "<t t-key=\"abc\"/>": false, "": false, "otpauth://totp/x": true,
	} {
		if got := Text(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// TestNoNameLetsOut: under each name of a secret, however it is written and however deep it stands, no value comes out; the
// business beside it does.
func TestNoNameLetsOut(t *testing.T) {
	names := []string{"pin", "otp", "pass", "pw", "mfa", "authorization", "access_code", "security_code", "signing_key", "openai_key"}
	names = append(names, parts...)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names).Draw(t, "name")
		if strings.Contains(name, "_") && rapid.Bool().Draw(t, "dashes") {
			name = strings.ReplaceAll(name, "_", "-")
		}
		if rapid.Bool().Draw(t, "capitals") {
			name = strings.ToUpper(name[:1]) + name[1:]
		}
		name = rapid.SampledFrom([]string{"", "new_", "x_studio_", "partner_id."}).Draw(t, "before") + name
		value := jsontree.Of(canary)
		v := drawPlace(t, name, value)
		for range rapid.IntRange(0, 5).Draw(t, "depth") {
			v = drawAround(t, v)
		}
		owner := rapid.SampledFrom([]string{"", "res.partner", "/x", "hr.employee"}).Draw(t, "owner")
		before := string(v.Append(nil))
		var s Stripper
		s.Strip(&v, owner)
		if after := string(v.Append(nil)); strings.Contains(after, "CANARY") || !s.Found || strings.Count(before, "Desk") != strings.Count(after, "Desk") {
			t.Fatalf("%s became %s", before, after)
		}
	})
}

func object(members ...any) jsontree.Value {
	v := jsontree.Value{Kind: jsontree.Object}
	for i := 0; i < len(members); i += 2 {
		v.Names, v.Items = append(v.Names, members[i].(string)), append(v.Items, members[i+1].(jsontree.Value))
	}
	return v
}

func list(items ...jsontree.Value) jsontree.Value {
	return jsontree.Value{Kind: jsontree.Array, Items: items}
}

// drawPlace puts a value where its name says what it is.
func drawPlace(t *rapid.T, name string, value jsontree.Value) jsontree.Value {
	switch rapid.IntRange(0, 6).Draw(t, "place") {
	case 0:
		return list(jsontree.Of(name), jsontree.Of("="), value)
	case 1:
		return list(jsontree.Of(name), jsontree.Of("in"), list(value, value))
	case 2:
		return object("name", jsontree.Of(name), "value", value)
	case 3:
		return object(name, list(value, object("a", value)))
	case 4:
		return object(name, object("x", value, "y", list(value)))
	case 5:
		return jsontree.Of("https://a.example/x?" + name + "=" + value.Text)
	}
	return object(name, value)
}

// drawAround puts business around a value.
func drawAround(t *rapid.T, v jsontree.Value) jsontree.Value {
	switch rapid.IntRange(0, 4).Draw(t, "around") {
	case 0:
		return list(v, jsontree.Of("Desk"))
	case 1:
		return object("name", jsontree.Of("Desk"), "line_ids", list(list(jsontree.Of("Desk"), v)))
	case 2:
		return object("records", list(v), "key", jsontree.Of("Desk"))
	case 3:
		return object("context", v, "barcode", jsontree.Value{Kind: jsontree.Number, Text: "7"})
	}
	return list(list(v))
}

// FuzzStrip: whatever a tree is, taking secrets out ends, leaves a tree that has none any more, and takes out what stands
// under the names of secrets.
func FuzzStrip(f *testing.F) {
	for _, text := range []string{
		`{"password":"x","a":[["pin","=",1]]}`, `["token","x"]`, `{"name":"token","value":"x"}`, `"{\"a\":\"[\\\"b\\\"]\"}"`, `"https://u:p@h"`, `{"service":"object","method":"a","args":["a",2,"p"]}`,
		`{"op":"password","old":"x"}`, `[["op","password"],["old","x"]]`, `{"hr.employee":{"barcode":"x"}}`,
	} {
		f.Add([]byte(text), "res.partner", "load")
	}
	f.Fuzz(func(t *testing.T, text []byte, owner, method string) {
		if len(text) > 1<<14 {
			return
		}
		v, err := jsontree.Parse(text, jsontree.Config{})
		if err != nil {
			return
		}
		var s Stripper
		if v.Kind == jsontree.Array {
			form, _ := jsontree.Parse(text, jsontree.Config{})
			s.Form(&form, owner)
			s.Args(method, &v, nil, owner)
		} else {
			s.Strip(&v, owner)
		}
		var again Stripper
		again.Strip(&v, owner)
		if again.Found {
			t.Fatalf("%s still holds a secret: %s", text, v.Append(nil))
		}
		bare(t, &v)
	})
}

// bare fails if a text stands under the name of a secret.
func bare(t *testing.T, v *jsontree.Value) {
	for i := range v.Items {
		item := &v.Items[i]
		if v.Kind == jsontree.Object && item.Kind == jsontree.String && item.Text != "" && item.Text != Hidden && Name(v.Names[i]) && !describes(v) {
			t.Fatalf("%s stands under %s", item.Text, v.Names[i])
		}
		bare(t, item)
	}
}

func BenchmarkStrip(b *testing.B) {
	rows := `[` + strings.TrimSuffix(strings.Repeat(`{"id":1,"name":"Desk","partner_id":[7,"Azure Interior"],"amount_total":12.5,"state":"draft","note":"<p>x = y</p>"},`, 80), ",") + `]`
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		v, err := jsontree.Parse([]byte(rows), jsontree.Config{})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		var s Stripper
		s.Strip(&v, "sale.order")
	}
}

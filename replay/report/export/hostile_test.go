package export

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/replay/safety/safetytest"
)

// TestNothingHarmfulIsExported: whatever a server makes of a request that was exported without leave to write, it is a
// read.
func TestNothingHarmfulIsExported(t *testing.T) {
	exported := 0
	rapid.Check(t, func(t *rapid.T) {
		src := odoo(rapid.SliceOfN(rapid.Custom(safetytest.Call), 8, 40).Draw(t, "calls")...)
		src.header.Product = rapid.SampledFrom([]string{"odoo", "tryton", ""}).Draw(t, "product")
		var out bytes.Buffer
		if _, err := HAR(&out, src, "http://server", Config{Database: "copy"}); err != nil {
			t.Fatal(err)
		}
		var har struct {
			Log struct {
				Entries []struct {
					Request struct {
						Method, URL string
						PostData    struct{ Text string }
					}
				}
			}
		}
		if err := json.Unmarshal(out.Bytes(), &har); err != nil {
			t.Fatal(err)
		}
		for _, e := range har.Log.Entries {
			exported++
			r := e.Request
			if harm := safetytest.Harm(r.Method, strings.TrimPrefix(r.URL, "http://server"), []byte(r.PostData.Text)); harm != "" {
				t.Fatalf("%s: %s %s %s", harm, r.Method, r.URL, r.PostData.Text)
			}
		}
	})
	if exported < 100 {
		t.Errorf("only %d calls were exported: the test tells nothing", exported)
	}
}

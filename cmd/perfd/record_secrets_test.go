package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/fixtures/synth"
)

// secretsRecording is traffic that shows a secret where nothing but the place says so, and business beside it.
func secretsRecording(t *testing.T) string {
	t.Helper()
	d := synth.NewDialogue(netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("192.0.2.2:8069"), time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC), time.Millisecond).Open()
	send := func(verb, target, kind, body, answer string) {
		d.Client(fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: a\r\nCookie: session_id=%s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", verb, target, strings.Repeat("c", 40), kind, len(body), body))
		d.Server(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer))
		d.Pause(50 * time.Millisecond)
	}
	const form, asJSON = "application/x-www-form-urlencoded", "application/json"
	call := func(model, method, args, result string) {
		send("POST", "/web/dataset/call_kw/"+model+"/"+method, asJSON, `{"jsonrpc":"2.0","params":{"model":"`+model+`","method":"`+method+`","args":`+args+`,"kwargs":{}}}`, `{"jsonrpc":"2.0","result":`+result+`}`)
	}
	send("POST", "/fr/my/security", form, "op=password&old=CANARY2024&new1=CANARY2025&new2=CANARY2025", "{}")
	send("POST", "/jsonrpc", asJSON, `{"jsonrpc":"2.0","params":{"service":"report","method":"render_report","args":["prod",2,"CANARYpos","account.report_invoice",[1]]}}`, `{"result":1}`)
	call("res.users", "signup", `[{"login":"x"},"Jw8CANARYX72qGkolMGK"]`, "true")
	call("hr.employee", "write", `[[1],{"pin":"4815CANARY","barcode":"041CANARY","name":"Kept Employee"}]`, "true")
	call("res.partner", "read", `[[1]]`, `[{"id":1,"name":"Kept Partner","x":"postgresql://u:CANARYpw@h/db"}]`)
	call("product.product", "write", `[[1],{"barcode":"5400000000123","default_code":"KEPT_7777"}]`, "true")
	send("POST", "/prod/", asJSON, `{"id":1,"method":"model.web.user.session.read","params":[[1],["key"],{}]}`, `{"id":1,"result":[{"key":"711a1ab2CANARY"}]}`)
	send("GET", "/chat/7/QL9CANARYu", asJSON, "", "{}")
	send("GET", "/my/orders/5?access_token=CANARYtoken", asJSON, "", "{}")
	file := filepath.Join(t.TempDir(), "secrets.pcap")
	if err := os.WriteFile(file, d.Close().Recording().Pcap(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestRecordKeepsNoSecretByItsPlace: with everything kept no secret is in a load, in a store or in a report, and what is none is
// in the load.
func TestRecordKeepsNoSecretByItsPlace(t *testing.T) {
	in, dir := secretsRecording(t), t.TempDir()
	out, file := filepath.Join(dir, "x.load"), filepath.Join(dir, "x.perfd")
	execute(t, exitOK, "record", out, "--from", in, "--keep-args", "*:*", "--keep-answers", "--keep-logins")
	all := unpacked(t, out)
	for _, kept := range []string{"Kept Employee", "Kept Partner", "5400000000123", "KEPT_7777"} {
		if !strings.Contains(all, kept) {
			t.Errorf("%s is not in the load", kept)
		}
	}
	for _, format := range []string{"text", "json", "html"} {
		report, errOut := execute(t, exitOK, "analyze", in, "--format", format)
		all += report + errOut
	}
	_, errOut := execute(t, exitOK, "analyze", in, "--store", file)
	stored, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := execute(t, exitOK, "analyze", file, "--format", "json")
	all += errOut + string(stored) + again
	for rest := all; ; {
		i := strings.Index(rest, "CANARY")
		if i < 0 {
			break
		}
		t.Errorf("a secret is kept: …%q…", rest[max(0, i-60):i+10])
		rest = rest[i+6:]
	}
}

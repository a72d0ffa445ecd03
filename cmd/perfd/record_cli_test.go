package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/fixtures/synth"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

func TestRecordUsage(t *testing.T) {
	dir := t.TempDir()
	tap, out, rules := filepath.Join(dir, "tap.pcap"), filepath.Join(dir, "x.load"), filepath.Join(dir, "rules")
	if err := os.WriteFile(rules, []byte("*\nres partner:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, want string }{
		{"", "record takes a file: OUT"},
		{out + " " + out, "record takes one file: OUT"},
		{tap + " --from " + tap, "OUT would overwrite the input"},
		{out + " --from " + tap + " --for 5m", "--for is of live recordings"},
		{out + " --database-uuid ../x --from " + tap, "--database-uuid must be a uuid"},
		{out + " --for -5m", "--for must not be negative"},
		{out + " --for abc --from " + tap, `--for must be`},
		{out + " --from - --from " + tap, "standard input cannot be read together"},
		{out + " --from " + tap + " --keep-answers", "--keep-answers is of the calls whose arguments are kept; add --keep-args"},
		{out + " --from " + tap + " --keep-args a:b,-c", `--keep-args "a:b,-c": a rule is MODEL`},
		{out + " --from " + tap + " --keep-args @" + rules, "rules: line 2: a rule is MODEL"},
		{out + " --from " + tap + " --keep-args @" + rules + "x", "no such file"},
		{out + " --show --from " + tap, "--show reads a load file"},
		{out + " --from " + tap + " --retention-age 5h", "unknown flag: --retention-age"},
	} {
		code, stdout, errOut := perfd(t, nil, append([]string{"record"}, strings.Fields(tt.args)...)...)
		if code != exitUsage || stdout != "" || !strings.Contains(errOut, tt.want) {
			t.Errorf("record %s: exit %d, %s%s", tt.args, code, stdout, errOut)
		}
	}
	for _, tt := range []struct{ args, want string }{
		{out + " --from " + tap, "tap.pcap: no such file or directory; check the path"},
		{filepath.Join(dir, "none", "x.load") + " --from " + tap, "no such file or directory; check the folder"},
		{"--show " + out, "x.load: no such file or directory; check the path"},
		{"--show " + rules, "read load rules: not a perfd load"},
		{out + " --from " + rules, "give a pcap"},
	} {
		code, stdout, errOut := perfd(t, nil, append([]string{"record"}, strings.Fields(tt.args)...)...)
		if code != exitFailure || stdout != "" || !strings.Contains(errOut, tt.want) || !strings.Contains(errOut, "; ") {
			t.Errorf("record %s: exit %d, %s%s", tt.args, code, stdout, errOut)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// TestRecordFromStore: a store has no arguments; what the load says is otherwise what it says from the capture.
func TestRecordFromStore(t *testing.T) {
	dir := t.TempDir()
	db, out := filepath.Join(dir, "x.db"), filepath.Join(dir, "x.load")
	mustAnalyze(t, "--store", db, fixtures.Path(t, "odoo18-h"))
	if code, _, errOut := perfd(t, nil, "record", out, "--from", db, "--keep-args", "*"); code != exitUsage || !strings.Contains(errOut, "holds no arguments") {
		t.Errorf("exit %d, %s", code, errOut)
	}
	const uuid = "2b7e1516-28ae-11ee-be56-0242ac120002"
	if code, _, errOut := perfd(t, nil, "record", out, "--from", db, "--database-uuid", uuid); code != exitOK || !strings.Contains(errOut, "recorded 180 calls of 4 sessions") {
		t.Fatalf("exit %d, %s", code, errOut)
	}
	h, calls, sessions := readLoad(t, out)
	_, want, _ := readLoad(t, record(t, "odoo18-h"))
	if len(h.Lacks) == 0 || h.DatabaseUUID != uuid || !strings.Contains(h.Lacks[0], "store") || h.Sources[0] != "tap.pcap.gz" || h.Product != "odoo" || len(sessions) != 4 || len(calls) != len(want) {
		t.Fatalf("%+v, %d calls of %d", h, len(calls), len(want))
	}
	for i, c := range calls {
		w := want[i]
		if c.Digest != "" || c.Model != w.Model || c.Method != w.Method || c.Session != w.Session || c.Statements != w.Statements ||
			(c.At-w.At).Abs() > 2000 || (c.Duration-w.Duration).Abs() > 2000 {
			t.Errorf("call %d: %+v\nwant %+v", i, c, w)
		}
	}
}

func TestRecordShow(t *testing.T) {
	code, shown, errOut := perfd(t, nil, "record", "--show", record(t, "odoo18-a", "--keep-args", "res.partner"))
	for _, want := range []string{
		`(?m)^product +odoo$`, `(?m)^server +127\.0\.0\.1:8069$`, `(?m)^calls +151, 0 with an error$`, `(?m)^sessions +1, of 1 user$`,
		`(?m)^arguments +of \d\d calls$`, `(?m)^6 +\d\.\d{3} +6 +sale\.order\.web_save$`, `(?m)^- arguments: \d+ calls$`,
	} {
		if code != exitOK || errOut != "" || !regexp.MustCompile(want).MatchString(shown) {
			t.Errorf("%s: exit %d, %s%s", want, code, shown, errOut)
		}
	}
}

// TestRecordOfPart: a capture that is cut off gives a load of what could be read, which says so.
func TestRecordOfPart(t *testing.T) {
	dir := t.TempDir()
	tap := fixtures.Tap(t, "odoo18-a")
	in, out := filepath.Join(dir, "cut.pcap"), filepath.Join(dir, "x.load")
	if err := os.WriteFile(in, tap[:len(tap)/2+7], 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errOut := perfd(t, nil, "record", out, "--from", in, "--keep-args", "*")
	if code != exitPartial || !strings.Contains(errOut, "perfd recorded ") {
		t.Fatalf("exit %d, %s", code, errOut)
	}
	if h, calls, _ := readLoad(t, out); len(calls) < 30 || !strings.Contains(strings.Join(h.Lacks, "\n"), "the recording ends early: read cut.pcap after") {
		t.Errorf("%d calls, %v", len(calls), h.Lacks)
	}
	file, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(out, file[:len(file)*2/3], 0o600); err != nil {
		t.Fatal(err)
	}
	if code, shown, errOut := perfd(t, nil, "record", "--show", out); code != exitPartial || !strings.Contains(errOut, "x.load: line") || !strings.Contains(errOut, "; ") {
		t.Errorf("exit %d, %s%s", code, shown, errOut)
	}
}

// TestRecordCountsWhatWaits: of what waited for its statements nothing is counted at the end, and what does not fit is left out
// of its call.
func TestRecordCountsWhatWaits(t *testing.T) {
	rules, err := load.ParseRules("*:*")
	if err != nil {
		t.Fatal(err)
	}
	o := &recordOptions{out: filepath.Join(t.TempDir(), "x.load"), key: []byte(strings.Repeat("k", 32)), rules: rules, answers: true}
	r, err := newLoadWriter(o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.discard()
	p := &pipeline{inputs: []input{fileInput(fixtures.Path(t, "tryton60-a"))}, keep: r.keeping()}
	rec, err := p.run(t.Context(), func(sqltrace.Dictionary) (analyzer.Sink, error) { return r, nil })
	if n := r.pending.Load(); err != nil || n != 0 || r.calls != 123 {
		t.Errorf("%d bytes wait, %d calls, %v", n, r.calls, err)
	}
	if err := r.finish(io.Discard, rec); err != nil {
		t.Error(err)
	}
	r.pending.Store(pendingBytes)
	c := rpclog.Call{Method: "read", Content: &rpclog.Content{Args: []byte("[1]"), Result: []byte("7")}}
	if r.note(&c); c.Content.Args != nil || c.Content.Result != nil || c.Content.Note.(noted).digest == "" || r.pending.Load() != pendingBytes {
		t.Errorf("%+v, %d bytes wait", c.Content, r.pending.Load())
	}
}

// TestRecordOfLossyCaptures: what is lost of a request or an answer is missing in the load, and nothing wrong stands there
// instead.
func TestRecordOfLossyCaptures(t *testing.T) {
	whole, err := synth.Read(fixtures.Tap(t, "tryton60-a"))
	if err != nil {
		t.Fatal(err)
	}
	h, calls, _ := readLoad(t, record(t, "tryton60-a", "--keep-args", "*:*"))
	want := map[string]load.Call{}
	for _, c := range calls {
		want[h.Start.Add(c.At).String()+c.Method] = c
	}
	for name, rec := range map[string]synth.Recording{
		"small": whole.MSS(100), "drop": whole.Drop(1, 0.01), "drop more": whole.MSS(200).Drop(2, 0.05), "reorder": whole.Reorder(3, 4), "mid-stream": whole.MidStream(whole.Duration() / 2),
		"cut": whole.Truncate(200), "corrupt": whole.Corrupt(4, 0.02),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			in, out := filepath.Join(dir, "x.pcap"), filepath.Join(dir, "x.load")
			if err := os.WriteFile(in, rec.Pcap(), 0o600); err != nil {
				t.Fatal(err)
			}
			if code, _, errOut := perfd(t, nil, "record", out, "--from", in, "--keep-args", "*:*", "--rpc-port", "8000"); code != exitOK && code != exitPartial {
				t.Fatalf("exit %d, %s", code, errOut)
			}
			h, got, _ := readLoad(t, out)
			found, without := 0, 0
			for _, c := range got {
				w, ok := want[h.Start.Add(c.At).String()+c.Method]
				if !ok || name == "corrupt" {
					continue
				}
				found++
				if c.Args == nil && w.Args != nil {
					without++
					if !strings.Contains(c.Lacks, "arguments") {
						t.Errorf("%s.%s has no arguments and does not say so", c.Model, c.Method)
					}
				} else if !bytes.Equal(c.Args, w.Args) {
					t.Errorf("%s.%s: %s, want %s", c.Model, c.Method, c.Args, w.Args)
				}
				if len(c.Minted) > 0 && len(w.Minted) == 0 {
					t.Errorf("%s.%s made %v", c.Model, c.Method, c.Minted)
				}
			}
			t.Logf("%d calls of %d, %d found again, %d of them without arguments", len(got), len(calls), found, without)
			if len(got) == 0 || name != "corrupt" && found < len(calls)/4 {
				t.Errorf("%d calls, %d found again", len(got), found)
			}
		})
	}
}

// TestRulesThatDoNothing: who misspells a rule is told at the end, and a recording of nothing is a failure that leaves what
// stood there.
func TestRulesThatDoNothing(t *testing.T) {
	in, out := fixtures.Path(t, "odoo18-a"), filepath.Join(t.TempDir(), "out.load")
	for _, tt := range []struct {
		rules, want, not []string
	}{
		{[]string{"res.parter", "hr.*"}, []string{"--keep-args res.parter: no call was seen that it names, did you mean res.partner?"}, []string{"hr.*", "can be counted"}},
		{[]string{"nothing.*"}, []string{"nothing.*: no call was seen", "no call of the load has arguments"}, nil},
		{[]string{"res.partner:nome,name,city"}, []string{"res.partner:nome,name,city: no argument has nome\n"}, nil},
		{[]string{"*:-vta", "-hr.payslip"}, []string{"*:-vta: no argument has vta", "-hr.payslip: no call was seen"}, nil},
		{[]string{"res.partner", "*:*"}, []string{"res.partner: a later rule has its "}, []string{"*:*"}},
		{[]string{"*:*", "-res.partner"}, nil, []string{"--keep-args"}},
	} {
		args := []string{"record", out, "--force", "--from", in}
		for _, r := range tt.rules {
			args = append(args, "--keep-args", r)
		}
		_, errOut := execute(t, exitOK, args...)
		for _, want := range tt.want {
			if !strings.Contains(errOut, want) {
				t.Errorf("%q: %q is not in %s", tt.rules, want, errOut)
			}
		}
		for _, not := range tt.not {
			if strings.Contains(errOut, not) {
				t.Errorf("%q: %q is in %s", tt.rules, not, errOut)
			}
		}
	}
	before, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if _, errOut := execute(t, exitFailure, "record", out, "--force", "--from", in, "--rpc-port", "1"); !strings.Contains(errOut, "no call was seen in tap.pcap.gz; check --rpc-port") {
		t.Error(errOut)
	}
	if after, err := os.ReadFile(out); err != nil || !bytes.Equal(before, after) {
		t.Errorf("what stood there is gone: %v", err)
	}
}

package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// Help fits a terminal, and flags stand under what they are about.
func TestHelp(t *testing.T) {
	for _, command := range []string{"", "watch", "doctor", "proxy", "analyze", "demo", "config", "config check", "config default", "version"} {
		code, out, errOut := perfd(t, nil, append(strings.Fields(command), "--help")...)
		if code != exitOK || errOut != "" {
			t.Errorf("%s --help: exit %d, %s", command, code, errOut)
		}
		for line := range strings.Lines(out) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
				t.Errorf("%s --help: %d columns: %s", command, n, line)
			}
		}
	}
	_, out, _ := perfd(t, nil, "watch", "--help")
	at := -1
	for _, want := range []string{
		headWatch + ":\n", "--rpc-port ports", headEvidence + ":\n", "--evidence-threads", headKeep + ":\n", "--retention-age time", headPages + ":\n", "--listen text",
		headLimits + ":\n", "--memory size", headLog + ":\n", "--log-level", "Others:\n", "--config file",
	} {
		i := strings.Index(out, want)
		if i <= at {
			t.Errorf("%q stands at %d, after what stands at %d:\n%s", want, i, at, out)
		}
		at = i
	}
	if _, out, _ := perfd(t, nil, "config", "default", "--help"); !strings.Contains(out, "\nFlags:\n") {
		t.Errorf("a command with few flags groups them:\n%s", out)
	}
}

// Every setting with a flag stands under a heading of --help.
func TestHelpOfSettings(t *testing.T) {
	_, out, _ := perfd(t, nil, "watch", "--help")
	_, others, _ := strings.Cut(out, "Others:\n")
	if n := strings.Count(others, "--"); n != 2 {
		t.Errorf("--config and --help should stand alone:\n%s", others)
	}
}

func TestHelpOfNothing(t *testing.T) {
	for _, args := range []string{"help nonsense", "help config nonsense"} {
		code, out, errOut := perfd(t, nil, strings.Fields(args)...)
		if code != exitUsage || out != "" || !strings.Contains(errOut, "unknown command") || strings.Count(errOut, "\n") != 1 {
			t.Errorf("perfd %s: exit %d, %s%s", args, code, out, errOut)
		}
	}
	_, want, _ := perfd(t, nil, "config", "check", "--help")
	if code, out, _ := perfd(t, nil, "help", "config", "check"); code != exitOK || out != want {
		t.Errorf("perfd help config check: exit %d, %s, want %s", code, out, want)
	}
}

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestProgramOfACommand: a command is called by its program, whatever it is given beside it.
func TestProgramOfACommand(t *testing.T) {
	for command, want := range map[string]string{
		"":                                 "",
		" \t":                              "",
		"make restore":                     "make",
		"/srv/hunter2/bin/restore --all":   "restore",
		"PGPASSWORD=hunter2 true":          "true",
		"A=1 PGPASSWORD='hunter2 b' psql":  "psql",
		`PGPASSWORD="hunter2 \" b" psql`:   "psql",
		`PGPASSWORD=hunter2\ b psql`:       "psql",
		`PGPASSWORD+=hunter2 psql`:         "psql",
		"env PGPASSWORD=hunter2 psql -c x": "psql",
		"/usr/bin/env -i X=hunter2 psql":   "psql",
		"env":                              "env",
		"env -S 'X=hunter2 psql'":          "command",
		"env -u hunter2 psql":              "command",
		"PGPASSWORD=hunter2":               "command",
		"PGPASSWORD=hunter2; psql":         "command",
		"PGPASSWORD='hunter2 psql":         "command",
		"PGPASSWORD=$(cat hunter2) psql":   "command",
		"PGPASSWORD=\"`cat hunter2`\" x":   "command",
		"$HUNTER2 x":                       "command",
		"(cd hunter2; x)":                  "command",
		"'restore' hunter2":                "restore",
		"true;hunter2":                     "true",
		"systemctl@hunter2":                "command",
	} {
		if got := program(command); got != want {
			t.Errorf("%q is called %q, not %q", command, got, want)
		}
	}
}

// TestNoSecretIsInTheNameOfACommand puts a password into variables, quoted in every way, before a program.
func TestNoSecretIsInTheNameOfACommand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var words []string
		for range rapid.IntRange(1, 4).Draw(t, "variables") {
			value := rapid.StringOf(rapid.RuneFrom([]rune("a1 $;&|<>(){}=./\"\\`"))).Draw(t, "value")
			words = append(words, "PGPASSWORD='hunter2"+value+"hunter2'")
		}
		if rapid.Bool().Draw(t, "env") {
			words = append([]string{"env"}, words...)
		}
		if got := program(strings.Join(append(words, "bin/restore", "hunter2"), " ")); got != "restore" {
			t.Fatalf("%q", got)
		}
	})
}

// TestHookEndsWithTheReplay interrupts commands before a pass in their middle: they end, and so does what they began.
func TestHookEndsWithTheReplay(t *testing.T) {
	for name, command := range map[string]string{
		"a child":                     "echo x > %; sleep 60; true",
		"one that holds nothing open": "sleep 60 >/dev/null 2>&1 & echo x > %; wait; true",
		"one that does not want to":   "trap '' TERM; echo x > %; sleep 60; true",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			begun := filepath.Join(t.TempDir(), "begun")
			done := make(chan error)
			go func() {
				var said strings.Builder
				done <- shell(strings.ReplaceAll(command, "%", begun), terminal{err: &said})(ctx)
			}()
			for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
				if _, err := os.Stat(begun); err == nil {
					break
				}
			}
			cancel()
			select {
			case err := <-done:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%v", err)
				}
			case <-time.After(20 * time.Second):
				t.Error("it does not end")
			}
		})
	}
	// What a command leaves behind is no reason to wait for it.
	if err := shell("sleep 8 & true", terminal{err: &strings.Builder{}})(t.Context()); err != nil {
		t.Error(err)
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// hookGrace is how long a command before a pass may take to end once it is asked to.
const hookGrace = 2 * time.Second

// assignment is a word of the shell that sets a variable of the environment, up to its value.
var assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*\+?=`)

// program is what a command runs, without its folder, the variables it is given and its arguments, all of which may hold a
// password. Where it cannot be told from them, it is "command".
func program(command string) string {
	words, ok := shellWords(command)
	env := false
	for _, w := range words {
		switch {
		case assignment.MatchString(w):
			continue
		case env && strings.HasPrefix(w, "-"):
			if w == "-" || w == "-i" || w == "--" || w == "--ignore-environment" || w == "-0" {
				continue
			}
			return "command" // options of env may take words of their own
		case !env && filepath.Base(w) == "env":
			env = true
			continue
		case !plainName.MatchString(w):
			return "command"
		}
		return filepath.Base(w)
	}
	switch {
	case env && ok:
		return "env"
	case strings.TrimSpace(command) == "":
		return ""
	}
	return "command"
}

// plainName is a program as people name them, without what the shell would put another text in the place of.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_./+:\[-]+$`)

// shellWords are the words of a command as the shell divides them, without their quotes, up to what is no plain word: a
// substitution, an operator or a line's end. It is false if a quote is not closed.
func shellWords(command string) (words []string, whole bool) {
	var word strings.Builder
	var quote byte
	begun := false
	end := func() {
		if begun {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	for i := 0; i < len(command); i++ {
		c := command[i]
		switch {
		case quote == '\'' && c != '\'', quote == '"' && c != '"' && c != '\\' && c != '`' && c != '$':
			word.WriteByte(c)
		case quote != 0 && c == quote:
			quote = 0
		case c == '\'' || c == '"':
			quote, begun = c, true
		case c == '\\' && i+1 < len(command):
			i++
			begun = true
			word.WriteByte(command[i])
		case c == '`', c == '$' && i+1 < len(command) && command[i+1] == '(':
			return words, false // the word in which it stands is not known
		case quote == 0 && (c == ' ' || c == '\t'):
			end()
		case quote == 0 && strings.IndexByte("\n;&|<>()", c) >= 0:
			end()
			return words, true
		default:
			begun = true
			word.WriteByte(c)
		}
	}
	if quote != 0 {
		return words, false
	}
	end()
	return words, true
}

// shell is a command that runs before a pass. When ctx ends, so do it and all that it began.
func shell(command string, t terminal) func(context.Context) error {
	if command == "" {
		return nil
	}
	return func(ctx context.Context) error {
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, "sh", "-c", command) //nolint:gosec // it is what the user asks for
		cmd.Stdout, cmd.Stderr = &said, &said
		over := inOwnGroup(cmd, hookGrace)
		err := cmd.Run()
		over()
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("run %s: %w", program(command), ctx.Err())
		case err == nil, errors.Is(err, exec.ErrWaitDelay): // it is done, and what it left behind goes on
			return nil
		}
		text := said.Bytes()
		_, _ = t.err.Write(text[max(0, len(text)-4096):])
		return fmt.Errorf("run %s: %w", program(command), err)
	}
}

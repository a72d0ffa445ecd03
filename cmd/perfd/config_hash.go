package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/perfd/perfd/config"
)

// maxPassword bounds what is read as a password.
const maxPassword = 4096

func configHashCommand(t terminal) *cobra.Command {
	return &cobra.Command{
		Use:     "hash-password",
		Short:   "Read a password from standard input and print what auth.password_hash takes",
		Example: "  perfd config hash-password < password.txt",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			password, err := readPassword(t)
			if err != nil {
				return err
			}
			hash, err := config.HashPassword(password)
			if err != nil {
				return usageError{err}
			}
			_, err = fmt.Fprintln(t.out, hash)
			return err
		},
	}
}

// readPassword reads a line, unseen on a terminal.
func readPassword(t terminal) (string, error) {
	if f, ok := t.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(t.err, "Password: ")
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(t.err)
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		return string(b), nil
	}
	line, err := bufio.NewReader(io.LimitReader(t.in, maxPassword)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

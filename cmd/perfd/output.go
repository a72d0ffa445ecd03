package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// output is where a report goes. A file takes its name when it is complete: until then it is written beside
// it under another one, so that what stood there survives a failure.
type output struct {
	io.Writer
	file       *os.File // nil for standard output
	temp, path string   // temp is empty where the file is written in place: a device or a pipe
}

// openOutput opens the file of --output; empty or "-" is the terminal's output.
func openOutput(path string, t terminal) (*output, error) {
	if path == "" || path == "-" {
		return &output{Writer: t.out}, nil
	}
	fail := func(err error, hint string) (*output, error) {
		return nil, hinted{fmt.Errorf("create output: %w", err), hint}
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	old, err := os.Stat(path)
	switch {
	case err == nil && old.IsDir():
		return fail(fmt.Errorf("%s is a folder", path), "name a file in it")
	case err == nil && !old.Mode().IsRegular():
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return fail(err, "check what it is")
		}
		return &output{Writer: f, file: f, path: path}, nil
	}
	temp := beside(path)
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666) //nolint:gosec // as the umask has it
	if err != nil {
		return fail(fmt.Errorf("%s: %w", path, cause(err)), "check the folder that it is to be in")
	}
	o := &output{Writer: f, file: f, temp: temp, path: path}
	if old != nil {
		if err := f.Chmod(old.Mode().Perm()); err != nil {
			o.discard()
			return fail(err, "check the folder that it is to be in")
		}
	}
	return o, nil
}

// private keeps others from reading what may hold arguments of calls.
func (o *output) private() error {
	if o.temp == "" {
		return nil
	}
	if err := o.file.Chmod(0o600); err != nil {
		return fmt.Errorf("create output: %w", err)
	}
	return nil
}

// terminal tells whether it goes to standard output.
func (o *output) terminal() bool { return o != nil && o.path == "" }

// commit completes the report and gives it its name.
func (o *output) commit() error {
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	o.file = nil
	if err == nil && o.temp != "" {
		err = os.Rename(o.temp, o.path)
	}
	if err != nil {
		o.remove()
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// discard forgets a report that is not committed.
func (o *output) discard() {
	if o.file == nil {
		return
	}
	_ = o.file.Close() // nobody will read it
	o.file = nil
	o.remove()
}

func (o *output) remove() {
	if o.temp != "" {
		_ = os.Remove(o.temp) // the failure before it is the one to tell
	}
}

// beside makes up the name that a file has until it is complete.
func beside(path string) string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	dir, name := filepath.Split(path)
	return filepath.Join(dir, "."+name+"."+hex.EncodeToString(b[:])+".tmp")
}

// cause is what a path error says without its path.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// same reports whether two paths name one file, whether it exists yet or not.
func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	if err1 == nil && err2 == nil {
		return os.SameFile(x, y)
	}
	return located(a) == located(b)
}

// located is a path as absolute as it gets, its folder's symbolic links followed.
func located(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return filepath.Clean(path)
	}
	dir, name := filepath.Split(abs)
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return filepath.Join(dir, name)
}

// oneFile refuses a command line that does not name one file, and says what it is for.
func oneFile(args []string, command, name, what string) error {
	switch len(args) {
	case 1:
		return nil
	case 0:
		return usagef("%s takes a file: %s, %s", command, name, what)
	}
	return usagef("%s takes one file: %s, %s; not also %s", command, name, what, args[1])
}

// flagged is a file that a flag names; empty if it is not given.
type flagged struct{ flag, file string }

// apart refuses outputs that would take the place of what is read, of each other, or of a recording.
func apart(inputs []string, outputs ...flagged) error {
	for i, o := range outputs {
		if o.file == "" {
			continue
		}
		for _, in := range inputs {
			if in != "" && o.file != "-" && same(o.file, in) {
				return usagef("%s would overwrite the input %s: name another file", o.flag, in)
			}
		}
		if o.flag != "--store" { // which adds to one
			if err := overwrites(o.flag, o.file, unknownFile); err != nil {
				return err
			}
		}
		for _, other := range outputs[:i] {
			if other.file == o.file || other.file != "" && other.file != "-" && o.file != "-" && same(o.file, other.file) {
				return usagef("%s and %s cannot both go to %s", other.flag, o.flag, o.file)
			}
		}
	}
	return nil
}

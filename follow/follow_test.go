package follow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reader is a Handler that keeps what it is given.
type reader struct {
	mu    sync.Mutex
	text  bytes.Buffer
	idles int
}

func (r *reader) Lines(block []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text.Write(block)
}

func (r *reader) Idle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idles++
}

func (r *reader) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Split(strings.TrimSuffix(r.text.String(), "\n"), "\n")
}

func (r *reader) idled() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.idles
}

// bench is a folder and a follower that runs in a bubble, in which time passes only when all wait.
type bench struct {
	t    *testing.T
	path string
	f    *Follower
	r    *reader
	done chan error
	stop context.CancelFunc
}

func follow(t *testing.T, cfg Config) *bench {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	b := &bench{t: t, path: cfg.Path, f: New(cfg), r: &reader{}, done: make(chan error, 1), stop: stop}
	go func() { b.done <- b.f.Run(ctx, b.r) }()
	synctest.Wait()
	return b
}

// polls lets that many polls pass.
func (b *bench) polls(n int) {
	time.Sleep(time.Duration(n)*200*time.Millisecond + time.Millisecond)
	synctest.Wait()
}

func (b *bench) end(want ...string) {
	b.t.Helper()
	b.polls(2)
	b.stop()
	if err := <-b.done; err != nil {
		b.t.Error(err)
	}
	if got := b.r.lines(); strings.Join(got, "|") != strings.Join(want, "|") {
		b.t.Errorf("read  %q\nwrote %q", got, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFollowFromTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	synctest.Test(t, func(t *testing.T) {
		write(t, path, "old\nbegun before")
		b := follow(t, Config{Path: path})
		write(t, path, " and after\none\ntw")
		b.polls(1)
		write(t, path, "o\n")
		b.end("one", "two")
		if s := b.f.Stats(); s.Lines != 2 || s.Bytes != 8 || s.Skipped != 10 || s.Path != path || s.Behind != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestFollowFromTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	synctest.Test(t, func(t *testing.T) {
		write(t, path, "old\n\n")
		b := follow(t, Config{Path: path, FromStart: true})
		write(t, path, "new\n")
		b.end("old", "", "new")
		if b.r.idled() == 0 {
			t.Error("never idle")
		}
	})
}

func TestIdleComesOnceAfterTheLastLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	synctest.Test(t, func(t *testing.T) {
		b := follow(t, Config{Path: path})
		b.polls(5)
		if b.r.idled() != 0 {
			t.Errorf("%d times idle before anything was read", b.r.idled())
		}
		write(t, path, "one\n")
		b.polls(1)
		if b.r.idled() != 0 {
			t.Error("idle in the poll that read")
		}
		b.polls(5)
		b.end("one")
		if b.r.idled() != 1 {
			t.Errorf("%d times idle, want once", b.r.idled())
		}
	})
}

func TestFollowWaitsForTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	synctest.Test(t, func(t *testing.T) {
		b := follow(t, Config{Path: path})
		if s := b.f.Stats(); s.Problem == "" || s.Path != "" {
			t.Errorf("stats %+v", s)
		}
		b.polls(3)
		write(t, path, "first\n")
		b.end("first")
		if s := b.f.Stats(); s.Problem != "" {
			t.Errorf("stats %+v", s)
		}
	})
}

// A writer goes on with the renamed file until it opens the new one.
func TestFollowRename(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	synctest.Test(t, func(t *testing.T) {
		write(t, path, "")
		b := follow(t, Config{Path: path})
		write(t, path, "1\n")
		must(t, os.Rename(path, path+".1"))
		b.polls(2)
		write(t, path+".1", "2\n")
		write(t, path, "")
		b.polls(2)
		write(t, path+".1", "3\nunended")
		write(t, path, "4\n")
		b.polls(2)
		write(t, path, "5\n")
		b.end("1", "2", "3", "unended", "4", "5")
		if s := b.f.Stats(); s.Rotations != 1 || s.Truncated != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestFollowTruncation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for name, again := range map[string]string{"shorter": "2\n", "grown beyond": "2 is another line that is longer\n"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				must(t, os.WriteFile(path, nil, 0o600))
				b := follow(t, Config{Path: path})
				write(t, path, "1 is a line\n")
				b.polls(1)
				must(t, os.Truncate(path, 0))
				write(t, path, again)
				b.end("1 is a line", strings.TrimSpace(again))
				if s := b.f.Stats(); s.Truncated != 1 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

// A server that names its files by the time; one of them is written again later, as weekday names are.
func TestFollowPattern(t *testing.T) {
	dir := t.TempDir()
	at := time.Now().Add(-time.Hour)
	name := func(s string) string { return filepath.Join(dir, "pg-"+s+".log") }
	stamp := func(t *testing.T, path string) { // so that the order of files does not hang on the clock's steps
		t.Helper()
		at = at.Add(time.Second)
		must(t, os.Chtimes(path, at, at))
	}
	synctest.Test(t, func(t *testing.T) {
		for _, n := range []string{"mon", "tue", "wed"} {
			write(t, name(n), n+" of old\n")
			stamp(t, name(n))
		}
		b := follow(t, Config{Path: filepath.Join(dir, "pg-*.log")})
		for _, n := range []string{"wed", "thu", "fri"} {
			write(t, name(n), n+"\n")
			stamp(t, name(n))
		}
		b.polls(20)
		must(t, os.Truncate(name("mon"), 0))
		write(t, name("mon"), "mon\n")
		stamp(t, name("mon"))
		b.polls(10)
		b.end("wed", "thu", "fri", "mon")
		if s := b.f.Stats(); s.Rotations != 3 || s.Path != name("mon") {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestLongLinesAreCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	synctest.Test(t, func(t *testing.T) {
		b := follow(t, Config{Path: path, MaxLine: 10})
		write(t, path, "short\n"+strings.Repeat("x", 25)+"\n0123456789\nafter\n"+strings.Repeat("y", 200_000))
		b.polls(1)
		write(t, path, "yyy\nlast\n")
		b.end("short", "xxxxxxxxxx", "0123456789", "after", "yyyyyyyyyy", "last")
		if s := b.f.Stats(); s.Cut != 2 || s.Skipped != 15+200_003-10 || s.Lines != 6 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	err := New(Config{Path: t.TempDir()}).Run(t.Context(), &reader{})
	if err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("error %v", err)
	}
}

func TestAFileThatMayNotBeReadIsTold(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "not-a-folder", "log")
	must(t, os.WriteFile(filepath.Dir(path), nil, 0o600))
	synctest.Test(t, func(t *testing.T) {
		b := follow(t, Config{Path: path})
		if s := b.f.Stats(); !strings.Contains(s.Problem, "not a directory") {
			t.Errorf("stats %+v", s)
		}
		must(t, os.Remove(filepath.Dir(path)))
		must(t, os.Mkdir(filepath.Dir(path), 0o700))
		b.polls(1)
		write(t, path, "there\n")
		b.end("there")
	})
}

// Whatever the writer does between two polls, no line is torn and none comes twice.
func TestEveryLineOnceAcrossManyRotations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	synctest.Test(t, func(t *testing.T) {
		b := follow(t, Config{Path: path})
		var want []string
		for i := range 400 {
			line := fmt.Sprintf("line %d %s", i, strings.Repeat("=", i*7%190))
			want = append(want, line)
			cut := i * 13 % len(line)
			write(t, path, line[:cut])
			if i%3 == 0 {
				b.polls(1)
			}
			write(t, path, line[cut:]+"\n")
			if i%29 == 28 {
				b.polls(1)
				must(t, os.Rename(path, path+".1"))
			}
		}
		b.end(want...)
	})
}

func BenchmarkFollow(b *testing.B) {
	path := filepath.Join(b.TempDir(), "log")
	line := "2026-11-22 05:42:34.369 UTC [7074] odoo@postgres LOG:  duration: 0.111 ms  statement: SELECT 1\n"
	text := strings.Repeat(line, 200_000)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		if err := New(Config{Path: path, FromStart: true, Poll: time.Millisecond}).Run(ctx, stopper{cancel}); err != nil {
			b.Fatal(err)
		}
	}
}

// stopper ends the run when all is read.
type stopper struct{ stop context.CancelFunc }

func (stopper) Lines([]byte) {}
func (s stopper) Idle()      { s.stop() }

// TestCaught holds that what was written before the moment that Caught says has been delivered then.
func TestCaught(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	synctest.Test(t, func(t *testing.T) {
		type mark struct {
			up    time.Time
			lines int
		}
		var b *bench
		var marks []mark
		began := time.Now()
		write(t, path, "")
		b = follow(t, Config{Path: path, Caught: func(up time.Time) {
			marks = append(marks, mark{up, len(b.r.lines())})
		}})
		var written []time.Time
		var want []string
		for n := range 20 {
			time.Sleep(70 * time.Millisecond)
			want = append(want, fmt.Sprintf("line %d", n))
			written = append(written, time.Now())
			write(t, path, want[n]+"\n")
		}
		b.polls(5)
		b.end(want...)
		if len(marks) < 10 || marks[len(marks)-1].up.Before(written[len(written)-1]) {
			t.Fatalf("%d marks, the last of %v", len(marks), marks[len(marks)-1].up.Sub(began))
		}
		for _, m := range marks {
			before := 0
			for _, at := range written {
				if at.Before(m.up) {
					before++
				}
			}
			if before > 0 && m.lines < before {
				t.Errorf("up to %v %d lines were delivered, %d written", m.up.Sub(began), m.lines, before)
			}
		}
	})
}

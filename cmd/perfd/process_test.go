package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/perfd/perfd/fixtures/truth"
	"github.com/perfd/perfd/lab"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
)

// runAsPerfd makes this test binary be perfd.
const runAsPerfd = "PERFD_TEST_RUN"

func TestMain(m *testing.M) {
	if os.Getenv(runAsPerfd) != "" {
		main()
	}
	os.Exit(m.Run())
}

// perfdProcess is perfd as a process of its own.
type perfdProcess struct {
	t   *testing.T
	cmd *exec.Cmd
	out bytes.Buffer // standard output; whole once it has ended

	said  chan string   // lines of standard error, and of standard output
	ended chan struct{} // closed when it has ended

	mu  sync.Mutex
	log strings.Builder // standard error
}

// startPerfd starts perfd with these arguments. It is killed at the end of the test if it still runs.
func startPerfd(t *testing.T, args ...string) *perfdProcess {
	t.Helper()
	return startPerfdAs(t, nil, args...)
}

// startPerfdAs starts it as another user, unless that is nil.
func startPerfdAs(t *testing.T, who *syscall.Credential, args ...string) *perfdProcess {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if who != nil { // who may not enter the folder of the test's binary
		self = "/proc/self/exe"
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), runAsPerfd+"=1")
	if who != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	}
	return startCommand(t, cmd)
}

func startCommand(t *testing.T, cmd *exec.Cmd) *perfdProcess {
	t.Helper()
	p := &perfdProcess{t: t, cmd: cmd, said: make(chan string, 1024), ended: make(chan struct{})}
	p.cmd.Stdout = io.MultiWriter(&p.out, &teller{to: p.said})
	// A pipe of our own: that of StderrPipe must be read to its end before Wait.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = w
	if err := errors.Join(p.cmd.Start(), w.Close()); err != nil {
		t.Fatalf("start perfd: %v", err)
	}
	go p.listen(r)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

func (p *perfdProcess) listen(r io.ReadCloser) {
	defer r.Close()
	for lines := bufio.NewScanner(r); lines.Scan(); {
		p.mu.Lock()
		p.log.WriteString(lines.Text() + "\n")
		p.mu.Unlock()
		tell(p.said, lines.Text())
	}
	_ = p.cmd.Wait() // its state tells
	close(p.ended)
}

// tell passes a line on if anybody may wait for it.
func tell(to chan<- string, line string) {
	select {
	case to <- line:
	default:
	}
}

// teller cuts what is written into lines.
type teller struct {
	to   chan<- string
	rest []byte
}

func (w *teller) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		line, rest, whole := bytes.Cut(w.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		tell(w.to, string(line))
		w.rest = rest
	}
}

// stderr is what it has said on standard error.
func (p *perfdProcess) stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// await waits until it says what matches, and returns the submatches.
func (p *perfdProcess) await(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	limit := time.After(time.Minute)
	for {
		select {
		case line := <-p.said:
			if m := re.FindStringSubmatch(line); m != nil {
				return m
			}
		case <-p.ended:
			p.t.Fatalf("perfd ended and did not say %q:\n%s", pattern, p.stderr())
		case <-limit:
			p.t.Fatalf("perfd did not say %q:\n%s", pattern, p.stderr())
		}
	}
}

// stop sends a signal, waits for the end and returns the exit code, -1 if the signal killed it.
func (p *perfdProcess) stop(sig os.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("stop perfd: %v", err)
	}
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		p.t.Fatalf("perfd did not end after %v:\n%s", sig, p.stderr())
	}
	return p.cmd.ProcessState.ExitCode()
}

// byBackend stands lab.BackendPort of a connection's backend in for its port, and byPort leaves the client's.
func byBackend(b store.Backend) uint16 { return lab.BackendPort(b.PID) }

func byPort(b store.Backend) uint16 {
	client, err := netip.ParseAddrPort(b.Client)
	if err != nil {
		return 0
	}
	return client.Port()
}

// storedAnswers reads a store as answers that truth.Judge scores.
func storedAnswers(t *testing.T, path string, port func(store.Backend) uint16) truth.Answers {
	t.Helper()
	ctx := context.Background()
	s, err := store.Open(path, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var ids []rpclog.CallID
	if err := s.Scan(ctx, store.Filter{AllCalls: true}, func(b *store.Brief) { ids = append(ids, b.ID) }); err != nil {
		t.Fatal(err)
	}
	var a truth.Answers
	for _, id := range ids {
		d, err := s.Call(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		client, err := netip.ParseAddrPort(d.Client)
		if err != nil {
			t.Fatal(err)
		}
		owner := len(a.Calls)
		a.Calls = append(a.Calls, truth.Call{
			Port: client.Port(), Start: unix(d.Start), End: unix(d.Start.Add(d.Duration)),
			Path: d.Path, Model: d.Model, Method: d.Method, UID: d.UID, Status: d.Status, Failed: d.Error != "",
		})
		for _, span := range d.Spans {
			a.Statements = append(a.Statements, given(span, d.Start, port(d.Leases[span.Lease]), owner))
		}
	}
	if err := s.BackgroundSpans(ctx, store.BackgroundFilter{}, func(b *store.Background, spans []store.Span) {
		for _, span := range spans {
			a.Statements = append(a.Statements, given(span, b.Start, port(b.Backend), truth.Nobody))
		}
	}); err != nil {
		t.Fatal(err)
	}
	return a
}

func given(s store.Span, base time.Time, port uint16, owner int) truth.Given {
	control := false
	switch s.Kind {
	case sqltrace.Begin, sqltrace.Commit, sqltrace.Rollback, sqltrace.Reset:
		control = true
	}
	return truth.Given{
		Statement: truth.Statement{
			Port: port, Start: unix(base.Add(s.Start)), Duration: s.Duration.Seconds(), Bytes: s.TextBytes, Owner: owner,
		},
		Control: control, Sure: s.By.Exact(),
	}
}

func unix(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// checkAnswers fails the test unless every call was seen as it was, all statements but a very few, and percent of
// these were given to the right call.
func checkAnswers(t *testing.T, want truth.Record, got truth.Answers, percent float64) {
	t.Helper()
	s := truth.Judge(want, got)
	t.Logf("%d calls, %d statements, attributed %.2f %%", s.Calls.Of, s.Found.Of, 100*s.Attributed.Rate())
	for _, c := range []struct {
		what    string
		share   truth.Share
		percent float64
	}{
		{"calls", s.Calls, 100}, {"models", s.Model, 100}, {"methods", s.Method, 100}, {"statuses", s.Status, 100},
		{"errors", s.Failed, 100}, {"users", s.UID, 100}, {"statements", s.Found, 99.9}, {"attributed", s.Attributed, percent},
	} {
		if c.share.Of == 0 || 100*c.share.Rate() < c.percent {
			t.Errorf("%s: %d of %d, want %.1f %%", c.what, c.share.Right, c.share.Of, c.percent)
		}
	}
	if s.Extra != 0 {
		t.Errorf("%d calls that nobody made", s.Extra)
	}
}

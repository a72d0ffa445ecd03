package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/perfd/perfd/lab"
)

// The application server of these tests is this test binary under another name: it serves lines by HTTP's habits
// (accept, read, work, answer) and uses a shared pool of "database" connections for each of them.
const roleVariable = "PERFD_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleVariable); role {
	case "":
		os.Exit(m.Run())
	case "serve":
		listener, err := net.Listen("tcp", os.Getenv("PERFD_TEST_LISTEN"))
		exit(err)
		defer hold(2)()
		fmt.Println(listener.Addr())
		go endWithParent()
		serve(listener)
	case "lonely": // in a network without any interface
		listener, err := net.Listen("tcp4", "0.0.0.0:0")
		exit(err)
		fmt.Println("0.0.0.0:" + strconv.Itoa(int(addrOf(listener.Addr()).Port())))
		endWithParent()
	case "prefork":
		exit(prefork())
	case "worker":
		listener, err := net.FileListener(os.NewFile(3, "listener"))
		exit(err)
		go endWithParent()
		serve(listener)
	default:
		exit(errors.New("unknown role " + role))
	}
}

// hold opens connections to a database and keeps them.
func hold(n int) (release func()) {
	var held []net.Conn
	if network, address, ok := strings.Cut(os.Getenv("PERFD_TEST_HOLD"), " "); ok {
		for range n {
			c, err := net.Dial(network, address)
			exit(err)
			held = append(held, c)
		}
	}
	return func() {
		for _, c := range held {
			_ = c.Close()
		}
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// prefork listens and has its children accept, as Odoo's prefork server does.
func prefork() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	for i := range number("PERFD_TEST_WORKERS") {
		child := exec.Command("/proc/self/exe")
		child.Args = []string{fmt.Sprintf("odoo: WorkerHTTP %d", i)}
		child.Env = append(os.Environ(), roleVariable+"=worker")
		child.ExtraFiles = []*os.File{file}
		child.Stderr = os.Stderr
		if _, err := child.StdinPipe(); err != nil {
			return err
		}
		if err := child.Start(); err != nil {
			return err
		}
	}
	fmt.Println(listener.Addr())
	endWithParent()
	return nil
}

func number(name string) int {
	n, _ := strconv.Atoi(os.Getenv(name))
	return n
}

// pool is the database connections that all threads share, the last given back first.
type pool struct {
	mu   sync.Mutex
	idle []net.Conn
}

func (p *pool) take() (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return c, nil
	}
	address := os.Getenv("PERFD_TEST_DATABASE")
	if strings.HasPrefix(address, "/") {
		return net.Dial("unix", address)
	}
	return net.Dial("tcp", address)
}

func (p *pool) give(c net.Conn) {
	p.mu.Lock()
	p.idle = append(p.idle, c)
	p.mu.Unlock()
}

// serve answers connections, each on one of several threads. Who serves is told in each query and each answer.
func serve(listener net.Listener) {
	var shared pool
	accepted := make(chan net.Conn)
	for range max(1, number("PERFD_TEST_THREADS")) {
		go func() {
			runtime.LockOSThread()
			for c := range accepted {
				answer(c, &shared)
			}
		}()
	}
	for {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		accepted <- c
	}
}

func answer(c net.Conn, shared *pool) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		queries, _ := strconv.Atoi(strings.TrimSpace(line))
		me := fmt.Sprintf("%d %d", os.Getpid(), unix.Gettid())
		for range queries {
			if err := query(shared, me); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
		}
		fmt.Fprintln(c, me)
	}
}

func query(shared *pool, me string) error {
	d, err := shared.take()
	if err != nil {
		return err
	}
	defer shared.give(d)
	if _, err := fmt.Fprintf(d, "%s %d\n", me, time.Now().UnixNano()); err != nil {
		return err
	}
	_, err = d.Read(make([]byte, 64))
	return err
}

// use is the truth of one use of a connection.
type use struct {
	local, remote netip.AddrPort
	from, to      time.Time
	pid, tid      int32
}

// database answers queries and notes who made them.
type database struct {
	net.Listener
	seen func(c net.Conn) (app, own netip.AddrPort)
	mu   sync.Mutex
	uses []use
}

func newDatabase(t testing.TB) *database {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &database{Listener: l}
}

// start accepts connections and tells of each that begins.
func (d *database) start(seen func(a, b netip.AddrPort, at time.Time)) {
	d.follow(func(c net.Conn) (app, own netip.AddrPort) {
		app, own = addrOf(c.RemoteAddr()), addrOf(c.LocalAddr())
		seen(app, own, time.Now())
		return app, own
	})
}

// follow accepts connections; seen is told of each that begins, and names its ends.
func (d *database) follow(seen func(net.Conn) (app, own netip.AddrPort)) {
	d.seen = seen
	go func() {
		for {
			c, err := d.Accept()
			if err != nil {
				return
			}
			go d.serve(c)
		}
	}()
}

func (d *database) port() uint16 { return addrOf(d.Addr()).Port() }

func (d *database) serve(c net.Conn) {
	defer c.Close()
	app, own := d.seen(c)
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		u := use{local: app, remote: own}
		var sent int64
		if _, err := fmt.Sscan(line, &u.pid, &u.tid, &sent); err != nil {
			return
		}
		u.from, u.to = time.Unix(0, sent), time.Now()
		d.mu.Lock()
		d.uses = append(d.uses, u)
		d.mu.Unlock()
		if _, err := c.Write([]byte("ok\n")); err != nil {
			return
		}
	}
}

func (d *database) all() []use {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]use(nil), d.uses...)
}

func addrOf(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }

// app is a running application server.
type app struct {
	addr string
	pid  int32
	stop func()
}

// startApp starts one for the time of the test; its command line is the title.
func startApp(t testing.TB, role, database string, threads, workers int, title ...string) app {
	t.Helper()
	lab.Alone(t) // it looks like a server of those that other tests find by themselves
	a, err := tryApp(role, database, threads, workers, nil, title...)
	if err != nil {
		t.Fatalf("start application server: %v", err)
	}
	t.Cleanup(a.stop)
	return a
}

func tryApp(role, database string, threads, workers int, attr *syscall.SysProcAttr, title ...string) (app, error) {
	cmd := exec.Command("/proc/self/exe") // other users may not reach the file by its name
	cmd.Args, cmd.SysProcAttr, cmd.Stderr = title, attr, os.Stderr
	cmd.Env = append([]string{"PERFD_TEST_LISTEN=127.0.0.1:0"}, os.Environ()...)
	cmd.Env = append(cmd.Env, roleVariable+"="+role, "PERFD_TEST_DATABASE="+database,
		fmt.Sprint("PERFD_TEST_THREADS=", threads), fmt.Sprint("PERFD_TEST_WORKERS=", workers))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return app{}, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return app{}, err
	}
	if err := cmd.Start(); err != nil {
		return app{}, err
	}
	a := app{pid: int32(cmd.Process.Pid), stop: func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		a.stop()
		return app{}, err
	}
	a.addr = strings.TrimSpace(line)
	return a, nil
}

// request makes one request over a connection and returns who served it.
func request(c net.Conn, queries int) (use, error) {
	u := use{local: addrOf(c.RemoteAddr()), remote: addrOf(c.LocalAddr()), from: time.Now()}
	if _, err := fmt.Fprintln(c, queries); err != nil {
		return u, err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return u, err
	}
	u.to = time.Now()
	_, err = fmt.Sscan(line, &u.pid, &u.tid)
	return u, err
}

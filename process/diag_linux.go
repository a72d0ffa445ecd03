package process

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// diagnoser asks the kernel for sockets. It serves one goroutine.
type diagnoser struct {
	fd  int
	seq uint32
	buf []byte
}

func openDiagnoser() (*diagnoser, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("open sock_diag socket: %w", err)
	}
	// The kernel answers in the request itself; the limit is for what should never happen.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 200_000}); err != nil {
		return nil, errors.Join(fmt.Errorf("set sock_diag timeout: %w", err), unix.Close(fd))
	}
	return &diagnoser{fd: fd, buf: make([]byte, 64<<10)}, nil
}

func (d *diagnoser) close() { _ = unix.Close(d.fd) }

// errGone says that there is no such connection on this host.
var errGone = errors.New("no such connection")

// find asks for the socket with exactly these addresses.
func (d *diagnoser) find(local, remote netip.AddrPort) (socket, error) {
	families := []uint8{familyIPv6}
	if local.Addr().Unmap().Is4() {
		families = []uint8{familyIPv4, familyIPv6}
	}
	for _, family := range families {
		var found socket
		err := d.ask(inetRequest(d.next(), family, ^uint32(0), false, local, remote), true, func(s socket) { found = s })
		var refused diagError
		switch {
		case errors.As(err, &refused) && refused.errno == int32(unix.ENOENT):
			continue
		case err != nil:
			return socket{}, err
		default:
			return found, nil
		}
	}
	return socket{}, errGone
}

// tcp yields all TCP sockets in the states.
func (d *diagnoser) tcp(states uint32, yield func(socket)) error {
	for _, family := range []uint8{familyIPv4, familyIPv6} {
		if err := d.ask(inetRequest(d.next(), family, states, true, netip.AddrPort{}, netip.AddrPort{}), false, yield); err != nil {
			return err
		}
	}
	return nil
}

// unixes yields all connected and listening Unix sockets.
func (d *diagnoser) unixes(yield func(socket)) error {
	return d.ask(unixRequest(d.next()), false, yield)
}

func (d *diagnoser) next() uint32 {
	d.seq++
	return d.seq
}

// ask sends a request and reads its answer: one socket, or all messages up to the last.
func (d *diagnoser) ask(request []byte, single bool, yield func(socket)) error {
	if err := unix.Sendto(d.fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask sock_diag: %w", err)
	}
	for got := false; ; {
		n, _, err := unix.Recvfrom(d.fd, d.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read sock_diag: %w", err)
		}
		done, err := readMessages(d.buf[:n], d.seq, func(s socket) {
			got = true
			yield(s)
		})
		if done || err != nil || (single && got) {
			return err
		}
	}
}

package capture

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// links knows the interfaces of a tap. It listens to what the kernel tells of changes (rtnetlink) and lists
// them anew after each.
type links struct {
	named []string // empty: all
	fd    int
	byID  map[int]*link
	last  *link
	known []*link // in order of name
	buf   []byte
}

type link struct {
	LiveInterface
	loopback bool
	promisc  bool
}

func watchLinks(named []string) (*links, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("watch interfaces: %w", err)
	}
	w := &links{named: named, fd: fd, buf: make([]byte, 16<<10)}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("watch interfaces: %w", err)
	}
	if err := w.refresh(); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	for _, l := range w.known {
		if l.State == LinkGone {
			_ = unix.Close(fd)
			return nil, &LiveError{
				Op: "open tap", Err: fmt.Errorf("no interface is named %q", l.Name),
				Hint: "there are " + strings.Join(interfaceNames(), ", ") + "; without a name all are tapped",
			}
		}
	}
	return w, nil
}

func interfaceNames() []string {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var names []string
	for _, i := range all {
		names = append(names, i.Name)
	}
	return names
}

// changed tells whether the interfaces changed since the last call.
func (w *links) changed() (bool, error) {
	news := false
	for {
		_, _, err := unix.Recvfrom(w.fd, w.buf, unix.MSG_DONTWAIT)
		switch {
		case err == nil, errors.Is(err, unix.ENOBUFS): // too many changes to tell each
			news = true
			continue
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
		default:
			return false, fmt.Errorf("watch interfaces: %w", err)
		}
		break
	}
	if !news {
		return false, nil
	}
	return true, w.refresh()
}

// refresh lists the interfaces.
func (w *links) refresh() error {
	all, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	before := w.known
	w.known, w.byID, w.last = nil, make(map[int]*link), nil
	add := func(name string, found *net.Interface) {
		l := &link{LiveInterface: LiveInterface{Name: name, State: LinkGone}}
		i := slices.IndexFunc(before, func(l *link) bool { return l.Name == name })
		if found != nil {
			l.Index, l.State = found.Index, LinkDown
			l.loopback = found.Flags&net.FlagLoopback != 0
			if found.Flags&net.FlagUp != 0 && found.Flags&net.FlagRunning != 0 {
				l.State = LinkUp
			}
			w.byID[l.Index] = l
		}
		if i >= 0 {
			old := before[i]
			l.Downs = old.Downs
			if old.State == LinkUp && l.State != LinkUp {
				l.Downs++
			}
			if old.Index == l.Index {
				l.Packets, l.promisc = old.Packets, old.promisc
			}
		}
		w.known = append(w.known, l)
	}
	if len(w.named) == 0 {
		for i := range all {
			add(all[i].Name, &all[i])
		}
	}
	for _, name := range w.named {
		var found *net.Interface
		if i := slices.IndexFunc(all, func(i net.Interface) bool { return i.Name == name }); i >= 0 {
			found = &all[i]
		}
		add(name, found)
	}
	slices.SortFunc(w.known, func(a, b *link) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// indices lists the interfaces of the filter, nil for all.
func (w *links) indices() []int {
	if len(w.named) == 0 {
		return nil
	}
	list := []int{}
	for _, l := range w.known {
		if l.Index != 0 {
			list = append(list, l.Index)
		}
	}
	return list
}

func (w *links) onlyLoopback() bool {
	return len(w.named) > 0 && !slices.ContainsFunc(w.known, func(l *link) bool { return !l.loopback })
}

// promiscuous asks each interface once; the kernel takes it back with the socket.
func (w *links) promiscuous(fd int) error {
	for _, l := range w.known {
		if l.promisc || l.loopback || l.Index == 0 {
			continue
		}
		req := unix.PacketMreq{Ifindex: int32(l.Index), Type: unix.PACKET_MR_PROMISC}
		err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &req)
		if err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("make %s promiscuous: %w", l.Name, err)
		}
		l.promisc = err == nil
	}
	return nil
}

// count counts a packet of the interface with an index.
func (w *links) count(index int32) {
	l := w.last
	if l == nil || l.Index != int(index) {
		if l = w.byID[int(index)]; l == nil {
			return // it came after the last listing
		}
		w.last = l
	}
	l.Packets++
}

func (w *links) list() []LiveInterface {
	out := make([]LiveInterface, 0, len(w.known))
	for _, l := range w.known {
		out = append(out, l.LiveInterface)
	}
	return out
}

func (w *links) close() error { return unix.Close(w.fd) }

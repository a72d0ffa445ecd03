package process

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/cilium/ebpf/btf"
)

// layout is where the running kernel keeps what thread evidence needs: offsets in bytes, taken from its own type
// information, so that the program fits any kernel that has some.
type layout struct {
	// Of struct sock, whose first member is the struct sock_common that holds addresses and ports.
	family, localPort, remotePort  uint32
	local4, remote4                uint32
	local6, remote6                uint32
	span                           uint32 // bytes from the beginning of the socket that hold all of these
	socketSock                     uint32 // struct socket
	unixPeer                       uint32 // struct unix_sock; 0: Unix sockets cannot be told apart
	sockSocket, socketInode        uint32 // struct sock; from a struct socket to the number of its inode
	filePrivate, fileInode, iMode  uint32 // struct file, struct inode
	taskFiles, taskTgid            uint32 // struct task_struct
	filesTable, tableSize, tableFd uint32 // struct files_struct, struct fdtable
	regNumber, regFirst            uint32 // struct pt_regs: system call, its first argument
}

const maxSpan = 256

// kernelLayout reads the layout from the kernel's type information.
func kernelLayout() (layout, error) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return layout{}, err
	}
	return layoutOf(spec)
}

func layoutOf(spec *btf.Spec) (layout, error) {
	var l layout
	var failed error
	at := func(dst *uint32, structure string, members ...string) {
		for _, member := range members {
			off, ok := offsetIn(spec, structure, member)
			if ok {
				*dst = off
				return
			}
		}
		failed = errors.Join(failed, fmt.Errorf("the kernel has no %s.%s", structure, members[0]))
	}
	at(&l.family, "sock_common", "skc_family")
	at(&l.localPort, "sock_common", "skc_num")
	at(&l.remotePort, "sock_common", "skc_dport")
	at(&l.local4, "sock_common", "skc_rcv_saddr")
	at(&l.remote4, "sock_common", "skc_daddr")
	at(&l.socketSock, "socket", "sk")
	at(&l.filePrivate, "file", "private_data")
	at(&l.fileInode, "file", "f_inode")
	at(&l.iMode, "inode", "i_mode")
	at(&l.taskFiles, "task_struct", "files")
	at(&l.taskTgid, "task_struct", "tgid")
	at(&l.filesTable, "files_struct", "fdt")
	at(&l.tableSize, "fdtable", "max_fds")
	at(&l.tableFd, "fdtable", "fd")
	switch runtime.GOARCH {
	case "amd64":
		at(&l.regNumber, "pt_regs", "orig_ax")
		at(&l.regFirst, "pt_regs", "di")
	case "arm64":
		at(&l.regNumber, "pt_regs", "syscallno")
		at(&l.regFirst, "pt_regs", "orig_x0")
	}
	if failed != nil {
		return layout{}, failed
	}
	l.span = max(l.family+2, l.localPort+2, l.remotePort+2, l.local4+4, l.remote4+4)
	// A kernel without IPv6 lacks these.
	if local, ok := offsetIn(spec, "sock_common", "skc_v6_rcv_saddr"); ok {
		if remote, ok := offsetIn(spec, "sock_common", "skc_v6_daddr"); ok {
			l.local6, l.remote6 = local, remote
			l.span = max(l.span, local+16, remote+16)
		}
	}
	l.ofUnix(spec)
	l.span = (l.span + 7) &^ 7
	if l.span > maxSpan {
		return layout{}, fmt.Errorf("the kernel spreads a socket's addresses over %d bytes", l.span)
	}
	return l, nil
}

// ofUnix reads what Unix sockets are told apart by. A kernel that has them in a module has it elsewhere.
func (l *layout) ofUnix(spec *btf.Spec) {
	peer, ok1 := offsetIn(spec, "unix_sock", "peer")
	socket, ok2 := offsetIn(spec, "sock", "sk_socket")
	inode, ok3 := offsetIn(spec, "socket_alloc", "vfs_inode")
	number, ok4 := offsetIn(spec, "inode", "i_ino")
	if ok1 && ok2 && ok3 && ok4 {
		l.unixPeer, l.sockSocket, l.socketInode = peer, socket, inode+number
	}
}

// offsetIn finds a member of a structure, also within nameless structures and unions.
func offsetIn(spec *btf.Spec, structure, member string) (uint32, bool) {
	var s *btf.Struct
	if err := spec.TypeByName(structure, &s); err != nil {
		return 0, false
	}
	return memberOffset(s.Members, member, 0)
}

func memberOffset(members []btf.Member, name string, depth int) (uint32, bool) {
	if depth > 8 {
		return 0, false
	}
	for _, m := range members {
		if m.Name == name {
			return m.Offset.Bytes(), m.Offset%8 == 0
		}
		if m.Name != "" {
			continue
		}
		var inner []btf.Member
		switch t := btf.UnderlyingType(m.Type).(type) {
		case *btf.Struct:
			inner = t.Members
		case *btf.Union:
			inner = t.Members
		}
		if off, ok := memberOffset(inner, name, depth+1); ok {
			return m.Offset.Bytes() + off, true
		}
	}
	return 0, false
}

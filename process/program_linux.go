package process

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// The record that the kernel's side writes for each use of a socket: when (monotonic clock), by whom (process in
// the upper half), the inode number of a Unix socket's peer, 0 for TCP, and the beginning of the kernel's struct sock.
const (
	recordTime  = 0
	recordWho   = 8
	recordInode = 16
	recordSock  = 24
)

// kernelLicense is that of the instructions below alone; the kernel lets only such programs read its memory.
const kernelLicense = "Dual BSD/GPL"

// pidNamespace names the namespace in which perfd knows processes; the zero value is the host's.
type pidNamespace struct{ dev, inode uint64 }

// assembler writes the programs. They keep the context in R6, the socket in R7 and the identity of the caller in
// R8. The stack holds the record at its lower end and scratch words above it.
type assembler struct {
	layout
	ns                          pidNamespace
	tapped, unix, uses, dropped *ebpf.Map
	code                        asm.Instructions
}

const (
	scratch  = -8  // a word
	scratch2 = -16 // two words, with scratch
	keyWord  = -24
	out      = "out"
	noWakeup = 1 // BPF_RB_NO_WAKEUP: perfd looks for itself, and the tapped thread is not made to wake it
)

func (a *assembler) record() int16 { return keyWord - recordSock - int16(a.span) }

func (a *assembler) add(in ...asm.Instruction) { a.code = append(a.code, in...) }

// caller leaves the program unless the caller is of a tapped process; R8 holds who it is.
func (a *assembler) caller() {
	a.add(asm.Mov.Reg(asm.R6, asm.R1))
	if a.ns == (pidNamespace{}) {
		a.add(asm.FnGetCurrentPidTgid.Call(), asm.Mov.Reg(asm.R8, asm.R0))
	} else {
		// struct bpf_pidns_info: thread, process.
		a.add(
			asm.LoadImm(asm.R1, int64(a.ns.dev), asm.DWord),
			asm.LoadImm(asm.R2, int64(a.ns.inode), asm.DWord),
			asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, scratch),
			asm.Mov.Imm(asm.R4, 8),
			asm.FnGetNsCurrentPidTgid.Call(),
			asm.JNE.Imm(asm.R0, 0, out),
			asm.LoadMem(asm.R8, asm.RFP, scratch, asm.DWord),
		)
	}
	a.add(
		asm.Mov.Reg(asm.R1, asm.R8), asm.RSh.Imm(asm.R1, 32),
		asm.StoreMem(asm.RFP, keyWord, asm.R1, asm.Word),
		asm.LoadMapPtr(asm.R1, a.tapped.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, keyWord),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, out),
	)
}

// read reads kernel memory at src+off to the stack.
func (a *assembler) read(to int16, size int32, src asm.Register, off uint32) {
	a.add(
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, int32(to)),
		asm.Mov.Imm(asm.R2, size),
		asm.Mov.Reg(asm.R3, src), asm.Add.Imm(asm.R3, int32(off)),
		asm.FnProbeReadKernel.Call(),
		asm.JNE.Imm(asm.R0, 0, out),
	)
}

// follow replaces the pointer in a register by the one that is kept at an offset from it.
func (a *assembler) follow(pointer asm.Register, off uint32) {
	a.read(scratch, 8, pointer, off)
	a.add(asm.LoadMem(pointer, asm.RFP, scratch, asm.DWord), asm.JEq.Imm(pointer, 0, out))
}

// report writes the record of a use of the socket in R7 and ends the program. What is not TCP must be a Unix socket
// whose peer perfd has open.
func (a *assembler) report() asm.Instructions {
	record := a.record()
	a.read(record+recordSock, int32(a.span), asm.R7, 0)
	a.add(
		asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.RFP, record+recordInode, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, asm.RFP, record+recordSock+int16(a.family), asm.Half),
		asm.JEq.Imm(asm.R1, unix.AF_INET, "use"),
		asm.JEq.Imm(asm.R1, unix.AF_INET6, "use"),
		asm.JNE.Imm(asm.R1, unix.AF_UNIX, out),
	)
	if a.unixPeer == 0 {
		a.add(asm.Ja.Label(out))
	} else {
		a.follow(asm.R7, a.unixPeer)
		a.follow(asm.R7, a.sockSocket) // none: not accepted yet, or closed
		a.read(record+recordInode, 8, asm.R7, a.socketInode)
		a.add(
			asm.LoadMapPtr(asm.R1, a.unix.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, int32(record+recordInode)),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, out),
		)
	}
	a.add(
		asm.FnKtimeGetNs.Call().WithSymbol("use"),
		asm.StoreMem(asm.RFP, record+recordTime, asm.R0, asm.DWord),
		asm.StoreMem(asm.RFP, record+recordWho, asm.R8, asm.DWord),
		asm.LoadMapPtr(asm.R1, a.uses.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, int32(record)),
		asm.Mov.Imm(asm.R3, recordSock+int32(a.span)),
		asm.Mov.Imm(asm.R4, noWakeup),
		asm.FnRingbufOutput.Call(),
		asm.JEq.Imm(asm.R0, 0, out),
		// No room: the loss is counted, for each processor apart.
		asm.StoreImm(asm.RFP, keyWord, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, a.dropped.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, keyWord),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, out),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
	)
	return a.end()
}

func (a *assembler) end() asm.Instructions {
	a.add(asm.Mov.Imm(asm.R0, 0).WithSymbol(out), asm.Return())
	return a.code
}

// socketUsed is for the tracepoints sock_send_length and sock_recv_length: socket, bytes or error.
func (a *assembler) socketUsed() asm.Instructions {
	a.caller()
	a.add(
		asm.LoadMem(asm.R1, asm.R6, 8, asm.DWord),
		asm.LSh.Imm(asm.R1, 32), asm.ArSh.Imm(asm.R1, 32),
		asm.JSLE.Imm(asm.R1, 0, out),
		asm.LoadMem(asm.R7, asm.R6, 0, asm.DWord),
	)
	return a.report()
}

// transfers are the system calls that move bytes through a descriptor, which is their first argument.
var transfers = []int32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_SENDTO, unix.SYS_RECVFROM,
	unix.SYS_SENDMSG, unix.SYS_RECVMSG, unix.SYS_SENDMMSG, unix.SYS_RECVMMSG, unix.SYS_SENDFILE,
}

// syscallDone is for the tracepoint sys_exit: registers, result. It finds the socket of the descriptor itself, at
// the moment of its use, so it does not matter how soon a number is used for another connection.
func (a *assembler) syscallDone() asm.Instructions {
	a.caller()
	a.add(
		asm.LoadMem(asm.R1, asm.R6, 8, asm.DWord),
		asm.JSLE.Imm(asm.R1, 0, out),
		asm.LoadMem(asm.R7, asm.R6, 0, asm.DWord),
	)
	a.read(scratch, 8, asm.R7, a.regNumber)
	a.add(asm.LoadMem(asm.R1, asm.RFP, scratch, asm.Word))
	for _, number := range transfers {
		a.add(asm.JEq.Imm(asm.R1, number, "transfer"))
	}
	a.add(asm.Ja.Label(out))
	a.add(asm.Mov.Reg(asm.R9, asm.R7).WithSymbol("transfer"))
	a.read(scratch, 8, asm.R9, a.regFirst)
	a.add(
		asm.LoadMem(asm.R9, asm.RFP, scratch, asm.Word), // the descriptor
		asm.FnGetCurrentTask.Call(),
		asm.Mov.Reg(asm.R7, asm.R0),
	)
	a.follow(asm.R7, a.taskFiles)
	a.follow(asm.R7, a.filesTable)
	a.read(scratch2, 4, asm.R7, a.tableSize)
	a.add(
		asm.LoadMem(asm.R1, asm.RFP, scratch2, asm.Word),
		asm.JGE.Reg(asm.R9, asm.R1, out),
	)
	a.follow(asm.R7, a.tableFd)
	a.add(asm.LSh.Imm(asm.R9, 3), asm.Add.Reg(asm.R7, asm.R9))
	a.follow(asm.R7, 0)
	a.add(asm.Mov.Reg(asm.R9, asm.R7))
	a.follow(asm.R9, a.fileInode)
	a.read(scratch, 2, asm.R9, a.iMode)
	a.add(
		asm.LoadMem(asm.R1, asm.RFP, scratch, asm.Half),
		asm.And.Imm(asm.R1, unix.S_IFMT),
		asm.JNE.Imm(asm.R1, unix.S_IFSOCK, out),
	)
	a.follow(asm.R7, a.filePrivate)
	a.follow(asm.R7, a.socketSock)
	return a.report()
}

// forked is for the tracepoint sched_process_fork: parent, child. What a tapped process starts is tapped at once;
// perfd takes it out again if it turns out to be something else.
func (a *assembler) forked() asm.Instructions {
	a.caller()
	a.add(asm.LoadMem(asm.R7, asm.R6, 8, asm.DWord))
	a.read(keyWord, 4, asm.R7, a.taskTgid)
	a.add(
		asm.StoreImm(asm.RFP, scratch, 1, asm.Word),
		asm.LoadMapPtr(asm.R1, a.tapped.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, keyWord),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, scratch),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnMapUpdateElem.Call(),
	)
	return a.end()
}

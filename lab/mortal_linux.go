package lab

import "syscall"

// mortal makes a program end with the one that started it, even if that is killed. To
// PostgreSQL the signal means to stop at once.
func mortal() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
}

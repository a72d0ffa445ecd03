// Package process tells which process and which thread of an application server used which TCP connection, and
// when.
//
// Packets say what was sent; only the machine they were sent from knows who sent it. An Observer finds the Odoo
// and Tryton servers of this host, asks the kernel for the owners of their sockets (sock_diag, /proc) and, where it
// may, for the thread of every send and receive (eBPF). It answers Worker from memory, so that attribution can
// ask for each call and each lease.
//
// The package works on Linux; elsewhere New says so.
package process

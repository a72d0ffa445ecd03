// Package sidecar keeps a perfd that runs beside a server from harming it: one bounded queue between those who
// find and those who write, a choice of what is kept whole, and a rule of what is left out first when there is too
// much. It does no I/O of its own.
package sidecar

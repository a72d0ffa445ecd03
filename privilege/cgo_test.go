//go:build linux && cgo

package privilege_test

const builtWithCgo = true

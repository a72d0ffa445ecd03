//go:build !linux

package privilege

// Drop does nothing: there are no capabilities to give up.
func Drop(...Capability) error { return nil }

// Has returns false.
func Has(Capability) bool { return false }

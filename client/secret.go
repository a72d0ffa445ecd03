package client

import "log/slog"

// Secret is a password or a key. It shows itself to nobody who prints, logs or marshals it.
type Secret string

const hidden = "(hidden)"

var _ slog.LogValuer = Secret("")

func (Secret) String() string               { return hidden }
func (Secret) GoString() string             { return `"` + hidden + `"` }
func (Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// wipe overwrites a secret.
func wipe(b []byte) { clear(b) }

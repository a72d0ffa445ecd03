package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/config"
)

// leastKey is the least length of a key, in bytes.
const leastKey = 32

// sessionKey reads the key of session hashes, or makes one for this run.
func sessionKey(c config.Privacy) ([]byte, error) {
	if c.SessionKeyFile == "" {
		key := make([]byte, leastKey)
		_, _ = rand.Read(key) // never fails
		return key, nil
	}
	key, err := os.ReadFile(c.SessionKeyFile)
	if err != nil {
		return nil, hinted{fmt.Errorf("read session key %s: %w", c.SessionKeyFile, cause(err)), "check privacy.session_key_file"}
	}
	if key = bytes.TrimSpace(key); len(key) < leastKey {
		return nil, hinted{fmt.Errorf("session key %s has %d bytes", c.SessionKeyFile, len(key)), fmt.Sprintf("it takes %d or more: head -c 32 /dev/urandom | base64", leastKey)}
	}
	return key, nil
}

// pseudonyms replaces logins before anything is written, by a name that stays the same under one key.
type pseudonyms struct{ key []byte }

// hide gives a call's user a pseudonym.
func (p *pseudonyms) hide(t *analyzer.Trace) {
	if p == nil || t.Call.Login == "" {
		return
	}
	mac := hmac.New(sha256.New, p.key)
	mac.Write([]byte("login\x00" + t.Call.Login))
	const length = 5  // bytes: a million users collide with a probability of less than one half
	hidden := *t.Call // the analyzer still has the call itself
	hidden.Login = "user-" + hex.EncodeToString(mac.Sum(nil)[:length])
	t.Call = &hidden
}

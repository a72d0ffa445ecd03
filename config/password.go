package config

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Hashes of passwords are PBKDF2 with SHA-256, which is what Go's standard library has; the rounds are those
// that OWASP's Password Storage Cheat Sheet asks for.
const (
	hashName      = "pbkdf2-sha256"
	hashRounds    = 600_000
	maxHashRounds = 10_000_000
	hashSize      = 32
)

type passwordHash struct {
	rounds    int
	salt, sum []byte
}

// HashPassword makes what auth.password_hash takes.
func HashPassword(password string) (string, error) {
	if len(password) < 8 || len(password) > 1024 {
		return "", errors.New("a password must have 8 to 1024 characters")
	}
	return hash(password, hashRounds)
}

func hash(password string, rounds int) (string, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	sum, err := pbkdf2.Key(sha256.New, password, salt, rounds, hashSize)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	b := base64.RawStdEncoding
	return fmt.Sprintf("%s:%d:%s:%s", hashName, rounds, b.EncodeToString(salt), b.EncodeToString(sum)), nil
}

func parseHash(text string) (passwordHash, error) {
	wrong := errors.New("no hash of a password")
	parts := strings.Split(text, ":")
	if len(parts) != 4 || parts[0] != hashName {
		return passwordHash{}, wrong
	}
	rounds, err := strconv.Atoi(parts[1])
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[2])
	sum, err2 := base64.RawStdEncoding.DecodeString(parts[3])
	if err := errors.Join(err, err1, err2); err != nil || rounds < 1000 || rounds > maxHashRounds || len(salt) < 8 || len(sum) != hashSize {
		return passwordHash{}, wrong
	}
	return passwordHash{rounds, salt, sum}, nil
}

// Required reports whether the pages ask who is there.
func (a Auth) Required() bool { return a.Token != "" || a.PasswordHash != "" }

// AllowsToken reports whether token is the one that is set, in a time that tells nothing of it.
func (a Auth) AllowsToken(token string) bool {
	given, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(a.Token))
	return a.Token != "" && subtle.ConstantTimeCompare(given[:], want[:]) == 1
}

// AllowsPassword reports whether password is the one whose hash is set. It takes a good part of a second on
// purpose: limit how often it may be asked.
func (a Auth) AllowsPassword(password string) bool {
	h, err := parseHash(string(a.PasswordHash))
	if err != nil || len(password) > 1024 {
		return false
	}
	sum, err := pbkdf2.Key(sha256.New, password, h.salt, h.rounds, hashSize)
	return err == nil && subtle.ConstantTimeCompare(sum, h.sum) == 1
}

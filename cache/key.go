package cache

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Key names an answer. It is comparable, and two keys are equal if and only if they may share an answer.
type Key struct {
	// DB is the database, by an id that is unique among all servers that share a cache: Odoo's database.uuid, or
	// the server's address and the database's name.
	DB string
	// Model is what Invalidate takes.
	Model string
	// Op is the method.
	Op string
	// Scope is for whom the answer is.
	Scope Scope
	// Hash stands for the arguments.
	Hash [16]byte
}

// Scope is for whom an answer is: the user and all of the context that the call runs in, as NewScope writes it.
type Scope string

var errNoModel = errors.New("a key needs a database, a model and an operation")

// NewKey makes the key of a call. Of args, which is anything that has a JSON form, the order of lists counts, the order of
// maps does not; wrap in Unordered what is a set, such as the fields to read.
func NewKey(db, model, op string, scope Scope, args any) (Key, error) {
	if db == "" || model == "" || op == "" {
		return Key{}, fmt.Errorf("make cache key of %q, %q, %q: %w", db, model, op, errNoModel)
	}
	b, err := canonical(make([]byte, 0, 512), args, 0)
	if err != nil {
		return Key{}, fmt.Errorf("make cache key of %s.%s: %w", model, op, err)
	}
	return Key{DB: db, Model: model, Op: op, Scope: scope, Hash: hash(b)}, nil
}

// Named is the key with a name that the caller chose in the place of the arguments. The user and the context stay
// part of it.
func (k Key) Named(name string) Key {
	k.Hash = hash([]byte("name:" + name)) // no JSON begins like this
	return k
}

// NewScope makes the scope of a user and a context. Each key of the context is part of it. Odoo's
// allowed_company_ids is a set but for its first, the company that the user works in.
func NewScope(uid int64, context map[string]any) (Scope, error) {
	if context == nil {
		context = map[string]any{}
	}
	if ids, ok := context["allowed_company_ids"]; ok {
		c := make(map[string]any, len(context))
		for k, v := range context {
			c[k] = v
		}
		c["allowed_company_ids"] = companies(ids)
		context = c
	}
	b, err := canonical(make([]byte, 0, 256), context, 0)
	if err != nil {
		return "", fmt.Errorf("make cache scope of user %d: %w", uid, err)
	}
	sum := hash(strconv.AppendInt(append(b, ' '), uid, 10))
	return Scope("u" + strconv.FormatInt(uid, 10) + "." + text(sum)), nil
}

// companies sorts all ids but the first.
func companies(v any) any {
	switch ids := v.(type) {
	case []int64:
		return firstThenSorted(ids)
	case []int:
		return firstThenSorted(ids)
	case []any:
		out := make([]int64, len(ids))
		for i, id := range ids {
			switch id := id.(type) {
			case int:
				out[i] = int64(id)
			case int64:
				out[i] = id
			case float64:
				if out[i] = int64(id); float64(out[i]) != id {
					return v
				}
			default:
				return v
			}
		}
		return firstThenSorted(out)
	}
	return v
}

func firstThenSorted[T int | int64](ids []T) []T {
	if len(ids) < 3 {
		return ids
	}
	ids = slices.Clone(ids)
	slices.Sort(ids[1:])
	return ids
}

func hash(b []byte) [16]byte {
	sum := sha256.Sum256(b)
	return [16]byte(sum[:16])
}

func text(h [16]byte) string { return base64.RawURLEncoding.EncodeToString(h[:]) }

// String is the logical key, which patterns are matched against: database:model:operation:scope:hash.
func (k Key) String() string {
	var b strings.Builder
	b.Grow(len(k.DB) + len(k.Model) + len(k.Op) + len(k.Scope) + 32)
	for _, part := range []string{k.DB, k.Model, k.Op, string(k.Scope)} {
		b.WriteString(escape(part))
		b.WriteByte(':')
	}
	b.WriteString(text(k.Hash))
	return b.String()
}

// reserved are the characters that have a meaning in keys or in patterns.
const reserved = ":*?[]\\%#{}|"

// plain are the bytes that stand in keys as they are.
var plain = func() (p [256]bool) {
	for c := '!'; c < 0x7f; c++ {
		p[c] = !strings.ContainsRune(reserved, c)
	}
	return p
}()

// escape makes a part of a key free of what separates parts: reserved and unprintable bytes become %XX.
func escape(s string) string {
	i := 0
	for i < len(s) && plain[s[i]] {
		i++
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; plain[c] {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

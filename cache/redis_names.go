package cache

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
)

// names are how things are called in Redis:
//
//	{namespace}:{database}:{model}:{generation}:{operation}:{scope}:{hash}   an entry
//	{namespace}:#, …:#:{database}, …:#:{database}:{model}                    the generations
//	{namespace}:#run                                                        which start of Redis was seen last
//	{namespace}:#{number}                                                   the channel of notices
//
// Parts are escaped, so that none of them holds a colon or a #.
type names struct {
	prefix  string
	epoch   string
	run     string
	channel string
}

func newNames(namespace string, db int) names {
	p := escape(namespace) + ":"
	return names{prefix: p, epoch: p + "#", run: p + "#run", channel: p + "#" + strconv.Itoa(db)}
}

func (n names) entry(k Key, g Generation) string { return entryIn(n.entries(k.DB, k.Model, g), k) }

// entries is what the names of a generation's entries begin with.
func (n names) entries(db, model string, g Generation) string {
	return n.prefix + escape(db) + ":" + escape(model) + ":" + string(g) + ":"
}

// entryIn is the name of an entry whose beginning is known.
func entryIn(prefix string, k Key) string {
	op, scope := escape(k.Op), escape(string(k.Scope))
	b := make([]byte, 0, 128)
	b = append(append(b, prefix...), op...)
	b = append(append(append(b, ':'), scope...), ':')
	return string(base64.RawURLEncoding.AppendEncode(b, k.Hash[:]))
}

// logical is Key.String of an entry's name, from which the generation is taken away; false of other names.
func (n names) logical(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, n.prefix)
	if !ok || strings.HasPrefix(rest, "#") {
		return "", false
	}
	parts := strings.Split(rest, ":")
	if len(parts) != 6 {
		return "", false
	}
	return strings.Join(append(parts[:2:2], parts[3:]...), ":"), true
}

// counter is where the generation of a model, of a database or, for the zero ref, of everything is counted.
func (n names) counter(ref modelRef) string {
	switch {
	case ref == everything:
		return n.epoch
	case ref.whole:
		return n.epoch + ":" + escape(ref.db)
	}
	return n.epoch + ":" + escape(ref.db) + ":" + escape(ref.model)
}

// everything is the ref of all databases.
var everything = modelRef{}

// scan is a pattern for Redis that no entry whose logical key matches g escapes.
func (n names) scan(g glob) string {
	lit := g.literal()
	db, rest, ok := strings.Cut(lit, ":")
	if !ok {
		return quoteGlob(n.prefix) + "*"
	}
	p := n.prefix + db + ":"
	if model, _, ok := strings.Cut(rest, ":"); ok {
		p += model + ":"
	}
	return quoteGlob(p) + "*"
}

// quoteGlob makes a text a pattern that matches it alone.
func quoteGlob(s string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `\`, `\\`).Replace(s)
}

func random() (b [16]byte) {
	_, _ = rand.Read(b[:]) // which does not fail
	return b
}

// beginning is what a counter that is missing begins with: a number that it never had, though it may have been lost
// with entries of its generations left.
func beginning() int64 {
	b := random()
	return int64(binary.BigEndian.Uint64(b[:]) >> 24)
}

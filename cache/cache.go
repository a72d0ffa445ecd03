package cache

import (
	"context"
	"errors"
	"time"
)

// Defaults that all back ends share.
const (
	DefaultTTL      = 300 * time.Second
	DefaultMaxEntry = 8 << 20
)

var (
	// ErrUnavailable says that the store behind a cache did not do what it was asked to. Whoever invalidated need not
	// do it again: the cache itself forgets at once, and the store is told before it is read again.
	ErrUnavailable = errors.New("cache unavailable")
	// ErrTooLarge says that a value is larger than the cache takes.
	ErrTooLarge = errors.New("value too large to cache")
)

// Cache is a back end: it keeps values by key until they expire, are pushed out or are invalidated. Its methods may
// be called from several goroutines. cachetest.Run holds an implementation to this contract.
type Cache interface {
	// Get looks a key up. What cannot be found out is a miss: Get does not fail, and it takes no longer than the
	// back end's time-out.
	Get(ctx context.Context, key Key) Entry
	// Set keeps a value, of which the cache makes no copy: nobody may change it any more. It replaces what is there.
	// A negative time to live stores nothing and removes what is there.
	Set(ctx context.Context, key Key, value []byte, o Options) error
	// Delete forgets keys.
	Delete(ctx context.Context, keys ...Key) error
	// Generation is what Get gives on a miss, for those who load without looking.
	Generation(ctx context.Context, key Key) Generation
	// Invalidate forgets everything of these models of a database, of the whole database if none is named. The time
	// it takes does not depend on how much that is.
	Invalidate(ctx context.Context, db string, models ...string) error
	// InvalidateMatching forgets the keys whose String matches a glob (*, ?, [a-z], \), looking at every key, and
	// says how many. A load that runs meanwhile may store its answer afterwards, other than with Invalidate.
	InvalidateMatching(ctx context.Context, pattern string) (int, error)
	// Clear forgets everything.
	Clear(ctx context.Context) error
	// Stats is what happened since the start.
	Stats() Stats
	// Close gives up connections and goroutines. A closed cache misses and stores nothing.
	Close() error
}

// State is what a cache knows of a key.
type State uint8

// The states. A Stale entry is beyond its time to live but not beyond Options.Stale: it is for those alone who
// would rather have it than nothing.
const (
	Miss State = iota
	Hit
	Stale
)

func (s State) String() string {
	switch s {
	case Hit:
		return "hit"
	case Stale:
		return "stale"
	default:
		return "miss"
	}
}

// Entry is what a cache answers.
type Entry struct {
	State State
	// Value is shared by all who get it and must not be changed. Of a hit it may be empty, which is a value like
	// any other.
	Value []byte
	// Stored is when the value was set, to the millisecond.
	Stored time.Time
	// Fresh is until when the entry is or was a hit; zero is forever.
	Fresh time.Time
	// Generation is the one that the key is in, unless this is a hit. It goes to Set with what is loaded then. If it is
	// empty the cache does not know, and what is loaded must not be set.
	Generation Generation
}

// Generation is an opaque mark of the time between two invalidations of a model. The empty one means whichever is
// current.
type Generation string

// Options say how Set keeps a value. The zero value keeps it for the cache's default time.
type Options struct {
	// TTL is how long the entry is a hit. Defaults to the cache's own.
	TTL Lifetime
	// Stale is how much longer it is there as a stale one. Defaults to not at all.
	Stale time.Duration
	// Stored is when the value was found out. Defaults to now.
	Stored time.Time
	// Generation is the one in which the value was found out, as Get gave it. If it is not current any more, the
	// value is not stored, or stored where nobody finds it. Defaults to the current one.
	Generation Generation
}

// Lifetime is a time to live of which the zero value means "unset", so that zero seconds can mean what they say.
type Lifetime struct {
	d   time.Duration
	set bool
}

// For is a lifetime of d. Zero never expires; a negative one means that nothing is to be stored.
func For(d time.Duration) Lifetime { return Lifetime{d, true} }

// Or is l if it is set and otherwise o.
func (l Lifetime) Or(o Lifetime) Lifetime {
	if l.set {
		return l
	}
	return o
}

// IsSet tells a lifetime from the zero value.
func (l Lifetime) IsSet() bool { return l.set }

// Forever says that the entry never expires.
func (l Lifetime) Forever() bool { return l.set && l.d == 0 }

// Nothing says that nothing is to be stored.
func (l Lifetime) Nothing() bool { return l.set && l.d < 0 }

// Duration is the time to live; zero is forever, or unset.
func (l Lifetime) Duration() time.Duration { return l.d }

func (l Lifetime) String() string {
	switch {
	case !l.set:
		return "default"
	case l.d == 0:
		return "forever"
	case l.d < 0:
		return "not stored"
	}
	return l.d.String()
}

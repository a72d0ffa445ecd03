package sqltrace

// Shape is what is known of a fingerprint: computed once, when the fingerprint is first seen.
type Shape struct {
	Fingerprint Fingerprint
	Kind        Kind
	Text        string   // redacted display form; bounded
	Tables      []string // tables named, in order of appearance, without repetition
	Written     string   // the table an INSERT, UPDATE, DELETE or COPY FROM writes; empty if none
}

// Dictionary maps fingerprints to shapes. Its zero value is not usable; a decoder makes its own and
// shares it. It is safe for concurrent use.
type Dictionary interface {
	// Shape returns what is known of f; for an unknown fingerprint a Shape with only Fingerprint set.
	Shape(f Fingerprint) Shape
}

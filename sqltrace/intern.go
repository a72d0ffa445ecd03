package sqltrace

// Names keeps one string of each name that comes again and again: of users, databases, applications, SQLSTATEs.
// The zero value is empty.
type Names struct{ known map[string]string }

const (
	maxNames      = 4096
	maxNameLength = 256
)

// Intern returns b as a string, the same one for the same bytes. Of more names than it may keep, or long ones, each
// is a string of its own.
func (n *Names) Intern(b []byte) string {
	if s, ok := n.known[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(n.known) < maxNames && len(s) <= maxNameLength {
		if n.known == nil {
			n.known = map[string]string{}
		}
		n.known[s] = s
	}
	return s
}

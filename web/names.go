package web

import (
	"sync"

	"github.com/perfd/perfd/sqltrace"
)

// maxNames bounds the names kept; beyond them it starts anew.
const maxNames = 8192

// names keeps what statements are called: each is read once.
type names struct {
	mu   sync.Mutex
	kept map[nameKey]nameView
}

// nameKey tells a statement, and its text from an earlier one that was not known whole.
type nameKey struct {
	fingerprint sqltrace.Fingerprint
	size        int
}

// nameView is a statement's name and, apart, what tells it from others of that name.
type nameView struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

// of names a statement.
func (n *names) of(s *sqltrace.Shape) nameView {
	key := nameKey{s.Fingerprint, len(s.Text)}
	n.mu.Lock()
	v, ok := n.kept[key]
	n.mu.Unlock()
	if ok {
		return v
	}
	name := s.Name()
	v = nameView{name.Subject, name.About()}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.kept == nil || len(n.kept) >= maxNames {
		n.kept = map[nameKey]nameView{}
	}
	n.kept[key] = v
	return v
}

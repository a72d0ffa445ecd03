package process

import (
	"container/list"
	"sync"

	"github.com/cilium/ebpf"
)

// maxUnix bounds the connections over Unix sockets whose uses are taken in; the longest unused makes room.
const maxUnix = 8192

// unixEnds are the connections over Unix sockets that SeenUnix told of, by the inode number of perfd's end. The zero
// value is of an Observer without thread evidence. It is safe for concurrent use.
type unixEnds struct {
	mu     sync.Mutex
	wanted *ebpf.Map // of those numbers, for the kernel's side; others' uses are not reported
	ends   map[uint64]*list.Element
	order  list.List // of unixEnd, the latest used first
}

type unixEnd struct {
	inode uint64
	end   end // the peer's
}

// note takes a connection in. One that the kernel's side cannot be told of is left out.
func (u *unixEnds) note(inode uint64, e end) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.wanted == nil || inode == 0 {
		return
	}
	if old := u.ends[inode]; old != nil { // numbers come round again
		old.Value = unixEnd{inode, e}
		u.order.MoveToFront(old)
		return
	}
	if len(u.ends) >= maxUnix {
		oldest := u.order.Remove(u.order.Back()).(unixEnd)
		delete(u.ends, oldest.inode)
		_ = u.wanted.Delete(oldest.inode)
	}
	if u.wanted.Update(inode, uint32(1), ebpf.UpdateAny) != nil {
		return
	}
	if u.ends == nil {
		u.ends = map[uint64]*list.Element{}
	}
	u.ends[inode] = u.order.PushFront(unixEnd{inode, e})
}

// end is the end whose peer has an inode number.
func (u *unixEnds) end(inode uint64) (e end, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	found := u.ends[inode]
	if found == nil {
		return e, false
	}
	u.order.MoveToFront(found)
	return found.Value.(unixEnd).end, true
}

func (u *unixEnds) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.wanted != nil {
		_ = u.wanted.Close()
	}
	u.wanted = nil
}

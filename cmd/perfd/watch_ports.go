package main

import (
	"net/netip"
	"slices"
	"time"
)

// Ports that are tapped where no server is found: Odoo's, its evented server's, Tryton's and PostgreSQL's.
var (
	usualRPCPorts = []uint16{8069, 8072, 8000}
	usualPGPorts  = []uint16{5432}
)

// maxPorts bounds the ports of servers that have come and gone.
const maxPorts = 64

// ports are those tapped. Those that are no guess were set, or belong to a server that runs or ran.
type ports struct {
	rpc, pg           []uint16
	rpcKnown, pgKnown bool
}

func (p *ports) same(o *ports) bool { return slices.Equal(p.rpc, o.rpc) && slices.Equal(p.pg, o.pg) }

// protocols assigns the ports to the decoders, by their place in NewEngine.
func (p *ports) protocols() map[uint16]int {
	return (&pipeline{rpcPorts: p.rpc, pgPorts: p.pg}).ports()
}

// find says which ports to tap: those set, else those of the servers on this host, else the usual ones. What was
// known before stays, since a server that is being restarted has no ports for a while.
func (t *tap) find(before *ports) *ports {
	c := t.w.settings.Load()
	var rpc, pg []uint16
	if t.observer != nil {
		for _, s := range t.observer.Servers() {
			for _, a := range s.Listen {
				rpc = append(rpc, a.Port())
			}
			for _, l := range s.Databases {
				if a, err := netip.ParseAddrPort(l.Address); err == nil && l.Network == "tcp" {
					pg = append(pg, a.Port())
				}
			}
		}
	}
	p := &ports{}
	p.rpc, p.rpcKnown = choose(c.RPCPorts, rpc, before.rpc, before.rpcKnown, usualRPCPorts)
	usual := usualPGPorts
	if t.observer != nil { // a server that is idle may hold no connection; its database listens all the same
		for _, d := range t.observer.Databases() {
			for _, a := range d.Listen {
				usual = append(slices.Clone(usual), a.Port())
			}
		}
		slices.Sort(usual)
		usual = slices.Compact(usual)
		usual = usual[:min(len(usual), maxPorts)]
	}
	p.pg, p.pgKnown = choose(c.PGPorts, pg, before.pg, before.pgKnown, usual)
	if c.PGLog.Path != "" {
		p.pg = nil // statements come from the log, and once is enough
	}
	return p
}

// choose returns the ports set, or those found now and before, or the usual ones, which are not known to be right.
func choose(set, found, before []uint16, known bool, usual []uint16) (list []uint16, sure bool) {
	if len(set) > 0 {
		return set, true
	}
	if known && len(before)+len(found) <= maxPorts {
		found = append(found, before...)
	}
	if len(found) == 0 {
		return usual, false
	}
	slices.Sort(found)
	return slices.Compact(found), true
}

// follow taps other ports if the server's are others now. What goes on where it was is not interrupted.
func (t *tap) follow() {
	before := t.ports.Load()
	p := t.find(before)
	if p.same(before) {
		return
	}
	if err := t.live.SetPorts(p.rpc, p.pg); err != nil { // of a kernel that has no memory; it is tried again
		if now := time.Now(); now.Sub(t.complained) >= complainEvery {
			t.complained = now
			t.w.log.Error("other ports cannot be tapped", "why", err, "rpc", p.rpc, "postgresql", p.pg)
		}
		return
	}
	t.relay.engine.SetPorts(p.protocols())
	t.ports.Store(p)
	t.w.log.Info("other ports are tapped", "rpc", p.rpc, "postgresql", p.pg)
}

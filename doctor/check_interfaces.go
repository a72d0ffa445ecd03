package doctor

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/perfd/perfd/config"
)

// netInterface is a network interface of this host.
type netInterface struct {
	name         string
	up, loopback bool
}

// interfaceCheck tells which interfaces will be tapped.
type interfaceCheck struct {
	settings *config.Config
	list     func() ([]netInterface, error)
}

func (interfaceCheck) name() string { return "interfaces" }

func (c interfaceCheck) run(context.Context) []Finding {
	all, err := c.list()
	if err != nil {
		return fail("interfaces cannot be listed: "+err.Error(), "Allow AF_NETLINK (systemd: RestrictAddressFamilies=).")
	}
	var out []Finding
	named := c.settings.Interfaces
	if len(named) == 1 && named[0] == "any" {
		named = nil
	}
	var up []string
	loopback := false
	for _, i := range all {
		if i.up && (len(named) == 0 || slices.Contains(named, i.name)) {
			up = append(up, i.name)
			loopback = loopback || i.loopback
		}
	}
	for _, name := range named {
		at := slices.IndexFunc(all, func(i netInterface) bool { return i.name == name })
		switch {
		case at < 0:
			out = append(out, fail("there is no interface "+name, "Name one of "+names(all)+" in interfaces.")...)
		case !all[at].up:
			out = append(out, warn(name+" is down", fmt.Sprintf("Bring it up (ip link set %s up), or leave it out of interfaces.", name))...)
		}
	}
	if len(up) == 0 {
		return append(out, fail("no interface to tap is up", "Bring one up, or name another in interfaces.")...)
	}
	if !loopback {
		out = append(out, warn("loopback is not tapped: connections within this host are not seen",
			"Add lo to interfaces if Odoo and PostgreSQL, or a reverse proxy, share this host.")...)
	}
	return append(out, ok("tapping "+strings.Join(up, ", "))...)
}

func names(all []netInterface) string {
	var out []string
	for _, i := range all {
		out = append(out, i.name)
	}
	return strings.Join(out, ", ")
}

func listInterfaces() ([]netInterface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var out []netInterface
	for _, i := range all {
		out = append(out, netInterface{i.Name, i.Flags&net.FlagUp != 0, i.Flags&net.FlagLoopback != 0})
	}
	return out, nil
}

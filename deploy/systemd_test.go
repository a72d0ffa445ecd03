package deploy_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/perfd/perfd/config"
)

// unit reads the directives of a unit file; a directive given again adds to the former.
func unit(t *testing.T, name string) map[string][]string {
	t.Helper()
	u := map[string][]string{}
	for line := range strings.Lines(string(read(t, name))) {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			u[key] = append(u[key], strings.Fields(value)...)
		}
	}
	return u
}

func TestUnitIsHardened(t *testing.T) {
	u := unit(t, "systemd/perfd.service")
	for key, want := range map[string]string{
		"ExecStart": "/usr/local/bin/perfd watch", "ExecReload": "/bin/kill -HUP $MAINPID", "DynamicUser": "yes", "StateDirectory": "perfd",
		"AmbientCapabilities": "CAP_NET_RAW", "CapabilityBoundingSet": "CAP_NET_RAW", "NoNewPrivileges": "yes", "ProtectSystem": "strict",
		"ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes", "MemoryDenyWriteExecute": "yes", "RestrictNamespaces": "yes",
		"RestrictAddressFamilies": "AF_PACKET AF_INET AF_INET6 AF_NETLINK AF_UNIX", "SystemCallArchitectures": "native", "CPUQuota": "100%",
	} {
		if got := strings.Join(u[key], " "); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	// Both would hide the observed server's processes from perfd, or its capabilities from the kernel.
	for _, key := range []string{"ProtectProc", "ProcSubset", "PrivateUsers", "PrivateNetwork"} {
		if v := u[key]; v != nil {
			t.Errorf("%s=%v keeps perfd from seeing", key, v)
		}
	}
	limit, err := config.ParseSize(strings.Join(u["MemoryMax"], "") + "iB")
	if err != nil || limit <= config.Default().Memory {
		t.Errorf("MemoryMax is %s, %v; the setting memory is %s", limit, err, config.Default().Memory)
	}
	if !slices.Contains(u["SystemCallFilter"], "@system-service") {
		t.Errorf("system calls: %v", u["SystemCallFilter"])
	}
}

func TestDropIns(t *testing.T) {
	files, err := filepath.Glob("systemd/perfd.service.d/*.conf")
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		if text := string(read(t, name)); !strings.HasPrefix(text, "# ") || !strings.Contains(text, "\n[Service]\n") {
			t.Errorf("%s says neither what it is for nor what it is about", name)
		}
	}
	u := unit(t, "systemd/perfd.service.d/evidence.conf")
	want := []string{"CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_BPF", "CAP_PERFMON"}
	if !slices.Equal(u["AmbientCapabilities"], want) || !slices.Equal(u["CapabilityBoundingSet"], want) || !slices.Contains(u["SystemCallFilter"], "bpf") {
		t.Errorf("evidence.conf grants %v", u)
	}
}

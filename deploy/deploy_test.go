package deploy_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/perfd/perfd/config"
)

// rendered is where scripts/deploy.sh has put what helm made of the chart: a file for each set of values.
var rendered = flag.String("rendered", "", "folder of rendered charts")

type object = map[string]any

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// documents parses a file of YAML documents.
func documents(t *testing.T, name string) []object {
	t.Helper()
	var all []object
	d := yaml.NewDecoder(bytes.NewReader(read(t, name)))
	for {
		var x object
		err := d.Decode(&x)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if x != nil {
			all = append(all, x)
		}
	}
}

// at goes down a path of keys; nil where it ends.
func at(x any, path ...string) any {
	for _, key := range path {
		m, _ := x.(object)
		x = m[key]
	}
	return x
}

func list(x any, path ...string) []any {
	l, _ := at(x, path...).([]any)
	return l
}

func texts(x any, path ...string) []string {
	var out []string
	for _, v := range list(x, path...) {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

// settings fails the test unless perfd takes the settings of a file and an environment.
func settings(t *testing.T, where, file string, env []string) *config.Config {
	t.Helper()
	in := config.Input{Env: env}
	if file != "" {
		in.File = filepath.Join(t.TempDir(), "perfd.yaml")
		if err := os.WriteFile(in.File, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, problems := config.Load(in)
	for _, p := range problems {
		if p.Key != "auth.token_file" { // mounted where it runs
			t.Errorf("%s: %s", where, p)
		}
	}
	return c
}

// pod checks the pod in which perfd runs.
func pod(t *testing.T, where string, spec any) {
	t.Helper()
	found := false
	for _, c := range list(spec, "containers") {
		if at(c, "name") != "perfd" {
			continue
		}
		found = true
		var env []string
		for _, e := range list(c, "env") {
			env = append(env, fmt.Sprintf("%v=%v", at(e, "name"), at(e, "value")))
		}
		set := settings(t, where, "", env)
		security := at(c, "securityContext")
		if drop := texts(security, "capabilities", "drop"); !slices.Equal(drop, []string{"ALL"}) {
			t.Errorf("%s drops %v, want ALL", where, drop)
		}
		add := texts(security, "capabilities", "add")
		for _, name := range add {
			if !slices.Contains([]string{"NET_RAW", "SYS_PTRACE", "DAC_READ_SEARCH", "BPF", "PERFMON"}, name) {
				t.Errorf("%s adds %s, which perfd does not use", where, name)
			}
		}
		if !slices.Contains(add, "NET_RAW") {
			t.Errorf("%s does not add NET_RAW", where)
		}
		root := fmt.Sprint(at(security, "runAsUser")) == "0"
		if escalation := at(security, "allowPrivilegeEscalation"); escalation != !root {
			t.Errorf("%s: runs as root: %v, escalation: %v; root needs none, others get the file's capability by it alone", where, root, escalation)
		}
		if !root && (at(security, "runAsNonRoot") != true || len(add) != 1) {
			t.Errorf("%s: a user other than root has the one capability of the file", where)
		}
		for key, want := range map[string]any{"readOnlyRootFilesystem": true, "privileged": nil} {
			if got := at(security, key); got != want {
				t.Errorf("%s: %s is %v, want %v", where, key, got, want)
			}
		}
		var limit config.Size
		if text := fmt.Sprint(at(c, "resources", "limits", "memory")); text != "" {
			limit, _ = config.ParseSize(text + "B") // 384Mi
		}
		if limit <= set.Memory {
			t.Errorf("%s: the limit %v leaves no room above the setting memory, %s", where, limit, set.Memory)
		}
		for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
			if p := at(c, probe, "httpGet", "path"); p != "/healthz" && p != "/readyz" || at(c, probe, "httpGet", "port") != "metrics" {
				t.Errorf("%s: %s asks for %v", where, probe, p)
			}
		}
		mounts(t, where, spec, c)
	}
	if !found {
		t.Errorf("%s has no container perfd", where)
	}
}

// mounts checks that what is mounted is a volume, and that the store and /tmp can be written.
func mounts(t *testing.T, where string, spec, container any) {
	t.Helper()
	volumes, paths := map[any]bool{}, map[any]bool{}
	for _, v := range list(spec, "volumes") {
		volumes[at(v, "name")] = true
	}
	for _, m := range list(container, "volumeMounts") {
		paths[at(m, "mountPath")] = true
		if !volumes[at(m, "name")] {
			t.Errorf("%s mounts %v, which is no volume", where, at(m, "name"))
		}
	}
	if !paths["/var/lib/perfd"] || !paths["/tmp"] {
		t.Errorf("%s mounts %v, want the store and /tmp", where, paths)
	}
}

// manifests checks a file of objects and returns their kinds.
func manifests(t *testing.T, name string) []string {
	t.Helper()
	var kinds []string
	seen := map[string]bool{}
	for _, x := range documents(t, name) {
		kind, id := fmt.Sprint(at(x, "kind")), fmt.Sprint(at(x, "kind"), at(x, "metadata", "namespace"), at(x, "metadata", "name"))
		if at(x, "apiVersion") == nil || at(x, "metadata", "name") == nil || seen[id] {
			t.Errorf("%s: %s has no apiVersion, no name or a twin", name, id)
		}
		seen[id] = true
		kinds = append(kinds, kind)
		switch kind {
		case "Deployment", "DaemonSet":
			template := at(x, "spec", "template")
			for key, want := range at(x, "spec", "selector", "matchLabels").(object) {
				if got := at(template, "metadata", "labels", key); got != want {
					t.Errorf("%s: the selector wants %s=%v, the pods have %v", name, key, want, got)
				}
			}
			pod(t, name, at(template, "spec"))
		case "ConfigMap":
			c := settings(t, name, fmt.Sprint(at(x, "data", "perfd.yaml")), nil)
			if c.Store != "/var/lib/perfd/perfd.db" || c.Metrics.Listen == "" {
				t.Errorf("%s: store %s, metrics on %s", name, c.Store, c.Metrics.Listen)
			}
		}
	}
	return kinds
}

func TestKubernetes(t *testing.T) {
	for name, want := range map[string][]string{
		"kubernetes/sidecar.yaml":   {"Deployment"},
		"kubernetes/daemonset.yaml": {"Namespace", "ServiceAccount", "ConfigMap", "DaemonSet"},
	} {
		if got := manifests(t, name); !slices.Equal(got, want) {
			t.Errorf("%s holds %v, want %v", name, got, want)
		}
	}
}

func TestCompose(t *testing.T) {
	x := documents(t, "docker/compose.yaml")[0]
	perfd := at(x, "services", "perfd")
	var env []string
	for key, v := range at(perfd, "environment").(object) {
		if strings.HasPrefix(fmt.Sprint(v), "${") {
			v = "a token of sixteen or more characters"
		}
		env = append(env, fmt.Sprintf("%s=%v", key, v))
	}
	c := settings(t, "compose.yaml", "", env)
	if !c.Auth.Required() || config.Loopback(c.Listen) {
		t.Error("the pages are reached from outside the container and need a token")
	}
	if !slices.Equal(texts(perfd, "cap_drop"), []string{"ALL"}) || !slices.Equal(texts(perfd, "cap_add"), []string{"NET_RAW"}) {
		t.Error("perfd needs NET_RAW alone")
	}
	for _, p := range append(texts(x, "services", "odoo", "ports"), texts(perfd, "ports")...) {
		if !strings.HasPrefix(p, "127.0.0.1:") {
			t.Errorf("port %s is open to all", p)
		}
	}
	for _, v := range texts(perfd, "volumes") {
		if name, _, _ := strings.Cut(v, ":"); at(x, "volumes").(object) == nil || !slices.Contains([]string{"perfd"}, name) {
			t.Errorf("%s is no volume of perfd", v)
		}
	}
}

func TestDockerfile(t *testing.T) {
	text := string(read(t, "docker/Dockerfile"))
	_, last, _ := strings.Cut(text, "\nFROM scratch\n")
	for _, want := range []string{"USER 65532:65532", `ENTRYPOINT ["/usr/bin/perfd"]`, `CMD ["watch"]`} {
		if !strings.Contains(last, want) {
			t.Errorf("the image lacks %s", want)
		}
	}
	if !strings.Contains(text, "CGO_ENABLED=0 go build") || !strings.Contains(text, "ARG CAPABILITIES=cap_net_raw+ep\n") {
		t.Error("the binary must be static and have one capability")
	}
	var mod, image string
	for line := range strings.Lines(string(read(t, "../go.mod"))) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "go "); ok {
			mod = v
		}
	}
	_, after, _ := strings.Cut(text, "FROM golang:")
	image, _, _ = strings.Cut(after, "-")
	if !strings.HasPrefix(mod+".", image+".") {
		t.Errorf("the image is built by Go %s, go.mod asks for %s", image, mod)
	}
	for line := range strings.Lines(string(read(t, "docker/Dockerfile.dockerignore"))) {
		line = strings.TrimSpace(line)
		if ok, _ := filepath.Match(line, "fixtures/demo"); ok || line == "fixtures" || line == "LICENSE" {
			t.Errorf("the build needs %s", line)
		}
	}
}

func TestChart(t *testing.T) {
	chart, values := documents(t, "helm/perfd/Chart.yaml")[0], documents(t, "helm/perfd/values.yaml")[0]
	if at(chart, "name") != "perfd" || at(chart, "version") == nil || at(chart, "appVersion") == nil {
		t.Errorf("the chart is %v", chart)
	}
	b, err := yaml.Marshal(at(values, "config"))
	if err != nil {
		t.Fatal(err)
	}
	settings(t, "values.yaml", string(b), nil)
	if *rendered == "" {
		return
	}
	files, err := filepath.Glob(filepath.Join(*rendered, "*.yaml"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d rendered charts in %s", len(files), *rendered)
	}
	for _, name := range files {
		kinds := manifests(t, name)
		for _, want := range []string{"ConfigMap", "DaemonSet"} {
			if !slices.Contains(kinds, want) {
				t.Errorf("%s holds %v, not %s", name, kinds, want)
			}
		}
	}
}

package perfd_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/perfd/perfd"

// below lists, for each folder, the folders of perfd that its code may import. A folder stands for itself
// and for what is under it unless that has a line of its own. Tests may import anything but cmd/perfd.
var below = map[string][]string{
	".":                 {},
	"cache":             {},
	"capture":           {},
	"privilege":         {},
	"config":            {},
	"deploy":            {},
	"doctor":            {"capture", "config", "sqltrace", "store"},
	"metrics":           {"analyzer", "rpclog", "sqltrace"},
	"metrics/collect":   {"cache", "client"},
	"profile":           {},
	"evidence":          {},
	"figures":           {},
	"follow":            {},
	"jsontree":          {},
	"rpclog":            {"capture", "client/xmlrpc", "evidence", "jsontree", "secrets"},
	"secrets":           {"jsontree"},
	"sqltrace":          {"capture", "evidence"},
	"client":            {"cache", "client/xmlrpc"},
	"client/clienttest": {"capture", "client/xmlrpc"},
	"client/xmlrpc":     {},
	"odoolog":           {"analyzer", "rpclog", "sqltrace"},
	"replay":            {"cache", "client", "figures", "jsontree", "replay"},
	"replay/compare":    {"figures"},
	"replay/load":       {"jsontree", "secrets"},
	"replay/observe":    {"analyzer", "figures", "replay", "rpclog", "sqltrace"},
	"replay/report":     {"client/xmlrpc", "figures", "jsontree", "replay", "replay/observe", "analyzer", "sqltrace"},
	"replay/whatif":     {"replay/load", "replay/safety", "client", "jsontree"},
	"analyzer":          {"capture", "evidence", "figures", "rpclog", "sqltrace"},
	"process":           {},
	"proxy":             {"capture"},
	"report":            {"capture", "evidence", "figures", "rpclog", "sqltrace", "analyzer"},
	"store":             {"capture", "evidence", "rpclog", "sqltrace", "analyzer"},
	"web":               {"capture", "rpclog", "sqltrace", "analyzer", "store"},
	"sidecar":           {"capture", "evidence", "rpclog", "sqltrace", "analyzer"},
	"cmd/perfd":         {"figures", "capture", "privilege", "config", "process", "doctor", "profile", "metrics", "metrics/collect", "sidecar", "follow", "odoolog", "proxy", "rpclog", "sqltrace", "analyzer", "report", "store", "web", "fixtures/demo", "cache", "client", "replay"},
	"fixtures":          {"fixtures"},
	"lab":               {"fixtures"},
	"fixtures/demo":     {},
	"fixtures/load":     {"capture", "rpclog", "sqltrace"},
	"fixtures/play":     {"capture"},
	"fixtures/synth":    {},
	"fixtures/truth":    {},
}

// owners lists, for each third-party module, the folders whose code may import it. Nil: tests alone.
var owners = map[string][]string{
	"github.com/HdrHistogram/hdrhistogram-go": {"replay"},
	"github.com/DataDog/go-sqllexer":          {"sqltrace"},
	"github.com/DataDog/sketches-go":          {"analyzer"},
	"github.com/aclements/go-moremath":        {"replay/compare"},
	"github.com/andybalholm/brotli":           {"rpclog"},
	"github.com/cespare/xxhash/v2":            {"cache", "evidence", "rpclog", "sqltrace"},
	"github.com/cilium/ebpf":                  {"process"},
	"github.com/gin-gonic/gin":                {"web"},
	"github.com/goccy/go-yaml":                {"config", "replay"},
	"github.com/google/go-cmp":                {"store/storetest"},
	"github.com/google/gopacket":              {"capture"},
	"github.com/grafana/pyroscope-go":         {"profile"},
	"github.com/jackc/pgx/v5":                 {"doctor", "sqltrace"},
	"github.com/klauspost/compress":           {"capture", "replay/load", "rpclog", "store"},
	"github.com/maypok86/otter/v2":            {"cache"},
	"github.com/prometheus/client_golang":     {"metrics", "metrics/collect"},
	"github.com/sony/gobreaker/v2":            {"cache", "client"},
	"github.com/redis/go-redis/v9":            {"cache"},
	"github.com/schollz/progressbar/v3":       {"cmd/perfd"},
	"github.com/spf13/cobra":                  {"cmd/perfd"},
	"github.com/spf13/pflag":                  {"cmd/perfd"},
	"github.com/vmihailenco/msgpack/v5":       {"cache"},
	"golang.org/x/net":                        {"capture"},
	"golang.org/x/sync":                       {"cmd/perfd"},
	"golang.org/x/sys":                        {"capture", "doctor", "process", "privilege", "proxy", "replay"},
	"golang.org/x/time":                       {"client"},
	"golang.org/x/term":                       {"cmd/perfd", "report"},
	"modernc.org/sqlite":                      {"store"},
	"pgregory.net/rapid":                      {"replay/safety/safetytest"},
}

const (
	maxLines     = 400
	maxTestLines = 600
	maxMainLines = 40
)

// source is one Go file of the repository.
type source struct {
	file  string // slash-separated, from the root
	dir   string
	test  bool
	lines int
	ast   *ast.File
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "node_modules" || base == "vendor" || base == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, name, b, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		file := filepath.ToSlash(name)
		all = append(all, source{
			file: file, dir: path.Dir(file), test: strings.HasSuffix(base, "_test.go"),
			lines: bytes.Count(b, []byte("\n")), ast: f,
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 30 {
		t.Fatalf("found %d Go files, want the whole repository", len(all))
	}
	return all
}

func imports(s source) []string {
	var out []string
	for _, spec := range s.ast.Imports {
		out = append(out, strings.Trim(spec.Path.Value, `"`))
	}
	return out
}

// governed is the longest folder in table that holds dir, and whether there is one.
func governed[T any](table map[string]T, dir string) (string, bool) {
	for d := dir; ; d = path.Dir(d) {
		if _, ok := table[d]; ok {
			return d, d != "." || dir == "."
		}
		if d == "." {
			return "", false
		}
	}
}

func within(dir string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return dir == f || strings.HasPrefix(dir, f+"/") })
}

func TestImportDirections(t *testing.T) {
	for _, s := range sources(t) {
		key, ok := governed(below, s.dir)
		if !ok {
			t.Errorf("%s: its folder has no line in below", s.file)
			continue
		}
		for _, imp := range imports(s) {
			to, own := strings.CutPrefix(imp, module+"/")
			if !own {
				continue
			}
			target, _ := governed(below, to)
			switch {
			case within(to, []string{"cmd"}):
				t.Errorf("%s imports %s, which nobody may import", s.file, to)
			case s.test, target == key, within(to, below[key]):
			default:
				t.Errorf("%s imports %s: against the direction of the flow", s.file, to)
			}
		}
	}
}

func TestLibrariesHaveOwners(t *testing.T) {
	used := map[string]bool{}
	for _, s := range sources(t) {
		for _, imp := range imports(s) {
			if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") || imp == module || strings.HasPrefix(imp, module+"/") {
				continue
			}
			lib := ""
			for m := range owners {
				if imp == m || strings.HasPrefix(imp, m+"/") {
					lib = m
				}
			}
			if lib == "" {
				t.Errorf("%s imports %s, which has no owner", s.file, imp)
				continue
			}
			used[lib] = true
			if !s.test && !within(s.dir, owners[lib]) {
				t.Errorf("%s imports %s, which belongs to %v", s.file, imp, owners[lib])
			}
		}
	}
	for lib := range owners {
		if !used[lib] {
			t.Errorf("%s has an owner and no use", lib)
		}
	}
}

func TestPackagesAreDocumentedAndNamed(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		documented[s.dir] = documented[s.dir] || s.ast.Doc != nil
		switch name := s.ast.Name.Name; name {
		case "util", "utils", "helper", "helpers", "common", "types", "model", "models", "misc", "shared":
			t.Errorf("%s: package %s says nothing of its purpose", s.file, name)
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no file has a package comment", dir)
		}
	}
}

func TestFilesAreShort(t *testing.T) {
	for _, s := range sources(t) {
		limit := maxLines
		switch {
		case s.test:
			limit = maxTestLines
		case s.file == "cmd/perfd/main.go":
			limit = maxMainLines
		}
		if s.lines > limit {
			t.Errorf("%s has %d lines, more than %d", s.file, s.lines, limit)
		}
	}
}

// TestArchitectureNamesEveryFolder holds ARCHITECTURE.md's code map and the tree together; dist is what the
// Makefile builds.
func TestArchitectureNamesEveryFolder(t *testing.T) {
	b, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	mapped := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^### `([^`]+)/`").FindAllSubmatch(b, -1) {
		mapped[string(m[1])] = true
	}
	for dir := range mapped {
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("ARCHITECTURE.md maps %s/: %v", dir, err)
		}
	}
	tops, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range tops {
		if name := e.Name(); e.IsDir() && name != "dist" && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "_") {
			if !slices.ContainsFunc([]string{name, name + "/perfd"}, func(s string) bool { return mapped[s] }) {
				t.Errorf("ARCHITECTURE.md has no section for %s/", name)
			}
		}
	}
}

package lab

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// recipe is part of the name of what is prepared: whoever changes the preparation changes it.
const recipe = "1"

var (
	emptyOnce, trytonOnce sync.Mutex
	emptyDir, trytonDir   string
)

// emptyCluster is a cluster as initdb makes it.
func emptyCluster(t testing.TB) string {
	t.Helper()
	emptyOnce.Lock()
	defer emptyOnce.Unlock()
	if emptyDir == "" {
		emptyDir = prepared(t, "postgresql", versions(t), makeEmpty)
	}
	return emptyDir
}

func makeEmpty(t testing.TB, to string) {
	t.Helper()
	a := servant(t, "postgres", "postgresql")
	dir := folder(t, a)
	secret := filepath.Join(dir, "password")
	write(t, secret, a, 0o600, superuserPassword+"\n")
	data := filepath.Join(dir, "data")
	do(t, dir, a, nil, filepath.Join(postgresPrograms(t), "initdb"), "-D", data, "-U", Superuser, "-A", "scram-sha-256",
		"--pwfile", secret, "-E", "UTF8", "--locale=C", "--no-sync", "--wal-segsize=1")
	if err := copyTree(to, data, nil); err != nil {
		t.Fatalf("keep a cluster: %v", err)
	}
}

// trytonCluster is a cluster with a database of trytond's, its users and its parties.
func trytonCluster(t testing.TB) string {
	t.Helper()
	empty := emptyCluster(t)
	trytonOnce.Lock()
	defer trytonOnce.Unlock()
	if trytonDir == "" {
		trytonDir = prepared(t, "tryton", versions(t, []string{trytondAdmin(t), "--version"}), func(t testing.TB, to string) {
			makeTryton(t, to, empty)
		})
	}
	return trytonDir
}

func makeTryton(t testing.TB, to, empty string) {
	t.Helper()
	// Without statistics on the catalogs trytond-admin takes four times as long.
	p := newPostgres(t, PostgresConfig{Settings: map[string]string{
		"autovacuum_naptime": "1s", "autovacuum_analyze_threshold": "20", "autovacuum_analyze_scale_factor": "0.02",
	}}, empty)
	p.Exec("postgres", "create role "+trytonRole+" login createdb password '"+trytonPassword+"'")
	p.Exec("postgres", "create database "+Database+" owner "+trytonRole+" template template0 encoding 'UTF8'")
	s := newTrytond(t, TrytondConfig{Postgres: p})
	s.admin("--all", "--email", "admin@example.invalid")
	s.admin("-u", "party", "--activate-dependencies")
	s.run()
	if err := s.populate(t.Context()); err != nil {
		t.Fatalf("fill trytond's database: %v", err)
	}
	s.Stop()
	p.Exec(Database, "vacuum analyze")
	p.Stop()
	if err := copyTree(to, filepath.Join(p.dir, "data"), nil); err != nil {
		t.Fatalf("keep a cluster: %v", err)
	}
}

// versions names the programs that something is prepared with, PostgreSQL's among them.
func versions(t testing.TB, more ...[]string) string {
	t.Helper()
	text := recipe
	for _, argv := range append([][]string{{filepath.Join(postgresPrograms(t), "postgres"), "--version"}}, more...) {
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("ask %s for its version: %v\n%s", argv[0], err, out)
		}
		text += "\n" + string(out)
	}
	return text
}

// prepared is the folder in the user's cache that make has made once for these versions, by this test binary or
// by an earlier one.
func prepared(t testing.TB, name, versions string, make func(t testing.TB, to string)) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = filepath.Join(os.TempDir(), fmt.Sprintf("perfd-cache-%d", os.Getuid()))
	}
	cache = filepath.Join(cache, "perfd", "lab")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatalf("make a cache: %v", err)
	}
	lock, err := os.OpenFile(filepath.Join(cache, name+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatalf("lock the cache: %v", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatalf("lock the cache: %v", err)
	}
	sum := sha256.Sum256([]byte(versions))
	dir := filepath.Join(cache, name+"-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	old, _ := filepath.Glob(filepath.Join(cache, name+"-*"))
	for _, o := range old {
		_ = os.RemoveAll(o)
	}
	part := filepath.Join(cache, name+"-part")
	make(t, part)
	if err := os.Rename(part, dir); err != nil {
		t.Fatalf("keep %s: %v", name, err)
	}
	return dir
}

// copyTree copies the files and folders under from and gives them to a.
func copyTree(to, from string, a *account) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		switch {
		case d.IsDir():
			err = os.Mkdir(target, info.Mode().Perm())
		case d.Type().IsRegular():
			err = copyFile(target, path, info.Mode().Perm())
		default: // a socket or the like is made anew by its server
			return nil
		}
		if err != nil || a == nil {
			return err
		}
		return os.Lchown(target, int(a.uid), int(a.gid))
	})
}

func copyFile(to, from string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

package demo

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/client/config"

	"github.com/talos-cockpit/talos-cockpit/repo"
)

func TestWriteFiles(t *testing.T) {
	c := run(t, "turingpi", Options{})
	for _, embedded := range []bool{true, false} {
		dir := filepath.Join(t.TempDir(), "new")
		if err := c.WriteFiles(t.Context(), dir, embedded); err != nil {
			t.Fatal(err)
		}
		private(t, dir)
		conf, err := config.Open(filepath.Join(dir, "talosconfig"))
		if err != nil {
			t.Fatal(err)
		}
		want := c.Talos.Endpoints()
		if embedded {
			want = []string{"192.168.13.11", "192.168.13.12"}
		}
		if got := conf.Contexts[conf.Context].Endpoints; !slices.Equal(got, want) {
			t.Errorf("the endpoints are %v, want %v", got, want)
		}
		checkout(t, dir)
		if err := c.WriteFiles(t.Context(), dir, embedded); err != nil {
			t.Errorf("a second time: %v", err)
		}
	}
}

// private fails unless the files are for their owner alone.
func private(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == ".git" {
			return filepath.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if got := info.Mode().Perm() &^ 0o700; got != 0 || !d.IsDir() && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %s", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkout(t *testing.T, dir string) {
	t.Helper()
	co, err := repo.Load(filepath.Join(dir, "talos", "talconfig.yaml"), repo.Options{Env: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	if len(co.Problems) > 0 || len(co.Unresolved) > 0 {
		t.Errorf("the checkout has problems: %v %v", co.Problems, co.Unresolved)
	}
	if len(co.Nodes) != 4 || co.ClusterName != "turingpi" || co.TalosVersion != "v1.13.9" || co.KubernetesVersion != "v1.37.2" || !co.Talosconfig.Exists {
		t.Errorf("the checkout is %+v", co)
	}
	for _, n := range co.Nodes {
		if n.ConfigFile.State != repo.ConfigPresent {
			t.Errorf("the config of %s is %+v", n.Hostname, n.ConfigFile)
		}
	}
	git := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if dirty := git("status", "--porcelain"); dirty != "" {
		t.Errorf("the checkout is not clean: %s", dirty)
	}
	want := []string{".gitignore", Marker, "talos/talconfig.yaml", "talos/talenv.yaml"}
	if got := strings.Split(git("ls-files"), "\n"); !slices.Equal(got, want) {
		t.Errorf("committed are %v, want %v", got, want)
	}
	for _, name := range want {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"PRIVATE KEY", "token:", "secret:", "client-key"} {
			if strings.Contains(string(content), secret) {
				t.Errorf("%s holds a secret: %q", name, secret)
			}
		}
	}
}

func TestAnotherSceneReplacesTheFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"six", "turingpi"} {
		if err := run(t, name, Options{}).WriteFiles(t.Context(), dir, false); err != nil {
			t.Fatal(err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "talos", "clusterconfig", "*.yaml"))
	if err != nil || len(left) != 4 {
		t.Errorf("clusterconfig holds %v, %v", left, err)
	}
	checkout(t, dir)
}

func TestWriteFilesIgnoresTheGitAround(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	t.Setenv("GIT_DIR", filepath.Join(other, ".git"))
	if err := run(t, "single", Options{}).WriteFiles(t.Context(), dir, true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".git", "HEAD")); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(other); err != nil || len(entries) > 0 {
		t.Errorf("somebody else's repository was touched: %v %v", entries, err)
	}
}

func TestWriteFilesSaysWhatIsInTheWay(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "talos"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := run(t, "single", Options{}).WriteFiles(t.Context(), dir, false)
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "talos")) {
		t.Errorf("the error is %v", err)
	}
}

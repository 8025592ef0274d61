package e2e

import (
	"path/filepath"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/role"

	"github.com/talos-cockpit/talos-cockpit/demo"
	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// served is a scene with files that any client can use, as `demo serve` writes them.
type served struct {
	*demo.Cluster
	dir string
}

// serve runs a scene until the end of the test.
func serve(t testing.TB, name string, change ...func(*scene.Scene)) *served {
	t.Helper()
	sc, err := scene.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&sc)
	}
	c, err := demo.StartScene(t.Context(), sc, demo.Options{TimeScale: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	s := &served{Cluster: c, dir: t.TempDir()}
	if err := c.WriteFiles(t.Context(), s.dir, false); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *served) talosconfig() string { return filepath.Join(s.dir, "talosconfig") }
func (s *served) kubeconfig() string  { return filepath.Join(s.dir, "kubeconfig") }

// args are the flags with which the program uses the scene.
func (s *served) args(more ...string) []string {
	return append([]string{"--repo", s.dir, "--talosconfig", s.talosconfig(), "--kubeconfig", s.kubeconfig()}, more...)
}

// write makes a file in the scene's folder and returns its path.
func (s *served) write(t testing.TB, name string, content []byte) string {
	t.Helper()
	return write(t, filepath.Join(s.dir, name), content)
}

// talosconfigOf makes a talosconfig of that role, with other endpoints than the scene's own if any are named.
func (s *served) talosconfigOf(t testing.TB, r role.Role, endpoints ...string) string {
	t.Helper()
	if len(endpoints) == 0 {
		endpoints = s.Talos.Endpoints()
	}
	data, err := s.Talos.Talosconfig(r, endpoints)
	if err != nil {
		t.Fatal(err)
	}
	return s.write(t, "talosconfig."+string(r), data)
}

package e2e

import (
	"bytes"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/role"
)

// silentPort is an address that accepts connections and never says anything.
func silentPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // nothing was written to it
	return l.Addr().String()
}

// half is the content of a file without its end.
func half(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data[:bytes.LastIndexByte(data[:len(data)/2], '\n')]
}

// noCluster is a way in which the configuration is wrong. The sentences are on
// the screen, and on the standard error of `nodes`.
type noCluster struct {
	args   []string
	says   []string // pieces of sentences, none of which wraps
	code   int      // of `nodes`
	screen []string // further texts on the screen
}

func noClusters(t *testing.T) map[string]noCluster {
	s, other := serve(t, "still"), serve(t, "single")
	talos, kube := "--talosconfig="+s.talosconfig(), "--kubeconfig="+s.kubeconfig()
	noKube := "--kubeconfig=/nonexistent/kubeconfig"
	expired, err := s.Talos.TalosconfigUntil(role.Admin, s.Talos.Endpoints(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	refused := "--talosconfig=" + s.write(t, "refused", named(t, s, "127.0.0.1:1"))
	hole := "--talosconfig=" + s.write(t, "hole", named(t, s, silentPort(t)))
	virtual := t.TempDir() // a checkout that says that the endpoints' address is the Kubernetes API's
	write(t, virtual+"/talconfig.yaml", []byte("clusterName: turingpi\nendpoint: https://127.0.0.1:6443\nnodes: []\n"))
	brokenTalos := s.write(t, "broken-talos", []byte("context: x\ncontexts:\n  x:\n    endpoints: [\n  y: z\n"))
	brokenKube := s.write(t, "broken-kube", []byte("apiVersion: v1\nkind: Config\nclusters:\n- name: [\nusers: : x\n"))
	return map[string]noCluster{
		"nothing":                  {says: []string{"there is no talosconfig at "}, code: 3, screen: []string{"no Talos endpoint is known"}},
		"no kubeconfig there":      {args: []string{talos, noKube}, says: []string{"the kubeconfig /nonexistent/kubeconfig does not exist"}, code: 2, screen: []string{"running", "no k8s", "Kubernetes is not known"}},
		"no talosconfig":           {args: []string{kube}, says: []string{"there is no talosconfig at "}, code: 2, screen: []string{"Ready"}},
		"broken talosconfig":       {args: []string{"--talosconfig=" + brokenTalos, noKube}, says: []string{brokenTalos + ":", "is not valid YAML"}, code: 3},
		"broken kubeconfig":        {args: []string{talos, "--kubeconfig=" + brokenKube}, says: []string{brokenKube + ":4"}, code: 2},
		"half a talosconfig":       {args: []string{"--talosconfig=" + s.write(t, "half", half(t, s.talosconfig())), kube}, says: []string{"/half"}, code: 2},
		"expired":                  {args: []string{"--talosconfig=" + s.write(t, "expired", expired), kube}, says: []string{"expired on 2026-01-02 03:04 UTC"}, code: 2, screen: []string{"expired on"}},
		"role of a backup":         {args: []string{"--talosconfig=" + s.talosconfigOf(t, role.EtcdBackup), kube}, says: []string{"the talosconfig has the role os:etcd:backup, which may not read the state of nodes"}, code: 2},
		"unknown context":          {args: []string{talos, kube, "--talos-context=turingpy"}, says: []string{`has no context "turingpy": did you mean "turingpi"?`}, code: 2},
		"unknown kube context":     {args: []string{talos, kube, "--context=admin@turingpy"}, says: []string{`has no context "admin@turingpy": did you mean "admin@turingpi"?`}, code: 2},
		"refused":                  {args: []string{refused, kube}, says: []string{"endpoint 127.0.0.1:1 refused the connection"}, code: 2, screen: []string{"connection refused for"}},
		"refused, and no other":    {args: []string{refused, noKube}, says: []string{"endpoint 127.0.0.1:1 refused the connection"}, code: 3},
		"black hole":               {args: []string{hole, noKube}, says: []string{"answer"}, code: 3},
		"the VIP as endpoint":      {args: []string{talos, kube, "--repo=" + virtual}, says: []string{"the endpoint 127.0.0.1 is a virtual IP; talos-test0"}, code: 0, screen: []string{"running"}},
		"no checkout there":        {args: s.args("--repo=/nonexistent"), says: []string{"/nonexistent: does not exist"}, code: 0, screen: []string{"running"}},
		"two different clusters":   {args: []string{talos, "--kubeconfig=" + other.kubeconfig()}, says: []string{"talosconfig and kubeconfig are different clusters"}, code: 3, screen: []string{"read-only"}},
		"a reader, which is well":  {args: []string{"--talosconfig=" + s.talosconfigOf(t, role.Reader), kube}, code: 0, screen: []string{"running"}},
		"a kubeconfig from Talos":  {args: []string{talos}, code: 0, screen: []string{"running", "Ready", "flux 1⊘"}},
		"nothing but a kubeconfig": {args: []string{noKube}, says: []string{"the kubeconfig /nonexistent/kubeconfig does not exist"}, code: 3},
	}
}

// named is a talosconfig with these endpoints.
func named(t testing.TB, s *served, endpoints ...string) []byte {
	t.Helper()
	data, err := s.Talos.Talosconfig(role.Admin, endpoints)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestNoCluster names what is wrong as what it is, on the screen and without one.
func TestNoCluster(t *testing.T) {
	for name, n := range noClusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, setup{w: 200, h: 40, args: n.args})
			r := command(t, nil, append(n.args, "nodes")...)
			if r.code != n.code {
				t.Errorf("nodes: exit code %d, want %d", r.code, n.code)
			}
			if !containsAll(r.err, n.says...) {
				t.Errorf("nodes says %q, want %q", r.err, n.says)
			}
			if (r.out == "") != (n.code == 3) {
				t.Errorf("nodes prints with exit code %d:\n%s", r.code, r.out)
			}
			if n.says == nil && r.err != "" {
				t.Errorf("nodes says %q where all is well", r.err)
			}
			c.wait(strings.Join(n.says, " | "), func(s string) bool { return containsAll(s, n.says...) && containsAll(s, n.screen...) })
			c.whole()
		})
	}
}

// TestTroubleEnds: files are read again by themselves.
func TestTroubleEnds(t *testing.T) {
	t.Parallel()
	s := serve(t, "still")
	good, err := os.ReadFile(s.talosconfig())
	if err != nil {
		t.Fatal(err)
	}
	late := s.dir + "/late"
	c := start(t, setup{args: []string{"--talosconfig=" + late, "--kubeconfig=" + s.kubeconfig()}})
	c.sees("there is no talosconfig at")
	c.press("!")
	c.sees("━Messages", "there is no talosconfig at")
	c.press("esc")
	write(t, late, good)
	c.press("ctrl+r")
	c.seesRow("talos-test01", "running", "Ready")
	c.lost("there is no talosconfig")
}

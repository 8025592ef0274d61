package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/role"
	"go.uber.org/goleak"

	"github.com/talos-cockpit/talos-cockpit/demo/pki"
	"github.com/talos-cockpit/talos-cockpit/demo/scene"
	"github.com/talos-cockpit/talos-cockpit/demo/talosd"
	"github.com/talos-cockpit/talos-cockpit/test/bed"
)

// lab is what all tests share: each leaves it as it found it.
var lab struct {
	bed     *bed.Bed
	ca      *pki.Authority // the bed's Kubernetes authority
	program string         // the cockpit, built
	dir     string         // holds the files below, and a checkout
	admin   string         // talosconfig of os:admin
	reader  string         // talosconfig of os:reader
}

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "cockpit-e2e-")
	if err != nil {
		return complain(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx := context.Background()
	built := make(chan error, 1)
	go func() { built <- buildProgram(ctx, dir) }()
	lab.bed, err = bed.StartGuarded(ctx, bed.Options{Dir: filepath.Join(dir, "bed"), Log: os.Stderr})
	if err = errors.Join(err, <-built); lab.bed == nil {
		return complain(err)
	}
	defer func() { // the bed has a goroutine for each component while it runs
		if err := errors.Join(lab.bed.Down(true), goleak.Find()); err != nil {
			code = max(code, complain(err))
		}
	}()
	if err != nil {
		return complain(err)
	}
	talos, err := prepare(ctx, dir)
	if err != nil {
		return complain(err)
	}
	defer talos.Stop()
	return m.Run()
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// buildProgram builds the cockpit as its own module says.
func buildProgram(ctx context.Context, dir string) error {
	lab.program = filepath.Join(dir, "talos-cockpit")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", lab.program, ".")
	cmd.Dir = filepath.Join("..", "..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	return nil
}

// prepare makes the bed hold still and starts the Talos side of the same cluster.
func prepare(ctx context.Context, dir string) (*talosd.Cluster, error) {
	_, err := lab.bed.Kubectl(ctx, "patch", "cronjob", "-n", "database", "backup", "-p", `{"spec":{"suspend":true}}`)
	if err != nil {
		return nil, err
	}
	if lab.ca, err = bedAuthority(lab.bed); err != nil {
		return nil, err
	}
	authorities, err := pki.New(time.Now())
	if err != nil {
		return nil, err
	}
	authorities.Kubernetes = lab.ca
	lab.dir, lab.admin, lab.reader = dir, filepath.Join(dir, "talosconfig"), filepath.Join(dir, "reader")
	talos, err := startTalos(ctx, scene.Default, authorities)
	if err != nil {
		return nil, err
	}
	return talos, errors.Join(
		writeTalosconfig(talos, role.Admin, lab.admin), writeTalosconfig(talos, role.Reader, lab.reader), writeCheckout(dir))
}

func bedAuthority(b *bed.Bed) (*pki.Authority, error) {
	cert, err := os.ReadFile(filepath.Join(b.Dir(), "pki", "ca.crt"))
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(filepath.Join(b.Dir(), "pki", "ca.key"))
	if err != nil {
		return nil, err
	}
	return pki.Load(cert, key)
}

func startTalos(ctx context.Context, name string, authorities *pki.PKI) (*talosd.Cluster, error) {
	s, err := scene.Get(name)
	if err != nil {
		return nil, err
	}
	c := talosd.New(s, authorities, talosd.Options{TimeScale: 20})
	return c, c.Start(ctx)
}

func writeTalosconfig(c *talosd.Cluster, r role.Role, path string) error {
	data, err := c.Talosconfig(r, c.Endpoints())
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

const talconfig = `clusterName: turingpi
endpoint: https://192.168.13.10:6443
talosVersion: v1.13.9
kubernetesVersion: ` + bed.KubernetesVersion + `
nodes:
  - {hostname: talos-test01, ipAddress: 192.168.13.11, controlPlane: true, installDisk: /dev/nvme0n1}
  - {hostname: talos-test02, ipAddress: 192.168.13.12, controlPlane: true, installDisk: /dev/nvme0n1}
  - {hostname: talos-test03, ipAddress: 192.168.13.13, controlPlane: false, installDisk: /dev/nvme0n1}
  - {hostname: talos-test04, ipAddress: 192.168.13.14, controlPlane: false, installDisk: /dev/nvme0n1}
`

func writeCheckout(dir string) error {
	if err := os.Mkdir(filepath.Join(dir, "talos"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "talos", "talconfig.yaml"), []byte(talconfig), 0o600)
}

// Package demo is a simulated cluster for trying every screen without one: it
// starts the Talos side (package talosd) and the Kubernetes side (package kubed)
// of a scene on loopback, keeps the two in step, and writes the files with which
// clients find it.
package demo

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/role"

	"github.com/talos-cockpit/talos-cockpit/demo/kubed"
	"github.com/talos-cockpit/talos-cockpit/demo/pki"
	"github.com/talos-cockpit/talos-cockpit/demo/scene"
	"github.com/talos-cockpit/talos-cockpit/demo/talosd"
)

// Options are what a Cluster needs beyond its scene. The zero value is good.
type Options struct {
	// TimeScale makes reboots and the delays of Kubernetes faster; zero is 1.
	TimeScale float64
}

// Cluster is a running simulated cluster.
type Cluster struct {
	Scene scene.Scene
	Talos *talosd.Cluster
	Kube  *kubed.Server

	pki *pki.PKI
}

// Start runs the scene of that name (empty: the default one) until ctx ends or
// Stop is called.
func Start(ctx context.Context, name string, opts Options) (*Cluster, error) {
	s, err := scene.Get(name)
	if err != nil {
		return nil, err
	}
	return StartScene(ctx, s, opts)
}

// StartScene runs a scene that was made or changed by the caller.
func StartScene(ctx context.Context, s scene.Scene, opts Options) (*Cluster, error) {
	authorities, err := pki.New(time.Now())
	if err != nil {
		return nil, fmt.Errorf("cannot make the demo's certificates: %w", err)
	}
	c := &Cluster{Scene: s, pki: authorities}
	c.Talos = talosd.New(s, authorities, talosd.Options{
		TimeScale:  opts.TimeScale,
		Kubeconfig: func(context.Context) ([]byte, error) { return c.Kube.Kubeconfig("admin") },
	})
	c.Kube = kubed.New(s, kubed.Options{
		CACert: authorities.Kubernetes.CertPEM(), CAKey: authorities.Kubernetes.KeyPEM(),
		TimeScale: opts.TimeScale, NodeUsage: c.usage, Identity: c.identity,
	})
	c.Talos.OnMachine(c.follow)
	if err := c.Kube.Start(ctx); err != nil {
		return nil, fmt.Errorf("cannot start the demo's Kubernetes API: %w", err)
	}
	if err := c.Talos.Start(ctx); err != nil {
		c.Kube.Stop()
		return nil, fmt.Errorf("cannot start the demo's Talos API: %w", err)
	}
	return c, nil
}

// Stop ends the cluster and waits for it.
func (c *Cluster) Stop() {
	c.Talos.Stop()
	c.Kube.Stop()
}

// Dialer reaches the nodes' own addresses (192.168.13.x:50000) over loopback;
// every other address is dialled as it is.
func (c *Cluster) Dialer() func(ctx context.Context, address string) (net.Conn, error) {
	return c.Talos.Dialer()
}

// follow lets Kubernetes see what happens to a machine.
func (c *Cluster) follow(e talosd.MachineEvent) { c.Kube.SetKubelet(e.Node, e.KubeletUp) }

// usage is what metrics.k8s.io reports of a node: the same that Talos reports.
func (c *Cluster) usage(node string) (cpuMilli, memory int64, ok bool) {
	n := c.Talos.Node(node)
	if n == nil {
		return 0, 0, false
	}
	return int64(n.CPUBusy() * float64(n.Cores()) * 1000), n.MemoryUsed(), true
}

func (c *Cluster) identity(node string) kubed.Identity {
	n := c.Talos.Node(node)
	if n == nil {
		return kubed.Identity{}
	}
	return kubed.Identity{SystemUUID: n.UUID(), BootID: n.BootID()}
}

// Marker is the file by which a folder that WriteFiles made is known again.
const Marker = ".talos-cockpit-demo"

// WriteFiles writes dir/talosconfig, dir/kubeconfig and a checkout with
// talos/talconfig.yaml, talos/talenv.yaml and talos/clusterconfig, all 0600.
// With embedded the talosconfig's endpoints are the nodes' own addresses, which
// need Dialer; else they are loopback ports that any client reaches.
func (c *Cluster) WriteFiles(ctx context.Context, dir string, embedded bool) error {
	endpoints := c.Talos.Endpoints()
	if embedded {
		endpoints = nil
		for _, n := range c.Scene.ControlPlanes() {
			endpoints = append(endpoints, n.Address)
		}
	}
	talosconfig, err := c.Talos.Talosconfig(role.Admin, endpoints)
	if err != nil {
		return fmt.Errorf("cannot make the talosconfig: %w", err)
	}
	kubeconfig, err := c.Kube.Kubeconfig("admin")
	if err != nil {
		return fmt.Errorf("cannot make the kubeconfig: %w", err)
	}
	files := map[string][]byte{
		"talosconfig": talosconfig, "kubeconfig": kubeconfig,
		"talos/clusterconfig/talosconfig": talosconfig,
		"talos/talconfig.yaml":            talconfig(c.Scene),
		"talos/talenv.yaml":               talenv(c.Scene),
		".gitignore":                      []byte("/kubeconfig\n/talosconfig\nclusterconfig/\n"),
		Marker:                            []byte("made by talos-cockpit demo serve\n"),
	}
	for _, n := range c.Scene.Nodes {
		files[fmt.Sprintf("talos/clusterconfig/%s-%s.yaml", c.Scene.Cluster, n.Name)] = c.Talos.Node(n.Name).MachineConfig()
	}
	if err := writeFiles(dir, files); err != nil {
		return err
	}
	return initGit(ctx, dir)
}

func writeFiles(dir string, files map[string][]byte) error {
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("cannot make the demo's folder: %w", err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return fmt.Errorf("cannot write the demo's files: %w", err)
		}
	}
	return nil
}

// Package demo is a simulated cluster for trying every screen without one: it
// starts the Talos side (package talosd) and the Kubernetes side (package kubed)
// of a scene on loopback, keeps the two in step, and writes the files with which
// clients find it.
package demo

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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
	// Mishaps come no sooner for it.
	TimeScale float64
	// Now is the clock of the cluster's timestamps and values; nil is time.Now.
	// Certificates are good by the real clock.
	Now func() time.Time
}

// Cluster is a running simulated cluster.
type Cluster struct {
	Scene scene.Scene
	Talos *talosd.Cluster
	Kube  *kubed.Server

	now  func() time.Time
	link link
	stop context.CancelFunc
	work sync.WaitGroup
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
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c := &Cluster{Scene: s, now: opts.Now}
	c.Talos = talosd.New(s, authorities, talosd.Options{
		Now: opts.Now, TimeScale: opts.TimeScale, Pods: c.pods, PodLog: c.podLog,
		Kubeconfig: func(context.Context) ([]byte, error) { return c.Kube.Kubeconfig(kubed.UserAdmin) },
	})
	c.Kube = kubed.New(s, kubed.Options{
		CACert: authorities.Kubernetes.CertPEM(), CAKey: authorities.Kubernetes.KeyPEM(),
		Now: opts.Now, TimeScale: opts.TimeScale, NodeUsage: c.usage, Identity: c.identity,
	})
	c.couple()
	if err := c.Kube.Start(ctx); err != nil {
		return nil, fmt.Errorf("cannot start the demo's Kubernetes API: %w", err)
	}
	if err := c.Talos.Start(ctx); err != nil {
		c.Kube.Stop()
		return nil, fmt.Errorf("cannot start the demo's Talos API: %w", err)
	}
	ctx, c.stop = context.WithCancel(ctx)
	if s.Mishaps {
		c.work.Go(func() { c.misfortune(ctx) })
	}
	return c, nil
}

// Stop ends the cluster and waits for it.
func (c *Cluster) Stop() {
	c.stop()
	c.work.Wait()
	c.Talos.Stop()
	c.Kube.Stop()
}

// Dialer reaches the nodes' own addresses (192.168.13.x:50000) over loopback;
// every other address is dialled as it is.
func (c *Cluster) Dialer() func(ctx context.Context, address string) (net.Conn, error) {
	return c.Talos.Dialer()
}

// Marker is the file by which a folder that WriteFiles made is known again.
const Marker = ".talos-cockpit-demo"

// WriteFiles writes dir/talosconfig, dir/kubeconfig and a checkout with
// talos/talconfig.yaml, talos/talenv.yaml, talos/talsecret.yaml and
// talos/clusterconfig, all 0600; what is secret is not committed.
// With embedded the talosconfig's endpoints are the nodes' own addresses, which
// need Dialer; else they are loopback ports that any client reaches. In a folder
// that it wrote before, it replaces what was there.
func (c *Cluster) WriteFiles(ctx context.Context, dir string, embedded bool) error {
	if _, err := os.Stat(filepath.Join(dir, Marker)); err == nil {
		if err := os.RemoveAll(filepath.Join(dir, "talos", "clusterconfig")); err != nil {
			return fmt.Errorf("cannot replace the demo's files: %w", err)
		}
	}
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
	kubeconfig, err := c.Kube.Kubeconfig(kubed.UserAdmin)
	if err != nil {
		return fmt.Errorf("cannot make the kubeconfig: %w", err)
	}
	files := map[string][]byte{
		"talosconfig": talosconfig, "kubeconfig": kubeconfig,
		"talos/clusterconfig/talosconfig": talosconfig,
		"talos/talconfig.yaml":            talconfig(c.Scene),
		"talos/talenv.yaml":               talenv(c.Scene),
		"talos/talsecret.yaml":            c.Talos.Secrets(),
		".gitignore":                      []byte("/kubeconfig\n/talosconfig\ntalsecret.yaml\nclusterconfig/\n"),
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
	// What is generated from the talconfig must not be older than it.
	generated := func(name string) int { return strings.Count(name, "clusterconfig/") }
	names := slices.SortedFunc(maps.Keys(files), func(a, b string) int {
		return cmp.Or(cmp.Compare(generated(a), generated(b)), strings.Compare(a, b))
	})
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("cannot make the demo's folder: %w", err)
		}
		if err := os.WriteFile(path, files[name], 0o600); err != nil {
			return fmt.Errorf("cannot write the demo's files: %w", err)
		}
	}
	return nil
}

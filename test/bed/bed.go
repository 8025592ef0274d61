// Package bed runs a real Kubernetes control plane with real Flux controllers
// on loopback, for tests that must not be content with a simulation: etcd,
// kube-apiserver, kube-controller-manager, kube-scheduler, KWOK in the place of
// the kubelets, the Flux controllers and a Git server with a Helm repository.
//
// Nothing needs root, a container runtime or a network: the binaries are built
// once from Go modules by [Build] and kept in a cache. [Start] brings a bed up,
// [Open] finds one that runs, [ForTest] ties one to a test.
package bed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Context is the name of the context, and of the user, in the kubeconfig.
const Context = "admin@turingpi"

// KubernetesVersion is the version that the API server and the nodes report.
const KubernetesVersion = "v1.37.2"

// ErrNotRunning says that a folder holds no running bed.
var ErrNotRunning = errors.New("no bed runs there")

// ErrRunning says that the folder's bed runs already.
var ErrRunning = errors.New("a bed runs there already")

// Options say what Start brings up. The zero value is the reference cluster of
// four nodes with Flux, in the default folder.
type Options struct {
	Dir    string    // state folder; "" is DefaultDir()
	Nodes  int       // number of nodes, 0 is 4; more are workers
	Pods   int       // pods on top of the usual workloads, on the nodes beyond the fourth
	NoFlux bool      // leave out the Flux controllers, the Git server and their objects
	Log    io.Writer // progress, one line per step; nil is silent
}

// Bed is a bed that was started or opened. Its methods may be called from
// several goroutines, but stopping and starting the API server must not overlap.
type Bed struct {
	dir   string
	bin   string
	state *state
	api   *api
	log   func(format string, args ...any)
	guard *guard

	starting io.Closer // the lock of the folder, held while it starts
}

// Start brings a bed up and returns when the nodes and their workloads are
// ready, and (unless left out) both Kustomizations and the HelmRelease too. It
// needs the binaries that Build made. Data that an earlier bed left in the
// folder is used again. On an error everything that was started is ended, and the
// error carries the tail of the log of the component that failed.
func Start(ctx context.Context, o Options) (*Bed, error) {
	b, err := prepare(o)
	if err != nil {
		return nil, err
	}
	if err := b.bringUpOrEnd(ctx, o); err != nil {
		return nil, err
	}
	return b, nil
}

// Open finds the running bed in a folder ("" is DefaultDir()); ErrNotRunning if
// none of its processes is alive.
func Open(dir string) (*Bed, error) {
	dir, err := absDir(dir)
	if err != nil {
		return nil, err
	}
	s, err := readState(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNotRunning)
	}
	if err != nil {
		return nil, err
	}
	if len(s.alive()) == 0 {
		return nil, fmt.Errorf("%s: %w", dir, ErrNotRunning)
	}
	b := &Bed{dir: dir, bin: s.Bin, state: s, log: func(string, ...any) {}}
	if b.api, err = newAPI(b.pki(), s.Ports["api"]); err != nil {
		return nil, err
	}
	return b, nil
}

// DefaultDir is the folder of a bed that nobody named: run in Cache().
func DefaultDir() (string, error) {
	c, err := Cache()
	return filepath.Join(c, "run"), err
}

// Cache is the folder of the built binaries and of the default bed:
// $TALOS_COCKPIT_BED, else talos-cockpit/bed in the user's cache folder.
func Cache() (string, error) {
	if d := os.Getenv("TALOS_COCKPIT_BED"); d != "" {
		return filepath.Abs(d)
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder (set TALOS_COCKPIT_BED): %w", err)
	}
	return filepath.Join(d, "talos-cockpit", "bed"), nil
}

// Dir is the bed's state folder.
func (b *Bed) Dir() string { return b.dir }

// Bin is the folder of the bed's binaries (kubectl and, if it was built, flux among them).
func (b *Bed) Bin() string { return b.bin }

// Kubeconfig is the path of the administrator's kubeconfig.
func (b *Bed) Kubeconfig() string { return filepath.Join(b.dir, "kubeconfig") }

// Server is the URL of the API server.
func (b *Bed) Server() string { return b.api.base }

// LogFile is the path of a component's log, such as "kube-apiserver".
func (b *Bed) LogFile(component string) string {
	return filepath.Join(b.dir, "logs", component+".log")
}

// Down ends every process of the bed; with wipe the state folder goes too.
func (b *Bed) Down(wipe bool) error {
	err := b.stopAll(wipe)
	if wipe {
		err = errors.Join(err, os.RemoveAll(b.dir))
	}
	return err
}

// End ends the bed in a folder ("" is DefaultDir()) if one runs; with wipe the
// folder goes too, running or not.
func End(dir string, wipe bool) error {
	dir, err := absDir(dir)
	if err != nil {
		return err
	}
	s, err := readState(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // not a bed's folder: nothing to end, and not ours to remove
	}
	if err != nil {
		return err
	}
	b := &Bed{dir: dir, state: s}
	return b.Down(wipe)
}

// Components describes the processes of the bed that are alive, one line each.
func (b *Bed) Components() []string {
	var out []string
	for _, p := range b.state.alive() {
		out = append(out, p.String())
	}
	return out
}

// Ping returns nil if the API server answers that it is ready.
func (b *Bed) Ping(ctx context.Context) error {
	return b.healthy(b.api.base + "/readyz")(ctx)
}

func (b *Bed) pki() pki { return pki(filepath.Join(b.dir, "pki")) }

func prepare(o Options) (*Bed, error) {
	dir, err := absDir(o.Dir)
	if err != nil {
		return nil, err
	}
	bin, err := Binaries()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	l, err := lock(dir)
	if err != nil {
		return nil, err
	}
	b, err := lay(dir, bin, logger(o.Log))
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	b.starting = l
	return b, nil
}

// lay makes everything in the folder that the components need.
func lay(dir, bin string, log func(string, ...any)) (*Bed, error) {
	if old, err := Open(dir); err == nil {
		return nil, fmt.Errorf("%s: %w: %v", dir, ErrRunning, old.state.alive())
	}
	for _, d := range []string{"logs", "etcd", "pki", "tmp", "artifacts"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	b := &Bed{dir: dir, bin: bin, log: log}
	var err error
	if b.state, err = newState(dir, bin); err != nil {
		return nil, err
	}
	if err := b.pki().ensure(); err != nil {
		return nil, err
	}
	if b.api, err = newAPI(b.pki(), b.state.Ports["api"]); err != nil {
		return nil, err
	}
	return b, b.writeKubeconfigs()
}

// bringUpOrEnd leaves no process behind when it fails.
func (b *Bed) bringUpOrEnd(ctx context.Context, o Options) error {
	err := b.bringUp(ctx, o)
	if err != nil {
		err = errors.Join(err, b.stopAll(true))
	}
	return errors.Join(err, b.starting.Close())
}

func (b *Bed) bringUp(ctx context.Context, o Options) error {
	steps := []func(context.Context) error{
		b.startControlPlane,
		func(ctx context.Context) error { return b.createNodes(ctx, max(o.Nodes, 4)) },
		b.createWorkloads,
		func(ctx context.Context) error { return b.createLoad(ctx, o.Pods) },
	}
	if !o.NoFlux {
		steps = append(steps, b.startFlux, b.createFluxObjects)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	b.log("up: export KUBECONFIG=%s", b.Kubeconfig())
	return nil
}

func absDir(dir string) (string, error) {
	if dir == "" {
		return DefaultDir()
	}
	return filepath.Abs(dir)
}

func logger(w io.Writer) func(string, ...any) {
	start := time.Now()
	return func(format string, args ...any) {
		if w != nil {
			_, _ = fmt.Fprintf(w, "[%5.1fs] %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
		}
	}
}

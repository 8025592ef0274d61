package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/demo"
	"github.com/talos-cockpit/talos-cockpit/demo/scene"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/keymap"
	"github.com/talos-cockpit/talos-cockpit/session"
	"github.com/talos-cockpit/talos-cockpit/ui"
	"github.com/talos-cockpit/talos-cockpit/views"
)

// places says where discovery looks, by flags and environment.
func (o *options) places() session.Places {
	home, _ := os.UserHomeDir() // without a home the conventions that need one find nothing
	dir, _ := os.Getwd()
	return session.Places{
		Talosconfig: o.talosconfig, Kubeconfig: o.kubeconfig, Repo: o.repo,
		Dir: dir, Home: home, Env: os.Getenv,
	}
}

// session prepares the connection; nothing is dialled or started before it runs.
// The returned function removes what a demo has written.
func (o *options) session(b *board.Board, run func(func())) (s *session.Session, cleanup func(), err error) {
	so := session.Options{
		Places: o.places(), TalosContext: o.talosContext, KubeContext: o.kubeContext,
		ReadOnly: o.readOnly, Version: versionText(), Demo: o.demo, Go: run,
	}
	if o.demo == "" {
		return session.New(b, so), func() {}, nil
	}
	if _, err := scene.Get(o.demo); err != nil {
		return nil, nil, usageError{err.Error()}
	}
	d := &embedded{scene: o.demo}
	so.Prepare = d.prepare
	return session.New(b, so), d.close, nil
}

// embedded is the simulated cluster inside this process, with its files.
type embedded struct {
	scene string
	dir   string
	demo  *demo.Cluster
}

// prepare starts the cluster and makes the session look at nothing else.
func (d *embedded) prepare(ctx context.Context, so *session.Options) error {
	dir, err := os.MkdirTemp("", "talos-cockpit-demo-")
	if err != nil {
		return fmt.Errorf("cannot make a folder for the demo: %w", err)
	}
	d.dir = dir
	if d.demo, err = demo.Start(ctx, d.scene, demo.Options{}); err != nil {
		return err
	}
	if err := d.demo.WriteFiles(ctx, dir, true); err != nil {
		return err
	}
	so.Dial = d.demo.Dialer()
	so.TalosContext, so.KubeContext = "", ""
	so.Places = session.Places{
		Talosconfig: filepath.Join(dir, "talosconfig"), Kubeconfig: filepath.Join(dir, "kubeconfig"),
		Repo: dir, Dir: dir, Home: dir, Env: func(string) string { return "" },
	}
	return nil
}

// close ends the cluster and removes its files.
func (d *embedded) close() {
	if d.demo != nil {
		d.demo.Stop()
	}
	if d.dir != "" {
		_ = os.RemoveAll(d.dir) // a folder of the system's temporary ones
	}
}

// inventory connects, waits until every source has answered or failed, and
// returns what is known then, and what is wrong with the connection. The error
// says why nothing is known that could be printed.
func (o *options) inventory(ctx context.Context, timeout time.Duration) (cluster.Inventory, []cluster.Trouble, error) {
	b := board.New(1, 1)
	s, cleanup, err := o.session(b, nil)
	if err != nil {
		return cluster.Inventory{}, nil, err
	}
	defer cleanup()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	var late *time.Timer // ends the wait for the CPU alone
	defer func() {
		if late != nil {
			late.Stop()
		}
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	b.Gate.Pump(ctx, 20*time.Millisecond, func(feed.Topics) {
		switch inv, status := b.Nodes.Load().Value, b.Status.Load(); {
		case complete(inv) && measured(inv) && judged(inv, status.Value), hopeless(status):
			cancel()
		case (complete(inv) && stated(inv) || half(inv, status.Value)) && late == nil:
			late = time.AfterFunc(latePatience, cancel)
		}
	})
	inv, status := b.Nodes.Load().Value, b.Status.Load().Value
	cancel()
	<-done
	return inv, status.Troubles, unusable(inv, status)
}

// unusable says why there is nothing to print: nobody answered, or two clusters
// would be mixed into one.
func unusable(inv cluster.Inventory, status cluster.Status) error {
	if status.Proof == cluster.ProofDifferent {
		return &cluster.Trouble{Kind: cluster.TroubleDifferentPlace, What: "talosconfig and kubeconfig are different clusters: " + status.ProofWhy}
	}
	answered := slices.ContainsFunc(inv.Nodes, func(n cluster.Node) bool { return n.Machine.Has() || n.Kube != nil })
	if answered || len(status.Troubles) == 0 {
		return nil
	}
	var all []error
	for i := range status.Troubles {
		all = append(all, &status.Troubles[i])
	}
	if t := inv.TalosErr; t != nil && !slices.ContainsFunc(status.Troubles, func(x cluster.Trouble) bool { return x.What == t.What }) {
		all = append(all, t)
	}
	return errors.Join(all...)
}

// judged reports whether it is known that both sides are the same cluster, as
// far as both sides answer.
func judged(inv cluster.Inventory, status cluster.Status) bool {
	return status.Proof != cluster.ProofPending || inv.KubeErr != nil || inv.TalosErr != nil
}

// complete reports whether every source has said something about every node.
func complete(inv cluster.Inventory) bool {
	kubeKnown := inv.KubeErr != nil
	for _, n := range inv.Nodes {
		if !n.Machine.Has() && n.Machine.Err == nil {
			return false
		}
		if n.Kube != nil {
			kubeKnown = true
			if !n.Pods.Known && inv.KubeErr == nil {
				return false
			}
		}
		if n.Role == cluster.RoleControlPlane && n.Machine.Fresh() && len(inv.Etcd.Answers) == 0 {
			return false
		}
	}
	return kubeKnown && len(inv.Nodes) > 0
}

// half reports whether Kubernetes is known, and something is wrong with the connection.
func half(inv cluster.Inventory, status cluster.Status) bool {
	return len(status.Troubles) > 0 && slices.ContainsFunc(inv.Nodes, func(n cluster.Node) bool { return n.Kube != nil && n.Pods.Known })
}

// latePatience is how long measurements and the proof are waited for once all else
// is known: a counter that stands still never gives a share.
const latePatience = 4 * time.Second

// stated reports whether each machine that answers has told its state, its
// version and its services, which come after its first answer.
func stated(inv cluster.Inventory) bool {
	return !slices.ContainsFunc(inv.Nodes, func(n cluster.Node) bool {
		m := n.Machine.Value
		return n.Machine.Fresh() && (m.Stage == cluster.StageUnknown || m.Services == nil || m.Version == "")
	})
}

// measured reports whether all that comes after a machine's first answer is
// there: what stated waits for, and the second sample that a busy share needs.
func measured(inv cluster.Inventory) bool {
	return stated(inv) && !slices.ContainsFunc(inv.Nodes, func(n cluster.Node) bool {
		return n.Machine.Fresh() && !n.Machine.Value.CPU.Known
	})
}

// hopeless reports whether neither configuration could be read.
func hopeless(s feed.Snapshot[cluster.Status]) bool {
	return s.Has() && len(s.Value.Endpoints) == 0 && s.Value.Server == "" && len(s.Value.Troubles) > 1
}

// cockpit runs the full screen.
func (o *options) cockpit(ctx context.Context) error {
	look, pinned, err := o.look()
	if err != nil {
		return err
	}
	if o.logLines < 1 || o.logMiB < 1 {
		return usage("--log-lines and --log-mib must be at least 1")
	}
	if _, err := scene.Get(o.demo); err != nil {
		return usageError{err.Error()}
	}
	if err := usable(os.Stdout, os.Getenv("TERM")); err != nil {
		return err
	}
	debug, closeDebug, err := debugLog(os.Getenv(debugVariable))
	if err != nil {
		return err
	}
	defer closeDebug()
	b := board.New(o.logLines, int64(o.logMiB)<<20)
	var shell *ui.Shell // made below: the session needs its crash collector, and the panes need the session
	s, cleanup, err := o.session(b, func(f func()) { shell.Crash().Go(f) })
	if err != nil {
		return err
	}
	defer cleanup()
	th := ui.NewTheme(look)
	shell = ui.New(ui.Options{
		Panes: views.New(b, s, th, time.Now), Theme: th, Pinned: pinned, Mouse: !o.noMouse,
		Bar: views.Bar(b, th), BarTopics: views.BarTopics, Debug: debug,
		Contexts: func() ([]string, string) {
			st := b.Status.Load().Value
			return st.Contexts, st.TalosCtx
		},
		SwitchContext: s.SwitchContext, Refresh: s.Refresh,
		Visible: func(scopes []keymap.Scope) { s.Show(visible(scopes)) },
	})
	b.Logs.Go = shell.Crash().Go
	err = runScreen(ctx, shell, s, b.Gate)
	logCrash(debug, err)
	return err
}

// runScreen runs the session beside the screen, from the first frame on, and
// waits for both to end.
func runScreen(ctx context.Context, shell *ui.Shell, s *session.Session, gate *feed.Gate) error {
	background, cancel := context.WithCancel(ctx)
	drawn, done := make(chan struct{}), make(chan struct{})
	shell.Crash().Go(func() {
		defer close(done)
		<-drawn
		s.Run(background)
	})
	err := ui.Run(ctx, shell, ui.RunOptions{Gate: gate, Drawn: func() { close(drawn) }})
	cancel()
	if shell.Crash().Err() == nil {
		<-done
		return err
	}
	select { // what crashed may leave others waiting for it
	case <-done:
	case <-time.After(crashPatience):
	}
	return err
}

// crashPatience is how long the session may take to end after a crash.
const crashPatience = 2 * time.Second

func visible(scopes []keymap.Scope) board.Visible {
	var v board.Visible
	for _, s := range scopes {
		switch s {
		case keymap.Nodes:
			v.Nodes = true
		case keymap.Logs:
			v.Logs = true
		case keymap.Flux:
			v.Flux = true
		case keymap.Exchange:
			v.Exchange = true
		default: // no pane
		}
	}
	return v
}

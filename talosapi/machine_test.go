package talosapi_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/role"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/demo/scene"
	"github.com/talos-cockpit/talos-cockpit/demo/talosd"
	"github.com/talos-cockpit/talos-cockpit/talosapi"
)

// watch watches a machine, polled fast, until the test ends.
func watch(t *testing.T, c *talosapi.Client, addr string, opt talosapi.MachineOptions) *latest[cluster.Reading[cluster.Machine]] {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var l latest[cluster.Reading[cluster.Machine]]
	if opt.Visible == 0 {
		opt.Visible = 50 * time.Millisecond
	}
	opt.Shown = true
	w := c.WatchMachine(ctx, addr, opt, l.set)
	t.Cleanup(func() { cancel(); w.Wait() })
	return &l
}

func TestMachineIsReadWhole(t *testing.T) {
	t.Parallel()
	sim := start(t, scene.Default, talosd.Options{})
	c := connect(t, sim, role.Admin, talosapi.Options{})
	cp, wk := watch(t, c, node1, talosapi.MachineOptions{}), watch(t, c, node4, talosapi.MachineOptions{})
	for _, l := range []*latest[cluster.Reading[cluster.Machine]]{cp, wk} {
		eventually(t, "a whole machine", func() bool {
			r := l.get()
			m := r.Value
			return r.Fresh() && m.CPU.Known && m.Stage != "" && m.Services != nil && m.Disk.Known && m.Diagnostics.Known && m.TimeSynced.Known
		})
	}
	m := cp.get().Value
	if m.Hostname != "talos-test01" || m.Version != "v1.13.9" || m.Role != cluster.RoleControlPlane || m.Stage != cluster.StageRunning {
		t.Errorf("who it is: %q %q %q %q", m.Hostname, m.Version, m.Role, m.Stage)
	}
	if m.Endpoint != node1+":50000" {
		t.Errorf("carried by %q, want the node itself", m.Endpoint)
	}
	if !m.Ready.V || !m.BootTime.Known || m.Cores.V != 4 || m.BootID == "" || m.UUID == "" || len(m.Addresses) == 0 {
		t.Errorf("missing: ready %v boot %v cores %v boot id %q uuid %q addresses %v", m.Ready, m.BootTime, m.Cores, m.BootID, m.UUID, m.Addresses)
	}
	if m.BootID != sim.Node("talos-test01").BootID() || m.UUID != sim.Node("talos-test01").UUID() {
		t.Errorf("boot id %q and uuid %q are not the node's", m.BootID, m.UUID)
	}
	if m.Memory.V.Total < 7<<30 || m.Memory.V.Share() <= 0 || m.Memory.V.Share() >= 1 || m.CPU.V < 0 || m.CPU.V > 1 {
		t.Errorf("measured: memory %v cpu %v", m.Memory, m.CPU)
	}
	if off, ok := m.ClockOffset.Get(); !ok || off.Abs() > 600*time.Millisecond {
		t.Errorf("clock offset %v %v", off, ok)
	}
	w := wk.get().Value
	if w.Version != "v1.14.0" || w.Role != cluster.RoleWorker || w.BootID != sim.Node("talos-test04").BootID() {
		t.Errorf("worker: %q %q boot id %q", w.Version, w.Role, w.BootID)
	}
	for _, s := range m.Services {
		if s.State == "" || s.ID == "" {
			t.Errorf("service %+v", s)
		}
	}
}

func TestReaderSeesWhatItMay(t *testing.T) {
	t.Parallel()
	sim := shared(t)
	c := connect(t, sim, role.Reader, talosapi.Options{})
	l := watch(t, c, node1, talosapi.MachineOptions{})
	eventually(t, "a machine", func() bool { m := l.get().Value; return m.Stage != "" && m.Disk.Known && m.Hostname != "" })
	m := l.get()
	if m.Err != nil || m.Value.BootID != "" || m.Value.Kernel != "" {
		t.Errorf("reader: err %v, boot id %q, kernel %q", m.Err, m.Value.BootID, m.Value.Kernel)
	}
	if m.Value.UUID == "" || m.Value.Version == "" {
		t.Errorf("reader misses what it may see: %+v", m.Value)
	}
}

func TestStillMachineEmitsNothing(t *testing.T) {
	t.Parallel()
	sim := shared(t)
	c := connect(t, sim, role.Admin, talosapi.Options{})
	var alive atomic.Int64
	l := watch(t, c, node3, talosapi.MachineOptions{Visible: 20 * time.Millisecond, Alive: func(time.Time) { alive.Add(1) }})
	eventually(t, "a whole machine", func() bool {
		m := l.get().Value
		return m.Disk.Known && m.Services != nil && m.Diagnostics.Known && m.TimeSynced.Known && m.Stage != ""
	})
	before, from := l.n(), alive.Load()
	eventually(t, "many polls", func() bool { return alive.Load() >= from+40 })
	if n := l.n() - before; n > 2 {
		t.Errorf("a still machine was emitted %d times in 40 polls", n)
	}
}

func TestMachineFallsSilentAndComesBack(t *testing.T) {
	t.Parallel()
	for fault, want := range map[scene.Fault]cluster.TroubleKind{
		scene.FaultDead:    cluster.TroubleNoRoute,
		scene.FaultRefused: cluster.TroubleRefused,
		scene.FaultHung:    cluster.TroubleTimeout,
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			sim := start(t, scene.Default, talosd.Options{TimeScale: 50})
			c := connect(t, sim, role.Admin, talosapi.Options{CallTimeout: time.Second})
			bad, good := watch(t, c, node3, talosapi.MachineOptions{}), watch(t, c, node4, talosapi.MachineOptions{})
			eventually(t, "both answer", func() bool { return bad.get().Fresh() && good.get().Fresh() && bad.get().Value.Stage != "" })
			node := sim.Node("talos-test03")
			node.SetFault(fault)
			eventually(t, "the fault is told", func() bool { return bad.get().Err != nil })
			r := bad.get()
			if r.Err.Kind != want || r.Since.IsZero() || r.Value.Version == "" || r.Err.What == "" {
				t.Errorf("told %q (%s), since %v, keeps %q; want %q", r.Err.Kind, r.Err.What, r.Since, r.Value.Version, want)
			}
			if good.get().Err != nil {
				t.Errorf("the other node suffers: %v", good.get().Err)
			}
			node.SetFault(scene.FaultNone)
			eventually(t, "it is back", func() bool { return bad.get().Fresh() })
		})
	}
}

func TestHungEndpointDoesNotHoldTheOthers(t *testing.T) {
	t.Parallel()
	sim := start(t, scene.Default, talosd.Options{TimeScale: 50})
	c := connect(t, sim, role.Admin, talosapi.Options{CallTimeout: time.Second})
	lists := map[string]*latest[cluster.Reading[cluster.Machine]]{}
	for _, n := range []string{node1, node2, node3, node4} {
		lists[n] = watch(t, c, n, talosapi.MachineOptions{})
	}
	eventually(t, "all answer", func() bool {
		for _, l := range lists {
			if !l.get().Fresh() || l.get().Value.Stage == "" {
				return false
			}
		}
		return true
	})
	sim.Node("talos-test02").SetFault(scene.FaultHung)
	eventually(t, "its row says so", func() bool { return lists[node2].get().Err != nil })
	eventually(t, "its endpoint is down", func() bool { return c.Endpoints()[1].State == talosapi.EndpointDown })
	for _, n := range []string{node1, node3, node4} {
		eventually(t, n+" goes on through the other endpoint", func() bool {
			r := lists[n].get()
			return r.Fresh() && r.Value.Endpoint == node1+":50000"
		})
	}
	if k := lists[node2].get().Err.Kind; k != cluster.TroubleTimeout {
		t.Errorf("its row says %q", k)
	}
	sim.Node("talos-test02").SetFault(scene.FaultNone)
	eventually(t, "it is back", func() bool { return lists[node2].get().Fresh() })
}

func TestRebootIsFollowed(t *testing.T) {
	t.Parallel()
	sim := start(t, "still", talosd.Options{TimeScale: 40})
	c := connect(t, sim, role.Admin, talosapi.Options{CallTimeout: time.Second})
	l := watch(t, c, node2, talosapi.MachineOptions{})
	eventually(t, "a machine", func() bool { m := l.get(); return m.Value.Stage == cluster.StageRunning && m.Value.BootID != "" })
	old := l.get().Value.BootID
	sim.Node("talos-test02").Reboot()
	eventually(t, "rebooting", func() bool { return l.get().Value.Stage == cluster.StageRebooting })
	eventually(t, "running with a new boot id", func() bool {
		r := l.get()
		return r.Fresh() && r.Value.Stage == cluster.StageRunning && r.Value.BootID != old && r.Value.BootID != ""
	})
}

// A panic, wherever it is, must reach whoever restores the terminal.
func TestPanicsReachTheOwner(t *testing.T) {
	t.Parallel()
	caught := make(chan any, 16)
	c := connect(t, shared(t), role.Reader, talosapi.Options{Go: func(f func()) {
		go func() {
			defer func() {
				if r := recover(); r != nil {
					caught <- r
				}
			}()
			f()
		}()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	w := c.WatchMachine(ctx, node3, talosapi.MachineOptions{Shown: true}, func(cluster.Reading[cluster.Machine]) { panic("the sky fell") })
	if r := <-caught; r != "the sky fell" {
		t.Errorf("caught %v", r)
	}
	cancel()
	w.Wait()
}

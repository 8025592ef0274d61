package talosapi

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cosi-project/runtime/api/v1alpha1"
	"github.com/siderolabs/talos/pkg/machinery/resources/runtime"
	timeres "github.com/siderolabs/talos/pkg/machinery/resources/time"
	v1alpha1res "github.com/siderolabs/talos/pkg/machinery/resources/v1alpha1"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
)

// MachineOptions of WatchMachine; the zero value is ready for use.
type MachineOptions struct {
	// Visible, and Hidden, are the polling intervals of a machine that is on the
	// screen and of one that is not; 0: 5 s and 60 s.
	Visible, Hidden time.Duration
	// Shown says that the machine is on the screen from the start.
	Shown bool
	// Alive is called after each good poll that changed nothing visible, with the
	// time of it, so that the age of a value can start anew at no other cost. It
	// must not wait.
	Alive func(at time.Time)
}

// MachineWatch is one machine being watched.
type MachineWatch struct {
	shown atomic.Bool
	kick  chan struct{}
	done  sync.WaitGroup
}

// SetShown chooses between the two polling intervals. A machine that comes into
// view is polled at once.
func (w *MachineWatch) SetShown(shown bool) {
	if w.shown.Swap(shown) != shown && shown {
		w.Refresh()
	}
}

// Refresh asks for a poll now.
func (w *MachineWatch) Refresh() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// Wait returns when the watch has ended, which it does with its context.
func (w *MachineWatch) Wait() { w.done.Wait() }

// WatchMachine watches the machine at addr until ctx ends. emit gets a reading
// each time something visible changed: a state that Talos announced (stage,
// services, diagnostics, time), a measurement that moved by 1 % or more, or the
// machine's falling silent and coming back. Its last value stays in readings
// that have an error. emit is called by one goroutine at a time and must not
// wait; the values it gets are shared and must not be changed.
//
// Between two emits of a machine where nothing happens, only opt.Alive is called.
// What the role may not see, or the node does not have, stays unknown.
func (c *Client) WatchMachine(ctx context.Context, addr string, opt MachineOptions, emit func(cluster.Reading[cluster.Machine])) *MachineWatch {
	if opt.Visible <= 0 {
		opt.Visible = 5 * time.Second
	}
	if opt.Hidden <= 0 {
		opt.Hidden = time.Minute
	}
	w := &MachineWatch{kick: make(chan struct{}, 1)}
	w.shown.Store(opt.Shown)
	m := &machine{client: c, addr: nodeName(addr), opt: opt, watch: w, emit: emit, turned: make(chan struct{})}
	m.now.Value.Address = m.addr
	c.launch(&w.done, func() { m.poll(ctx) })
	for _, s := range []struct {
		kind  kind
		apply func(*cluster.Machine, map[string]*v1alpha1.Resource)
	}{
		{kind{runtime.NamespaceName, runtime.MachineStatusType}, applyStatus},
		{kind{v1alpha1res.NamespaceName, v1alpha1res.ServiceType}, m.servicesChanged},
		{kind{runtime.NamespaceName, runtime.DiagnosticType}, applyDiagnostics},
		{kind{v1alpha1res.NamespaceName, timeres.StatusType}, applyTime},
	} {
		c.launch(&w.done, func() {
			c.watchKind(ctx, m.addr, s.kind, m.reachable, func(all map[string]*v1alpha1.Resource) {
				m.update(func(v *cluster.Machine) { s.apply(v, all) })
			})
		})
	}
	return w
}

// machine gathers what polls and watches tell of one machine into one reading.
type machine struct {
	client *Client
	addr   string
	opt    MachineOptions
	watch  *MachineWatch
	emit   func(cluster.Reading[cluster.Machine])

	mu      sync.Mutex
	now     cluster.Reading[cluster.Machine]
	emitted cluster.Machine // the value last handed out
	turned  chan struct{}   // closed and replaced when the machine turns reachable or silent

	services atomic.Bool // the list of services has changed
}

// reachable is the gate of the watches: they open while polls are answered, so a
// dead node costs its poll alone.
func (m *machine) reachable() (bool, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now.Fresh(), m.turned
}

// update changes the value by a watch's news.
func (m *machine) update(change func(*cluster.Machine)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.now.Value)
	if m.now.Has() {
		m.hand(false)
	}
}

// good stores a good poll.
func (m *machine) good(at time.Time, news []change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, change := range news {
		change(&m.now.Value)
	}
	turned := !m.now.Fresh()
	m.now.At, m.now.Err, m.now.Since = at, nil, time.Time{}
	if turned {
		m.turn()
	}
	if !m.hand(turned) && m.opt.Alive != nil {
		m.opt.Alive(at)
	}
}

// silent stores why the machine does not answer.
func (m *machine) silent(at time.Time, why *cluster.Trouble) {
	m.mu.Lock()
	defer m.mu.Unlock()
	turned := m.now.Err == nil
	if turned {
		m.now.Since = at
		m.turn()
	}
	changed := turned || m.now.Err.Kind != why.Kind || m.now.Err.What != why.What
	m.now.Err = why
	m.hand(changed)
}

func (m *machine) turn() {
	close(m.turned)
	m.turned = make(chan struct{})
}

// hand emits the reading if it must, or if the value shows something new.
func (m *machine) hand(must bool) bool {
	if !must && !shows(&m.emitted, &m.now.Value) {
		return false
	}
	m.emitted = m.now.Value
	m.emit(m.now)
	return true
}

// servicesChanged notes that the services' states moved; the poll reads the
// whole list, since the resource has neither the state's name nor the message.
func (m *machine) servicesChanged(_ *cluster.Machine, all map[string]*v1alpha1.Resource) {
	if all != nil {
		m.services.Store(true)
		m.watch.Refresh()
	}
}

func applyStatus(v *cluster.Machine, all map[string]*v1alpha1.Resource) {
	v.Stage, v.Ready, v.Unmet = cluster.StageUnknown, cluster.Opt[bool]{}, nil
	in := all[runtime.MachineStatusID]
	if in == nil {
		return
	}
	r, err := decode[*runtime.MachineStatus](in)
	if err != nil {
		return
	}
	spec := r.TypedSpec()
	v.Stage, v.Ready = stageOf(spec.Stage), cluster.Some(spec.Status.Ready)
	for _, u := range spec.Status.UnmetConditions {
		v.Unmet = append(v.Unmet, cluster.Unmet{Name: feed.Clean(u.Name), Reason: feed.Clean(u.Reason)})
	}
}

// stageOf maps Talos' stage; a stage of a newer Talos is unknown.
func stageOf(s runtime.MachineStage) cluster.Stage {
	if s == runtime.MachineStageUnknown || !s.IsAMachineStage() {
		return cluster.StageUnknown
	}
	return cluster.Stage(s.String())
}

func applyDiagnostics(v *cluster.Machine, all map[string]*v1alpha1.Resource) {
	if all == nil {
		v.Diagnostics = cluster.Opt[[]cluster.Diagnostic]{}
		return
	}
	out := make([]cluster.Diagnostic, 0, len(all))
	for id, in := range all {
		if r, err := decode[*runtime.Diagnostic](in); err == nil {
			out = append(out, cluster.Diagnostic{ID: feed.Clean(id), Message: feed.Clean(r.TypedSpec().Message)})
		}
	}
	slices.SortFunc(out, func(a, b cluster.Diagnostic) int { return cmp.Compare(a.ID, b.ID) })
	v.Diagnostics = cluster.Some(out)
}

func applyTime(v *cluster.Machine, all map[string]*v1alpha1.Resource) {
	v.TimeSynced = cluster.Opt[bool]{}
	if in := all[timeres.StatusID]; in != nil {
		if r, err := decode[*timeres.Status](in); err == nil {
			v.TimeSynced = cluster.Some(r.TypedSpec().Synced)
		}
	}
}

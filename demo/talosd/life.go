package talosd

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/resources/runtime"
	"google.golang.org/protobuf/proto"
)

// apiUpAfter is how long after its boot a machine's API answers, and
// readyAfter how long until it is running and ready.
const (
	apiUpAfter = 14 * time.Second
	readyAfter = 38 * time.Second
)

// life is one boot of a machine, with everything that a reboot forgets. What it
// holds is made when somebody asks for it.
type life struct {
	n      *Node
	bootID string
	boot   time.Time
	ended  chan struct{} // closed when machined shuts its API down
	endOne sync.Once

	mu       sync.Mutex
	prepared bool
	script   []step        // what is still to come of the boot
	done     time.Duration // how far the boot has come
	nextPID  int
	services []*service
	events   *eventLog
	logs     map[string]*logFile
	stage    runtime.MachineStage
	ready    bool
	unmet    []runtime.UnmetCondition
	cosi     *cosiState
	silent   bool // everything stopped: no kubelet any more
	notReady bool // Kubernetes says that the node is not ready

	cutMu  sync.Mutex
	cutCtx context.Context
	cutNow context.CancelFunc
}

// newLife begins a boot; the caller holds n.mu, or is the only one to know n.
func newLife(n *Node, boot time.Time, bootID string) *life {
	l := &life{
		n: n, bootID: bootID, boot: boot, ended: make(chan struct{}), nextPID: 1000,
		logs: map[string]*logFile{}, notReady: n.notReady,
	}
	l.cutCtx, l.cutNow = context.WithCancel(context.Background())
	return l
}

// end closes what ends with machined: event streams.
func (l *life) end() { l.endOne.Do(func() { close(l.ended) }) }

// cut breaks the streams that other nodes forward.
func (l *life) cut() {
	l.cutMu.Lock()
	defer l.cutMu.Unlock()
	l.cutNow()
}

// mend lets streams through again after a cut.
func (l *life) mend() {
	l.cutMu.Lock()
	defer l.cutMu.Unlock()
	if l.cutCtx.Err() != nil {
		l.cutCtx, l.cutNow = context.WithCancel(context.Background())
	}
}

// onCut runs f at the next cut; the function it returns calls that off.
func (l *life) onCut(f func()) func() {
	l.cutMu.Lock()
	defer l.cutMu.Unlock()
	stop := context.AfterFunc(l.cutCtx, f)
	return func() { stop() }
}

// step is one thing that happens in the course of a boot.
type step struct {
	after time.Duration // since the boot
	do    func(l *life, at time.Time)
}

// prepare builds the machine's present from its past: the boot as far as it has
// gone. The caller holds l.mu.
func (l *life) prepare() {
	if l.prepared {
		return
	}
	l.prepared = true
	l.events = newEventLog(l.n, l.bootID)
	l.services = servicesOf(l.n.spec.ControlPlane, l.pid)
	l.script = bootScript()
	l.kernelBoot()
	l.catchUp(l.n.c.now())
}

// catchUp does the steps of the boot that are due. The caller holds l.mu.
func (l *life) catchUp(now time.Time) {
	for len(l.script) > 0 && !l.boot.Add(l.script[0].after).After(now) {
		s := l.script[0]
		l.script = l.script[1:]
		l.done = s.after
		s.do(l, l.boot.Add(s.after))
	}
}

func (l *life) pid() int {
	l.nextPID += 7 + l.n.index%5
	return l.nextPID
}

// later runs f with l.mu held after d, unless the life or the cluster ends
// before, and tells the listeners.
func (l *life) later(d time.Duration, f func(at time.Time)) {
	l.n.c.goDo(func(ctx context.Context) {
		timer := time.NewTimer(l.n.c.scaled(d))
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return
		case <-l.ended:
			return
		case <-timer.C:
		}
		l.mu.Lock()
		f(l.n.c.now())
		l.mu.Unlock()
		l.n.tellMachine()
	})
}

func (l *life) eventLog() *eventLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prepare()
	return l.events
}

// publishLocked sends an event; the caller holds l.mu.
func (l *life) publishLocked(at time.Time, actor string, msg proto.Message) {
	l.events.publish(at, actor, msg)
}

// setStage changes what the machine says of itself; the caller holds l.mu.
func (l *life) setStage(at time.Time, stage runtime.MachineStage, ready bool, unmet ...runtime.UnmetCondition) {
	l.stage, l.ready, l.unmet = stage, ready, unmet
	conditions := make([]*machine.MachineStatusEvent_MachineStatus_UnmetCondition, len(unmet))
	for i, u := range unmet {
		conditions[i] = &machine.MachineStatusEvent_MachineStatus_UnmetCondition{Name: u.Name, Reason: u.Reason}
	}
	l.publishLocked(at, "", &machine.MachineStatusEvent{
		Stage:  machine.MachineStatusEvent_MachineStage(stage),
		Status: &machine.MachineStatusEvent_MachineStatus{Ready: ready, UnmetConditions: conditions},
	})
	l.syncStage()
}

// stageName is the machine stage in lower case.
func (l *life) stageName() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prepare()
	return strings.ToLower(l.stage.String())
}

func (l *life) kubeletUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prepare()
	s, err := l.find("kubelet")
	return err == nil && s.running() && s.known && !l.silent
}

// consoleLocked writes a line of machined's own, which the kernel log gets,
// too. The caller holds l.mu.
func (l *life) consoleLocked(at time.Time, text string) {
	utc := at.UTC()
	l.appendLocked("machined", fmt.Sprintf("%s [talos] %s %s", utc.Format("2006/01/02 15:04:05.000000"), utc.Format("2006/01/02 15:04:05"), text))
	l.appendLocked("dmesg", fmt.Sprintf("user: warning: [%s]: [talos] %s", utc.Format(time.RFC3339Nano), text))
}

func sequence(at time.Time, l *life, actor, name string, action machine.SequenceEvent_Action) {
	l.publishLocked(at, actor, &machine.SequenceEvent{Sequence: name, Action: action})
	if action == machine.SequenceEvent_START {
		l.consoleLocked(at, fmt.Sprintf("%s sequence: %d phase(s)", name, phases[name]))
		return
	}
	l.consoleLocked(at, fmt.Sprintf("%s sequence: done", name))
}

// phases are the numbers of phases of the sequences that are simulated.
var phases = map[string]int{"initialize": 3, "boot": 12, "reboot": 6, "shutdown": 6}

// bootScript is how a machine comes up.
func bootScript() []step {
	named := func(id string, f func(l *life, s *service, at time.Time)) func(*life, time.Time) {
		return func(l *life, at time.Time) {
			if s, err := l.find(id); err == nil {
				f(l, s, at)
			}
		}
	}
	begin := func(after time.Duration, id string) step {
		return step{after, named(id, func(l *life, s *service, at time.Time) { l.startService(s, at) })}
	}
	healthy := func(after time.Duration, id string) step {
		return step{after, named(id, func(l *life, s *service, at time.Time) {
			if !s.unwatched {
				l.move(s, "Running", "Health check successful", at)
			}
		})}
	}
	const ms = time.Millisecond
	services := runtime.UnmetCondition{Name: "services", Reason: "kubelet not healthy"}
	return []step{
		{8000 * ms, func(l *life, at time.Time) {
			sequence(at, l, "", "initialize", machine.SequenceEvent_START)
			l.setStage(at, runtime.MachineStageBooting, true)
		}},
		begin(8200*ms, "machined"), begin(8300*ms, "syslogd"), begin(8400*ms, "containerd"), begin(8600*ms, "udevd"),
		healthy(9200*ms, "machined"), healthy(9300*ms, "syslogd"), healthy(9450*ms, "containerd"), healthy(10100*ms, "udevd"),
		{10800 * ms, func(l *life, at time.Time) {
			sequence(at, l, "", "initialize", machine.SequenceEvent_STOP)
			sequence(at, l, "", "boot", machine.SequenceEvent_START)
			l.setStage(at, runtime.MachineStageBooting, false, services, l.nodeNotReady())
		}},
		begin(11000*ms, "auditd"), begin(11100*ms, "dashboard"), healthy(12000*ms, "auditd"), begin(12200*ms, "apid"),
		begin(13000*ms, "cri"), begin(13100*ms, "trustd"), healthy(13900*ms, "apid"), healthy(13950*ms, "cri"),
		begin(15000*ms, "etcd"), begin(15200*ms, "kubelet"), healthy(16000*ms, "trustd"),
		healthy(18200*ms, "kubelet"), healthy(22500*ms, "etcd"),
		{23000 * ms, func(l *life, at time.Time) {
			l.publishLocked(at, "", &machine.AddressEvent{Hostname: l.n.spec.Name, Addresses: []string{l.n.spec.Address}})
			sequence(at, l, "", "boot", machine.SequenceEvent_STOP)
			l.setStage(at, runtime.MachineStageRunning, false, l.nodeNotReady())
		}},
		{readyAfter, func(l *life, at time.Time) {
			l.judge(at)
		}},
	}
}

func (l *life) nodeNotReady() runtime.UnmetCondition {
	return runtime.UnmetCondition{Name: "nodeReady", Reason: fmt.Sprintf("node %q is not ready", l.n.spec.Name)}
}

// kernelBoot writes what the kernel says first; the caller holds l.mu.
func (l *life) kernelBoot() {
	for i, line := range []string{
		"kern:  notice: [%s]: " + l.n.kernelVersion(),
		"kern:    info: [%s]: Command line: " + kernelCmdline,
		"kern:    info: [%s]: Machine model: Turing Machines RK1",
		"kern: warning: [%s]: rockchip-pm-domain fd8d8000.power-management:power-controller: sync_state() pending due to fdab0000.npu",
	} {
		at := l.boot.Add(time.Duration(i*37) * time.Microsecond).UTC()
		l.appendLocked("dmesg", fmt.Sprintf(line, at.Format(time.RFC3339Nano)))
	}
}

package talosd

import (
	"context"
	"fmt"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/resources/runtime"
	"google.golang.org/grpc"

	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

// The course of a reboot, as a client saw it with pods running.
const (
	// drainTakes is how long the kubelet's pods take to end.
	drainTakes = 20 * time.Second
	// kubeletStops and apiStops follow it.
	kubeletStops = 400 * time.Millisecond
	apiStops     = 300 * time.Millisecond
	// connectionsLinger is how long streams outlive the API.
	connectionsLinger = 10 * time.Second
	// apiBack and apiBackSpread say when the API answers again, counted from
	// the request: between 47 and 59 seconds.
	apiBack       = 47 * time.Second
	apiBackSpread = 12 * time.Second
)

// Reboot restarts the machine, as the API call does, and returns the actor ID
// of the sequence. It does nothing, and returns "", while the machine is off or
// already on its way down.
func (n *Node) Reboot() string { return n.goDown("reboot") }

// goDown begins to reboot or shut down.
func (n *Node) goDown(name string) string {
	if !n.c.runs() {
		return ""
	}
	n.mu.Lock()
	if n.busy || n.away || n.stopped {
		n.mu.Unlock()
		return ""
	}
	n.busy = true
	l := n.life
	n.mu.Unlock()
	rng := n.random(name + l.bootID)
	actor := uuid(rng)
	back := apiBack + time.Duration(rng.Int64N(int64(apiBackSpread)))
	n.beginDown(l, name, actor)
	n.c.goDo(func(ctx context.Context) { n.course(ctx, l, name, actor, back) })
	return actor
}

func (n *Node) beginDown(l *life, name, actor string) {
	stage := runtime.MachineStageRebooting
	if name == "shutdown" {
		stage = runtime.MachineStageShuttingDown
	}
	l.mu.Lock()
	l.prepare()
	at := n.c.now()
	sequence(at, l, actor, name, machine.SequenceEvent_START)
	l.phase(at, actor, "cleanup", machine.PhaseEvent_START)
	l.setStage(at, stage, true)
	l.mu.Unlock()
	n.tellMachine()
}

func (l *life) phase(at time.Time, actor, name string, action machine.PhaseEvent_Action) {
	l.publishLocked(at, actor, &machine.PhaseEvent{Phase: name, Action: action})
	word := "starting"
	if action == machine.PhaseEvent_STOP {
		word = "done"
	}
	l.consoleLocked(at, fmt.Sprintf("phase %s: %s", name, word))
}

// course is everything between the request and the machine's return.
func (n *Node) course(ctx context.Context, l *life, name, actor string, back time.Duration) {
	if !n.c.wait(ctx, drainTakes) {
		return
	}
	n.stopKubelet(l, false)
	if !n.c.wait(ctx, kubeletStops) {
		return
	}
	n.stopKubelet(l, true)
	if !n.c.wait(ctx, apiStops) {
		return
	}
	n.stopEverything(ctx, l, actor)
	if name == "shutdown" {
		n.powerOff(ctx)
		return
	}
	if n.c.wait(ctx, back-drainTakes-kubeletStops-apiStops) {
		n.comeBack(ctx)
	}
}

func (n *Node) stopKubelet(l *life, finished bool) {
	l.mu.Lock()
	at := n.c.now()
	if s, err := l.find("kubelet"); err == nil {
		if finished {
			l.move(s, "Finished", "Service finished successfully", at)
			l.hush("kubelet")
		} else {
			l.move(s, "Stopping", fmt.Sprintf("Sending SIGTERM to task kubelet (PID %d, container kubelet)", l.nextPID), at)
		}
	}
	l.mu.Unlock()
	n.tellMachine()
}

// stopEverything ends the API: no new connections, event streams end cleanly,
// other streams linger and are cut.
func (n *Node) stopEverything(ctx context.Context, l *life, actor string) {
	l.mu.Lock()
	at := n.c.now()
	l.phase(at, actor, "cleanup", machine.PhaseEvent_STOP)
	l.phase(at, actor, "dbus", machine.PhaseEvent_START)
	l.phase(at, actor, "dbus", machine.PhaseEvent_STOP)
	l.phase(at, actor, "stopEverything", machine.PhaseEvent_START)
	if s, err := l.find("cri"); err == nil {
		l.move(s, "Stopping", "Sending SIGTERM to "+processOf(s), at)
	}
	l.hush()
	l.silent = true
	l.mu.Unlock()
	l.end()
	n.mu.Lock()
	n.away = true
	server := n.server
	n.mu.Unlock()
	n.gateNow().shut()
	n.c.etcd.setDown(n, true)
	n.tellMachine()
	n.c.goDo(func(context.Context) { n.linger(ctx, l, server) })
}

// processOf cuts the name of the process out of what the service's start said.
func processOf(s *service) string {
	text := s.process
	if i := len(text) - len(" started with PID 0000"); i > 0 {
		return text[:i]
	}
	return text
}

// linger lets calls end by themselves for a while and then cuts the rest.
func (n *Node) linger(ctx context.Context, l *life, server *grpc.Server) {
	graceful := make(chan struct{})
	n.c.work.Go(func() {
		defer close(graceful)
		server.GracefulStop()
	})
	timer := time.NewTimer(n.c.scaled(connectionsLinger))
	defer timer.Stop()
	select {
	case <-graceful:
		<-timer.C
	case <-timer.C:
	case <-ctx.Done():
	}
	l.cut()
	server.Stop()
	<-graceful
}

// comeBack begins the machine's next life at the moment its API answers.
func (n *Node) comeBack(ctx context.Context) {
	n.mu.Lock()
	n.busy = false
	if n.stopped || n.fault == scene.FaultDead {
		n.mu.Unlock()
		return
	}
	rng := n.random("boot after " + n.life.bootID)
	boot := n.c.now().Add(-apiUpAfter)
	n.life = newLife(n, boot, uuid(rng))
	n.server = n.newServer()
	n.away = false
	l, listens := n.life, n.fault != scene.FaultRefused
	n.mu.Unlock()
	l.mu.Lock()
	l.prepare()
	l.mu.Unlock()
	n.c.etcd.setDown(n, false)
	if listens {
		n.listen(ctx)
	}
	n.tellMachine()
	n.finishBoot(ctx, l)
}

// powerOff ends a shutdown: the machine is dead until SetFault mends it.
func (n *Node) powerOff(ctx context.Context) {
	if !n.c.wait(ctx, connectionsLinger) {
		return
	}
	n.mu.Lock()
	n.busy = false
	n.mu.Unlock()
	n.SetFault(scene.FaultDead)
}

// powerOn boots a machine that was off.
func (n *Node) powerOn(ctx context.Context) {
	n.mu.Lock()
	if n.busy || n.stopped {
		n.mu.Unlock()
		return
	}
	n.away, n.busy = true, true
	l, server := n.life, n.server
	n.mu.Unlock()
	l.end()
	l.cut()
	n.gateNow().cut()
	server.Stop()
	if n.c.wait(ctx, apiUpAfter) {
		n.comeBack(ctx)
	}
}

// finishBoot plays the rest of the boot.
func (n *Node) finishBoot(ctx context.Context, l *life) {
	for {
		l.mu.Lock()
		if len(l.script) == 0 {
			l.mu.Unlock()
			return
		}
		pause := l.script[0].after - l.done
		l.mu.Unlock()
		if !n.c.wait(ctx, pause) {
			return
		}
		l.mu.Lock()
		s := l.script[0]
		l.script = l.script[1:]
		l.done = s.after
		s.do(l, n.c.now())
		l.mu.Unlock()
		n.tellMachine()
	}
}

// Reboot begins a reboot.
func (m *machineServer) Reboot(ctx context.Context, _ *machine.RebootRequest) (*machine.RebootResponse, error) {
	return &machine.RebootResponse{Messages: []*machine.Reboot{{ActorId: targetOf(ctx).node.goDown("reboot")}}}, nil
}

// Shutdown begins to power the machine off.
func (m *machineServer) Shutdown(ctx context.Context, _ *machine.ShutdownRequest) (*machine.ShutdownResponse, error) {
	return &machine.ShutdownResponse{Messages: []*machine.Shutdown{{ActorId: targetOf(ctx).node.goDown("shutdown")}}}, nil
}

package talosd

import (
	"context"
	"time"

	"github.com/cosi-project/runtime/pkg/safe"
	"github.com/cosi-project/runtime/pkg/state"
	"github.com/siderolabs/talos/pkg/machinery/resources/k8s"
	"github.com/siderolabs/talos/pkg/machinery/resources/runtime"
)

const nodeStatusOwner = "k8s.NodeStatusController"

func (n *Node) isCordoned() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cordoned
}

// SetKubeNode tells the machine what Kubernetes says of its node, as Talos
// watches it: the resource NodeStatus follows, and a running machine whose node
// is not ready is not ready itself.
func (n *Node) SetKubeNode(ready, unschedulable bool) {
	n.mu.Lock()
	same := n.cordoned == unschedulable && n.notReady != ready
	n.cordoned, n.notReady = unschedulable, !ready
	l := n.life
	n.mu.Unlock()
	if same {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prepare()
	changed := l.notReady == ready
	l.notReady = !ready
	if l.cosi != nil {
		_, _ = safe.StateUpdateWithConflicts(context.Background(), l.cosi.st, k8s.NewNodeStatus(k8s.NamespaceName, n.spec.Name).Metadata(), func(r *k8s.NodeStatus) error {
			r.TypedSpec().NodeReady, r.TypedSpec().Unschedulable = ready, unschedulable
			return nil
		}, state.WithUpdateOwner(nodeStatusOwner)) // memory: it can only fail for a missing resource
	}
	if changed {
		l.judge(n.c.now())
	}
}

// judge says whether a machine that has come up is ready, and what it lacks; the
// caller holds l.mu.
func (l *life) judge(at time.Time) {
	if l.stage != runtime.MachineStageRunning {
		return
	}
	var unmet []runtime.UnmetCondition
	for _, s := range l.services {
		if s.running() && s.known && !s.healthy {
			unmet = append(unmet, runtime.UnmetCondition{Name: "services", Reason: s.id + " not healthy"})
		} else if !s.running() && s.state != "" && s.state != "Finished" {
			unmet = append(unmet, runtime.UnmetCondition{Name: "services", Reason: s.id + " not running"})
		}
	}
	if l.notReady {
		unmet = append(unmet, l.nodeNotReady())
	}
	was := l.ready
	l.setStage(at, runtime.MachineStageRunning, len(unmet) == 0, unmet...)
	if l.ready && !was {
		l.consoleLocked(at, "machine is running and ready")
	}
}

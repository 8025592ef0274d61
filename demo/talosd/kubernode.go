package talosd

import (
	"context"

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
	n.cordoned = unschedulable
	l := n.life
	n.mu.Unlock()
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
	if !changed || l.stage != runtime.MachineStageRunning {
		return
	}
	if ready {
		l.setStage(n.c.now(), runtime.MachineStageRunning, true)
	} else {
		l.setStage(n.c.now(), runtime.MachineStageRunning, false, l.nodeNotReady())
	}
}

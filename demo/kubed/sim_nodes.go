package kubed

import (
	"fmt"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The times of a node's life, as Kubernetes has them by default.
const (
	leaseEvery  = 10 * time.Second
	statusEvery = 5 * time.Minute
	nodeGrace   = 40 * time.Second
)

const (
	leaseNamespace = corev1.NamespaceNodeLease
	stoppedText    = "Kubelet stopped posting node status."
)

// SetKubelet says whether a node's kubelet runs. One that stops is noticed 40
// seconds later; one that starts again reports at once, and registers a node
// that has been deleted meanwhile. Unknown nodes are ignored.
func (s *Server) SetKubelet(node string, up bool) {
	m := s.sim
	m.mu.Lock()
	k := m.kubelets[node]
	if k == nil || k.up == up {
		m.mu.Unlock()
		return
	}
	k.up = up
	k.downSince = time.Now()
	m.mu.Unlock()
	if up {
		m.soon("kubelet "+node, func() { m.kubeletStarts(node) })
		return
	}
	m.after("lost "+node, nodeGrace, func() { m.nodeLost(node) })
}

// Rebooted says that a node has come up again under a new boot ID: its
// containers have all been started anew. Call it before SetKubelet(node, true).
func (s *Server) Rebooted(node, bootID string) {
	m := s.sim
	m.mu.Lock()
	k := m.kubelets[node]
	if k != nil {
		k.bootID = bootID
	}
	m.mu.Unlock()
	if k != nil {
		m.soon("reboot "+node, func() { m.restartPods(node) })
	}
}

// SetCordon sets or clears spec.unschedulable as the manager, the way kubectl
// does; a node that does not exist is an error.
func (s *Server) SetCordon(node string, on bool, manager string) error {
	return s.store.write(func(t tx) error {
		o, ok := t.get(nodes, "", node)
		if !ok {
			return notFound(nodes, node)
		}
		n, ok := o.(*corev1.Node)
		if !ok {
			return apierrors.NewInternalError(fmt.Errorf("stored node %s has another type", node))
		}
		n = clone(n)
		n.Spec.Unschedulable = on
		_, err := s.update(t, nodes, o, n, change{manager: manager})
		return err
	})
}

// noticeNode follows changes of nodes: pods find room, or lose their node.
func (m *sim) noticeNode(name string, gone bool) {
	m.soon("node "+name, func() { m.nodeReview(name) })
	m.soon("tell "+name, func() { m.tellNode(name) })
	m.soon("pending", m.retryPending)
	if !gone {
		return
	}
	m.soon("daemons", m.reviewDaemons)
	m.after("pods of "+name, 3*time.Second, func() { m.dropPods(name) })
}

func (m *sim) reviewDaemons() {
	m.store.read(func(t tx) {
		for _, o := range t.list(daemonSets) {
			m.workloadSoon(daemonSets, o.GetNamespace(), o.GetName())
		}
	})
}

// nodeReview keeps the taint that goes with a cordon, and clears a node that is declared out of service.
func (m *sim) nodeReview(name string) {
	var cordoned *corev1.Node
	outOfService := false
	m.editNode(name, func(n *corev1.Node) {
		before := len(n.Spec.Taints)
		setTaint(n, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}, n.Spec.Unschedulable, m.now())
		if len(n.Spec.Taints) != before {
			cordoned = n
		}
		outOfService = hasTaint(n, corev1.TaintNodeOutOfService) && !nodeReady(n)
	})
	if cordoned != nil && m.kubeletUp(name) {
		reason := "NodeSchedulable"
		if cordoned.Spec.Unschedulable {
			reason = "NodeNotSchedulable"
		}
		m.emit(cordoned, nodes, "Normal", reason, fmt.Sprintf("Node %s status is now: %s", name, reason),
			corev1.EventSource{Component: "kubelet", Host: name})
	}
	if outOfService {
		m.after("out of service "+name, 2*time.Second, func() { m.clearOut(name) })
	}
}

func hasTaint(n *corev1.Node, key string) bool {
	return slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == key })
}

// clearOut removes the terminating pods of a node that is out of service, and
// with them its volumes, without waiting for its kubelet.
func (m *sim) clearOut(node string) {
	m.taintEviction(node)
	m.change(func(t tx) {
		for _, o := range t.find(pods, "node", node) {
			if o.GetDeletionTimestamp() != nil {
				t.remove(pods, o.GetNamespace(), o.GetName())
			}
		}
	})
}

// setTaint adds or removes a taint of a private copy.
func setTaint(n *corev1.Node, taint corev1.Taint, on bool, at metav1.Time) {
	i := slices.IndexFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == taint.Key && t.Effect == taint.Effect })
	switch {
	case on && i < 0:
		taint.TimeAdded = &at
		n.Spec.Taints = append(n.Spec.Taints, taint)
	case !on && i >= 0:
		n.Spec.Taints = slices.Delete(n.Spec.Taints, i, i+1)
		if len(n.Spec.Taints) == 0 {
			n.Spec.Taints = nil
		}
	}
}

// editNode changes a copy of the node, and stores it if that made a difference.
func (m *sim) editNode(name string, change func(n *corev1.Node)) {
	m.change(func(t tx) {
		o, ok := t.get(nodes, "", name)
		if !ok {
			return
		}
		n, ok := o.(*corev1.Node)
		if !ok {
			return
		}
		n = clone(n)
		change(n)
		if !sameObject(o, n) {
			t.put(nodes, n)
		}
	})
}

// dropPods removes the pods of a node that no longer exists, as the garbage collector does.
func (m *sim) dropPods(node string) {
	m.change(func(t tx) {
		if _, ok := t.get(nodes, "", node); ok {
			return
		}
		for _, o := range t.find(pods, "node", node) {
			t.remove(pods, o.GetNamespace(), o.GetName())
		}
		t.remove(leases, leaseNamespace, node)
		t.remove(csiNodes, "", node)
		for _, o := range t.list(attachments) {
			if attachedTo(o) == node {
				t.remove(attachments, "", o.GetName())
			}
		}
	})
}

// heartbeatLater renews the node's lease every ten seconds, and its status every five minutes.
func (m *sim) heartbeatLater(node string) {
	m.after("lease "+node, leaseEvery, func() {
		if m.kubeletUp(node) {
			m.renew(node)
		}
		m.heartbeatLater(node)
	})
	m.after("status "+node, statusEvery, func() {
		if m.kubeletUp(node) {
			m.editNode(node, func(n *corev1.Node) {
				for i := range n.Status.Conditions {
					n.Status.Conditions[i].LastHeartbeatTime = m.now()
				}
			})
		}
	})
}

func (m *sim) renew(node string) {
	m.change(func(t tx) {
		o, ok := t.get(nodes, "", node)
		if !ok {
			return
		}
		lease := m.newLease(node, o.GetUID())
		if old, ok := t.get(leases, leaseNamespace, node); ok {
			if l, isLease := old.(*coordinationv1.Lease); isLease {
				lease = clone(l)
				lease.Spec.RenewTime = ptr(metav1.NewMicroTime(m.s.opts.Now()))
			}
		}
		t.put(leases, lease)
	})
}

// nodeLost is what the node lifecycle controller does about a node that no longer reports.
func (m *sim) nodeLost(node string) {
	if m.kubeletUp(node) {
		return
	}
	if left := m.graceLeft(node); left > 0 {
		m.after("lost "+node, left, func() { m.nodeLost(node) })
		return
	}
	m.editNode(node, func(n *corev1.Node) { markUnknown(n, m.now()) })
	m.change(func(t tx) {
		o, ok := t.get(nodes, "", node)
		if !ok {
			return
		}
		m.emitIn(t, o, nodes, "NodeNotReady", fmt.Sprintf("Node %s status is now: NodeNotReady", node),
			corev1.EventSource{Component: "node-controller"})
		for _, o := range t.find(pods, "node", node) {
			p, ok := o.(*corev1.Pod)
			if !ok || !podReady(p) {
				continue
			}
			p = clone(p)
			setPodCondition(p, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: m.now()})
			t.put(pods, p)
		}
	})
	m.after("evict from "+node, 300*time.Second, func() { m.taintEviction(node) })
}

// graceLeft is how long a kubelet that is down still counts as alive.
func (m *sim) graceLeft(node string) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.kubelets[node]
	if k == nil {
		return 0
	}
	down := time.Duration(float64(time.Since(k.downSince)) * m.s.opts.TimeScale)
	return nodeGrace - down
}

// markUnknown changes a private copy of a node to one that nobody hears of.
func markUnknown(n *corev1.Node, at metav1.Time) {
	for i := range n.Status.Conditions {
		c := &n.Status.Conditions[i]
		if c.Status != corev1.ConditionUnknown {
			c.LastTransitionTime = at
		}
		c.Status, c.Reason, c.Message = corev1.ConditionUnknown, "NodeStatusUnknown", stoppedText
	}
	setTaint(n, corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoSchedule}, true, at)
	setTaint(n, corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute}, true, at)
}

// taintEviction deletes the pods of an unreachable node whose toleration is over.
// They stay Terminating, because no kubelet ends them.
func (m *sim) taintEviction(node string) {
	if m.kubeletUp(node) {
		return
	}
	m.change(func(t tx) {
		for _, o := range t.find(pods, "node", node) {
			if p, ok := o.(*corev1.Pod); ok && p.DeletionTimestamp == nil && !staysForever(p) {
				m.s.delete(t, pods, p, metav1.DeleteOptions{})
				m.emitIn(t, p, pods, "TaintManagerEviction", fmt.Sprintf("Marking for deletion Pod %s/%s", p.Namespace, p.Name),
					corev1.EventSource{Component: "taint-eviction-controller"})
			}
		}
	})
}

// staysForever says whether the pod tolerates an unreachable node without end.
func staysForever(p *corev1.Pod) bool {
	for _, tol := range p.Spec.Tolerations {
		if tol.TolerationSeconds == nil && (tol.Key == "" || tol.Key == corev1.TaintNodeUnreachable) &&
			(tol.Effect == "" || tol.Effect == corev1.TaintEffectNoExecute) && tol.Operator == corev1.TolerationOpExists {
			return true
		}
	}
	return isMirror(p)
}

// kubeletStarts lets a kubelet report again.
func (m *sim) kubeletStarts(node string) {
	if !m.kubeletUp(node) {
		return
	}
	m.change(func(t tx) {
		if o, ok := t.get(nodes, "", node); ok {
			if n, isNode := o.(*corev1.Node); isNode {
				n = clone(n)
				m.report(n)
				t.put(nodes, n)
				m.emitIn(t, n, nodes, "Starting", "Starting kubelet.", corev1.EventSource{Component: "kubelet", Host: node})
			}
			return
		}
		m.register(t, node)
	})
	m.renew(node)
	m.podsComeBack(node)
	m.reviewDaemons()
}

// report sets what a kubelet reports in a private copy.
func (m *sim) report(n *corev1.Node) {
	for _, c := range healthyConditions(m.now()) {
		setNodeCondition(n, c)
	}
	setTaint(n, corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoSchedule}, false, m.now())
	setTaint(n, corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute}, false, m.now())
	n.Status.NodeInfo = m.nodeInfo(m.nodeOf(n.Name))
}

// register makes the Node of a machine whose Node had been deleted; it gets a new uid.
func (m *sim) register(t tx, node string) {
	n := m.newNode(m.nodeOf(node), m.now())
	t.put(nodes, n)
	m.emitIn(t, n, nodes, "RegisteredNode", fmt.Sprintf("Node %s event: Registered Node %s in Controller", node, node),
		corev1.EventSource{Component: "node-controller"})
	for _, p := range m.mirrorPods(m.nodeOf(node), n) {
		if _, ok := t.get(pods, p.Namespace, p.Name); !ok {
			t.put(pods, p)
		}
	}
	t.put(csiNodes, m.newCSINode(n))
}

// podsComeBack makes the pods of the node ready again, and ends those that were to go.
func (m *sim) podsComeBack(node string) {
	m.change(func(t tx) {
		for _, o := range t.find(pods, "node", node) {
			p, ok := o.(*corev1.Pod)
			if !ok {
				continue
			}
			if p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodPending {
				ns, name := p.Namespace, p.Name
				m.soon("pod "+ns+"/"+name, func() { m.podReview(ns, name) })
				continue
			}
			if p.Status.Phase == corev1.PodRunning && !podReady(p) {
				p = clone(p)
				m.readyCondition(p, corev1.ConditionTrue, "")
				t.put(pods, p)
			}
		}
	})
}

package demo

import (
	"sync"
	"time"

	"github.com/talos-cockpit/talos-cockpit/demo/kubed"
	"github.com/talos-cockpit/talos-cockpit/demo/talosd"
)

// link is what each side of the cluster has last told of its nodes.
type link struct {
	mu    sync.Mutex
	boots map[string]string // boot ID that Kubernetes knows, by node
	nodes map[string]kubed.NodeState
}

// couple lets each side see what happens on the other.
func (c *Cluster) couple() {
	c.link.boots, c.link.nodes = map[string]string{}, map[string]kubed.NodeState{}
	for _, n := range c.Scene.Nodes {
		c.link.boots[n.Name] = c.Talos.Node(n.Name).BootID()
	}
	c.Talos.OnMachine(c.follow)
	c.Kube.OnNode(c.report)
}

// follow lets Kubernetes see what happens to a machine.
func (c *Cluster) follow(e talosd.MachineEvent) {
	c.link.mu.Lock()
	rebooted := e.KubeletUp && c.link.boots[e.Node] != e.BootID
	if rebooted {
		c.link.boots[e.Node] = e.BootID
	}
	c.link.mu.Unlock()
	if rebooted {
		c.Kube.Rebooted(e.Node, e.BootID)
	}
	c.Kube.SetKubelet(e.Node, e.KubeletUp)
}

// report lets a machine see what Kubernetes says of its node.
func (c *Cluster) report(s kubed.NodeState) {
	c.link.mu.Lock()
	c.link.nodes[s.Node] = s
	c.link.mu.Unlock()
	if n := c.Talos.Node(s.Node); n != nil {
		n.SetKubeNode(s.Exists && s.Ready, s.Unschedulable)
	}
}

// calm reports whether all is well: every machine answers, and every node is
// ready and takes pods.
func (c *Cluster) calm() bool {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	for _, spec := range c.Scene.Nodes {
		s := c.link.nodes[spec.Name]
		if !s.Ready || s.Unschedulable || !c.Talos.Node(spec.Name).Reachable() {
			return false
		}
	}
	return true
}

// usage is what metrics.k8s.io reports of a node: the same that Talos reports.
func (c *Cluster) usage(node string) (cpuMilli, memory int64, ok bool) {
	n := c.Talos.Node(node)
	if n == nil {
		return 0, 0, false
	}
	return int64(n.CPUBusy() * float64(n.Cores()) * 1000), n.MemoryUsed(), true
}

func (c *Cluster) identity(node string) kubed.Identity {
	n := c.Talos.Node(node)
	if n == nil {
		return kubed.Identity{}
	}
	return kubed.Identity{
		MachineID: n.MachineID(), SystemUUID: n.UUID(), BootID: n.BootID(), Kernel: n.Kernel(), Containerd: n.Containerd(),
	}
}

// pods are those that Kubernetes has started on a node.
func (c *Cluster) pods(node string) []talosd.Pod {
	var out []talosd.Pod
	for _, k := range c.Kube.Containers(node) {
		if n := len(out); n == 0 || out[n-1].Namespace != k.Namespace || out[n-1].Name != k.Pod {
			out = append(out, talosd.Pod{Namespace: k.Namespace, Name: k.Pod, UID: k.UID})
		}
		p := &out[len(out)-1]
		p.Containers = append(p.Containers, talosd.Container{
			Name: k.Name, Image: k.Image, ID: k.ID, Exited: k.Exited, Started: k.Started,
			CPU: float64(k.CPUMilli) / 1000, Memory: k.Memory,
		})
	}
	return out
}

func (c *Cluster) podLog(namespace, pod, container, id string, from, to time.Time, limit int) []talosd.PodLine {
	var out []talosd.PodLine
	for _, line := range c.Kube.ContainerLog(namespace, pod, container, id, from, to, limit) {
		out = append(out, talosd.PodLine{At: line.At, Text: line.Text})
	}
	return out
}

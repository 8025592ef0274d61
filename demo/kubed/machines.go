package kubed

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// NodeState is what a machine learns about its own Node.
type NodeState struct {
	Node          string
	Exists        bool
	Ready         bool // its condition Ready is True
	Unschedulable bool
}

// OnNode registers f to hear of every change of a NodeState, and first of each
// node as it is when the cluster starts. It is called from the simulation's own
// goroutine, and must not block. Register before Start.
func (s *Server) OnNode(f func(NodeState)) {
	m := s.sim
	m.listening.Lock()
	defer m.listening.Unlock()
	m.listeners = append(m.listeners, f)
}

func (m *sim) tellNode(name string) {
	state := NodeState{Node: name}
	m.store.read(func(t tx) {
		o, ok := t.get(nodes, "", name)
		if n, isNode := o.(*corev1.Node); ok && isNode {
			state.Exists, state.Ready, state.Unschedulable = true, nodeReady(n), n.Spec.Unschedulable
		}
	})
	m.listening.Lock()
	defer m.listening.Unlock()
	if old, known := m.told[name]; known && old == state {
		return
	}
	m.told[name] = state
	for _, f := range m.listeners {
		f(state)
	}
}

// Container is a container as the runtime of its node has it.
type Container struct {
	Namespace, Pod string
	UID            string // of the pod; of a static one the UID that its kubelet gave it
	Name, Image    string
	ID             string // 64 hexadecimal digits
	Exited         bool
	Started        time.Time
	CPUMilli       int64 // its mean load
	Memory         int64 // bytes in use now
}

// Containers lists the containers on a node that have been started at least
// once, pod by pod.
func (s *Server) Containers(node string) []Container {
	var on []object
	s.store.read(func(t tx) { on = t.find(pods, "node", node) })
	var out []Container
	for _, o := range on {
		p, ok := o.(*corev1.Pod)
		if !ok {
			continue
		}
		for i, st := range p.Status.ContainerStatuses {
			if c, started := s.container(p, st); started && i < len(p.Spec.Containers) {
				c.CPUMilli, _ = baseUsage(p.Spec.Containers[i])
				_, c.Memory = s.containerUsage(p, p.Spec.Containers[i])
				out = append(out, c)
			}
		}
	}
	return out
}

func (s *Server) container(p *corev1.Pod, st corev1.ContainerStatus) (Container, bool) {
	c := Container{Namespace: p.Namespace, Pod: p.Name, UID: string(p.UID), Name: st.Name, Image: st.Image, ID: runtimeID(st)}
	if isMirror(p) {
		c.UID = p.Annotations["kubernetes.io/config.hash"]
	}
	switch last := st.LastTerminationState.Terminated; {
	case c.ID == "":
		return c, false
	case st.State.Running != nil:
		c.Started = st.State.Running.StartedAt.Time
	case st.State.Terminated != nil:
		c.Started, c.Exited = st.State.Terminated.StartedAt.Time, true
	case last != nil: // it waits to be started again
		c.Started, c.Exited = last.StartedAt.Time, true
	default:
		return c, false
	}
	return c, true
}

func runtimeID(st corev1.ContainerStatus) string {
	return strings.TrimPrefix(st.ContainerID, "containerd://")
}

// LogLine is a line of a container's log.
type LogLine struct {
	At   time.Time
	Text string
}

// ContainerLog returns the lines that the container whose ID begins with id wrote
// between two moments, both included, at most the last limit of them; none when
// the pod has no such container any more.
func (s *Server) ContainerLog(namespace, pod, container, id string, from, to time.Time, limit int) []LogLine {
	o, ok := s.fetch(pods, namespace, pod)
	p, isPod := o.(*corev1.Pod)
	if !ok || !isPod {
		return nil
	}
	for _, st := range p.Status.ContainerStatuses {
		if st.Name != container || id == "" || !strings.HasPrefix(runtimeID(st), id) {
			continue
		}
		var out []LogLine
		for _, line := range s.journalOf(p, container, false).lines(from, to, limit) {
			out = append(out, LogLine{line.at, line.text})
		}
		return out
	}
	return nil
}

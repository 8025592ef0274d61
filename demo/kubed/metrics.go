package kubed

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// metricsWindow is the resolution of metrics-server.
const metricsWindow = 15 * time.Second

// serveMetrics answers metrics.k8s.io, which is computed and not stored.
func (s *Server) serveMetrics(c *call) error {
	if c.info.subresource != "" || (c.info.verb != "get" && c.info.verb != "list") {
		return methodNotAllowed()
	}
	target := nodes
	if c.res == podMetrics {
		target = pods
	}
	sel, err := newSelector(target, c.info.namespace, c.query("labelSelector"), c.query("fieldSelector"))
	if err != nil {
		return err
	}
	var from []object
	s.store.read(func(t tx) { from = t.list(target) })
	var out []object
	for _, o := range from {
		if c.info.name != "" && (o.GetName() != c.info.name || o.GetNamespace() != c.info.namespace) {
			continue
		}
		if m, ok := s.measure(o); ok && sel.matches(o) {
			out = append(out, m)
		}
	}
	if c.info.name == "" {
		return s.sendMetrics(c, out)
	}
	if len(out) == 0 {
		return notFound(c.res, c.info.name)
	}
	return s.answer(c, http.StatusOK, out[0])
}

func (s *Server) sendMetrics(c *call, objs []object) error {
	f, err := negotiate(c.r, false)
	if err != nil {
		return err
	}
	list := unstructuredList(c.res, objs, metav1.ListMeta{})
	if f.table() {
		list = s.tableOf(c, objs, metav1.ListMeta{}, true)
	}
	body, err := f.encode(list)
	if err != nil {
		return err
	}
	send(c.w, c.r, f.mime, http.StatusOK, body)
	return nil
}

// measure returns the usage of a node or pod; ok is false when there is none,
// as for a node that does not answer.
func (s *Server) measure(o object) (object, bool) {
	switch x := o.(type) {
	case *corev1.Node:
		if !nodeReady(x) {
			return nil, false
		}
		cpu, mem := s.nodeUsage(x)
		return s.metric(nodeMetrics, x, map[string]any{"usage": usage(cpu, mem)}), true
	case *corev1.Pod:
		if x.Status.Phase != corev1.PodRunning || !s.sim.kubeletUp(x.Spec.NodeName) {
			return nil, false
		}
		var containers []any
		for _, c := range x.Spec.Containers {
			cpu, mem := s.containerUsage(x, c)
			containers = append(containers, map[string]any{"name": c.Name, "usage": usage(cpu, mem)})
		}
		return s.metric(podMetrics, x, map[string]any{"containers": containers}), true
	default:
		return nil, false
	}
}

func usage(cpuMilli, memory int64) map[string]any {
	return map[string]any{"cpu": fmt.Sprintf("%dn", cpuMilli*1_000_000), "memory": fmt.Sprintf("%dKi", memory/1024)}
}

func (s *Server) metric(res *resource, of object, m map[string]any) object {
	now := s.opts.Now().Truncate(metricsWindow)
	m["metadata"] = map[string]any{"name": of.GetName(), "creationTimestamp": now.UTC().Format(time.RFC3339)}
	m["timestamp"], m["window"] = now.UTC().Format(time.RFC3339), metricsWindow.String()
	u := &unstructured.Unstructured{Object: m}
	u.SetGroupVersionKind(res.gvk())
	u.SetNamespace(of.GetNamespace())
	if len(of.GetLabels()) > 0 {
		u.SetLabels(of.GetLabels())
	}
	return u
}

func (s *Server) nodeUsage(n *corev1.Node) (cpuMilli, memory int64) {
	if s.opts.NodeUsage != nil {
		if cpu, mem, ok := s.opts.NodeUsage(n.Name); ok {
			return cpu, mem
		}
	}
	cpu, mem := int64(180), int64(900<<20) // the system's own
	s.store.read(func(t tx) {
		for _, o := range t.find(pods, "node", n.Name) {
			p, ok := o.(*corev1.Pod)
			if !ok || p.Status.Phase != corev1.PodRunning {
				continue
			}
			for _, c := range p.Spec.Containers {
				podCPU, podMem := s.containerUsage(p, c)
				cpu, mem = cpu+podCPU, mem+podMem
			}
		}
	})
	return cpu, mem
}

// baseUsage is what a container takes on the average.
func baseUsage(c corev1.Container) (cpuMilli, memory int64) {
	if strings.HasPrefix(c.Name, "kube-apiserver") {
		return 140, 900 << 20
	}
	return max(4, c.Resources.Requests.Cpu().MilliValue()/4), max(24<<20, c.Resources.Requests.Memory().Value()*6/10)
}

// containerUsage makes up a load around the container's requests that moves
// slowly; in a still scene it does not move.
func (s *Server) containerUsage(p *corev1.Pod, c corev1.Container) (cpuMilli, memory int64) {
	cpuMilli, memory = baseUsage(c)
	phase := float64(number(s.scene.Seed, p.Name, c.Name)%1000) / 1000 * 2 * math.Pi
	at := phase
	if !s.scene.Still {
		at += float64(s.opts.Now().Truncate(metricsWindow).Unix()) / 97
	}
	wave := 1 + 0.35*math.Sin(at) + 0.15*math.Sin(3.1*at)
	return int64(float64(cpuMilli) * wave), int64(float64(memory) * (1 + 0.05*math.Sin(at)))
}

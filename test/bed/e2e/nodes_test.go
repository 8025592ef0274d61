package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// kubectlNodes is a line for each node, in kubectl's words.
func kubectlNodes(t *testing.T) []string {
	t.Helper()
	return strings.Split(kubectl(t, "get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name} `+
		`{.metadata.uid} {.status.addresses[?(@.type=="InternalIP")].address} {.status.conditions[?(@.type=="Ready")].status} `+
		`{.status.nodeInfo.kubeletVersion} {.status.nodeInfo.osImage} {.spec.unschedulable}{"\n"}{end}`), "\n")
}

func (w *world) boardNodes() []string {
	var out []string
	for _, n := range w.board.Nodes.Load().Value.Nodes {
		if k := n.Kube; k != nil {
			unschedulable := ""
			if k.Unschedulable {
				unschedulable = "true"
			}
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s %s %s",
				k.Name, k.UID, strings.Join(k.Addresses, ","), k.Ready, k.Kubelet, k.OSImage, unschedulable)))
		}
	}
	slices.Sort(out)
	return out
}

// kubectlPods counts the pods as kubectl lists them.
func kubectlPods(t *testing.T) map[string]cluster.PodCount {
	t.Helper()
	counts := map[string]cluster.PodCount{}
	for line := range strings.Lines(kubectl(t, "get", "pods", "-A", "-o", `jsonpath={range .items[*]}{.spec.nodeName} `+
		`{.status.phase} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`)) {
		node, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		phase, isReady, _ := strings.Cut(rest, " ")
		if node == "" {
			continue
		}
		n := counts[node]
		n.Total++
		if phase != "Succeeded" && isReady != "True" {
			n.NotReady++
		}
		counts[node] = n
	}
	return counts
}

func (w *world) boardPods() map[string]cluster.PodCount {
	counts := map[string]cluster.PodCount{}
	for _, n := range w.board.Nodes.Load().Value.Nodes {
		if c, known := n.Pods.Get(); known && c.Total > 0 {
			counts[n.Name] = c
		}
	}
	return counts
}

// samePods waits until the board counts what kubectl counts now.
func (w *world) samePods(t *testing.T, what string) {
	t.Helper()
	want := kubectlPods(t)
	promptly(t, what, func() string {
		got := w.boardPods()
		return yes(maps.Equal(got, want), fmt.Sprintf("the board counts %v, kubectl %v", got, want))
	})
}

func TestNodesEqualKubectl(t *testing.T) {
	w := ready(t, lab.bed.Kubeconfig())
	want := kubectlNodes(t)
	for i := range want {
		want[i] = strings.TrimSpace(want[i])
	}
	if got := w.boardNodes(); len(want) != 4 || !slices.Equal(got, want) {
		t.Errorf("the board:\n%s\nkubectl:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	w.samePods(t, "pod counts")
	for _, n := range w.board.Nodes.Load().Value.Nodes {
		if len(n.Disagree) > 0 || n.Severity >= cluster.Warn {
			t.Errorf("%s is %s: %v %v", n.Name, n.Severity, n.Notes, n.Disagree)
		}
	}
}

func TestChangesByKubectl(t *testing.T) {
	w := ready(t, lab.bed.Kubeconfig())
	const node = "talos-test04"
	t.Run("cordon", func(t *testing.T) {
		kubectl(t, "cordon", node)
		promptly(t, "cordon", func() string {
			k := w.kubeNode(node)
			return yes(k.Unschedulable && k.Cordon != nil && k.Cordon.By == "kubectl" && !k.Cordon.At.IsZero(),
				fmt.Sprintf("unschedulable %v, %+v", k.Unschedulable, k.Cordon))
		})
		if notes := fmt.Sprint(w.node(node).Notes); !strings.Contains(notes, "cordoned by kubectl") {
			t.Errorf("notes: %s", notes)
		}
		kubectl(t, "uncordon", node)
		promptly(t, "uncordon", func() string {
			k := w.kubeNode(node)
			return yes(!k.Unschedulable && k.Cordon == nil && len(k.Taints) == 0, fmt.Sprintf("%v %+v", k.Taints, k.Cordon))
		})
	})
	t.Run("label", func(t *testing.T) {
		kubectl(t, "label", "node", node, "example.com/shelf=two")
		promptly(t, "label", func() string { return yes(w.kubeNode(node).Labels["example.com/shelf"] == "two", "no label") })
		kubectl(t, "label", "node", node, "example.com/shelf-")
		promptly(t, "label gone", func() string { return yes(w.kubeNode(node).Labels["example.com/shelf"] == "", "still there") })
	})
	t.Run("taint", func(t *testing.T) {
		kubectl(t, "taint", "node", node, "example.com/hot=yes:NoSchedule")
		want := cluster.Taint{Key: "example.com/hot", Value: "yes", Effect: "NoSchedule"}
		promptly(t, "taint", func() string { return yes(slices.Contains(w.kubeNode(node).Taints, want), "no taint") })
		kubectl(t, "taint", "node", node, "example.com/hot-")
		promptly(t, "taint gone", func() string { return yes(len(w.kubeNode(node).Taints) == 0, "still there") })
	})
}

// podsOf waits until the API server has that many pods of an app, all of them
// ready and none leaving, and returns the name and the node of the first.
func podsOf(t *testing.T, namespace, app string, replicas int) (name, node string) {
	t.Helper()
	err := lab.bed.Wait(timeout(t), func(ctx context.Context) error {
		var list corev1.PodList
		err := lab.bed.Get(ctx, "/api/v1/namespaces/"+namespace+"/pods?labelSelector=app%3D"+app, &list)
		if err != nil {
			return err
		}
		good := 0
		for _, p := range list.Items {
			if p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
				return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
			}) {
				good++
			}
		}
		if good != replicas || len(list.Items) != replicas {
			return fmt.Errorf("%d pods of %s, %d of them ready, wanted %d", len(list.Items), app, good, replicas)
		}
		name, node = list.Items[0].Name, list.Items[0].Spec.NodeName
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return name, node
}

const unready = `{"status":{"conditions":[{"type":"Ready","status":"False","reason":"ContainersNotReady"}]}}`

func TestPodsComeAndGo(t *testing.T) {
	w := ready(t, lab.bed.Kubeconfig())
	kubectl(t, "scale", "-n", "media", "deployment/radarr", "--replicas=9")
	podsOf(t, "media", "radarr", 9)
	w.samePods(t, "scaled up")
	kubectl(t, "scale", "-n", "media", "deployment/radarr", "--replicas=3")
	pod, _ := podsOf(t, "media", "radarr", 3)
	w.samePods(t, "scaled down")
	kubectl(t, "delete", "pod", "-n", "media", pod)
	podsOf(t, "media", "radarr", 3)
	w.samePods(t, "a pod was deleted and replaced")

	pod, node := podsOf(t, "monitoring", "grafana", 1)
	kubectl(t, "patch", "pod", "-n", "monitoring", pod, "--subresource=status", "-p", unready)
	promptly(t, "a pod is not ready any more", func() string {
		return yes(w.node(node).Pods.V.NotReady == 1, fmt.Sprintf("%+v", w.node(node).Pods.V))
	})
	w.samePods(t, "kubectl sees the same")
	kubectl(t, "delete", "pod", "-n", "monitoring", pod)
	podsOf(t, "monitoring", "grafana", 1)
	w.samePods(t, "and is replaced")
}

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// drainZoo has what the bed's own workloads lack, on talos-test03 and talos-test04.
const drainZoo = `
apiVersion: v1
kind: Namespace
metadata: {name: zoo}
---
apiVersion: v1
kind: Pod
metadata: {name: scratch, namespace: zoo}
spec:
  nodeName: talos-test03
  volumes: [{name: scratch, emptyDir: {}}]
  containers: [{name: c, image: "docker.io/library/busybox:1.37"}]
---
apiVersion: v1
kind: Pod
metadata: {name: twice, namespace: zoo, labels: {app: twice}}
spec: {nodeName: talos-test03, containers: [{name: c, image: "docker.io/library/busybox:1.37"}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: twice-a, namespace: zoo}
spec: {minAvailable: 0, selector: {matchLabels: {app: twice}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: twice-b, namespace: zoo}
spec: {minAvailable: 0, selector: {matchLabels: {app: twice}}}
---
apiVersion: v1
kind: Pod
metadata: {name: leaving, namespace: zoo, finalizers: [example.com/never-removed]}
spec: {nodeName: talos-test03, containers: [{name: c, image: "docker.io/library/busybox:1.37"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: mirror, namespace: zoo, annotations: {kubernetes.io/config.mirror: "0123"}}
spec: {nodeName: talos-test03, containers: [{name: c, image: "docker.io/library/busybox:1.37"}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: finished, namespace: zoo}
spec: {template: {spec: {restartPolicy: Never, nodeName: talos-test04, containers: [{name: c, image: "docker.io/library/busybox:1.37"}]}}}
`

// sick are two pods under a budget, of which the first is not ready; wants is how
// the budget is met without it, and policy what it says of unhealthy pods.
func sick(name, minAvailable, policy string) string {
	return fmt.Sprintf(`
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: %[1]s, namespace: zoo}
spec:
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {nodeName: talos-test04, containers: [{name: c, image: "docker.io/library/busybox:1.37"}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: %[1]s, namespace: zoo}
spec: {minAvailable: %[2]s, selector: {matchLabels: {app: %[1]s}}%[3]s}
`, name, minAvailable, policy)
}

// openZoo makes it all be as named: one pod of each pair unready, one leaving, one finished.
func openZoo(t *testing.T) {
	t.Helper()
	pairs := []string{"met", "unmet", "always"}
	text := drainZoo + sick("met", "1", "") + sick("unmet", "2", "") +
		sick("always", "2", ", unhealthyPodEvictionPolicy: AlwaysAllow")
	t.Cleanup(func() {
		kubectlAfter(t, "patch", "pod", "-n", "zoo", "leaving", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
		kubectlAfter(t, "delete", "namespace", "zoo", "--wait=false")
	})
	if err := lab.bed.Apply(timeout(t), text); err != nil {
		t.Fatal(err)
	}
	for _, app := range pairs {
		podsOf(t, "zoo", app, 2)
		kubectl(t, "patch", "pod", "-n", "zoo", app+"-0", "--subresource=status", "-p", unready)
		kubectl(t, "wait", "-n", "zoo", "poddisruptionbudget/"+app, "--for=jsonpath={.status.currentHealthy}=1", "--timeout=30s")
	}
	kubectl(t, "delete", "pod", "-n", "zoo", "leaving", "--wait=false")
	kubectl(t, "wait", "-n", "zoo", "job/finished", "--for=condition=complete", "--timeout=60s")
}

// drained is what kubectl drain says of a node, as sets of namespace/name.
type drained struct {
	daemons, local, bare map[string]bool // what it refuses without flags
	evicted, refused     map[string]bool // what it does with them all
}

var (
	evicting  = regexp.MustCompile(`(?m)^evicting pod (\S+)`)
	violation = regexp.MustCompile(`error when evicting pods/"([^"]+)" -n "([^"]+)"`)
)

func kubectlDrain(ctx context.Context, node string) (d drained) {
	_, err := lab.bed.Kubectl(ctx, "drain", node, "--dry-run=server")
	d.daemons = named(err, `cannot delete DaemonSet-managed Pods \(use --ignore-daemonsets to ignore\): ([^\n]*)`)
	d.local = named(err, `cannot delete Pods with local storage \(use --delete-emptydir-data to override\): ([^\n]*)`)
	d.bare = named(err, `cannot delete Pods that declare no controller \(use --force to override\): ([^\n]*)`)
	out, err := lab.bed.Kubectl(ctx, "drain", node, "--dry-run=server", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=3s")
	d.evicted, d.refused = map[string]bool{}, map[string]bool{}
	for _, m := range evicting.FindAllStringSubmatch(out, -1) {
		d.evicted[m[1]] = true
	}
	for _, m := range violation.FindAllStringSubmatch(fmt.Sprint(err), -1) {
		d.refused[m[2]+"/"+m[1]] = true
	}
	return d
}

// named are the pods of the last line that matches; kubectl says it twice.
func named(err error, pattern string) map[string]bool {
	out := map[string]bool{}
	all := regexp.MustCompile(pattern).FindAllStringSubmatch(fmt.Sprint(err), -1)
	if len(all) > 0 {
		for name := range strings.SplitSeq(all[len(all)-1][1], ", ") {
			out[name] = true
		}
	}
	return out
}

// asDrained is the forecast in the same words.
func asDrained(f cluster.Forecast) drained {
	d := drained{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, p := range f.Pods {
		name := p.Namespace + "/" + p.Name
		switch p.Fate {
		case cluster.FateMirror:
			continue
		case cluster.FateDaemonSet:
			d.daemons[name] = true
			continue
		case cluster.FateBlocked:
			d.refused[name] = true
		case cluster.FateEvict, cluster.FateBare, cluster.FateFinished, cluster.FateLeaving:
		}
		d.evicted[name] = true
		switch { // kubectl names the first reason only
		case p.EmptyDir:
			d.local[name] = true
		case p.Owner == "" && p.Fate != cluster.FateFinished:
			d.bare[name] = true
		}
	}
	return d
}

func TestForecastEqualsKubectlDrain(t *testing.T) {
	openZoo(t)
	client := openKube(t, lab.bed.Kubeconfig())
	var wg sync.WaitGroup
	for i := 1; i <= 4; i++ {
		wg.Go(func() {
			node := fmt.Sprintf("talos-test%02d", i)
			want := kubectlDrain(timeout(t), node)
			forecast, err := client.Forecast(timeout(t), node)
			if err != nil {
				t.Error(err)
				return
			}
			got := asDrained(forecast)
			for _, c := range []struct {
				what      string
				got, want map[string]bool
			}{
				{"of DaemonSets", got.daemons, want.daemons}, {"with local storage", got.local, want.local},
				{"without controller", got.bare, want.bare}, {"to evict", got.evicted, want.evicted}, {"refused", got.refused, want.refused},
			} {
				if !maps.Equal(c.got, c.want) {
					t.Errorf("%s: pods %s: the forecast says %v, kubectl drain %v", node, c.what,
						slices.Sorted(maps.Keys(c.got)), slices.Sorted(maps.Keys(c.want)))
				}
			}
			if len(want.evicted) == 0 || len(want.daemons) != 2 {
				t.Errorf("%s: kubectl drain says nothing: %+v", node, want)
			}
			evictAll(t, forecast)
		})
	}
	wg.Wait()
}

// evictAll asks the API server itself for each eviction, without doing it.
func evictAll(t *testing.T, f cluster.Forecast) {
	t.Helper()
	evict := evictor(t)
	fates := map[cluster.Fate]int{}
	for _, p := range f.Pods {
		fates[p.Fate]++
		if p.Fate == cluster.FateDaemonSet || p.Fate == cluster.FateMirror {
			continue
		}
		code, body := evict(p.Namespace, p.Name)
		twice := strings.HasPrefix(p.Why, "2 budgets")
		switch {
		case p.Fate != cluster.FateBlocked && code != http.StatusCreated,
			p.Fate == cluster.FateBlocked && !twice && (code != http.StatusTooManyRequests || !strings.Contains(body, p.Budget)),
			twice && (code != http.StatusInternalServerError || !strings.Contains(body, "more than one PodDisruptionBudget")):
			t.Errorf("%s/%s: %s (%s); the API server: %d %s", p.Namespace, p.Name, p.Fate, p.Why, code, body)
		}
	}
	t.Logf("%s: %v", f.Node, fates)
}

// evictor returns a function that asks for an eviction as a dry run.
func evictor(t *testing.T) func(namespace, pod string) (code int, body string) {
	t.Helper()
	pair, err := lab.ca.Client("evictor", []string{"system:masters"}, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: lab.ca.Pool(), Certificates: []tls.Certificate{cert}}}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	ctx := timeout(t)
	return func(namespace, pod string) (int, string) {
		text := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"namespace":%q,"name":%q},"deleteOptions":{"dryRun":["All"]}}`, namespace, pod)
		url := fmt.Sprintf("%s/api/v1/namespaces/%s/pods/%s/eviction?dryRun=All", lab.bed.Server(), namespace, pod)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(text)))
		if err != nil {
			return 0, err.Error()
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, err.Error()
		}
		return resp.StatusCode, string(body)
	}
}

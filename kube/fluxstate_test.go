package kube

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// cond is a condition in the short form of these tests: Type=Status Reason@generation.
type cond struct {
	kind, status, reason, message string
	generation                    int64
}

func stateOf(conds []cond, generation, observed int64) (cluster.FluxState, string, string) {
	g := generations{object: generation, observed: observed, of: map[string]int64{}}
	var list []cluster.Condition
	for _, c := range conds {
		list = append(list, cluster.Condition{Type: c.kind, Status: c.status, Reason: c.reason, Message: c.message})
		g.of[c.kind] = c.generation
	}
	return fluxState(list, g)
}

func TestFluxState(t *testing.T) {
	ready := cond{"Ready", "True", "ReconciliationSucceeded", "applied", 2}
	failed := cond{"Ready", "False", "BuildFailed", "no such file", 2}
	retrying := cond{"Reconciling", "True", "ProgressingWithRetry", "building", 2}
	for name, tt := range map[string]struct {
		conds                []cond
		generation, observed int64
		want                 cluster.FluxState
		reason, message      string
	}{
		"ready":                      {[]cond{ready}, 2, 2, cluster.FluxReady, "ReconciliationSucceeded", "applied"},
		"failed":                     {[]cond{failed}, 2, 2, cluster.FluxFailed, "BuildFailed", "no such file"},
		"failed and retrying":        {[]cond{retrying, failed}, 2, 2, cluster.FluxFailed, "BuildFailed", "no such file"},
		"failed, observed stays old": {[]cond{retrying, failed}, 2, 1, cluster.FluxFailed, "BuildFailed", "no such file"},
		"ready, observed stays old":  {[]cond{ready}, 2, 1, cluster.FluxReconciling, "ReconciliationSucceeded", "applied"},
		"ready for an older generation": {
			[]cond{ready},
			3, 3, cluster.FluxUnknown, "ReconciliationSucceeded",
			"its controller has not seen the last change yet; before it: applied",
		},
		"ready without a generation of its own, observed older": {
			[]cond{{"Ready", "True", "Succeeded", "stored", 0}},
			3, 2, cluster.FluxUnknown, "Succeeded",
			"its controller has not seen the last change yet; before it: stored",
		},
		"older ready, reconciling the new one": {
			[]cond{{"Reconciling", "True", "Progressing", "new generation", 3}, ready},
			3, 2,
			cluster.FluxReconciling, "Progressing", "new generation",
		},
		"ready and reconciling": {[]cond{ready, {"Reconciling", "True", "Progressing", "drift", 2}}, 2, 2, cluster.FluxReconciling, "Progressing", "drift"},
		"first run":             {[]cond{{"Ready", "Unknown", "Progressing", "started", 1}, {"Reconciling", "True", "Progressing", "x", 1}}, 1, -1, cluster.FluxReconciling, "Progressing", "started"},
		"progress as a failure": {[]cond{{"Ready", "False", "Progressing", "started", 1}}, 1, 1, cluster.FluxReconciling, "Progressing", "started"},
		"ready unknown":         {[]cond{{"Ready", "Unknown", "Odd", "?", 1}}, 1, 1, cluster.FluxUnknown, "Odd", "?"},
		"dependency":            {[]cond{{"Ready", "False", "DependencyNotReady", "infra", 2}}, 2, 2, cluster.FluxWaiting, "DependencyNotReady", "infra"},
		"dependency, retrying":  {[]cond{retrying, {"Ready", "False", "DependencyNotReady", "infra", 2}}, 2, 2, cluster.FluxWaiting, "DependencyNotReady", "infra"},
		"stalled": {
			[]cond{{"Stalled", "True", "InvalidPath", "bad path", 2}, {"Ready", "False", "InvalidPath", "bad path", 2}},
			2, 2,
			cluster.FluxStalled, "InvalidPath", "bad path",
		},
		"stalled with two messages": {
			[]cond{{"Stalled", "True", "RetriesExceeded", "after 1 attempt", 2}, {"Ready", "False", "UpgradeFailed", "timeout", 2}},
			2, 2,
			cluster.FluxStalled, "RetriesExceeded", "timeout (after 1 attempt)",
		},
		"retries exceeded of old releases": {[]cond{{"Ready", "False", "RetriesExceeded", "no more", 1}}, 1, 1, cluster.FluxStalled, "RetriesExceeded", "no more"},
		"stalled before the change": {
			[]cond{{"Stalled", "True", "InvalidPath", "bad path", 1}, {"Ready", "False", "InvalidPath", "bad path", 1}},
			2, 1,
			cluster.FluxUnknown, "InvalidPath", "its controller has not seen the last change yet; before it: bad path",
		},
		"stalled is false":     {[]cond{{"Stalled", "False", "x", "x", 2}, ready}, 2, 2, cluster.FluxReady, "ReconciliationSucceeded", "applied"},
		"nothing said":         {nil, 1, -1, cluster.FluxUnknown, "", "its controller has not said anything yet"},
		"reconciling only":     {[]cond{{"Reconciling", "True", "Progressing", "first", 1}}, 1, -1, cluster.FluxReconciling, "Progressing", "first"},
		"another kind of cond": {[]cond{{"Healthy", "True", "Succeeded", "ok", 1}}, 1, 1, cluster.FluxUnknown, "", "its controller has not said anything yet"},
	} {
		t.Run(name, func(t *testing.T) {
			state, reason, message := stateOf(tt.conds, tt.generation, tt.observed)
			if state != tt.want || reason != tt.reason || message != tt.message {
				t.Errorf("got %s %q %q, want %s %q %q", state, reason, message, tt.want, tt.reason, tt.message)
			}
		})
	}
}

func TestShortRevision(t *testing.T) {
	for full, want := range map[string]string{
		"main@sha1:1c9f3e2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":                             "main@1c9f3e2",
		"refs/heads/main@sha1:1c9f3e2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":                  "main@1c9f3e2",
		"refs/tags/v1.2.3@sha1:1c9f3e2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":                 "v1.2.3@1c9f3e2",
		"main/1c9f3e2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":                                  "main@1c9f3e2",
		"feature/a-b@sha1:1c9f3e2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":                      "feature/a-b@1c9f3e2",
		"latest@sha256:ab12cd3344444444444444444444444444444444444444444444444444444444": "latest@ab12cd3",
		"sha256:bc8273ea3ed51dcd7ab6784fe3c0cee751e5d582e311e8140054c1ec79c97896":        "sha256:bc8273e",
		"sha1:1c9f3e2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":                                  "sha1:1c9f3e2",
		"6.9.4":                "6.9.4",
		"6.9.4+bc8273ea3ed5":   "6.9.4+bc8273e",
		"1.2.3-rc.1+build5":    "1.2.3-rc.1+build5",
		"":                     "",
		"main@sha1:not-a-hash": "main@sha1:not-a-hash",
	} {
		if got := ShortRevision(full); got != want {
			t.Errorf("ShortRevision(%q) = %q, want %q", full, got, want)
		}
	}
}

// kindFor is the kind that an object says it is, in its plural as Flux has it.
func kindFor(u *unstructured.Unstructured) cluster.FluxKind {
	gvk := u.GroupVersionKind()
	plural := strings.ToLower(gvk.Kind) + "s"
	if strings.HasSuffix(gvk.Kind, "y") {
		plural = strings.ToLower(strings.TrimSuffix(gvk.Kind, "y")) + "ies"
	}
	return cluster.FluxKind{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Plural: plural}
}

func readObject(t *testing.T, path string) *unstructured.Unstructured {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parseObject(t, data)
}

func parseObject(t *testing.T, data []byte) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(data, &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

// sample is what the cockpit must show of an object that a real controller wrote.
type sample struct {
	state               cluster.FluxState
	reason, message     string // message: a part of it
	revision, attempted string
	source              string
	dependsOn           string
	inventory           int
}

var samples = map[string]sample{
	"gitrepository-failed.yaml":       {cluster.FluxFailed, "GitOperationFailed", `couldn't find remote ref "refs/heads/nope"`, "main@f702d70", "", "", "", 0},
	"gitrepository-ready.yaml":        {cluster.FluxReady, "Succeeded", "stored artifact", "main@0d15c1e", "", "", "", 0},
	"helmchart.yaml":                  {cluster.FluxReady, "ChartPullSucceeded", "pulled 'podinfo'", "6.9.4", "", "HelmRepository flux-system/charts", "", 0},
	"helmrelease-failed.yaml":         {cluster.FluxStalled, "RetriesExceeded", "status: 'InProgress'] (Failed to upgrade after 1 attempt(s))", "6.9.4", "", "HelmRepository flux-system/charts", "", 1},
	"helmrelease-recovered.yaml":      {cluster.FluxReady, "UpgradeSucceeded", "podinfo.v4", "6.9.4", "", "HelmRepository flux-system/charts", "", 1},
	"helmrelease-upgraded.yaml":       {cluster.FluxReady, "UpgradeSucceeded", "podinfo.v2", "6.9.4", "", "HelmRepository flux-system/charts", "", 1},
	"helmrepository.yaml":             {cluster.FluxReady, "Succeeded", "stored artifact", "sha256:bc8273e", "", "", "", 0},
	"kustomization-buildfailed.yaml":  {cluster.FluxFailed, "BuildFailed", "lstat /data/kustomization-529916617/apps/web/missing.yaml: no such file or directory", "main@6bbb39c", "main@d348538", "GitRepository flux-system/flux-system", "Kustomization flux-system/infra", 3},
	"kustomization-depnotready.yaml":  {cluster.FluxWaiting, "DependencyNotReady", "dependency 'flux-system/infra' is not ready", "main@f702d70", "", "GitRepository flux-system/flux-system", "Kustomization flux-system/infra", 3},
	"kustomization-dryrunfailed.yaml": {cluster.FluxFailed, "ReconciliationFailed", "field is immutable", "main@0d15c1e", "main@f461824", "GitRepository flux-system/flux-system", "Kustomization flux-system/infra", 3},
	"kustomization-healthfailed.yaml": {cluster.FluxFailed, "HealthCheckFailed", "timeout waiting for: [Deployment/gitops/web", "main@0d15c1e", "main@25f50f7", "GitRepository flux-system/flux-system", "Kustomization flux-system/infra", 3},
	"kustomization-pathmissing.yaml":  {cluster.FluxFailed, "ArtifactFailed", "kustomization path not found", "main@f702d70", "", "GitRepository flux-system/flux-system", "", 2},
	"kustomization-progressing.yaml":  {cluster.FluxWaiting, "DependencyNotReady", "dependency 'flux-system/infra' is not ready", "main@0d15c1e", "main@f461824", "GitRepository flux-system/flux-system", "Kustomization flux-system/infra", 3},
	"kustomization-ready.yaml":        {cluster.FluxReady, "ReconciliationSucceeded", "Applied revision", "main@0d15c1e", "", "GitRepository flux-system/flux-system", "", 2},
	"kustomization-ready2.yaml":       {cluster.FluxReady, "ReconciliationSucceeded", "Applied revision", "main@6bbb39c", "", "GitRepository flux-system/flux-system", "Kustomization flux-system/infra", 3},
	"kustomization-recovered.yaml":    {cluster.FluxReady, "ReconciliationSucceeded", "Applied revision", "main@83a13ba", "", "GitRepository flux-system/flux-system", "Kustomization flux-system/infra", 3},
	"kustomization-suspended.yaml":    {cluster.FluxSuspended, "ReconciliationSucceeded", "Applied revision", "main@83a13ba", "", "GitRepository flux-system/flux-system", "Kustomization flux-system/infra", 3},
}

// TestRealObjects replays objects that the real controllers wrote.
func TestRealObjects(t *testing.T) {
	const dir = "../../shared/samples/kube"
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Skipf("%s is not here: there are no real objects to replay", dir)
	}
	for _, file := range files {
		base := filepath.Base(file)
		u := readObject(t, file)
		if u.GetKind() == "List" { // events
			continue
		}
		want, ok := samples[base]
		if !ok {
			t.Errorf("%s: nothing is expected of this object", base)
			continue
		}
		t.Run(base, func(t *testing.T) { checkSample(t, FluxObject(u, kindFor(u)), want) })
	}
}

func checkSample(t *testing.T, o cluster.FluxObject, want sample) {
	t.Helper()
	if o.State != want.state || o.Reason != want.reason || !strings.Contains(o.Message, want.message) {
		t.Errorf("state %s %q %q, want %s %q %q", o.State, o.Reason, o.Message, want.state, want.reason, want.message)
	}
	if o.Revision != want.revision || o.Attempted != want.attempted {
		t.Errorf("revision %q attempted %q, want %q %q", o.Revision, o.Attempted, want.revision, want.attempted)
	}
	source := ""
	if o.Source != nil {
		source = name(*o.Source)
	}
	var depends []string
	for _, d := range o.DependsOn {
		depends = append(depends, name(d))
	}
	if source != want.source || strings.Join(depends, " ") != want.dependsOn {
		t.Errorf("source %q depends on %q, want %q %q", source, depends, want.source, want.dependsOn)
	}
	if o.Inventory != want.inventory {
		t.Errorf("inventory %d, want %d", o.Inventory, want.inventory)
	}
	if o.Since.IsZero() || o.Created.IsZero() || o.Interval == 0 || o.ResourceVer == "" || o.Generation == 0 {
		t.Errorf("times, interval or versions are missing: %+v", o)
	}
}

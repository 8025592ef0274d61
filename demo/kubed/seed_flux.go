package kubed

import (
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// kustomizationSeed is one Kustomization of the reference cluster.
type kustomizationSeed struct {
	name, path string
	deps       []string
	inventory  []string
	suspended  bool
}

var kustomizationSeeds = []kustomizationSeed{
	{name: "flux-system", path: "./clusters/turingpi", inventory: []string{
		"flux-system_source-controller_apps_Deployment v1", "flux-system_kustomize-controller_apps_Deployment v1",
		"flux-system_helm-controller_apps_Deployment v1", "flux-system_notification-controller_apps_Deployment v1",
		"flux-system_flux-system_source.toolkit.fluxcd.io_GitRepository v1", "flux-system_cluster_kustomize.toolkit.fluxcd.io_Kustomization v1",
		"flux-system_infra_kustomize.toolkit.fluxcd.io_Kustomization v1", "flux-system_apps_kustomize.toolkit.fluxcd.io_Kustomization v1",
	}},
	{name: "cluster", path: "./cluster", inventory: []string{
		"_media__Namespace v1", "_database__Namespace v1", "_monitoring__Namespace v1", "_network__Namespace v1", "_storage__Namespace v1",
	}},
	{name: "infra", path: "./infra", deps: []string{"cluster"}, inventory: []string{
		"kube-system_cilium_helm.toolkit.fluxcd.io_HelmRelease v2", "kube-system_coredns_helm.toolkit.fluxcd.io_HelmRelease v2",
		"kube-system_spegel_helm.toolkit.fluxcd.io_HelmRelease v2", "kube-system_metrics-server_helm.toolkit.fluxcd.io_HelmRelease v2",
		"flux-system_cilium_source.toolkit.fluxcd.io_HelmRepository v1",
	}},
	{name: "storage", path: "./infra/storage", deps: []string{"infra"}, inventory: []string{
		"storage_democratic-csi_helm.toolkit.fluxcd.io_HelmRelease v2",
	}},
	{name: "network", path: "./infra/network", deps: []string{"infra"}, inventory: []string{
		"network_ingress_helm.toolkit.fluxcd.io_HelmRelease v2",
	}},
	{name: "apps", path: "./apps", deps: []string{"infra"}, inventory: []string{
		"flux-system_database_kustomize.toolkit.fluxcd.io_Kustomization v1", "flux-system_media_kustomize.toolkit.fluxcd.io_Kustomization v1",
		"flux-system_monitoring_kustomize.toolkit.fluxcd.io_Kustomization v1", "flux-system_web_kustomize.toolkit.fluxcd.io_Kustomization v1",
	}},
	{name: "monitoring", path: "./apps/monitoring", deps: []string{"storage"}, inventory: []string{
		"monitoring_prometheus_helm.toolkit.fluxcd.io_HelmRelease v2", "monitoring_grafana_helm.toolkit.fluxcd.io_HelmRelease v2",
	}},
	{name: "database", path: "./apps/database", deps: []string{"storage"}, inventory: []string{
		"database_postgres_apps_StatefulSet v1", "database_postgres__Service v1", "database_postgres_policy_PodDisruptionBudget v1",
		"database_backup_batch_CronJob v1",
	}},
	{name: "media", path: "./apps/media", deps: []string{"storage", "network"}, inventory: []string{
		"media_jellyfin_helm.toolkit.fluxcd.io_HelmRelease v2", "media_sonarr_helm.toolkit.fluxcd.io_HelmRelease v2",
		"media_radarr_helm.toolkit.fluxcd.io_HelmRelease v2", "media_library__PersistentVolumeClaim v1",
	}},
	{name: "web", path: "./apps/web", deps: []string{"network"}, inventory: []string{
		"network_web-config__ConfigMap v1", "network_web__Service v1", "network_web_apps_Deployment v1",
	}},
	{name: "web-auth", path: "./apps/web-auth", deps: []string{"web"}, inventory: []string{"network_web-auth__ConfigMap v1"}},
	{name: "web-dashboards", path: "./apps/web-dashboards", deps: []string{"web", "monitoring"}, inventory: []string{
		"monitoring_web-dashboards__ConfigMap v1",
	}},
	{name: "tuning", path: "./infra/tuning", deps: []string{"infra"}, suspended: true, inventory: []string{"kube-system_tuning__ConfigMap v1"}},
}

// helmSeed is one HelmRelease of the reference cluster.
type helmSeed struct {
	ns, name, chart, version, repo string
	release                        int64
	oci                            bool // its chart comes from an OCIRepository
	deployments                    []string
}

var helmSeeds = []helmSeed{
	{ns: "kube-system", name: "cilium", chart: "cilium", version: "1.19.0", repo: "cilium", release: 6, deployments: []string{"kube-system_cilium_apps_DaemonSet", "kube-system_cilium-operator_apps_Deployment"}},
	{ns: "kube-system", name: "coredns", chart: "coredns", version: "1.45.0", repo: "coredns", release: 3, deployments: []string{"kube-system_coredns_apps_Deployment"}},
	{ns: "kube-system", name: "spegel", chart: "spegel", version: "0.6.0", repo: "spegel", release: 2, oci: true, deployments: []string{"kube-system_spegel_apps_DaemonSet"}},
	{ns: "kube-system", name: "metrics-server", chart: "metrics-server", version: "3.14.0", repo: "metrics-server", release: 4, deployments: []string{"kube-system_metrics-server_apps_Deployment"}},
	{ns: "storage", name: "democratic-csi", chart: "democratic-csi", version: "0.15.0", repo: "democratic-csi", release: 2, deployments: []string{"storage_democratic-csi-controller_apps_Deployment", "storage_democratic-csi-node_apps_DaemonSet"}},
	{ns: "network", name: "ingress", chart: "ingress-nginx", version: "4.14.1", repo: "ingress-nginx", release: 9, deployments: []string{"network_ingress_apps_Deployment"}},
	{ns: "monitoring", name: "prometheus", chart: "prometheus", version: "27.45.0", repo: "prometheus-community", release: 11, deployments: []string{"monitoring_prometheus_apps_StatefulSet", "monitoring_node-exporter_apps_DaemonSet"}},
	{ns: "monitoring", name: "grafana", chart: "grafana", version: "10.3.0", repo: "grafana", release: 7, deployments: []string{"monitoring_grafana_apps_Deployment"}},
	{ns: "media", name: "jellyfin", chart: "app-template", version: "4.4.0", repo: "app-template", release: 5, oci: true, deployments: []string{"media_jellyfin_apps_Deployment"}},
	{ns: "media", name: "sonarr", chart: "app-template", version: "4.4.0", repo: "app-template", release: 8, oci: true, deployments: []string{"media_sonarr_apps_Deployment"}},
	{ns: "media", name: "radarr", chart: "app-template", version: "4.4.0", repo: "app-template", release: 12, oci: true, deployments: []string{"media_radarr_apps_Deployment"}},
}

var repoURLs = map[string]string{
	"cilium": "https://helm.cilium.io/", "coredns": "https://coredns.github.io/helm",
	"metrics-server": "https://kubernetes-sigs.github.io/metrics-server/", "democratic-csi": "https://democratic-csi.github.io/charts/",
	"ingress-nginx": "https://kubernetes.github.io/ingress-nginx", "prometheus-community": "https://prometheus-community.github.io/helm-charts",
	"grafana": "https://grafana.github.io/helm-charts",
}

func seedFlux(m *sim, t tx) {
	m.commits = 2
	seedSources(m, t)
	for _, k := range kustomizationSeeds {
		m.addKustomization(t, k)
	}
	for _, h := range helmSeeds {
		m.addHelmRelease(t, h)
	}
	seedNotifications(m, t)
	seedImages(m, t)
}

// addFlux stores a Flux object as its controller has left it.
func (m *sim) addFlux(t tx, res *resource, ns, name string, spec, status map[string]any, apply string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(res.gvk())
	u.SetName(name)
	u.SetNamespace(ns)
	u.SetGeneration(1)
	u.SetCreationTimestamp(m.ago(appAge))
	if apply != "" {
		u.SetLabels(map[string]string{"kustomize.toolkit.fluxcd.io/name": apply, "kustomize.toolkit.fluxcd.io/namespace": fluxNamespace})
	}
	if res.Status {
		u.SetFinalizers([]string{"finalizers.fluxcd.io"})
		status["observedGeneration"] = int64(1)
		u.Object["status"] = status
	}
	u.SetManagedFields(owned(res, u, m.began.Add(-appAge), "kustomize-controller", component(res), true))
	t.put(res, u)
	return u
}

func conditions(at metav1.Time, list ...condition) []any {
	out := make([]any, 0, len(list))
	for _, c := range list {
		out = append(out, c.entry(1, at))
	}
	return out
}

func seedSources(m *sim, t tx) {
	rev := m.revision(m.commits)
	at := m.ago(17 * time.Minute)
	artifact := m.artifact(gitRepositories, fluxNamespace, fluxNamespace, rev)
	artifact["lastUpdateTime"] = at.UTC().Format(time.RFC3339)
	text := "stored artifact for revision '" + rev + "'"
	m.addFlux(t, gitRepositories, fluxNamespace, fluxNamespace, map[string]any{
		"interval": "1m0s", "ref": map[string]any{"branch": "main"}, "timeout": "60s",
		"secretRef": map[string]any{"name": fluxNamespace}, "url": "ssh://git@git.turingpi.internal/ops/turingpi.git",
	}, map[string]any{"artifact": artifact, "conditions": conditions(at,
		condition{"Ready", "True", "Succeeded", text}, condition{"ArtifactInStorage", "True", "Succeeded", text})}, fluxNamespace)
	for _, name := range slices.Sorted(maps.Keys(repoURLs)) {
		url := repoURLs[name]
		digest := "sha256:" + hexOf(m.scene.Seed, 64, "index", name)
		text := "stored artifact: revision '" + digest + "'"
		at := m.ago(time.Duration(between(m.scene.Seed, 40, 600, "repo", name)) * time.Minute)
		artifact := m.artifact(helmRepositories, fluxNamespace, name, digest)
		artifact["lastUpdateTime"] = at.UTC().Format(time.RFC3339)
		m.addFlux(t, helmRepositories, fluxNamespace, name, map[string]any{"interval": "1h0m0s", "provider": "generic", "url": url},
			map[string]any{
				"artifact": artifact, "conditions": conditions(at,
					condition{"Ready", "True", "Succeeded", text}, condition{"ArtifactInStorage", "True", "Succeeded", text}),
				"url": "http://source-controller.flux-system.svc.cluster.local./helmrepository/flux-system/" + name + "/index.yaml",
			}, "infra")
	}
	seedOCI(m, t)
}

func seedOCI(m *sim, t tx) {
	for _, o := range []struct{ ns, name, url, tag, owner string }{
		{"media", "app-template", "oci://ghcr.io/bjw-s-labs/helm/app-template", "4.4.0", "media"},
		{"kube-system", "spegel", "oci://ghcr.io/spegel-org/helm-charts/spegel", "0.6.0", "infra"},
	} {
		rev := o.tag + "@sha256:" + hexOf(m.scene.Seed, 64, "oci", o.name)
		text := "stored artifact for digest '" + rev + "'"
		at := m.ago(9 * 24 * time.Hour)
		artifact := m.artifact(ociRepositories, o.ns, o.name, rev)
		artifact["lastUpdateTime"] = at.UTC().Format(time.RFC3339)
		m.addFlux(t, ociRepositories, o.ns, o.name, map[string]any{
			"interval": "1h0m0s", "provider": "generic", "timeout": "60s", "ref": map[string]any{"tag": o.tag}, "url": o.url,
			"layerSelector": map[string]any{"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "operation": "copy"},
		}, map[string]any{
			"artifact": artifact, "conditions": conditions(at,
				condition{"Ready", "True", "Succeeded", text}, condition{"ArtifactInStorage", "True", "Succeeded", text}),
			"url": "http://source-controller.flux-system.svc.cluster.local./ocirepository/" + o.ns + "/" + o.name + "/latest.tar.gz",
		}, o.owner)
	}
}

func (m *sim) addKustomization(t tx, k kustomizationSeed) {
	spec := map[string]any{
		"force": false, "interval": "10m0s", "path": k.path, "prune": true, "retryInterval": "1m0s", "timeout": "5m0s", "wait": true,
		"sourceRef": map[string]any{"kind": "GitRepository", "name": fluxNamespace},
	}
	if len(k.deps) > 0 {
		var deps []any
		for _, d := range k.deps {
			deps = append(deps, map[string]any{"name": d})
		}
		spec["dependsOn"] = deps
	}
	owner := fluxNamespace
	switch k.name {
	case fluxNamespace, "cluster", "infra", "apps":
	case "storage", "network", "tuning":
		owner = "infra"
	default:
		owner = "apps"
	}
	u := m.addFlux(t, kustomizations, fluxNamespace, k.name, spec, m.kustomizationStatus(k), owner)
	if k.suspended {
		m.suspendSeed(t, u)
	}
}

func (m *sim) kustomizationStatus(k kustomizationSeed) map[string]any {
	at := m.ago(time.Duration(between(m.scene.Seed, 400, 960, "applied", k.name)) * time.Second)
	rev, before := m.revision(m.commits), m.revision(m.commits-1)
	if k.suspended {
		rev, at = m.revision(0), m.ago(52*time.Hour)
	}
	status := map[string]any{
		"lastAppliedRevision": rev, "lastAttemptedRevision": rev,
		"conditions": conditions(at, condition{"Ready", "True", "ReconciliationSucceeded", "Applied revision: " + rev},
			condition{"Healthy", "True", "Succeeded", "Health check passed in " + m.took("health", k.name, rev)}),
		"inventory": map[string]any{"entries": inventory(k.inventory)},
	}
	stamp := at.UTC().Format(time.RFC3339)
	older := metav1.NewTime(at.Add(-26 * time.Hour)).UTC().Format(time.RFC3339)
	now := historyEntry("sha256:"+hexOf(m.scene.Seed, 64, "history", k.name, rev), rev, m.took("took", k.name, rev), stamp, stamp, 2)
	then := historyEntry("sha256:"+hexOf(m.scene.Seed, 64, "history", k.name, before), before, m.took("took", k.name, before), older, stamp, 156)
	status["history"] = []any{now, then}
	if !m.scene.FailingKustomization {
		return status
	}
	switch k.name {
	case "web":
		m.failStatus(status, k, rev, before, at)
		status["history"] = []any{then}
	case "web-auth", "web-dashboards":
		status["conditions"] = conditions(at, condition{"Ready", "False", "DependencyNotReady", "dependency 'flux-system/web' is not ready"},
			condition{"Healthy", "True", "Succeeded", "Health check passed in " + m.took("health", k.name, before)})
		status["lastAppliedRevision"], status["lastAttemptedRevision"] = before, before
		status["history"] = []any{then}
	}
	return status
}

// failStatus is how a Kustomization stands that cannot be built: healthy as of
// its last success, and not ready.
func (m *sim) failStatus(status map[string]any, k kustomizationSeed, rev, before string, at metav1.Time) {
	dir := fmt.Sprintf("kustomization-%d", between(m.scene.Seed, 1e8, 9e8, "dir", rev))
	status["conditions"] = conditions(at,
		condition{"Reconciling", "True", "ProgressingWithRetry", fmt.Sprintf("Building manifests for revision %s with a timeout of 5m0s", rev)},
		condition{"Ready", "False", "BuildFailed", buildError(dir, trimDot(k.path))},
		condition{"Healthy", "True", "Succeeded", "Health check passed in " + m.took("health", k.name, before)})
	status["lastAppliedRevision"], status["lastAttemptedRevision"] = before, rev
}

func inventory(list []string) []any {
	var out []any
	for _, entry := range list {
		var id, version string
		if _, err := fmt.Sscan(entry, &id, &version); err == nil {
			out = append(out, map[string]any{"id": id, "v": version})
		}
	}
	return out
}

// suspendSeed has the object suspended with the flux command, some time ago.
func (m *sim) suspendSeed(t tx, u *unstructured.Unstructured) {
	u = u.DeepCopy()
	set(u, true, "spec", "suspend")
	u.SetGeneration(2)
	set(u, int64(2), "status", "observedGeneration")
	u.SetManagedFields(append(u.GetManagedFields(), entryOf(kustomizations, "flux", metav1.ManagedFieldsOperationUpdate, "",
		m.began.Add(-51*time.Hour), map[string]any{"spec": map[string]any{"suspend": true}})))
	t.put(kustomizations, u)
}

func (m *sim) addHelmRelease(t tx, h helmSeed) {
	at := m.ago(time.Duration(between(m.scene.Seed, 2, 200, "deployed", h.name)) * time.Hour)
	text := fmt.Sprintf("Helm upgrade succeeded for release %s/%s.v%d with chart %s@%s", h.ns, h.name, h.release, h.chart, h.version)
	spec := map[string]any{
		"interval": "1h0m0s", "timeout": "5m0s",
		"values": map[string]any{"replicaCount": int64(1), "resources": map[string]any{"requests": map[string]any{"cpu": "100m", "memory": "128Mi"}}},
	}
	status := map[string]any{
		"conditions":       conditions(at, condition{"Ready", "True", "UpgradeSucceeded", text}, condition{"Released", "True", "UpgradeSucceeded", text}),
		"history":          m.releases(h, at),
		"storageNamespace": h.ns, "lastAttemptedRevision": h.version, "lastAttemptedGeneration": int64(1),
		"lastAttemptedReleaseAction": "upgrade", "lastAttemptedReleaseActionDuration": m.took("helm", h.name),
		"lastAttemptedConfigDigest": "sha256:" + hexOf(m.scene.Seed, 64, "config", h.name, fmt.Sprint(h.release)),
		"inventory":                 map[string]any{"entries": workloadInventory(h.deployments)},
	}
	if h.oci {
		spec["chartRef"] = map[string]any{"kind": "OCIRepository", "name": h.repo}
	} else {
		spec["chart"] = map[string]any{"spec": map[string]any{
			"chart": h.chart, "version": h.version, "interval": "1h0m0s", "reconcileStrategy": "ChartVersion",
			"sourceRef": map[string]any{"kind": "HelmRepository", "name": h.repo, "namespace": fluxNamespace},
		}}
		status["helmChart"] = fluxNamespace + "/" + h.ns + "-" + h.name
		m.addChart(t, h)
	}
	owner := map[string]string{"kube-system": "infra", "storage": "storage", "network": "network"}[h.ns]
	if owner == "" {
		owner = h.ns
	}
	m.addFlux(t, helmReleases, h.ns, h.name, spec, status, owner)
}

func workloadInventory(list []string) []any {
	var out []any
	for _, id := range list {
		out = append(out, map[string]any{"id": id, "v": "v1"})
	}
	return out
}

// releases is the history of a HelmRelease, the latest first.
func (m *sim) releases(h helmSeed, at metav1.Time) []any {
	first := m.ago(appAge).UTC().Format(time.RFC3339)
	var out []any
	for v := h.release; v > 0 && v > h.release-2; v-- {
		r := map[string]any{
			"apiVersion": "v2", "appVersion": h.version, "chartName": h.chart, "chartVersion": h.version, "name": h.name, "namespace": h.ns,
			"configDigest": "sha256:" + hexOf(m.scene.Seed, 64, "config", h.name, fmt.Sprint(v)),
			"digest":       "sha256:" + hexOf(m.scene.Seed, 64, "release", h.name, fmt.Sprint(v)), "firstDeployed": first,
			"lastDeployed": at.Add(-time.Duration(h.release-v) * 80 * time.Hour).UTC().Format(time.RFC3339), "status": "superseded", "version": v,
		}
		if v == h.release {
			r["status"] = "deployed"
		}
		if v > 1 {
			r["action"] = "upgrade"
		}
		out = append(out, r)
	}
	return out
}

func (m *sim) addChart(t tx, h helmSeed) {
	name := h.ns + "-" + h.name
	at := m.ago(time.Duration(between(m.scene.Seed, 2, 200, "deployed", h.name))*time.Hour + 15*time.Second)
	text := fmt.Sprintf("pulled '%s' chart with version '%s'", h.chart, h.version)
	artifact := m.artifact(helmCharts, fluxNamespace, name, h.version)
	artifact["lastUpdateTime"] = at.UTC().Format(time.RFC3339)
	m.addFlux(t, helmCharts, fluxNamespace, name, map[string]any{
		"chart": h.chart, "version": h.version, "interval": "1h0m0s", "reconcileStrategy": "ChartVersion",
		"sourceRef": map[string]any{"kind": "HelmRepository", "name": h.repo},
	}, map[string]any{
		"artifact": artifact, "observedChartName": h.chart,
		"observedSourceArtifactRevision": "sha256:" + hexOf(m.scene.Seed, 64, "index", h.repo),
		"conditions": conditions(at, condition{"Ready", "True", "ChartPullSucceeded", text},
			condition{"ArtifactInStorage", "True", "ChartPullSucceeded", text}),
		"url": "http://source-controller.flux-system.svc.cluster.local./helmchart/flux-system/" + name + "/latest.tar.gz",
	}, "")
}

func seedNotifications(m *sim, t tx) {
	m.addFlux(t, providers, fluxNamespace, "alertmanager", map[string]any{
		"type": "alertmanager", "address": "http://alertmanager.monitoring.svc.cluster.local:9093/api/v2/alerts/",
	}, nil, "infra")
	m.addFlux(t, alerts, fluxNamespace, "alertmanager", map[string]any{
		"eventSeverity": "error", "providerRef": map[string]any{"name": "alertmanager"},
		"eventSources": []any{
			map[string]any{"kind": "Kustomization", "name": "*"}, map[string]any{"kind": "HelmRelease", "name": "*", "namespace": "media"},
		},
	}, nil, "infra")
	path := "/hook/" + hexOf(m.scene.Seed, 64, "hook")
	m.addFlux(t, receivers, fluxNamespace, "git", map[string]any{
		"type": "generic", "interval": "10m0s", "secretRef": map[string]any{"name": "webhook-token"},
		"resources": []any{map[string]any{"kind": "GitRepository", "name": fluxNamespace}},
	}, map[string]any{"webhookPath": path, "conditions": conditions(m.ago(appAge),
		condition{"Ready", "True", "Succeeded", "Receiver initialized for path: " + path})}, "infra")
}

func seedImages(m *sim, t tx) {
	const image, tag = "docker.io/library/nginx", "1.29.4"
	at := m.ago(8 * time.Minute)
	stamp := at.UTC().Format(time.RFC3339)
	m.addFlux(t, imageRepos, fluxNamespace, "web", map[string]any{"image": image, "interval": "30m0s", "provider": "generic"}, map[string]any{
		"canonicalImageName": "index." + image, "lastScanResult": map[string]any{
			"scanTime": stamp, "tagCount": int64(1047), "latestTags": []any{tag, "1.29", "1"}, "revision": hexOf(m.scene.Seed, 16, "tags"),
		},
		"conditions": conditions(at, condition{"Ready", "True", "Succeeded", "successful scan: found 1047 tags"}),
	}, "apps")
	m.addFlux(t, imagePolicies, fluxNamespace, "web", map[string]any{
		"imageRepositoryRef": map[string]any{"name": "web"}, "policy": map[string]any{"semver": map[string]any{"range": "1.29.x"}},
	}, map[string]any{
		"latestRef":  map[string]any{"name": image, "tag": tag},
		"conditions": conditions(at, condition{"Ready", "True", "Succeeded", "Latest image tag for " + image + " resolved to " + tag}),
	}, "apps")
	m.addFlux(t, imageUpdates, fluxNamespace, "web", map[string]any{
		"interval": "30m0s", "sourceRef": map[string]any{"kind": "GitRepository", "name": fluxNamespace},
		"git":    map[string]any{"commit": map[string]any{"author": map[string]any{"email": "flux@turingpi.internal", "name": "flux"}}, "push": map[string]any{"branch": "main"}},
		"update": map[string]any{"path": "./apps/web", "strategy": "Setters"},
	}, map[string]any{
		"lastAutomationRunTime": stamp, "conditions": conditions(at, condition{"Ready", "True", "Succeeded", "repository up-to-date"}),
	}, "apps")
}

package kubed

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// seedDefinitions adds the CustomResourceDefinitions of Flux.
func seedDefinitions(m *sim, t tx) {
	at := m.ago(clusterAge).UTC().Format(time.RFC3339)
	for _, res := range fluxResources {
		names := map[string]any{"kind": res.Kind, "listKind": res.Kind + "List", "plural": res.Resource, "singular": res.Singular}
		if len(res.Short) > 0 {
			names["shortNames"] = texts(res.Short)
		}
		if len(res.Categories) > 0 {
			names["categories"] = texts(res.Categories)
		}
		version := map[string]any{
			"name": res.Version, "served": true, "storage": true, "additionalPrinterColumns": printerColumns(res),
			"schema": map[string]any{"openAPIV3Schema": map[string]any{
				"type": "object", "x-kubernetes-preserve-unknown-fields": true,
			}},
		}
		if res.Status {
			version["subresources"] = map[string]any{"status": map[string]any{}}
		}
		u := &unstructured.Unstructured{Object: map[string]any{
			"spec": map[string]any{
				"group": res.Group, "names": names, "scope": "Namespaced", "versions": []any{version},
				"conversion": map[string]any{"strategy": "None"},
			},
			"status": map[string]any{
				"acceptedNames": names, "storedVersions": []any{res.Version}, "conditions": []any{
					map[string]any{"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found", "lastTransitionTime": at},
					map[string]any{"type": "Established", "status": "True", "reason": "InitialNamesAccepted", "message": "the initial names have been accepted", "lastTransitionTime": at},
				},
			},
		}}
		u.SetGroupVersionKind(crds.gvk())
		u.SetName(res.Resource + "." + res.Group)
		u.SetLabels(map[string]string{
			"app.kubernetes.io/part-of": "flux", "app.kubernetes.io/component": component(res), "app.kubernetes.io/version": fluxVersion,
			"kustomize.toolkit.fluxcd.io/name": fluxNamespace, "kustomize.toolkit.fluxcd.io/namespace": fluxNamespace,
		})
		m.add(t, crds, u, clusterAge, "kustomize-controller", "kube-apiserver", true)
	}
}

func texts(list []string) []any {
	out := make([]any, 0, len(list))
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

// printerColumns are the columns of the definition, which the table shows after the name.
func printerColumns(res *resource) []any {
	known := map[string]string{
		"Age": ".metadata.creationTimestamp", "Ready": `.status.conditions[?(@.type=="Ready")].status`,
		"Status": `.status.conditions[?(@.type=="Ready")].message`, "URL": ".spec.url", "Endpoint": ".spec.endpoint",
		"Chart": ".spec.chart", "Version": ".spec.version", "Source Kind": ".spec.sourceRef.kind", "Source Name": ".spec.sourceRef.name",
		"Source": ".spec.sourceRef.name", "Image": ".spec.image", "Tags": ".status.lastScanResult.tagCount",
		"Tag": ".status.latestRef.tag", "Last scan": ".status.lastScanResult.scanTime", "Last run": ".status.lastAutomationRunTime",
	}
	out := []any{}
	for _, c := range res.columns {
		path, ok := known[c.name]
		if !ok {
			continue
		}
		if c.name == "Image" && res == imagePolicies {
			path = ".status.latestRef.name"
		}
		kind := "string"
		if c.name == "Age" {
			kind = "date"
		}
		column := map[string]any{"name": c.name, "type": kind, "jsonPath": path}
		if c.priority > 0 {
			column["priority"] = int64(c.priority)
		}
		out = append(out, column)
	}
	return out
}

// seedEvents adds what has happened in the last hour.
func seedEvents(m *sim, t tx) {
	for _, o := range t.list(kustomizations) {
		u, ok := o.(*unstructured.Unstructured)
		if !ok || boolean(u, "spec", "suspend") {
			continue
		}
		ready := readyCondition(u)
		at, err := time.Parse(time.RFC3339, text(ready["lastTransitionTime"]))
		if err != nil {
			continue
		}
		rev := str(u, "status", "lastAttemptedRevision")
		kind, reason, message := "Normal", text(ready["reason"]), "Reconciliation finished in "+m.took("took", u.GetName(), rev)+", next run in 10m0s"
		if ready["status"] != "True" {
			message = text(ready["message"])
			if reason == "BuildFailed" {
				kind = "Warning"
			}
		}
		m.emitAt(t, u, kustomizations, kind, reason, strings.TrimSpace(message), corev1.EventSource{Component: component(kustomizations)},
			metaTime(at), map[string]string{ksGroup + "/revision": rev})
	}
	git, ok := t.get(gitRepositories, fluxNamespace, fluxNamespace)
	if ok {
		rev := m.revision(m.commits)
		m.emitAt(t, git, gitRepositories, "Normal", "NewArtifact", "stored artifact for commit '"+m.subject(rev)+"'",
			corev1.EventSource{Component: component(gitRepositories)}, m.ago(17*time.Minute), map[string]string{sourceGroup + "/revision": rev})
	}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

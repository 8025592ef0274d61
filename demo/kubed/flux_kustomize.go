package kubed

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// dependencyRetry is how soon a Kustomization looks at its dependencies again.
const dependencyRetry = 5 * time.Second

// buildError is what kustomize says about a resource file that is not there.
func buildError(dir, path string) string {
	file := "/data/" + dir + path + "/missing.yaml"
	return "kustomize build failed: accumulating resources: accumulation err='accumulating resources from 'missing.yaml': open " +
		file + ": no such file or directory': must build at directory: not a valid directory: evalsymlink failure on '" +
		file + "' : lstat " + file + ": no such file or directory"
}

func (m *sim) kustomizationBegins(u *unstructured.Unstructured, asked string, finish func(time.Duration, func())) {
	ns, name := u.GetNamespace(), u.GetName()
	rev := m.sourceRevision(u)
	if why := m.dependencyNotReady(u, rev); why != "" {
		finish(100*time.Millisecond, func() { m.waitsForDependency(ns, name, asked, why) })
		return
	}
	if m.broken(name) {
		m.editFlux(kustomizations, ns, name, func(u *unstructured.Unstructured) {
			set(u, rev, "status", "lastAttemptedRevision")
			m.setConditions(u, condition{
				"Reconciling", "True", "ProgressingWithRetry",
				fmt.Sprintf("Building manifests for revision %s with a timeout of %s", rev, timeoutOf(u)),
			})
		})
		finish(1200*time.Millisecond, func() { m.buildFails(ns, name, asked, rev) })
		return
	}
	m.editFlux(kustomizations, ns, name, func(u *unstructured.Unstructured) {
		set(u, rev, "status", "lastAttemptedRevision")
		m.setConditions(u,
			condition{"Reconciling", "True", "Progressing", fmt.Sprintf("Building manifests for revision %s with a timeout of %s", rev, timeoutOf(u))},
			condition{"Ready", "Unknown", "Progressing", "Reconciliation in progress"})
	})
	took := time.Duration(between(m.scene.Seed, 900, 2600, "ks", name, rev)) * time.Millisecond
	finish(took, func() { m.applied(ns, name, asked, rev) })
}

// broken says whether the sources of a Kustomization cannot be built.
func (m *sim) broken(name string) bool { return m.scene.FailingKustomization && name == "web" }

func timeoutOf(u *unstructured.Unstructured) string {
	d, err := time.ParseDuration(str(u, "spec", "timeout"))
	if err != nil {
		d = 5 * time.Minute
	}
	return max(d, 30*time.Second).String()
}

// sourceRevision is the revision of the artifact that a Kustomization builds from.
func (m *sim) sourceRevision(u *unstructured.Unstructured) string {
	res := gitRepositories
	switch str(u, "spec", "sourceRef", "kind") {
	case "OCIRepository":
		res = ociRepositories
	case "Bucket":
		res = buckets
	}
	ns := str(u, "spec", "sourceRef", "namespace")
	if ns == "" {
		ns = u.GetNamespace()
	}
	src := m.fluxObject(res, ns, str(u, "spec", "sourceRef", "name"))
	if src == nil {
		return ""
	}
	return str(src, "status", "artifact", "revision")
}

// dependencyNotReady names the first dependency that holds the Kustomization back.
func (m *sim) dependencyNotReady(u *unstructured.Unstructured, rev string) string {
	for _, d := range entriesOf(u.Object, "spec", "dependsOn") {
		name, _ := d["name"].(string)
		ns, _ := d["namespace"].(string)
		if ns == "" {
			ns = u.GetNamespace()
		}
		dep := m.fluxObject(kustomizations, ns, name)
		switch {
		case dep == nil:
			return fmt.Sprintf("dependency '%s/%s' not found", ns, name)
		case !isTrue(dep, "Ready") || integer(dep, "status", "observedGeneration") != dep.GetGeneration():
			return fmt.Sprintf("dependency '%s/%s' is not ready", ns, name)
		case !boolean(dep, "spec", "suspend") && str(dep, "status", "lastAppliedRevision") != rev:
			return fmt.Sprintf("dependency '%s/%s' revision is not up to date", ns, name)
		}
	}
	return ""
}

func (m *sim) waitsForDependency(ns, name, asked, why string) {
	m.editFlux(kustomizations, ns, name, func(u *unstructured.Unstructured) {
		dropConditions(u, "Reconciling")
		m.setConditions(u, condition{"Ready", "False", "DependencyNotReady", why})
		handled(u, asked)
	})
	u := m.fluxObject(kustomizations, ns, name)
	if u == nil {
		return
	}
	m.fluxEvent(kustomizations, u, "Normal", "DependencyNotReady",
		fmt.Sprintf("Dependencies do not meet ready condition, retrying in %s", dependencyRetry), "")
	if m.scene.Still && m.blockedForGood(u) {
		return
	}
	m.after("retry kustomizations/"+ns+"/"+name, dependencyRetry, func() { m.fluxReconcile(kustomizations, ns, name) })
}

// blockedForGood says whether a Kustomization waits for one that cannot become ready by itself.
func (m *sim) blockedForGood(u *unstructured.Unstructured) bool {
	for _, d := range entriesOf(u.Object, "spec", "dependsOn") {
		if name, _ := d["name"].(string); m.broken(name) {
			return true
		}
	}
	return false
}

func (m *sim) buildFails(ns, name, asked, rev string) {
	var message string
	m.editFlux(kustomizations, ns, name, func(u *unstructured.Unstructured) {
		message = buildError("kustomization-"+fmt.Sprint(between(m.scene.Seed, 1e8, 9e8, "dir", rev)), trimDot(str(u, "spec", "path")))
		m.setConditions(u,
			condition{"Reconciling", "True", "ProgressingWithRetry", fmt.Sprintf("Building manifests for revision %s with a timeout of %s", rev, timeoutOf(u))},
			condition{"Ready", "False", "BuildFailed", message})
		handled(u, asked)
	})
	u := m.fluxObject(kustomizations, ns, name)
	if u == nil {
		return
	}
	m.fluxEvent(kustomizations, u, "Warning", "BuildFailed", message, rev)
	if !m.scene.Still {
		every, err := time.ParseDuration(str(u, "spec", "retryInterval"))
		if err != nil {
			every = time.Minute
		}
		m.after("retry kustomizations/"+ns+"/"+name, every, func() { m.fluxReconcile(kustomizations, ns, name) })
	}
}

func trimDot(path string) string {
	if len(path) > 1 && path[0] == '.' {
		return path[1:]
	}
	return path
}

// applied ends a reconciliation well.
func (m *sim) applied(ns, name, asked, rev string) {
	moved := false
	took := m.took("took", name, rev, m.now().String())
	m.editFlux(kustomizations, ns, name, func(u *unstructured.Unstructured) {
		moved = str(u, "status", "lastAppliedRevision") != rev
		dropConditions(u, "Reconciling")
		list := []condition{{"Ready", "True", "ReconciliationSucceeded", "Applied revision: " + rev}}
		if boolean(u, "spec", "wait") {
			list = append(list, condition{"Healthy", "True", "Succeeded", "Health check passed in " + m.took("health", name, rev)})
		}
		m.setConditions(u, list...)
		set(u, rev, "status", "lastAppliedRevision")
		set(u, rev, "status", "lastAttemptedRevision")
		m.addHistory(u, rev, took)
		handled(u, asked)
	})
	u := m.fluxObject(kustomizations, ns, name)
	if u == nil {
		return
	}
	if moved && boolean(u, "spec", "wait") {
		m.fluxEvent(kustomizations, u, "Normal", "Progressing", "Health check passed in "+m.took("health", name, rev), rev)
	}
	m.fluxEvent(kustomizations, u, "Normal", "ReconciliationSucceeded",
		fmt.Sprintf("Reconciliation finished in %s, next run in %s", took, intervalText(u)), rev)
}

func intervalText(u *unstructured.Unstructured) string {
	d, err := time.ParseDuration(str(u, "spec", "interval"))
	if err != nil {
		return str(u, "spec", "interval")
	}
	return d.String()
}

// addHistory counts the reconciliation in status.history of a private copy, which keeps five entries.
func (m *sim) addHistory(u *unstructured.Unstructured, rev, took string) {
	history := entriesOf(u.Object, "status", "history")
	now := m.now().UTC().Format(time.RFC3339)
	digest := "sha256:" + hexOf(m.scene.Seed, 64, "history", u.GetName(), rev)
	if len(history) > 0 && history[0]["digest"] == digest {
		history[0]["lastReconciled"], history[0]["lastReconciledDuration"] = now, took
		n, _ := history[0]["totalReconciliations"].(int64)
		history[0]["totalReconciliations"] = n + 1
	} else {
		history = append([]map[string]any{historyEntry(digest, rev, took, now, now, 1)}, history...)
	}
	var out []any
	for i, h := range history {
		if i < 5 {
			out = append(out, h)
		}
	}
	set(u, out, "status", "history")
}

func historyEntry(digest, rev, took, first, last string, total int64) map[string]any {
	return map[string]any{
		"digest": digest, "firstReconciled": first, "lastReconciled": last, "lastReconciledDuration": took,
		"lastReconciledStatus": "ReconciliationSucceeded", "metadata": map[string]any{"revision": rev}, "totalReconciliations": total,
	}
}

// dependentsReconcile lets every Kustomization of a source reconcile, because it has moved.
func (m *sim) dependentsReconcile(source string) {
	m.store.read(func(t tx) {
		for _, o := range t.list(kustomizations) {
			if str(o, "spec", "sourceRef", "name") != source {
				continue
			}
			ns, name := o.GetNamespace(), o.GetName()
			delay := time.Duration(between(m.scene.Seed, 200, 1500, "spread", name)) * time.Millisecond
			m.after("moved kustomizations/"+ns+"/"+name, delay, func() { m.fluxReconcile(kustomizations, ns, name) })
		}
	})
}

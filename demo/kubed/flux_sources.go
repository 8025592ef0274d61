package kubed

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// sourceBegins reconciles sources, image repositories, policies and receivers.
func (m *sim) sourceBegins(res *resource, u *unstructured.Unstructured, asked string, finish func(time.Duration, func())) {
	ns, name := u.GetNamespace(), u.GetName()
	rev := str(u, "status", "artifact", "revision")
	moved := false
	if res == gitRepositories && name == fluxNamespace {
		moved, rev = rev != m.revision(m.commits), m.revision(m.commits)
	}
	changed := integer(u, "status", "observedGeneration") != u.GetGeneration()
	if !moved && !changed && asked == str(u, "status", "lastHandledReconcileAt") {
		finish(0, func() { m.scanned(res, ns, name) }) // nothing new: the controllers do not even write
		return
	}
	text := "reconciliation in progress"
	if moved {
		text = fmt.Sprintf("building artifact: new upstream revision '%s'", rev)
	}
	m.editFlux(res, ns, name, func(u *unstructured.Unstructured) {
		m.setConditions(u, condition{"Reconciling", "True", "Progressing", text}, condition{"Ready", "Unknown", "Progressing", text})
	})
	took := time.Duration(between(m.scene.Seed, 500, 1500, "source", name, rev)) * time.Millisecond
	finish(took, func() { m.fetched(res, ns, name, asked, rev, moved) })
}

// readyText is what a source says when all is well.
func readyText(res *resource, u *unstructured.Unstructured, rev string) (reason, message string) {
	switch res {
	case gitRepositories, ociRepositories, buckets:
		if res == ociRepositories {
			return "Succeeded", fmt.Sprintf("stored artifact for digest '%s'", rev)
		}
		return "Succeeded", fmt.Sprintf("stored artifact for revision '%s'", rev)
	case helmRepositories:
		return "Succeeded", fmt.Sprintf("stored artifact: revision '%s'", rev)
	case helmCharts:
		return "ChartPullSucceeded", fmt.Sprintf("pulled '%s' chart with version '%s'", str(u, "spec", "chart"), rev)
	case imageRepos:
		return "Succeeded", fmt.Sprintf("successful scan: found %d tags", integer(u, "status", "lastScanResult", "tagCount"))
	case imagePolicies:
		return "Succeeded", fmt.Sprintf("Latest image tag for %s resolved to %s", str(u, "status", "latestRef", "name"), str(u, "status", "latestRef", "tag"))
	case receivers:
		return "Succeeded", "Receiver initialized for path: " + str(u, "status", "webhookPath")
	default:
		return "Succeeded", "repository up-to-date"
	}
}

func (m *sim) fetched(res *resource, ns, name, asked, rev string, moved bool) {
	m.editFlux(res, ns, name, func(u *unstructured.Unstructured) {
		if moved {
			set(u, m.artifact(res, ns, name, rev), "status", "artifact")
		}
		reason, message := readyText(res, u, rev)
		dropConditions(u, "Reconciling")
		list := []condition{{"Ready", "True", reason, message}}
		if res.Group == sourceGroup {
			list = append(list, condition{"ArtifactInStorage", "True", reason, message})
		}
		m.setConditions(u, list...)
		handled(u, asked)
	})
	if !moved {
		m.scanned(res, ns, name)
		return
	}
	if u := m.fluxObject(res, ns, name); u != nil {
		m.fluxEvent(res, u, "Normal", "NewArtifact",
			fmt.Sprintf("stored artifact for commit '%s'", m.subject(rev)), rev)
	}
	m.dependentsReconcile(name)
}

// scanned notes when an image repository was last looked at.
func (m *sim) scanned(res *resource, ns, name string) {
	if res != imageRepos {
		return
	}
	m.editFlux(res, ns, name, func(u *unstructured.Unstructured) {
		set(u, m.now().UTC().Format(time.RFC3339), "status", "lastScanResult", "scanTime")
	})
}

// subject is the first line of a commit's message.
func (m *sim) subject(rev string) string {
	texts := []string{
		"chore(deps): update helm release grafana", "feat(media): raise the memory limit of jellyfin", "fix(ingress): trust the proxy's headers",
		"chore(deps): update ghcr.io/home-operations/radarr docker tag", "docs: describe the restore of postgres",
	}
	return texts[number(m.scene.Seed, "subject", rev)%uint64(len(texts))]
}

// artifact is what the source controller stores of a revision.
func (m *sim) artifact(res *resource, ns, name, rev string) map[string]any {
	file := hashOnly(rev) + ".tar.gz"
	if res == helmRepositories {
		file = "index-" + hashOnly(rev) + ".yaml"
	}
	if res == helmCharts {
		file = name + "-" + rev + ".tgz"
	}
	path := res.Singular + "/" + ns + "/" + name + "/" + file
	return map[string]any{
		"digest": "sha256:" + hexOf(m.scene.Seed, 64, "artifact", path), "lastUpdateTime": m.now().UTC().Format(time.RFC3339), "path": path,
		"revision": rev, "size": between(m.scene.Seed, 900, 90_000, "size", path),
		"url": "http://source-controller.flux-system.svc.cluster.local./" + path,
	}
}

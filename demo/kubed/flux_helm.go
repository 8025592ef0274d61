package kubed

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// helmBegins reconciles a HelmRelease: it stays as it is when nothing has
// changed, and is upgraded when its generation has, or when a client forces it.
func (m *sim) helmBegins(u *unstructured.Unstructured, asked string, finish func(time.Duration, func())) {
	ns, name := u.GetNamespace(), u.GetName()
	notes := u.GetAnnotations()
	requested := asked != str(u, "status", "lastHandledReconcileAt")
	force := requested && notes[forceAt] == asked && asked != ""
	reset := requested && notes[resetAt] == asked && asked != ""
	changed := integer(u, "status", "observedGeneration") != u.GetGeneration()
	stalled := isTrue(u, "Stalled")
	upgrade := changed || force || (reset && stalled)
	if !upgrade && !requested {
		finish(0, func() {})
		return
	}
	before := u.DeepCopy()
	m.editFlux(helmReleases, ns, name, func(u *unstructured.Unstructured) {
		text := "Fulfilling prerequisites"
		if upgrade {
			text = "Running 'upgrade' action with timeout of " + timeoutOf(u)
			dropConditions(u, "Stalled")
		}
		m.setConditions(u, condition{"Reconciling", "True", "Progressing", text}, condition{"Ready", "Unknown", "Progressing", text})
	})
	end := func(u *unstructured.Unstructured) {
		handled(u, asked)
		if force {
			set(u, asked, "status", "lastHandledForceAt")
		}
		if reset {
			set(u, asked, "status", "lastHandledResetAt")
		}
	}
	took := time.Duration(between(m.scene.Seed, 1500, 4500, "helm", name)) * time.Millisecond
	switch {
	case !upgrade:
		finish(took/2, func() {
			m.editFlux(helmReleases, ns, name, func(u *unstructured.Unstructured) {
				restore(u, before)
				end(u)
			})
		})
	case m.helmFails[ns+"/"+name]:
		finish(took*3, func() { m.upgradeFails(ns, name, end) })
	default:
		finish(took, func() { m.upgraded(ns, name, end) })
	}
}

// restore gives a private copy the conditions that it had before.
func restore(u, before *unstructured.Unstructured) {
	old, found, err := unstructured.NestedSlice(before.Object, "status", "conditions")
	if found && err == nil {
		set(u, old, "status", "conditions")
	}
}

func chartOf(u *unstructured.Unstructured) string {
	history := entriesOf(u.Object, "status", "history")
	if len(history) == 0 {
		return "chart@0.1.0"
	}
	return fmt.Sprintf("%v@%v", history[0]["chartName"], history[0]["chartVersion"])
}

// addRelease puts a new release in front of status.history of a private copy and returns its number.
func (m *sim) addRelease(u *unstructured.Unstructured, status string) int64 {
	history := entriesOf(u.Object, "status", "history")
	next := map[string]any{}
	version := int64(1)
	if len(history) > 0 {
		for k, v := range history[0] {
			next[k] = v
		}
		n, _ := history[0]["version"].(int64)
		version = n + 1
		if status == "deployed" && history[0]["status"] == "deployed" {
			history[0]["status"] = "superseded"
		}
	}
	now := m.now().UTC().Format(time.RFC3339)
	next["version"], next["status"], next["lastDeployed"], next["action"] = version, status, now, "upgrade"
	next["digest"] = "sha256:" + hexOf(m.scene.Seed, 64, "release", u.GetName(), fmt.Sprint(version))
	out := []any{next}
	for i, h := range history {
		if i < 4 {
			out = append(out, h)
		}
	}
	set(u, out, "status", "history")
	set(u, u.GetGeneration(), "status", "lastAttemptedGeneration")
	set(u, "upgrade", "status", "lastAttemptedReleaseAction")
	return version
}

func (m *sim) upgraded(ns, name string, end func(*unstructured.Unstructured)) {
	var text string
	m.editFlux(helmReleases, ns, name, func(u *unstructured.Unstructured) {
		version := m.addRelease(u, "deployed")
		text = fmt.Sprintf("Helm upgrade succeeded for release %s/%s.v%d with chart %s", ns, name, version, chartOf(u))
		dropConditions(u, "Reconciling", "Stalled", "Remediated")
		m.setConditions(u, condition{"Ready", "True", "UpgradeSucceeded", text}, condition{"Released", "True", "UpgradeSucceeded", text})
		unstructured.RemoveNestedField(u.Object, "status", "failures")
		unstructured.RemoveNestedField(u.Object, "status", "upgradeFailures")
		end(u)
	})
	if u := m.fluxObject(helmReleases, ns, name); u != nil && text != "" {
		m.fluxEvent(helmReleases, u, "Normal", "UpgradeSucceeded", text, str(u, "status", "lastAttemptedRevision"))
	}
}

func (m *sim) upgradeFails(ns, name string, end func(*unstructured.Unstructured)) {
	var text string
	m.editFlux(helmReleases, ns, name, func(u *unstructured.Unstructured) {
		m.addRelease(u, "failed")
		text = fmt.Sprintf("Helm upgrade failed for release %s/%s with chart %s: timeout waiting for: [Deployment/%s/%s status: 'InProgress']",
			ns, name, chartOf(u), ns, name)
		dropConditions(u, "Reconciling")
		m.setConditions(u, condition{"Stalled", "True", "RetriesExceeded", "Failed to upgrade after 1 attempt(s)"},
			condition{"Ready", "False", "UpgradeFailed", text}, condition{"Released", "False", "UpgradeFailed", text})
		set(u, integer(u, "status", "failures")+1, "status", "failures")
		set(u, integer(u, "status", "upgradeFailures")+1, "status", "upgradeFailures")
		end(u)
	})
	if u := m.fluxObject(helmReleases, ns, name); u != nil && text != "" {
		m.fluxEvent(helmReleases, u, "Warning", "UpgradeFailed", text, str(u, "status", "lastAttemptedRevision"))
	}
}

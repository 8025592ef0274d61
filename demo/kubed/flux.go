package kubed

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The annotations by which clients ask Flux for something.
const (
	requestedAt = "reconcile.fluxcd.io/requestedAt"
	forceAt     = "reconcile.fluxcd.io/forceAt"
	resetAt     = "reconcile.fluxcd.io/resetAt"
)

const fluxNamespace = "flux-system"

// fluxVersion is the release of Flux that the controllers' versions belong to.
const fluxVersion = "v2.9.5"

func isFlux(res *resource) bool { return slices.Contains(fluxResources, res) }

// component names the controller of a Flux kind.
func component(res *resource) string {
	switch res.Group {
	case sourceGroup:
		return "source-controller"
	case ksGroup:
		return "kustomize-controller"
	case helmGroup:
		return "helm-controller"
	case notifyGroup:
		return "notification-controller"
	default:
		if res == imageUpdates {
			return "image-automation-controller"
		}
		return "image-reflector-controller"
	}
}

// condition is one condition of a Flux object.
type condition struct {
	kind, status, reason, message string
}

func (c condition) entry(generation int64, at metav1.Time) map[string]any {
	return map[string]any{
		"type": c.kind, "status": c.status, "reason": c.reason, "message": c.message,
		"observedGeneration": generation, "lastTransitionTime": at.UTC().Format(time.RFC3339),
	}
}

// setConditions sets conditions in a private copy, the ones named first; the
// time of one whose status stays does not change.
func (m *sim) setConditions(u *unstructured.Unstructured, list ...condition) {
	old := entriesOf(u.Object, "status", "conditions")
	var out []any
	for _, c := range list {
		entry := c.entry(u.GetGeneration(), m.now())
		for _, o := range old {
			if o["type"] == c.kind && o["status"] == c.status {
				entry["lastTransitionTime"] = o["lastTransitionTime"]
			}
		}
		out = append(out, entry)
	}
	for _, o := range old {
		if !slices.ContainsFunc(list, func(c condition) bool { return c.kind == o["type"] }) {
			out = append(out, o)
		}
	}
	set(u, out, "status", "conditions")
}

func dropConditions(u *unstructured.Unstructured, kinds ...string) {
	var out []any
	for _, c := range entriesOf(u.Object, "status", "conditions") {
		if kind, _ := c["type"].(string); !slices.Contains(kinds, kind) {
			out = append(out, c)
		}
	}
	set(u, out, "status", "conditions")
}

func conditionOf(o object, kind string) map[string]any {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	for _, c := range entriesOf(u.Object, "status", "conditions") {
		if c["type"] == kind {
			return c
		}
	}
	return nil
}

func isTrue(o object, kind string) bool { return conditionOf(o, kind)["status"] == "True" }

// fluxObject reads a Flux object, nil if it is gone.
func (m *sim) fluxObject(res *resource, ns, name string) *unstructured.Unstructured {
	var u *unstructured.Unstructured
	m.store.read(func(t tx) { u = fluxIn(t, res, ns, name) })
	return u
}

func fluxIn(t tx, res *resource, ns, name string) *unstructured.Unstructured {
	o, ok := t.get(res, ns, name)
	if !ok {
		return nil
	}
	u, _ := o.(*unstructured.Unstructured)
	return u
}

// editFlux changes a copy of the object as its controller would.
func (m *sim) editFlux(res *resource, ns, name string, change func(u *unstructured.Unstructured)) {
	m.change(func(t tx) {
		u := fluxIn(t, res, ns, name)
		if u == nil {
			return
		}
		c := u.DeepCopy()
		change(c)
		if sameObject(u, c) {
			return
		}
		m.touch(c, component(res))
		t.put(res, c)
	})
}

// touch notes in a private copy that a controller has written its status now.
func (m *sim) touch(o object, manager string) {
	entries := slices.Clone(o.GetManagedFields())
	for i := range entries {
		if entries[i].Manager == manager && entries[i].Subresource == "status" {
			entries[i].Time = ptr(m.now())
		}
	}
	o.SetManagedFields(entries)
}

// fluxReview looks whether a Flux object has been asked for something.
func (m *sim) fluxReview(res *resource, ns, name string) {
	u := m.fluxObject(res, ns, name)
	if u == nil {
		return
	}
	key := res.Resource + "/" + objKey(u)
	asked := u.GetAnnotations()[requestedAt]
	fresh := asked != "" && asked != str(u, "status", "lastHandledReconcileAt")
	switch {
	case u.GetDeletionTimestamp() != nil:
		m.after("finalize "+key, time.Second, func() { m.fluxFinalize(res, ns, name) })
	case !res.Status || m.reconciling[key]:
	case boolean(u, "spec", "suspend"):
		if fresh {
			m.after("suspended "+key, 700*time.Millisecond, func() { m.fluxSuspended(res, ns, name) })
		}
	case fresh || integer(u, "status", "observedGeneration") != u.GetGeneration():
		m.after("flux "+key, 300*time.Millisecond, func() { m.fluxReconcile(res, ns, name) })
	}
}

// fluxSuspended notes a request on a suspended object without doing anything about it.
func (m *sim) fluxSuspended(res *resource, ns, name string) {
	m.editFlux(res, ns, name, func(u *unstructured.Unstructured) {
		if boolean(u, "spec", "suspend") {
			set(u, u.GetAnnotations()[requestedAt], "status", "lastHandledReconcileAt")
			set(u, u.GetGeneration(), "status", "observedGeneration")
		}
	})
}

func (m *sim) fluxFinalize(res *resource, ns, name string) {
	m.change(func(t tx) {
		if u := fluxIn(t, res, ns, name); u != nil && u.GetDeletionTimestamp() != nil {
			t.remove(res, ns, name)
		}
	})
}

// fluxReconcile begins a reconciliation, which ends a moment later.
func (m *sim) fluxReconcile(res *resource, ns, name string) {
	u := m.fluxObject(res, ns, name)
	if u == nil || boolean(u, "spec", "suspend") || u.GetDeletionTimestamp() != nil {
		return
	}
	key := res.Resource + "/" + objKey(u)
	if m.reconciling[key] {
		return
	}
	m.reconciling[key] = true
	asked := u.GetAnnotations()[requestedAt]
	finish := func(took time.Duration, end func()) {
		m.after("finish "+key, took, func() {
			delete(m.reconciling, key)
			end()
		})
	}
	switch res {
	case kustomizations:
		m.kustomizationBegins(u, asked, finish)
	case helmReleases:
		m.helmBegins(u, asked, finish)
	default:
		m.sourceBegins(res, u, asked, finish)
	}
}

// handled notes in a private copy which request and generation have been dealt with.
func handled(u *unstructured.Unstructured, asked string) {
	if asked != "" {
		set(u, asked, "status", "lastHandledReconcileAt")
	}
	set(u, u.GetGeneration(), "status", "observedGeneration")
}

// fluxBegin lets every Flux object reconcile at its interval, and commits appear.
func (m *sim) fluxBegin() {
	for _, res := range fluxResources {
		if !res.Status {
			continue
		}
		m.store.read(func(t tx) {
			for _, o := range t.list(res) {
				m.intervalLater(res, o.GetNamespace(), o.GetName(), str(o, "spec", "interval"), true)
			}
		})
	}
	m.commitLater()
}

// intervalLater reconciles the object again after its interval; the first time
// somewhere within it.
func (m *sim) intervalLater(res *resource, ns, name, interval string, first bool) {
	every, err := time.ParseDuration(interval)
	if err != nil || every <= 0 {
		every = 10 * time.Minute
	}
	delay := every
	if first {
		delay = time.Duration(between(m.scene.Seed, int64(every)/10, int64(every), "interval", res.Resource, ns, name))
	}
	m.after("interval "+res.Resource+" "+ns+"/"+name, delay, func() {
		u := m.fluxObject(res, ns, name)
		if u == nil {
			return
		}
		m.fluxReconcile(res, ns, name)
		m.intervalLater(res, ns, name, str(u, "spec", "interval"), false)
	})
}

// commitLater moves the branch that the cluster follows, now and then.
func (m *sim) commitLater() {
	n := m.commits
	delay := time.Duration(between(m.scene.Seed, 150, 270, "commit", fmt.Sprint(n))) * time.Second
	m.after("commit", delay, func() {
		m.commits++
		m.commitLater()
	})
}

// revision is the branch's head after that many commits.
func (m *sim) revision(n int) string {
	return "main@sha1:" + hexOf(m.scene.Seed, 40, "revision", fmt.Sprint(n))
}

func (m *sim) fluxEvent(res *resource, u object, kind, reason, message, revision string) {
	annotations := map[string]string(nil)
	if revision != "" {
		annotations = map[string]string{res.Group + "/revision": revision}
	}
	m.change(func(t tx) {
		m.emitAt(t, u, res, kind, reason, message, corev1.EventSource{Component: component(res)}, m.now(), annotations)
	})
}

// took is a duration as the controllers print it, from the seed.
func (m *sim) took(parts ...string) string {
	return time.Duration(between(m.scene.Seed, 200_000_000, 900_000_000, parts...)).String()
}

func hashOnly(revision string) string {
	_, sha, _ := strings.Cut(revision, ":")
	return sha
}

package e2e

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/kube"
)

// viewerRights let a user look at everything but Helm releases, and patch nothing
// but the Git repositories.
const viewerRights = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: e2e-viewer}
rules:
- {apiGroups: [""], resources: [nodes, pods], verbs: [get, list, watch]}
- {apiGroups: [policy], resources: [poddisruptionbudgets], verbs: [get, list, watch]}
- {apiGroups: [source.toolkit.fluxcd.io, kustomize.toolkit.fluxcd.io, notification.toolkit.fluxcd.io], resources: ["*"], verbs: [get, list, watch]}
- {apiGroups: [source.toolkit.fluxcd.io], resources: [gitrepositories], verbs: [patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: e2e-viewer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: e2e-viewer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: viewer}]
`

const kubeconfigText = `apiVersion: v1
kind: Config
clusters: [{name: turingpi, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: %[3]s, user: {client-certificate-data: %[4]s, client-key-data: %[5]s}}]
contexts: [{name: %[3]s@turingpi, context: {cluster: turingpi, user: %[3]s}}]
current-context: %[3]s@turingpi
`

// kubeconfigFor writes a kubeconfig for a user, with a certificate of the bed's authority.
func kubeconfigFor(t *testing.T, server, user string, groups ...string) string {
	t.Helper()
	pair, err := lab.ca.Client(user, groups, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.StdEncoding.EncodeToString
	text := fmt.Sprintf(kubeconfigText, server, b64(lab.ca.CertPEM()), user, b64(pair.CertPEM), b64(pair.KeyPEM))
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// viewer is the kubeconfig of the user with viewerRights.
func viewer(t *testing.T) string {
	t.Helper()
	if err := lab.bed.Apply(timeout(t), viewerRights); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kubectlAfter(t, "delete", "clusterrole,clusterrolebinding", "e2e-viewer")
	})
	return kubeconfigFor(t, lab.bed.Server(), "viewer")
}

func TestViewerSeesButMayNot(t *testing.T) {
	w := connect(t, lab.admin, viewer(t))
	w.untilProof(t, cluster.ProofSame)
	until(t, "nodes, pods and Flux are shown", func() string {
		n := w.node("talos-test03")
		return yes(n.Kube != nil && n.Kube.Ready == "True" && n.Pods.V.Total > 0 && w.flux("kustomization", "web").State == cluster.FluxReady, "not yet")
	})
	until(t, "what may not be listed is named", func() string {
		list := w.board.Flux.Load().Value
		return yes(len(list.Denied) == 1 && strings.Contains(list.Denied["HelmRelease"], "helmreleases"), fmt.Sprint(list.Denied))
	})
	if s := w.board.Flux.Load(); s.Err != nil || w.flux("helmrelease", "podinfo").Name != "" {
		t.Errorf("Flux without the right to list Helm releases: %v", s.Err)
	}
	until(t, "suspend is denied, with the reason", func() string {
		ok, why := w.s.MayFlux(board.FluxSuspend, w.flux("kustomization", "web"))
		return yes(!ok && strings.Contains(why, "may not patch kustomizations in flux-system"), fmt.Sprint(ok, why))
	})
	if ok, why := w.s.MayFlux(board.FluxReconcile, w.flux("gitrepository", "flux-system")); !ok {
		t.Errorf("the one right that is there is not offered: %s", why)
	}
	_, err := w.s.Flux(timeout(t), board.FluxSuspend, w.flux("kustomization", "web"))
	if err == nil || !strings.Contains(err.Error(), "may not") && !strings.Contains(err.Error(), "not allowed") {
		t.Errorf("the API server's refusal: %v", err)
	}
	if said, err := w.s.Flux(timeout(t), board.FluxReconcile, w.flux("gitrepository", "flux-system")); err != nil {
		t.Errorf("reconcile with the one right: %q %v", said, err)
	}
}

// openKube is a client of its own.
func openKube(t *testing.T, kubeconfig string) *kube.Client {
	t.Helper()
	cfg, err := kube.LoadConfig([]string{kubeconfig}, "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := kube.Open(cfg, kube.Options{Version: "e2e"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestRightsEqualCanI(t *testing.T) {
	wants := []kube.Access{
		kube.PatchNodes, kube.DeleteNodes, kube.DeletePods, kube.EvictPods, kube.CreateLeases, kube.UpdateLeases,
		{Verb: "list", Resource: "nodes"}, {Verb: "watch", Resource: "pods", Namespace: "media"},
		kube.PatchFlux("kustomize.toolkit.fluxcd.io", "kustomizations", "flux-system"),
		kube.PatchFlux("source.toolkit.fluxcd.io", "gitrepositories", ""),
		kube.PatchFlux("helm.toolkit.fluxcd.io", "helmreleases", "gitops"),
	}
	for user, path := range map[string]string{"admin": lab.bed.Kubeconfig(), "viewer": viewer(t)} {
		got, err := openKube(t, path).Can(timeout(t), wants)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, want := range wants {
			wg.Go(func() {
				answer := canI(t, path, want)
				if allowed, known := got[want].Get(); !known || allowed != (answer == "yes") {
					t.Errorf("%s: %+v: %v (known %v), kubectl auth can-i says %s", user, want, allowed, known, answer)
				}
			})
		}
		wg.Wait()
	}
}

// canI is the answer of kubectl auth can-i: yes or no.
func canI(t *testing.T, kubeconfig string, a kube.Access) string {
	resource := a.Resource
	if a.Group != "" {
		resource += "." + a.Group
	}
	if a.Name != "" {
		resource += "/" + a.Name
	}
	args := []string{"auth", "can-i", a.Verb, resource, "--kubeconfig", kubeconfig}
	if a.Subresource != "" {
		args = append(args, "--subresource", a.Subresource)
	}
	if a.Namespace == "" {
		args = append(args, "-A")
	} else {
		args = append(args, "-n", a.Namespace)
	}
	out, err := lab.bed.Kubectl(timeout(t), args...)
	answer := strings.TrimSpace(out)
	if answer != "yes" && answer != "no" { // no ends with code 1
		t.Errorf("kubectl %s: %q %v", strings.Join(args, " "), out, err)
	}
	return answer
}

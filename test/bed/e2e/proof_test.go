package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/role"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/demo/pki"
	"github.com/talos-cockpit/talos-cockpit/demo/scene"
)

func TestProofs(t *testing.T) {
	t.Run("the same authority", func(t *testing.T) {
		t.Parallel()
		s := connect(t, lab.admin, lab.bed.Kubeconfig()).untilProof(t, cluster.ProofSame)
		if s.ReadOnly != "" || !strings.Contains(s.ProofWhy, "the Kubernetes CA that the Talos API tells is the kubeconfig's") {
			t.Errorf("read-only %q, because %s", s.ReadOnly, s.ProofWhy)
		}
	})
	t.Run("the same nodes, to a reader", func(t *testing.T) {
		t.Parallel()
		s := connect(t, lab.reader, lab.bed.Kubeconfig()).untilProof(t, cluster.ProofSame)
		if s.ReadOnly != "" || !strings.Contains(s.ProofWhy, "4 members") {
			t.Errorf("read-only %q, because %s", s.ReadOnly, s.ProofWhy)
		}
	})
	t.Run("another authority", func(t *testing.T) {
		t.Parallel()
		refused(t, "single", cluster.ProofDifferent, "different clusters")
	})
	t.Run("another authority, the same nodes", func(t *testing.T) {
		t.Parallel()
		refused(t, scene.Default, cluster.ProofImpossible, "not proven")
	})
}

// refused connects with the talosconfig of another cluster and wants every act refused.
func refused(t *testing.T, scene string, proof cluster.Proof, why string) {
	t.Helper()
	authorities, err := pki.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := startTalos(t.Context(), scene, authorities)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Stop)
	path := filepath.Join(t.TempDir(), "talosconfig")
	if err := writeTalosconfig(other, role.Admin, path); err != nil {
		t.Fatal(err)
	}
	w := connect(t, path, lab.bed.Kubeconfig())
	if s := w.untilProof(t, proof); !strings.Contains(s.ReadOnly, why) {
		t.Errorf("read-only: %q", s.ReadOnly)
	}
	until(t, "Flux is shown all the same", func() string { return yes(w.flux("kustomization", "web").State == cluster.FluxReady, "not yet") })
	o := w.flux("kustomization", "web")
	if ok, said := w.s.MayFlux(board.FluxSuspend, o); ok || !strings.Contains(said, why) {
		t.Errorf("suspend is offered: %v %q", ok, said)
	}
	if _, err := w.s.Flux(t.Context(), board.FluxSuspend, o); err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("suspend was not refused: %v", err)
	}
	if suspended := kubectl(t, "get", "kustomization", "-n", "flux-system", "web", "-o", "jsonpath={.spec.suspend}"); suspended == "true" {
		t.Error("it is suspended")
	}
}

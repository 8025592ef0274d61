package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/kube"
	"github.com/talos-cockpit/talos-cockpit/test/bed"
)

// fluxGetAll is what `flux get all -A` prints, a line for each object: namespace,
// kind/name, revision as the cockpit shortens it, suspended, ready, message.
func fluxGetAll(t *testing.T) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(flux(t, "get", "all", "-A", "--no-header")) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(cells) < 6 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		cells[2] = kube.ShortRevision(cells[2])
		out = append(out, strings.Join(cells[:6], " | "))
	}
	slices.Sort(out)
	return out
}

// digest is a digest in a message, which flux shortens to eight digits.
var digest = regexp.MustCompile(`((?:sha1|sha256):[0-9a-f]{8})[0-9a-f]+`)

func (w *world) fluxRows() []string {
	var out []string
	for _, o := range w.board.Flux.Load().Value.Objects {
		isReady, suspended := "-", "False"
		for _, c := range o.Conditions {
			if c.Type == "Ready" {
				isReady = c.Status
			}
		}
		if o.Suspended {
			suspended = "True"
		}
		out = append(out, strings.Join([]string{
			o.Namespace, strings.ToLower(o.Kind) + "/" + o.Name, o.Revision, suspended, isReady,
			digest.ReplaceAllString(o.Message, "$1"),
		}, " | "))
	}
	slices.Sort(out)
	return out
}

// sameFlux waits until the board shows what the flux command prints now.
func (w *world) sameFlux(t *testing.T, what string) {
	t.Helper()
	want := fluxGetAll(t)
	if len(want) != 6 {
		t.Fatalf("flux get all:\n%s", strings.Join(want, "\n"))
	}
	promptly(t, what, func() string {
		got := w.fluxRows()
		return yes(slices.Equal(got, want), fmt.Sprintf("the board:\n%s\nflux get all:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n")))
	})
}

func TestFluxCommandsShow(t *testing.T) {
	w := ready(t, lab.bed.Kubeconfig())
	w.sameFlux(t, "all in sync")
	flux(t, "suspend", "kustomization", "web")
	promptly(t, "suspended", func() string {
		o := w.flux("kustomization", "web")
		return yes(o.State == cluster.FluxSuspended && o.SuspendedBy == "flux" && !o.SuspendedAt.IsZero(),
			fmt.Sprintf("%s by %q", o.State, o.SuspendedBy))
	})
	w.sameFlux(t, "the row of a suspended object")
	until(t, "reconcile is not offered", func() string {
		ok, why := w.s.MayFlux(board.FluxReconcile, w.flux("kustomization", "web"))
		return yes(!ok && strings.Contains(why, "suspended"), why)
	})
	flux(t, "resume", "kustomization", "web")
	promptly(t, "resumed", func() string { return yes(!w.flux("kustomization", "web").Suspended, "still suspended") })

	before := w.flux("kustomization", "web").Handled
	flux(t, "reconcile", "kustomization", "web")
	promptly(t, "reconciled", func() string {
		o := w.flux("kustomization", "web")
		return yes(o.Handled != before && o.Handled == o.Requested && o.State == cluster.FluxReady, o.Handled+" "+string(o.State))
	})
	w.sameFlux(t, "all in sync again")
}

func TestBrokenCommitAndItsFix(t *testing.T) {
	w := ready(t, lab.bed.Kubeconfig())
	good := w.flux("kustomization", "web").Revision
	ctx := timeout(t)
	revision, err := lab.bed.PushBroken(ctx)
	if err != nil {
		t.Fatal(err)
	}
	message, err := lab.bed.AwaitReady(ctx, bed.KustomizationWebPath, "False", revision)
	if err != nil {
		t.Fatal(err)
	}
	promptly(t, "failed, with the message in full", func() string {
		o := w.flux("kustomization", "web")
		return yes(o.State == cluster.FluxFailed && o.Message == strings.TrimSpace(feed.Clean(message)), string(o.State)+": "+o.Message)
	})
	o := w.flux("kustomization", "web")
	if !strings.Contains(o.Message, "missing.yaml") || o.Revision != good || o.Attempted != kube.ShortRevision(revision) {
		t.Errorf("applied %q, attempted %q of %q: %s", o.Revision, o.Attempted, revision, o.Message)
	}
	w.sameFlux(t, "the row of a failed object")

	if revision, err = lab.bed.PushFix(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.bed.AwaitReady(ctx, bed.KustomizationWebPath, "True", revision); err != nil {
		t.Fatal(err)
	}
	promptly(t, "ready again", func() string {
		o := w.flux("kustomization", "web")
		return yes(o.State == cluster.FluxReady && o.Revision == kube.ShortRevision(revision) && o.Attempted == "",
			string(o.State)+" "+o.Revision+" "+o.Attempted)
	})
	until(t, "everything follows", func() string {
		return yes(w.flux("kustomization", "infra").Revision == kube.ShortRevision(revision), "infra does not")
	})
	w.sameFlux(t, "all in sync again")
}

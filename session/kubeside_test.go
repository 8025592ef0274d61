package session

import (
	"testing"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// A kind that cannot be listed does not hold up the others.
func TestFluxOfTheOtherKindsGoesOn(t *testing.T) {
	b := board.New(1, 1)
	l := &link{s: New(b, Options{})}
	list := func(state cluster.FluxState) cluster.FluxList {
		return cluster.FluxList{Installed: true, Objects: []cluster.FluxObject{{Ref: cluster.Ref{Kind: "Kustomization", Name: "apps"}, State: state}}}
	}
	broken := &cluster.Trouble{Kind: cluster.TroubleOther, What: "list helmreleases: the conversion webhook failed"}
	l.tellFlux(list(cluster.FluxReady), nil)
	l.tellFlux(list(cluster.FluxFailed), broken)
	got := b.Flux.Load()
	if got.Err == nil || len(got.Value.Objects) != 1 || got.Value.Objects[0].State != cluster.FluxFailed {
		t.Errorf("%+v, want the failed object with the trouble", got)
	}
	l.tellFlux(cluster.FluxList{}, broken) // nothing can be listed
	if again := b.Flux.Load(); len(again.Value.Objects) != 1 || !again.At.Equal(got.At) || !again.Since.Equal(got.Since) {
		t.Errorf("%+v, want the last known list, as old as before", again)
	}
	l.tellFlux(list(cluster.FluxReady), nil)
	if got := b.Flux.Load(); got.Err != nil || got.Value.Objects[0].State != cluster.FluxReady {
		t.Errorf("%+v, want the list without trouble", got)
	}
}

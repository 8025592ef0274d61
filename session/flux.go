package session

import (
	"context"
	"fmt"
	"time"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/kube"
)

// fluxTimeout is how long an act on a Flux object is followed to its outcome;
// the flux command's own limit is the same.
const fluxTimeout = 5 * time.Minute

// Flux implements board.Acts.
func (s *Session) Flux(ctx context.Context, verb board.FluxVerb, o cluster.FluxObject) (string, error) {
	l := s.link.Load()
	if l == nil {
		return "", notConnected()
	}
	client := l.kube.Load()
	if client == nil {
		return "", notConnected()
	}
	if why := l.status.get().ReadOnly; why != "" {
		return "", &cluster.Trouble{Kind: cluster.TroubleForbidden, What: why}
	}
	ctx, cancel := context.WithTimeout(ctx, fluxTimeout)
	defer cancel()
	name := fmt.Sprintf("%s %s/%s", o.Short, o.Namespace, o.Name)
	switch verb {
	case board.FluxSuspend:
		if err := client.Suspend(ctx, o); err != nil {
			return "", err
		}
		return name + " is suspended", nil
	case board.FluxResume:
		if err := client.Resume(ctx, o); err != nil {
			return "", err
		}
		return outcome(ctx, client, o, "", name+" is resumed and ready")
	case board.FluxReconcile, board.FluxReconcileWithSource:
		token, err := client.Reconcile(ctx, o, verb == board.FluxReconcileWithSource)
		if err != nil {
			return "", err
		}
		return outcome(ctx, client, o, token, name+" is reconciled")
	}
	return "", fmt.Errorf("%s is not known", verb)
}

func outcome(ctx context.Context, client *kube.Client, o cluster.FluxObject, token, done string) (string, error) {
	now, err := client.Outcome(ctx, o, token)
	if err != nil {
		return "", err
	}
	if now.Revision != "" {
		done += ": " + now.Revision
	}
	return done, nil
}

func notConnected() error {
	return &cluster.Trouble{Kind: cluster.TroubleOther, What: "the Kubernetes API is not connected"}
}

// MayFlux implements board.Acts. It answers from what is known already and asks
// for the rest in the background: a right that is not known yet is not denied,
// the API server has the last word.
func (s *Session) MayFlux(verb board.FluxVerb, o cluster.FluxObject) (ok bool, why string) {
	l, status := s.link.Load(), s.board.Status.Load() // without a lock: the screen asks
	if l == nil || !status.Has() {
		return false, "not connected"
	}
	if why := status.Value.ReadOnly; why != "" {
		return false, why
	}
	switch {
	case verb == board.FluxSuspend && o.Suspended:
		return false, "it is suspended already"
	case verb == board.FluxResume && !o.Suspended:
		return false, "it is not suspended"
	case (verb == board.FluxReconcile || verb == board.FluxReconcileWithSource) && o.Suspended:
		return false, "it is suspended: resume it first"
	case o.State == cluster.FluxStatic:
		return false, o.Kind + " objects are not reconciled"
	}
	if allowed, known := l.fluxRight(o); known && !allowed {
		return false, "the kubeconfig may not patch " + o.Plural + " in " + o.Namespace
	}
	return true, ""
}

package session

import (
	"context"
	"sync"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/health"
	"github.com/talos-cockpit/talos-cockpit/kube"
)

const rightsTimeout = 10 * time.Second

// rights remembers what the kubeconfig's user may do, and asks beside the event loop.
type rights struct {
	mu    sync.Mutex
	known map[kube.Access]bool
	asked map[kube.Access]time.Time
}

// get answers from memory; what is not known is asked for, once in a while.
func (r *rights) get(want kube.Access, ask func(kube.Access)) (allowed, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	allowed, known = r.known[want]
	if time.Since(r.asked[want]) > rightsEvery {
		if r.asked == nil {
			r.asked = map[kube.Access]time.Time{}
		}
		r.asked[want] = time.Now()
		ask(want)
	}
	return allowed, known
}

const rightsEvery = 10 * time.Minute

func (r *rights) set(answers map[kube.Access]cluster.Opt[bool]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[kube.Access]bool{}
	}
	for a, answer := range answers {
		if allowed, known := answer.Get(); known {
			r.known[a] = allowed
		} else {
			delete(r.asked, a)
		}
	}
}

// fluxRight is whether the object's kind may be patched, as far as known.
func (l *link) fluxRight(o cluster.FluxObject) (allowed, known bool) {
	client := l.kube.Load()
	if client == nil {
		return false, false
	}
	return l.rights.get(kube.PatchFlux(o.Group, o.Plural, o.Namespace), func(a kube.Access) {
		l.s.opts.Go(func() {
			ctx, cancel := context.WithTimeout(l.life, rightsTimeout)
			defer cancel()
			answers, err := client.Can(ctx, []kube.Access{a})
			if err == nil {
				l.rights.set(answers)
			}
		})
	})
}

// exchangeRights ties the rights that the preflight names to what the API server is asked.
var exchangeRights = map[string]kube.Access{
	"patch nodes":          kube.PatchNodes,
	"delete nodes":         kube.DeleteNodes,
	"create pods/eviction": kube.EvictPods,
	"delete pods":          kube.DeletePods,
	"create leases.coordination.k8s.io in kube-system": kube.CreateLeases,
	"update leases.coordination.k8s.io in kube-system": kube.UpdateLeases,
}

// readRights asks for all rights that an exchange needs; one that cannot be
// asked for is left out, and so unknown.
func readRights(ctx context.Context, client *kube.Client) map[string]bool {
	var wants []kube.Access
	for _, name := range health.NeededRights() {
		wants = append(wants, exchangeRights[name])
	}
	answers, err := client.Can(ctx, wants)
	if err != nil && answers == nil {
		return nil
	}
	out := map[string]bool{}
	for name, a := range exchangeRights {
		if allowed, known := answers[a].Get(); known {
			out[name] = allowed
		}
	}
	return out
}

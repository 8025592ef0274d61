package kube

import (
	"context"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// Access is one right, in the words of RBAC. An empty Namespace means all.
type Access struct {
	Verb, Group, Resource, Subresource, Namespace, Name string
}

// The rights that the cockpit's actions need.
var (
	PatchNodes   = Access{Verb: "patch", Resource: "nodes"}
	DeleteNodes  = Access{Verb: "delete", Resource: "nodes"}
	DeletePods   = Access{Verb: "delete", Resource: "pods"}
	EvictPods    = Access{Verb: "create", Resource: "pods", Subresource: "eviction"}
	CreateLeases = Access{Verb: "create", Group: "coordination.k8s.io", Resource: "leases", Namespace: lockNamespace}
	UpdateLeases = Access{Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Namespace: lockNamespace, Name: lockName}
)

// PatchFlux is the right to reconcile, suspend and resume objects of a kind in a
// namespace; an empty namespace means all.
func PatchFlux(group, plural, namespace string) Access {
	return Access{Verb: "patch", Group: group, Resource: plural, Namespace: namespace}
}

const (
	accessKept     = 10 * time.Minute
	accessParallel = 8
)

// accessCache remembers the answers.
type accessCache struct {
	mu      sync.Mutex
	answers map[Access]accessAnswer
}

type accessAnswer struct {
	allowed bool
	at      time.Time
}

func (a *accessCache) get(want Access, now time.Time) (allowed, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	answer, ok := a.answers[want]
	return answer.allowed, ok && now.Sub(answer.at) < accessKept
}

func (a *accessCache) set(want Access, allowed bool, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.answers == nil {
		a.answers = map[Access]accessAnswer{}
	}
	a.answers[want] = accessAnswer{allowed: allowed, at: now}
}

// Can asks the API server which of the rights these credentials have. Answers
// are kept for ten minutes. A right that could not be asked for is not known;
// the error, a *cluster.Trouble, then says why.
func (c *Client) Can(ctx context.Context, wants []Access) (map[Access]cluster.Opt[bool], error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		out     = make(map[Access]cluster.Opt[bool], len(wants))
		trouble error
		slots   = make(chan struct{}, accessParallel)
	)
	for _, want := range wants {
		if allowed, ok := c.access.get(want, time.Now()); ok {
			mu.Lock()
			out[want] = cluster.Some(allowed)
			mu.Unlock()
			continue
		}
		slots <- struct{}{}
		wg.Add(1)
		c.spawn(func() {
			defer wg.Done()
			defer func() { <-slots }()
			allowed, err := c.review(ctx, want)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				out[want], trouble = cluster.Opt[bool]{}, c.Explain(err, "ask for the rights")
				return
			}
			out[want] = cluster.Some(allowed)
		})
	}
	wg.Wait()
	return out, trouble
}

func (c *Client) review(ctx context.Context, want Access) (bool, error) {
	ask := &authorizationv1.SelfSubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SelfSubjectAccessReview"},
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: want.Verb, Group: want.Group, Resource: want.Resource, Subresource: want.Subresource,
			Namespace: want.Namespace, Name: want.Name,
		}},
	}
	var answer authorizationv1.SelfSubjectAccessReview
	err := c.auth.Post().Resource("selfsubjectaccessreviews").Body(ask).Do(ctx).Into(&answer)
	if err != nil {
		return false, err
	}
	c.access.set(want, answer.Status.Allowed, time.Now())
	return answer.Status.Allowed, nil
}

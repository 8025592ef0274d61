package session

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/health"
	"github.com/talos-cockpit/talos-cockpit/kube"
	"github.com/talos-cockpit/talos-cockpit/runbook"
	"github.com/talos-cockpit/talos-cockpit/talosapi"
)

// How often the plan is judged anew while it is on the screen: soon as long as
// something is not known yet, but may still become so.
const (
	planEvery   = 10 * time.Second
	planSoon    = 2 * time.Second
	planSettled = 5 // times the same
)

const factsTimeout = 10 * time.Second

// plans judges the exchange of the chosen node again and again while it is shown.
func (l *link) plans(ctx context.Context) {
	same := 0 // how often the plan came out the same
	next := time.NewTimer(planEvery)
	defer next.Stop()
	for {
		kick := l.s.kicks.wait()
		if l.s.planned != "" && l.s.visible.Load().Exchange {
			settled, unknown := l.plan(ctx, l.s.planned)
			if same++; !settled {
				same = 0
			}
			pause := planEvery
			if unknown && same < planSettled {
				pause = planSoon
			}
			next.Reset(feed.OnBeat(time.Now(), pause))
		} else {
			next.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case l.s.planned = <-l.s.target:
			same = 0
		case <-next.C:
		case <-kick:
		}
	}
}

// plan judges once, and reports whether the plan is the same as before and
// whether something in it is not known.
func (l *link) plan(ctx context.Context, node string) (same, unknown bool) {
	facts := l.facts(ctx, node)
	switch {
	case ctx.Err() != nil:
		return true, false
	case len(facts.Inventory.Nodes) == 0:
		return false, true // nobody can tell yet whether there is such a node
	}
	plan := runbook.Exchange(facts)
	if old := l.s.board.Plan.Load(); old.Has() && samePlan(old.Value, plan) {
		l.s.board.Plan.Touch(time.Now())
		same = true
	} else {
		l.s.board.Plan.Set(plan, time.Now())
	}
	return same, slices.ContainsFunc(plan.Checks, func(c health.Check) bool { return c.Verdict == health.UnknownV })
}

// samePlan compares what is shown; the times of the facts are not.
func samePlan(a, b health.Plan) bool { return reflect.DeepEqual(undated(a), undated(b)) }

func undated(p health.Plan) health.Plan {
	checks := make([]health.Check, len(p.Checks))
	copy(checks, p.Checks)
	for i := range checks {
		checks[i].At = time.Time{}
	}
	p.Checks = checks
	return p
}

// facts gathers what the preflight is judged by; what cannot be read stays unknown.
func (l *link) facts(ctx context.Context, node string) health.Facts {
	ctx, cancel := context.WithTimeout(ctx, factsTimeout)
	defer cancel()
	f := health.Facts{Target: node, Inventory: l.inv.now(), Status: l.status.get()}
	if flux := l.s.board.Flux.Load(); flux.Has() || flux.Err != nil {
		f.Flux = cluster.Reading[cluster.FluxList]{Value: flux.Value, At: flux.At, Since: flux.Since}
		if flux.Err != nil {
			t := trouble(flux.Err)
			f.Flux.Err = &t
		}
	}
	if talos := l.talos.Load(); talos != nil {
		f.Endpoints = endpointFacts(talos)
	}
	if client := l.kube.Load(); client != nil {
		l.kubeFacts(ctx, client, &f)
	}
	f.Now = time.Now()
	return f
}

// kubeFacts asks the Kubernetes API for everything side by side.
func (l *link) kubeFacts(ctx context.Context, client *kube.Client, f *health.Facts) {
	var work sync.WaitGroup
	beside := func(read func()) {
		work.Add(1)
		l.s.opts.Go(func() {
			defer work.Done()
			read()
		})
	}
	beside(func() { f.Rights = readRights(ctx, client) })
	beside(func() {
		lock, err := client.MaintenanceLock(ctx)
		held := lock.Holder != ""
		f.Lock = reading(cluster.Lock{Held: held, Holder: lock.Holder, Since: lock.Since, Lapsed: held && !lock.Held(time.Now())}, err)
	})
	beside(func() {
		forecast, err := client.Forecast(ctx, f.Target)
		f.Forecast = reading(forecast, err)
	})
	work.Wait()
}

func reading[T any](v T, err error) cluster.Reading[T] {
	now := time.Now()
	if err != nil {
		t := trouble(err)
		return cluster.Reading[T]{Err: &t, Since: now}
	}
	return cluster.Reading[T]{Value: v, At: now}
}

func endpointFacts(client *talosapi.Client) cluster.Reading[[]cluster.Endpoint] {
	now := time.Now()
	r := cluster.Reading[[]cluster.Endpoint]{At: now}
	for _, e := range client.Endpoints() {
		one := cluster.Endpoint{Address: e.Address, At: now}
		if e.Node != nil {
			one.Node, one.VIP = e.Node.Hostname, e.Node.Shared != ""
		}
		if e.State != talosapi.EndpointUp {
			one.Err = e.Err
			if one.Err == nil {
				one.Err = &cluster.Trouble{Kind: cluster.TroubleOther, What: e.Address + " is " + string(e.State)}
			}
		} else if !e.Forwards {
			one.Err = &cluster.Trouble{Kind: cluster.TroubleNoForwarding, What: e.Address + " is a worker, which forwards nothing"}
		}
		r.Value = append(r.Value, one)
	}
	return r
}

package health

import (
	"fmt"
	"maps"
	"slices"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

func drain(f Facts, c *Check) {
	c.Command = "kubectl drain " + f.Target + " --ignore-daemonsets --delete-emptydir-data --dry-run=server"
	if !f.Forecast.Fresh() || stale(f, f.Forecast.At) || f.Forecast.Value.Node != f.Target {
		c.set(UnknownV, "the pods of "+f.Target+" were not read: "+reason(f.Forecast.Err), "")
		return
	}
	c.At = f.Forecast.At
	count := map[cluster.Fate]int{}
	for _, p := range f.Forecast.Value.Pods {
		count[p.Fate]++
		c.pod(p)
	}
	c.conclude(fmt.Sprintf("%d to be evicted, %d stay (DaemonSet, mirror)",
		count[cluster.FateEvict]+count[cluster.FateFinished],
		count[cluster.FateDaemonSet]+count[cluster.FateMirror]),
		"wait for the budget to allow a disruption, scale the owner up, or decide about the pod")
}

func (c *Check) pod(p cluster.PodFate) {
	name := p.Namespace + "/" + p.Name
	switch p.Fate {
	case cluster.FateBlocked:
		c.worst(WarnV, fmt.Sprintf("%s of %s is blocked by pdb/%s: %s", name, orNone(p.Owner), p.Budget, p.Why))
	case cluster.FateBare:
		c.worst(WarnV, name+" has no controller and is lost for good")
	case cluster.FateLeaving:
		c.worst(WarnV, name+" is terminating already: "+p.Why)
	case cluster.FateEvict, cluster.FateDaemonSet, cluster.FateMirror, cluster.FateFinished:
	default:
		c.worst(UnknownV, name+": "+string(p.Fate))
	}
	if p.EmptyDir && (p.Fate == cluster.FateEvict || p.Fate == cluster.FateBlocked) {
		c.worst(WarnV, name+" loses its emptyDir")
	}
}

func orNone(owner string) string {
	if owner == "" {
		return "no owner"
	}
	return owner
}

func flux(f Facts, c *Check) {
	c.Command = "flux get all -A --status-selector ready=false"
	switch {
	case !f.Flux.Has():
		c.set(UnknownV, "Flux was not read: "+reason(f.Flux.Err), "")
		return
	case !f.Flux.Value.Installed:
		c.set(Pass, "Flux is not installed", "")
		return
	}
	c.At = f.Flux.At
	if f.Flux.Err != nil {
		c.worst(UnknownV, "Flux is not read any more: "+f.Flux.Err.What)
	}
	for _, kind := range slices.Sorted(maps.Keys(f.Flux.Value.Denied)) {
		c.worst(UnknownV, kind+" cannot be listed: "+f.Flux.Value.Denied[kind])
	}
	ready := 0
	for _, o := range f.Flux.Value.Objects {
		name := o.Short + "/" + o.Name
		switch o.State {
		case cluster.FluxReady, cluster.FluxStatic:
			ready++
		case cluster.FluxUnknown:
			c.worst(UnknownV, name+" has not said whether it is ready")
		case cluster.FluxFailed, cluster.FluxStalled, cluster.FluxReconciling, cluster.FluxWaiting, cluster.FluxSuspended:
			c.worst(WarnV, fmt.Sprintf("%s is %s", name, o.State))
		default:
			c.worst(UnknownV, fmt.Sprintf("%s is %q", name, o.State))
		}
	}
	c.conclude(countOf(ready, "object")+" ready", "flux get all -A names the cause; what is known may stay")
}

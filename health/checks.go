package health

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
)

// Horizons and limits of the first two checks.
const (
	expiryWarn = 7 * 24 * time.Hour
	skewWarn   = 2 * time.Second
	skewFail   = 30 * time.Second
)

// rights that the exchange needs of the kubeconfig's user.
var neededRights = []string{
	"patch nodes", "delete nodes", "create pods/eviction", "delete pods",
	"create leases.coordination.k8s.io in kube-system", "update leases.coordination.k8s.io in kube-system",
}

// NeededRights lists the Kubernetes rights that an exchange needs, as verb and resource.
func NeededRights() []string { return append([]string(nil), neededRights...) }

func credentials(f Facts, c *Check) {
	c.Command = "talosctl config info; kubectl auth can-i --list"
	expiry(f, c, "talosconfig", f.Status.TalosExpiry)
	expiry(f, c, "kubeconfig", f.Status.KubeExpiry)
	switch roles := f.Status.TalosRoles; {
	case len(roles) == 0:
		c.worst(UnknownV, "the roles of the talosconfig are not known")
	case !slices.Contains(roles, "os:admin"):
		c.worst(Fail, "the talosconfig is "+strings.Join(roles, ", ")+": reset and apply need os:admin")
	}
	for _, r := range neededRights {
		allowed, known := f.Rights[r]
		if !known {
			c.worst(UnknownV, "not known whether the kubeconfig may "+r)
		} else if !allowed {
			c.worst(Fail, "the kubeconfig may not "+r)
		}
	}
	if f.Status.ReadOnly != "" {
		c.worst(Fail, f.Status.ReadOnly)
	}
	c.conclude("os:admin, the Kubernetes rights are there, both certificates are valid",
		"use a talosconfig of role os:admin and a kubeconfig that may patch and delete nodes and evict pods")
}

func expiry(f Facts, c *Check, what string, end time.Time) {
	switch {
	case end.IsZero():
		c.worst(UnknownV, "the end of the "+what+"'s certificate is not known")
	case !f.Now.Before(end):
		c.worst(Fail, fmt.Sprintf("the %s's certificate expired on %s", what, end.Format(time.DateOnly)))
	case end.Sub(f.Now) < expiryWarn:
		c.worst(WarnV, fmt.Sprintf("the %s's certificate expires on %s", what, end.Format(time.DateOnly)))
	}
}

func clocks(f Facts, c *Check) {
	c.Command = "talosctl time"
	largest := time.Duration(0)
	for _, n := range f.Inventory.Nodes {
		if n.Name == f.Target && n.Machine.Err != nil {
			continue // a dead target is replaced whatever its clock says
		}
		off, known := n.Machine.Value.ClockOffset.Get()
		switch off = off.Abs(); {
		case !n.Machine.Fresh() || stale(f, n.Machine.At) || !known:
			c.worst(UnknownV, n.Name+": clock not read")
		case off > skewFail:
			c.worst(Fail, fmt.Sprintf("%s: %s off", n.Name, off.Round(time.Second)))
		case off > skewWarn:
			c.worst(WarnV, fmt.Sprintf("%s: %s off", n.Name, off.Round(100*time.Millisecond)))
		}
		largest = max(largest, off)
	}
	if len(f.Inventory.Nodes) == 0 {
		c.worst(UnknownV, "no node is known")
	}
	c.conclude("all clocks within "+accuracy(largest)+" of this host's",
		"set this host's clock, or look at the nodes' time servers (talosctl get timestatus)")
}

func endpoints(f Facts, c *Check) {
	c.Command = "talosctl config info"
	if !f.Endpoints.Fresh() || stale(f, f.Endpoints.At) {
		c.set(UnknownV, "the endpoints were not asked who they are: "+reason(f.Endpoints.Err), "")
		return
	}
	c.At = f.Endpoints.At
	c.talosEndpoints(f)
	c.kubeServer(f)
	c.conclude("Talos and Kubernetes are reachable without "+f.Target,
		"put the addresses of at least two control-plane nodes, and no VIP, into the talosconfig's endpoints")
}

// talosEndpoints demands one that answers, is no VIP and is not the target.
func (c *Check) talosEndpoints(f Facts) {
	n, _ := target(f)
	usable := 0
	for _, e := range f.Endpoints.Value {
		switch {
		case e.Err != nil:
			c.worst(WarnV, fmt.Sprintf("%s does not answer: %s", e.Address, e.Err.Kind))
		case e.VIP:
			c.worst(WarnV, e.Address+" is the VIP: it moves while a control-plane node leaves")
		case e.Node == "":
			c.worst(WarnV, e.Address+" does not say which node it is")
		case !called(n, e.Node) && !called(n, serverHost(e.Address)) && !strings.EqualFold(e.Node, f.Target):
			usable++
		}
	}
	if usable == 0 {
		c.worst(Fail, "no endpoint answers that is another node than "+f.Target)
	}
}

// kubeServer demands that the API address is not the target's own.
func (c *Check) kubeServer(f Facts) {
	host := serverHost(f.Status.Server)
	_, rest := controlPlanes(f)
	n, _ := target(f)
	switch {
	case host == "":
		c.worst(UnknownV, "the address of the Kubernetes API is not known")
	case called(n, host) || strings.EqualFold(host, f.Target):
		c.worst(Fail, "the kubeconfig's server is the target itself: "+f.Status.Server)
	case n.Role == cluster.RoleWorker: // it serves no Kubernetes API
	case f.Status.Demo != "": // its API server runs beside the simulated nodes
	case slices.ContainsFunc(rest, func(n cluster.Node) bool { return called(n, host) }):
	case !f.shared(host):
		c.worst(UnknownV, fmt.Sprintf("%s is no node's address: whether it is served without %s is not known", host, f.Target))
	}
}

// shared reports whether host is an address that the checkout names as virtual
// or as the cluster's endpoint. A name could be that of any one node.
func (f Facts) shared(host string) bool {
	_, err := netip.ParseAddr(host)
	checkout := f.Status.Checkout.Value
	return err == nil && cluster.ShareAddress([]string{host}, append([]string{checkout.Endpoint}, checkout.VIPs...))
}

// called reports whether the node is known by that name or address.
func called(n cluster.Node, name string) bool {
	known := append([]string{n.Name, n.Address, n.Machine.Value.Hostname}, n.Machine.Value.Addresses...)
	if n.Kube != nil {
		known = append(append(known, n.Kube.Name), n.Kube.Addresses...)
	}
	if n.Member != nil {
		known = append(append(known, n.Member.Node, n.Member.Hostname), n.Member.Addresses...)
	}
	return cluster.ShareAddress([]string{name}, known)
}

func serverHost(server string) string {
	_, rest, found := strings.Cut(server, "://")
	if !found {
		rest = server
	}
	rest, _, _ = strings.Cut(rest, "/")
	if strings.HasPrefix(rest, "[") {
		host, _, _ := strings.Cut(rest[1:], "]")
		return host
	}
	host, _, _ := strings.Cut(rest, ":")
	return host
}

func others(f Facts, c *Check) {
	c.Command = "kubectl get nodes; talosctl get machinestatus"
	if f.Inventory.KubeErr != nil {
		c.worst(UnknownV, "Kubernetes: "+f.Inventory.KubeErr.What)
	}
	count := 0
	for _, n := range f.Inventory.Nodes {
		if n.Name == f.Target {
			continue
		}
		count++
		c.other(f, n)
	}
	if count == 0 {
		c.worst(Fail, "there is no other node")
	}
	c.conclude(countOf(count, "other node")+" Ready, schedulable, running and ready",
		"bring the other nodes back to health first: one node at a time")
}

func (c *Check) other(f Facts, n cluster.Node) {
	v := n.Machine.Value
	switch {
	case n.Machine.Err != nil:
		c.worst(Fail, fmt.Sprintf("%s: Talos API: %s", n.Name, n.Machine.Err.Kind))
	case stale(f, n.Machine.At):
		c.worst(UnknownV, n.Name+": Talos was not read lately")
	case v.Stage != cluster.StageRunning:
		c.worst(Fail, fmt.Sprintf("%s: stage %q", n.Name, v.Stage))
	case !v.Ready.Known:
		c.worst(UnknownV, n.Name+": Talos does not say whether it is ready")
	case !v.Ready.V:
		c.worst(Fail, n.Name+": Talos says it is not ready")
	}
	if ds, known := v.Diagnostics.Get(); known && len(ds) > 0 {
		c.worst(Fail, fmt.Sprintf("%s: diagnostic %s", n.Name, ds[0].ID))
	} else if !known && n.Machine.Fresh() {
		c.worst(UnknownV, n.Name+": diagnostics not read")
	}
	switch {
	case n.Kube == nil:
		c.worst(Fail, n.Name+": not in Kubernetes")
	case n.Kube.Ready != "True":
		c.worst(Fail, n.Name+": not Ready")
	case n.Kube.Unschedulable:
		c.worst(Fail, n.Name+": cordoned")
	}
}

func alone(f Facts, c *Check) {
	c.Command = "kubectl -n kube-system get lease talos-cockpit; kubectl get nodes"
	switch lock := f.Lock.Value; {
	case !f.Lock.Fresh() || stale(f, f.Lock.At):
		c.worst(UnknownV, "the maintenance Lease was not read: "+reason(f.Lock.Err))
	case lock.Held && !lock.Lapsed:
		c.worst(Fail, "the maintenance Lease is held by "+lock.Holder)
	case lock.Held:
		c.worst(WarnV, "the maintenance Lease of "+lock.Holder+" has lapsed")
	}
	c.cordons(f)
	c.suspensions(f)
	c.conclude("no Lease, no cordon, no suspended Flux object", "ask whoever it is before you go on")
}

func (c *Check) cordons(f Facts) {
	known := false
	for _, n := range f.Inventory.Nodes {
		known = known || n.Kube != nil
		if n.Kube != nil && n.Kube.Unschedulable {
			c.worst(WarnV, n.Name+" is cordoned"+cordonedBy(n.Kube.Cordon))
		}
	}
	if !known || f.Inventory.KubeErr != nil {
		c.worst(UnknownV, "which nodes are cordoned was not read: "+reason(f.Inventory.KubeErr))
	}
}

func (c *Check) suspensions(f Facts) {
	if !f.Flux.Fresh() {
		c.worst(UnknownV, "what is suspended in Flux was not read: "+reason(f.Flux.Err))
	}
	for _, kind := range slices.Sorted(maps.Keys(f.Flux.Value.Denied)) {
		c.worst(UnknownV, kind+" cannot be listed, so which are suspended is not known")
	}
	for _, o := range f.Flux.Value.Objects {
		if o.Suspended {
			c.worst(WarnV, fmt.Sprintf("%s/%s is suspended%s", o.Short, o.Name, by(o.SuspendedBy, o.SuspendedAt)))
		}
	}
}

func cordonedBy(k *cluster.Cordon) string {
	if k == nil {
		return ""
	}
	return by(k.By, k.At)
}

func by(who string, at time.Time) string {
	s := ""
	if who != "" {
		s = " by " + who
	}
	if !at.IsZero() {
		s += " since " + at.Format("2006-01-02 15:04")
	}
	return s
}

// accuracy is the offset in whole seconds upwards: clocks cannot be read more
// finely through the Talos API.
func accuracy(offset time.Duration) string {
	return max(offset.Truncate(time.Second)+time.Second, time.Second).String()
}

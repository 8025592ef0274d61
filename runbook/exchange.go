// Package runbook holds the guided operations. In this version it writes the
// plan of a node exchange; it starts nothing.
package runbook

import (
	"fmt"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/health"
)

// Exchange plans the exchange of the facts' target: the preflight, the steps
// with their equivalent commands, and why it must not start, if so.
func Exchange(f health.Facts) health.Plan {
	p := health.Plan{Node: f.Target, Checks: health.Preflight(f)}
	i := -1
	for k, n := range f.Inventory.Nodes {
		if n.Name == f.Target {
			i = k
		}
	}
	if i < 0 {
		p.Refuse = fmt.Sprintf("no node is named %q", f.Target)
		return p
	}
	n := f.Inventory.Nodes[i]
	p.Role = n.Role
	p.Steps = steps(n, survivor(f))
	p.Refuse = refusal(p.Checks)
	return p
}

func refusal(checks []health.Check) string {
	for _, c := range checks {
		if c.Verdict == health.Fail {
			return fmt.Sprintf("check %d, %s: %s", c.Number, c.Name, c.Evidence)
		}
	}
	return ""
}

// survivor is the address of a control-plane node other than the target that
// answers; empty if none is known.
func survivor(f health.Facts) string {
	for _, n := range f.Inventory.Nodes {
		if n.Name != f.Target && n.Role == cluster.RoleControlPlane && n.Machine.Fresh() {
			return n.Address
		}
	}
	return ""
}

// steps are the sixteen steps of the exchange, remove first and then add.
func steps(n cluster.Node, through string) []health.Step {
	talosctl := "talosctl"
	if through != "" {
		talosctl = "talosctl -e " + through
	}
	at := fmt.Sprintf("%s -n %s", talosctl, n.Address)
	controlPlane := n.Role == cluster.RoleControlPlane
	list := []health.Step{
		{
			Name: "lock", What: "take the maintenance Lease in kube-system, so that a second operator sees it",
			Command: []string{"kubectl -n kube-system get lease talos-cockpit"},
		},
		{
			Name: "save", What: "etcd snapshot with its hash, machine config, labels, annotations, taints, picture of before",
			Command: []string{fmt.Sprintf("%s -n %s etcd snapshot etcd.snapshot", talosctl, orTarget(through, n.Address)), at + " get machineconfig v1alpha1 -o yaml"},
		},
		{Name: "cordon", What: "no new pod is scheduled here", Command: []string{"kubectl cordon " + n.Name}},
		{
			Name: "Longhorn", What: "disable scheduling, evict the replicas, where Longhorn is installed",
			Command: []string{"kubectl -n longhorn-system get replicas.longhorn.io"},
		},
		{
			Name: "drain", What: "evict the pods and see them and the VolumeAttachments gone",
			Command: []string{fmt.Sprintf("kubectl drain %s --ignore-daemonsets --delete-emptydir-data", n.Name)},
		},
		{Name: "consent", What: "the node's name is typed here; the facts are read again", Asks: true},
		{
			Name: "reset", What: "wipe STATE and EPHEMERAL; through a surviving endpoint, never through the target", Final: true,
			Command: []string{at + " reset --graceful --system-labels-to-wipe STATE --system-labels-to-wipe EPHEMERAL --reboot"},
		},
		{Name: "delete Node", What: "delete the Node object, see it gone", Final: true, Command: []string{"kubectl delete node " + n.Name}},
		{
			Name: "swap", What: "change the hardware, find the machine in maintenance mode, pick it by serial or MAC", Asks: true,
			Command: []string{fmt.Sprintf("talosctl -n %s get disks --insecure", n.Address)},
		},
		{
			Name: "diff", What: "old config against the new one by document, dry run on the machine",
			Command: []string{fmt.Sprintf("talosctl -n %s apply-config --insecure --dry-run --file %s", n.Address, configFile(n))},
		},
		{
			Name: "apply", What: "apply the config over the pinned maintenance connection", Final: true, Asks: true,
			Command: []string{fmt.Sprintf("talosctl -n %s apply-config --insecure --file %s", n.Address, configFile(n))},
		},
		{
			Name: "wait", What: "secure API, new boot ID, stage running and ready, services, Node Ready with a new uid" + voterText(controlPlane),
			Command: []string{at + " get machinestatus -w", "kubectl get node " + n.Name + " -w"},
		},
		{Name: "put back", What: "labels, annotations and taints that were set by hand", Command: []string{"kubectl label node " + n.Name + " KEY=VALUE"}},
		{
			Name: "Longhorn disks", What: "remove the old disks, add the new ones, wait until the volumes are healthy, where Longhorn is installed",
			Command: []string{"kubectl -n longhorn-system get volumes.longhorn.io"},
		},
		{Name: "uncordon", What: "only what this exchange cordoned", Command: []string{"kubectl uncordon " + n.Name}},
		{Name: "compare", What: "picture of before against now, and the report", Command: []string{"kubectl get pods -A", "flux get all -A"}},
	}
	if controlPlane {
		list[5].What += "; then etcd leaves: " + "the graceful reset does it, every survivor must list one member less"
		list[5].Command = []string{at + " etcd forfeit-leadership", talosctl + " -n " + orTarget(through, n.Address) + " etcd members"}
	}
	for i := range list {
		list[i].Number = i + 1
	}
	return list
}

func orTarget(through, target string) string {
	if through != "" {
		return through
	}
	return target
}

func voterText(controlPlane bool) string {
	if controlPlane {
		return ", etcd member a started voter that is caught up, static pods ready"
	}
	return ""
}

func configFile(n cluster.Node) string {
	if n.Repo != nil && n.Repo.ConfigFile != "" {
		return n.Repo.ConfigFile
	}
	return "CONFIG.yaml"
}

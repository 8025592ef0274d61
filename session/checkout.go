package session

import (
	"cmp"
	"slices"
	"strings"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/repo"
)

// describe is the checkout in the terms of package cluster. All its text is clean.
func describe(c *repo.Checkout) cluster.Checkout {
	out := cluster.Checkout{
		Root: feed.Clean(c.Root), Talconfig: feed.Clean(c.Talconfig), Cluster: feed.Clean(c.ClusterName), Endpoint: feed.Clean(c.Endpoint.Host),
		Talos:      feed.Clean(cmp.Or(c.TalosVersion, c.PinnedTalosVersion)),
		Kubernetes: feed.Clean(cmp.Or(c.KubernetesVersion, c.PinnedKubernetesVersion)),
	}
	for _, n := range c.Nodes {
		out.Nodes = append(out.Nodes, describeNode(out, n))
		for _, i := range n.Interfaces {
			out.VIPs = append(out.VIPs, cleanAll(i.VIPs)...)
		}
	}
	slices.Sort(out.VIPs)
	out.VIPs = slices.Compact(out.VIPs)
	for _, p := range c.Problems {
		out.Problems = append(out.Problems, feed.Clean(p.String()))
	}
	return out
}

func describeNode(c cluster.Checkout, n repo.Node) cluster.RepoNode {
	r := cluster.RepoNode{
		Hostname: feed.Clean(n.Hostname), Addresses: cleanAll(n.Addresses), Role: cluster.RoleUnknown,
		Version: c.Talos, Kubernetes: c.Kubernetes,
		Image: feed.Clean(n.Image), Schematic: feed.Clean(n.SchematicID), InstallDisk: feed.Clean(n.InstallDisk),
		ConfigFile: feed.Clean(n.ConfigFile.Path), ConfigState: n.ConfigFile.State.String(),
		Unresolved: cleanAll(n.Unresolved),
	}
	if n.RoleKnown {
		r.Role = cluster.RoleWorker
		if n.ControlPlane {
			r.Role = cluster.RoleControlPlane
		}
	}
	if n.DiskSelector != nil {
		r.DiskSelector = feed.Clean(selectorText(*n.DiskSelector))
	}
	return r
}

func cleanAll(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, feed.Clean(s))
	}
	return out
}

func selectorText(s repo.DiskSelector) string {
	var parts []string
	for _, f := range []struct{ name, value string }{
		{"size", s.Size},
		{"name", s.Name},
		{"model", s.Model},
		{"serial", s.Serial},
		{"modalias", s.Modalias},
		{"uuid", s.UUID},
		{"wwid", s.WWID},
		{"type", s.Type},
		{"busPath", s.BusPath},
	} {
		if f.value != "" {
			parts = append(parts, f.name+"="+f.value)
		}
	}
	return strings.Join(parts, " ")
}

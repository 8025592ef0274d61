package session

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/repo"
)

// describe is the checkout in the terms of package cluster.
func describe(c *repo.Checkout) cluster.Checkout {
	out := cluster.Checkout{
		Root: c.Root, Talconfig: c.Talconfig, Cluster: c.ClusterName, Endpoint: c.Endpoint.Host,
		Talos:      cmp.Or(c.TalosVersion, c.PinnedTalosVersion),
		Kubernetes: cmp.Or(c.KubernetesVersion, c.PinnedKubernetesVersion),
	}
	for _, n := range c.Nodes {
		out.Nodes = append(out.Nodes, describeNode(out, n))
	}
	for _, p := range c.Problems {
		out.Problems = append(out.Problems, p.String())
	}
	return out
}

func describeNode(c cluster.Checkout, n repo.Node) cluster.RepoNode {
	r := cluster.RepoNode{
		Hostname: n.Hostname, Addresses: n.Addresses, Role: cluster.RoleUnknown,
		Version: c.Talos, Kubernetes: c.Kubernetes,
		Image: n.Image, Schematic: n.SchematicID, InstallDisk: n.InstallDisk,
		ConfigFile: n.ConfigFile.Path, ConfigState: strings.ToLower(fmt.Sprint(n.ConfigFile.State)),
		Unresolved: n.Unresolved,
	}
	if n.RoleKnown {
		r.Role = cluster.RoleWorker
		if n.ControlPlane {
			r.Role = cluster.RoleControlPlane
		}
	}
	if n.DiskSelector != nil {
		r.DiskSelector = selectorText(*n.DiskSelector)
	}
	return r
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

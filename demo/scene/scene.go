// Package scene describes the simulated clusters: who the nodes are, how they
// differ, and what is wrong with them. A scene is plain data; package talosd
// serves its Talos side, package kubed its Kubernetes side, and package demo
// keeps the two in step. The same scene with the same seed gives the same cluster.
package scene

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Fault says what is wrong with a node from the first moment on.
type Fault string

// The faults that a node of a scene can have.
const (
	FaultNone Fault = ""
	// FaultDead is a machine that is off: its address gives "no route to host",
	// its kubelet has stopped reporting.
	FaultDead Fault = "dead"
	// FaultRefused is a machine that is up but whose apid does not listen.
	FaultRefused Fault = "refused"
	// FaultHung is a machine whose apid accepts connections and never answers.
	FaultHung Fault = "hung"
)

// Node is one machine of a scene.
type Node struct {
	Name         string
	Address      string // its own address on the node network, without a port
	ControlPlane bool
	Talos        string // Talos version with the leading v, such as v1.13.9
	CPUs         int    // cores
	CPUMilli     int64  // allocatable CPU in millicores
	Memory       int64  // bytes
	Disk         int64  // bytes of the install disk
	Labels       map[string]string
	Fault        Fault
}

// Scene is one simulated cluster.
type Scene struct {
	Name        string
	Title       string // one line for `demo scenes` and the help
	Seed        int64
	Still       bool   // nothing moves: no logs, no load changes, no reconciles
	Cluster     string // cluster name, as in talconfig.yaml
	Context     string // context of the kubeconfig; the talosconfig's is Cluster
	APIAddress  string // the Kubernetes API's virtual address
	NodeCIDR    string
	PodCIDR     string
	ServiceCIDR string
	Kubernetes  string // version with the leading v
	Nodes       []Node
	// FailingKustomization makes the Kustomization apps/web fail its build from the start.
	FailingKustomization bool
	// Mishaps lets a scripted mishap happen now and then (a node rebooting, a
	// HelmRelease failing and recovering, a pod crash looping for a while).
	Mishaps bool
}

// Default is the name of the scene that is used when none is named.
const Default = "turingpi"

const gib = int64(1) << 30

func base(name, title string) Scene {
	return Scene{
		Name: name, Title: title, Seed: 1,
		Cluster: "turingpi", Context: "admin@turingpi", APIAddress: "192.168.13.10",
		NodeCIDR: "192.168.13.0/24", PodCIDR: "10.42.0.0/16", ServiceCIDR: "10.43.0.0/16",
		Kubernetes: "v1.37.2", Mishaps: true,
	}
}

func turingNode(i int, controlPlane bool) Node {
	n := Node{
		Name:    fmt.Sprintf("talos-test%02d", i),
		Address: fmt.Sprintf("192.168.13.%d", 10+i),
		Talos:   "v1.13.9", CPUs: 4, CPUMilli: 3950,
		ControlPlane: controlPlane,
		Memory:       8 * gib, Disk: 256 * gib,
		Labels: map[string]string{},
	}
	switch i {
	case 3:
		n.Labels["turingpi.io/stateful"] = "preferred"
	case 4:
		n.Labels["turingpi.io/reserve"] = "true"
	}
	return n
}

func turing(name, title string) Scene {
	s := base(name, title)
	for i := 1; i <= 4; i++ {
		s.Nodes = append(s.Nodes, turingNode(i, i <= 2))
	}
	// One node runs the next minor version, as clusters do in the middle of an upgrade.
	s.Nodes[3].Talos = "v1.14.0"
	return s
}

func all() map[string]func() Scene {
	return map[string]func() Scene{
		Default: func() Scene {
			return turing(Default, "the reference cluster: four nodes, alive")
		},
		"still": func() Scene {
			s := turing("still", "the reference cluster, nothing moves")
			s.Still, s.Mishaps = true, false
			return s
		},
		"six": func() Scene {
			s := base("six", "three control planes and three workers")
			for i := 1; i <= 6; i++ {
				s.Nodes = append(s.Nodes, turingNode(i, i <= 3))
			}
			return s
		},
		"single": func() Scene {
			s := base("single", "one node that is everything")
			s.Nodes = []Node{turingNode(1, true)}
			return s
		},
		"dead-node": func() Scene {
			s := turing("dead-node", "the reference cluster with talos-test04 off")
			s.Nodes[3].Fault = FaultDead
			s.Mishaps = false
			return s
		},
		"refused-node": func() Scene {
			s := turing("refused-node", "the reference cluster with the Talos API of talos-test04 refusing")
			s.Nodes[3].Fault = FaultRefused
			s.Mishaps = false
			return s
		},
		"hung-node": func() Scene {
			s := turing("hung-node", "the reference cluster with the Talos API of talos-test03 hanging")
			s.Nodes[2].Fault = FaultHung
			s.Mishaps = false
			return s
		},
		"hung-and-refused": func() Scene {
			s := turing("hung-and-refused", "talos-test03 hangs and talos-test04 refuses")
			s.Nodes[2].Fault = FaultHung
			s.Nodes[3].Fault = FaultRefused
			s.Mishaps = false
			return s
		},
		"failing-kustomization": func() Scene {
			s := turing("failing-kustomization", "the reference cluster with a Kustomization that cannot be built")
			s.FailingKustomization = true
			s.Mishaps = false
			return s
		},
	}
}

// Names lists the scenes, the default one first, then by name.
func Names() []string {
	var names []string
	for name := range all() {
		if name != Default {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return slices.Insert(names, 0, Default)
}

// Get returns the scene of that name; an empty name is the default scene.
// An unknown name is an error that lists the known ones.
func Get(name string) (Scene, error) {
	if name == "" {
		name = Default
	}
	build, ok := all()[name]
	if !ok {
		return Scene{}, fmt.Errorf("no scene is named %q: there are %s", name, strings.Join(Names(), ", "))
	}
	return build(), nil
}

// ControlPlanes returns the scene's control-plane nodes in order.
func (s Scene) ControlPlanes() []Node {
	var out []Node
	for _, n := range s.Nodes {
		if n.ControlPlane {
			out = append(out, n)
		}
	}
	return out
}

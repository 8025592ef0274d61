package cluster

import "time"

// Endpoint is one Talos endpoint of the talosconfig and who answers there.
type Endpoint struct {
	Address string `json:"address"` // as configured
	// Node is the host name that answered for itself; empty: not known.
	Node string `json:"node,omitempty"`
	// VIP is true if the address is the cluster's shared address, not a node's own.
	VIP bool      `json:"vip"`
	Err *Trouble  `json:"error,omitempty"` // nil: it answered
	At  time.Time `json:"at"`
}

// Fate is what a drain does to one pod.
type Fate string

// The fates of a pod in a drain, in kubectl drain's terms.
const (
	FateEvict     Fate = "evict"
	FateBlocked   Fate = "blocked by a PodDisruptionBudget"
	FateDaemonSet Fate = "DaemonSet pod, stays"
	FateMirror    Fate = "mirror pod, stays"
	FateBare      Fate = "no controller: lost for good"
	FateFinished  Fate = "finished, is deleted"
	FateLeaving   Fate = "terminating already"
)

// PodFate is the forecast for one pod of a drain.
type PodFate struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Owner     string `json:"owner,omitempty"` // kind/name of the controller
	Fate      Fate   `json:"fate"`
	// EmptyDir is true if the pod has an emptyDir volume, whose data is lost.
	EmptyDir bool `json:"emptyDir"`
	// Budget is the PodDisruptionBudget that covers the pod; empty: none.
	Budget string `json:"budget,omitempty"`
	// Why gives the arithmetic of the budget, the finalizers, or since when it terminates.
	Why string `json:"why,omitempty"`
}

// Forecast is what a drain of one node would do.
type Forecast struct {
	Node string    `json:"node"`
	Pods []PodFate `json:"pods"`
}

// Lock is the maintenance Lease as it stands.
type Lock struct {
	Held   bool      `json:"held"`
	Holder string    `json:"holder,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Lapsed bool      `json:"lapsed"` // not renewed within its duration
}

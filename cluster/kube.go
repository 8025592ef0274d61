package cluster

import "time"

// Taint is a taint of a Kubernetes node.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// Condition is a condition of a Kubernetes or Flux object.
type Condition struct {
	Type    string    `json:"type"`
	Status  string    `json:"status"` // True, False, Unknown
	Reason  string    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// Cordon says who made a node unschedulable, as far as managedFields tell.
type Cordon struct {
	By string    `json:"by,omitempty"` // field manager; empty: not recorded
	At time.Time `json:"at,omitzero"`
}

// KubeNode is what Kubernetes says of one node.
type KubeNode struct {
	Name          string            `json:"name"`
	UID           string            `json:"uid"`
	Addresses     []string          `json:"addresses"` // InternalIP first
	Role          Role              `json:"role"`
	Ready         string            `json:"ready"` // True, False, Unknown; empty: no such condition
	ReadySince    time.Time         `json:"readySince,omitzero"`
	ReadyReason   string            `json:"readyReason,omitempty"`
	Pressures     []string          `json:"pressures,omitempty"` // MemoryPressure, DiskPressure, PIDPressure, NetworkUnavailable that are True
	Unschedulable bool              `json:"unschedulable"`
	Cordon        *Cordon           `json:"cordon,omitempty"`
	Kubelet       string            `json:"kubelet"` // version with the leading v
	OSImage       string            `json:"osImage"`
	Kernel        string            `json:"kernel"`
	Runtime       string            `json:"runtime"`
	CPUMilli      int64             `json:"cpuMilli"` // allocatable
	Memory        int64             `json:"memory"`   // allocatable, bytes
	PodCapacity   int64             `json:"podCapacity"`
	Taints        []Taint           `json:"taints,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	Conditions    []Condition       `json:"conditions,omitempty"`
	Created       time.Time         `json:"created"`
}

// PodCount counts the pods that are bound to a node.
type PodCount struct {
	Total    int `json:"total"`
	NotReady int `json:"notReady"` // neither ready nor completed
}

// KubeVersion is what /version answered.
type KubeVersion struct {
	GitVersion string `json:"gitVersion"`
}

// FluxKind is one Flux kind as the cluster serves it.
type FluxKind struct {
	Group, Version, Kind, Plural string
}

// FluxState is the one word for a Flux object.
type FluxState string

// The states of a Flux object.
const (
	FluxReady       FluxState = "ready"
	FluxReconciling FluxState = "reconciling"
	FluxWaiting     FluxState = "waiting" // for a dependency that is not ready yet
	FluxFailed      FluxState = "failed"
	FluxStalled     FluxState = "stalled"
	FluxSuspended   FluxState = "suspended"
	FluxUnknown     FluxState = "unknown" // no Ready condition, or one for an older generation
	FluxStatic      FluxState = "static"  // kinds without a status, such as Provider
)

// Severity of the state.
func (s FluxState) Severity() Severity {
	switch s {
	case FluxReady, FluxStatic:
		return OK
	case FluxSuspended:
		return Info
	case FluxReconciling, FluxWaiting:
		return Busy
	case FluxFailed, FluxStalled:
		return Bad
	case FluxUnknown:
		return Unknown
	default:
		return Unknown
	}
}

// Ref names an object; Namespace may be empty for cluster-wide kinds.
type Ref struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// FluxObject is one Flux object, ready to be shown.
type FluxObject struct {
	Ref
	Group       string        `json:"group"`
	Version     string        `json:"version"`
	Plural      string        `json:"plural"`
	Short       string        `json:"short"` // ks, hr, git, oci, helmrepo, chart, ...
	State       FluxState     `json:"state"`
	Reason      string        `json:"reason,omitempty"`
	Message     string        `json:"message,omitempty"`
	Revision    string        `json:"revision,omitempty"`  // last applied, or the artifact's
	Attempted   string        `json:"attempted,omitempty"` // last attempted, where it differs
	Suspended   bool          `json:"suspended"`
	SuspendedBy string        `json:"suspendedBy,omitempty"` // field manager
	SuspendedAt time.Time     `json:"suspendedAt,omitzero"`
	Since       time.Time     `json:"since,omitzero"` // last transition of Ready
	Interval    time.Duration `json:"interval,omitempty"`
	Source      *Ref          `json:"source,omitempty"`
	DependsOn   []Ref         `json:"dependsOn,omitempty"`
	Inventory   int           `json:"inventory,omitempty"` // entries
	Conditions  []Condition   `json:"conditions,omitempty"`
	Generation  int64         `json:"generation"`
	Observed    int64         `json:"observedGeneration"`
	Requested   string        `json:"requestedAt,omitempty"` // annotation reconcile.fluxcd.io/requestedAt
	Handled     string        `json:"lastHandled,omitempty"` // status.lastHandledReconcileAt
	ResourceVer string        `json:"resourceVersion"`       // of the object that this was made of
	Created     time.Time     `json:"created,omitzero"`
}

// FluxList is all Flux objects of the cluster and what could not be listed.
type FluxList struct {
	Installed bool              `json:"installed"` // false: no Flux kind is served
	Objects   []FluxObject      `json:"objects"`
	Denied    map[string]string `json:"denied,omitempty"` // kind -> why it could not be listed
}

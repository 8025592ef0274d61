package cluster

import "time"

// RepoNode is what the cluster's Git checkout says of one node.
type RepoNode struct {
	Hostname     string   `json:"hostname"`
	Addresses    []string `json:"addresses"`
	Role         Role     `json:"role"`
	Version      string   `json:"version,omitempty"`    // pinned Talos version with the leading v
	Kubernetes   string   `json:"kubernetes,omitempty"` // pinned Kubernetes version with the leading v
	Image        string   `json:"image,omitempty"`
	Schematic    string   `json:"schematic,omitempty"`
	InstallDisk  string   `json:"installDisk,omitempty"`
	DiskSelector string   `json:"diskSelector,omitempty"`
	ConfigFile   string   `json:"configFile,omitempty"`
	ConfigState  string   `json:"configState,omitempty"` // present, absent, stale, unknown
	Unresolved   []string `json:"unresolved,omitempty"`  // variables that could not be resolved
}

// Checkout is the cluster's Git checkout in short.
type Checkout struct {
	Root       string     `json:"root"`
	Talconfig  string     `json:"talconfig"`
	Cluster    string     `json:"cluster"`
	Endpoint   string     `json:"endpoint"`       // host of the Kubernetes API as written there
	VIPs       []string   `json:"vips,omitempty"` // shared addresses that nodes announce
	Talos      string     `json:"talos,omitempty"`
	Kubernetes string     `json:"kubernetes,omitempty"`
	Nodes      []RepoNode `json:"nodes"`
	Problems   []string   `json:"problems,omitempty"` // file:line: reason
}

// Reading is the state of one source about one node: the last good value, when
// it was read, and since when and why it cannot be read any more.
type Reading[T any] struct {
	Value T         `json:"value"`
	At    time.Time `json:"at,omitzero"`    // of the last good value; zero: never had one
	Err   *Trouble  `json:"error,omitzero"` // nil: the last read was good
	Since time.Time `json:"since,omitzero"` // of the first failure in a row
}

// Has reports whether there ever was a good value.
func (r Reading[T]) Has() bool { return !r.At.IsZero() }

// Fresh reports whether the last read was good.
func (r Reading[T]) Fresh() bool { return r.Err == nil && r.Has() }

// Note is one remark on a node's row.
type Note struct {
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`
}

// Node is everything known of one node, merged from all sources.
type Node struct {
	Name     string           `json:"name"`    // the Kubernetes name where there is one
	Address  string           `json:"address"` // the address that the Talos API is asked at
	Role     Role             `json:"role"`
	Machine  Reading[Machine] `json:"machine"`
	Member   *Member          `json:"member,omitempty"` // in Talos discovery
	Kube     *KubeNode        `json:"kube,omitempty"`
	KubeAt   time.Time        `json:"kubeAt,omitzero"`
	Pods     Opt[PodCount]    `json:"pods"`
	EtcdID   uint64           `json:"etcdID,string,omitempty"` // 0: not a member as far as known
	Etcd     *EtcdStatus      `json:"etcd,omitempty"`
	EtcdLead bool             `json:"etcdLeader"`
	Learner  bool             `json:"learner"`
	Repo     *RepoNode        `json:"repo,omitempty"`
	Disagree []string         `json:"disagree,omitempty"` // where the sources contradict each other
	Severity Severity         `json:"severity"`
	Notes    []Note           `json:"notes,omitempty"` // worst first
	CPUTrail []float32        `json:"-"`               // 0..1, oldest first; NaN: no sample
	MemTrail []float32        `json:"-"`               // 0..1, oldest first; NaN: no sample
}

// Inventory is all nodes, worst first, at one moment.
type Inventory struct {
	Nodes []Node `json:"nodes"`
	// Etcd as merged here, so that one picture shows one moment.
	Etcd Etcd `json:"etcd"`
	// KubeErr says why Kubernetes' side is missing or old; nil: it is live.
	KubeErr   *Trouble  `json:"kubeError,omitempty"`
	KubeSince time.Time `json:"kubeSince,omitzero"`
	// TalosErr says why no Talos endpoint answers; nil: at least one does.
	TalosErr   *Trouble  `json:"talosError,omitempty"`
	TalosSince time.Time `json:"talosSince,omitzero"`
}

// Proof says whether talosconfig and kubeconfig are the same cluster.
type Proof string

// The outcomes of the same-cluster proof. Only ProofSame allows actions.
const (
	ProofPending    Proof = "not proven yet"
	ProofSame       Proof = "same cluster"
	ProofDifferent  Proof = "different clusters"
	ProofImpossible Proof = "cannot be proven"
)

// Status is the identity and the connection of the cockpit, for the status bar.
type Status struct {
	Cluster     string            `json:"cluster"` // name of the cluster
	Context     string            `json:"context"` // kubeconfig context
	TalosCtx    string            `json:"talosContext"`
	Contexts    []string          `json:"contexts,omitempty"` // talosconfig contexts to switch to
	Server      string            `json:"server"`             // Kubernetes API as in the kubeconfig
	Endpoints   []string          `json:"endpoints"`          // Talos endpoints
	Talosconfig string            `json:"talosconfig"`        // path
	Kubeconfig  string            `json:"kubeconfig"`         // path
	Checkout    Reading[Checkout] `json:"checkout"`
	// Roles of the talosconfig's certificate, such as os:admin.
	TalosRoles []string `json:"talosRoles,omitempty"`
	// TalosExpiry and KubeExpiry are the client certificates' ends; zero: not known.
	TalosExpiry time.Time            `json:"talosExpiry,omitzero"`
	KubeExpiry  time.Time            `json:"kubeExpiry,omitzero"`
	Kubernetes  Reading[KubeVersion] `json:"kubernetes"`
	Talos       Reading[string]      `json:"talos"` // version of the endpoint that answered
	Proof       Proof                `json:"proof"`
	ProofWhy    string               `json:"proofWhy,omitempty"` // the evidence, or what is missing
	ReadOnly    string               `json:"readOnly,omitempty"` // why nothing may be done; empty: actions are allowed
	Demo        string               `json:"demo,omitempty"`     // name of the scene, empty for a real cluster
	Troubles    []Trouble            `json:"troubles,omitempty"` // of the connection, worst first
}

// LogSource is one stream: a service of a node.
type LogSource struct {
	Node    string `json:"node"`    // name, for display
	Address string `json:"address"` // Talos address of the node
	Service string `json:"service"` // Talos service id, or "dmesg" for the kernel log
}

// Dmesg is the service name that stands for the kernel log.
const Dmesg = "dmesg"

// StreamState is the state of one followed log.
type StreamState struct {
	Source LogSource `json:"source"`
	State  string    `json:"state"` // connecting, following, waiting (to reconnect), ended, refused
	Err    *Trouble  `json:"error,omitempty"`
	Since  time.Time `json:"since"`
	Lines  uint64    `json:"lines"` // received on this stream so far
	Bytes  uint64    `json:"bytes"`
}

// LogState is the state of the followed selection.
type LogState struct {
	Generation uint64        `json:"generation"` // grows with each new selection
	Sources    []LogSource   `json:"sources"`    // index = source number of a line in the ring
	Streams    []StreamState `json:"streams"`
}

package repo

// Options says from where Load may take what the checkout itself does not hold.
type Options struct {
	// Env looks up a variable of the process environment; nil means os.LookupEnv.
	Env func(name string) (string, bool)
	// AgeKeyFile is a file with age identities that is tried besides
	// SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, the checkout's age.key and sops' own
	// default place. Empty means none.
	AgeKeyFile string
	// Root is the top of the checkout; empty means to look for .git.
	Root string
}

// Checkout is what one talconfig.yaml and the files around it say. It holds no
// secrets: values of a sops file appear only where a field below needs them.
type Checkout struct {
	// Root is the top of the Git work tree, or the talconfig's own folder when
	// no .git is found above it.
	Root string
	// InGit tells whether a .git was found.
	InGit bool
	// Talconfig is the absolute path of the talconfig.yaml that was read.
	Talconfig string
	// ClusterName is empty when unset or unresolved.
	ClusterName string
	// Endpoint is the Kubernetes API endpoint.
	Endpoint Endpoint
	// TalosVersion has a leading v; empty when unset (talhelper then takes the
	// newest version that it knows) or unresolved.
	TalosVersion string
	// KubernetesVersion has a leading v; empty when unset or unresolved.
	KubernetesVersion string
	// PinnedTalosVersion and PinnedKubernetesVersion are what the talenv files
	// say (talosVersion, TALOS_VERSION, ...), which upgrade tasks read; empty
	// when they say nothing.
	PinnedTalosVersion      string
	PinnedKubernetesVersion string
	// Nodes are in the order of the file.
	Nodes []Node
	// Problems are sorted by file and line.
	Problems []Problem
	// Unresolved names, sorted, every variable that has no known value.
	Unresolved []string
	// Talosconfig is where talhelper writes the client configuration.
	Talosconfig FilePath
	// Kubeconfigs are the places where the checkout may keep a kubeconfig, the
	// likeliest first.
	Kubeconfigs []FilePath
	// ClusterConfigDir is the folder of the generated files.
	ClusterConfigDir FilePath
	// SecretsFile is the talsecret file that talhelper takes; empty when absent.
	SecretsFile string
	// Tasks are the tasks of the Taskfiles, sorted by name.
	Tasks []Task
	// AgeKeyFile is the first age key file found; empty when there is none.
	AgeKeyFile string

	inputs []string
	loaded string
}

// FilePath is an absolute path and whether something was there when it was read.
type FilePath struct {
	Path   string
	Exists bool
}

// Endpoint is the Kubernetes API endpoint as written.
type Endpoint struct {
	// Raw is the text of the file, variables not substituted.
	Raw string
	// URL is Raw with its variables substituted; empty when unresolved.
	URL string
	// Host is a name or an address without brackets; empty when unknown.
	Host string
	// Port is 0 when unknown or not written.
	Port int
}

// Node is one entry of nodes, merged with the section of its role.
type Node struct {
	// Hostname is empty when unset or unresolved. It is as written: dots and
	// capitals stay.
	Hostname string
	// RawHostname is the text of the file, variables not substituted.
	RawHostname string
	// IgnoreHostname: talhelper does not set the machine's hostname.
	IgnoreHostname bool
	// Line is where the entry starts in talconfig.yaml, from 1.
	Line int
	// Addresses are addresses or DNS names; unresolved ones are left out.
	Addresses []string
	// ControlPlane means nothing unless RoleKnown.
	ControlPlane bool
	RoleKnown    bool
	// InstallDisk is a device path; empty when a selector is used.
	InstallDisk string
	// DiskSelector is nil when there is none.
	DiskSelector *DiskSelector
	// Image is the full reference of the installer; empty when not derivable.
	Image       string
	ImageSource ImageSource
	// SchematicID is 64 hex digits: computed from the schematic as talhelper's
	// offline mode does, or read off talosImageURL; empty when unknown.
	SchematicID string
	// Extensions, KernelArgs and Overlay are what the schematic asks for. They
	// are not known (empty) when talosImageURL decides the image.
	Extensions []string
	KernelArgs []string
	Overlay    string
	// NodeLabels and NodeTaints are as written, without templated values.
	NodeLabels map[string]string
	NodeTaints map[string]string
	// TemplatedLabels are the keys of labels whose value is a Go template.
	TemplatedLabels []string
	// Patches are in the order in which talhelper applies them: those of the
	// role's section, of the node, of the cluster.
	Patches []Patch
	// Interfaces are the entries of networkInterfaces.
	Interfaces []Interface
	// ConfigFile is the generated machine configuration that is expected.
	ConfigFile ConfigFile
	// Unresolved names, sorted, the variables without a known value that this
	// node's configuration needs.
	Unresolved []string
}

// DiskSelector is installDiskSelector, each field as written.
type DiskSelector struct {
	Size, Name, Model, Serial, Modalias, UUID, WWID, Type, BusPath string
}

// Interface is one entry of networkInterfaces.
type Interface struct {
	// Name is the interface name; empty when only a selector is given.
	Name string
	// Virtual: the name is made by Talos (bond, bridge, dummy, WireGuard), not
	// a device of the machine.
	Virtual bool
	// Ignore: Talos leaves the interface alone.
	Ignore bool
	// Selectors match devices; for a bond these are its members.
	Selectors []DeviceSelector
	// Members are the names of the devices of a bond or bridge.
	Members []string
	// VIPs are shared addresses announced on the interface or one of its VLANs.
	VIPs []string
}

// DeviceSelector selects a network device, each field as written.
type DeviceSelector struct {
	BusPath, HardwareAddr, PermanentAddr, PCIID, Driver, Physical string
}

// Patch is one configuration patch of a node.
type Patch struct {
	// Ref is the reference as written (@./patches/x.yaml); empty when inline.
	Ref string
	// Path is the absolute path; empty when inline.
	Path string
	// Missing: the file is not there or cannot be read.
	Missing bool
	// Scope is where the patch is written.
	Scope Scope
}

// Scope is the place in talconfig.yaml that a setting comes from.
type Scope int

// The scopes.
const (
	ScopeNode Scope = iota
	ScopeRole
	ScopeCluster
)

// String names the scope.
func (s Scope) String() string {
	switch s {
	case ScopeNode:
		return "node"
	case ScopeRole:
		return "role"
	case ScopeCluster:
		return "cluster"
	default:
		return "unknown"
	}
}

// ImageSource says what decides a node's installer image.
type ImageSource int

// The image sources.
const (
	ImageUnknown ImageSource = iota
	ImageURL
	ImageSchematic
	ImageStock
)

// String gives the key of talconfig.yaml, or stock or unknown.
func (s ImageSource) String() string {
	switch s {
	case ImageUnknown:
		return "unknown"
	case ImageURL:
		return "talosImageURL"
	case ImageSchematic:
		return "schematic"
	case ImageStock:
		return "stock"
	default:
		return "unknown"
	}
}

// ConfigFile is a generated machine configuration.
type ConfigFile struct {
	// Path is absolute; empty when the name cannot be derived.
	Path  string
	State ConfigState
	// NewerInput is, for a stale file, an input that was changed after it.
	NewerInput string
}

// ConfigState is the state of a generated file, judged by modification times
// alone: after a fresh clone they say when Git wrote the files.
type ConfigState int

// The states.
const (
	ConfigUnknown ConfigState = iota
	ConfigAbsent
	ConfigPresent
	ConfigStale
)

// String names the state.
func (s ConfigState) String() string {
	switch s {
	case ConfigUnknown:
		return "unknown"
	case ConfigAbsent:
		return "absent"
	case ConfigPresent:
		return "present"
	case ConfigStale:
		return "stale"
	default:
		return "unknown"
	}
}

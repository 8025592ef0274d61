package cluster

import "time"

// Role is what a machine is in its cluster.
type Role string

// The roles; RoleUnknown until a source has told.
const (
	RoleUnknown      Role = ""
	RoleControlPlane Role = "controlplane"
	RoleWorker       Role = "worker"
)

// Short is the role for a narrow column: cp, wk or ?.
func (r Role) Short() string {
	switch r {
	case RoleControlPlane:
		return "cp"
	case RoleWorker:
		return "wk"
	case RoleUnknown:
		return "?"
	default:
		return "?"
	}
}

// Stage is Talos' machine stage in talosctl's words (MachineStatus.stage).
type Stage string

// The stages of github.com/siderolabs/talos, resources/runtime MachineStage.
const (
	StageUnknown      Stage = ""
	StageBooting      Stage = "booting"
	StageInstalling   Stage = "installing"
	StageMaintenance  Stage = "maintenance"
	StageRunning      Stage = "running"
	StageRebooting    Stage = "rebooting"
	StageShuttingDown Stage = "shutting down"
	StageResetting    Stage = "resetting"
	StageUpgrading    Stage = "upgrading"
)

// Usage is a part of a whole, in bytes.
type Usage struct {
	Used  int64 `json:"used"`
	Total int64 `json:"total"`
}

// Share is Used/Total between 0 and 1; 0 if Total is not positive.
func (u Usage) Share() float64 {
	if u.Total <= 0 {
		return 0
	}
	return float64(u.Used) / float64(u.Total)
}

// Service is one Talos service of a machine.
type Service struct {
	ID      string    `json:"id"`
	State   string    `json:"state"` // Running, Finished, Waiting, ...
	Healthy Opt[bool] `json:"healthy"`
	Message string    `json:"message,omitempty"` // the last health message
}

// Unmet is a condition of MachineStatus that keeps the machine from ready.
type Unmet struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Diagnostic is a Talos diagnostic (resource Diagnostics.runtime.talos.dev).
type Diagnostic struct {
	ID      string `json:"id"`
	Message string `json:"message"`
}

// Machine is what Talos says of one machine.
type Machine struct {
	Address  string `json:"address"`            // the address that was asked
	Endpoint string `json:"endpoint,omitempty"` // the endpoint that carried the calls
	Hostname string `json:"hostname,omitempty"`
	Version  string `json:"version,omitempty"` // with the leading v
	Arch     string `json:"arch,omitempty"`
	Platform string `json:"platform,omitempty"` // metal, container, ...
	Role     Role   `json:"role,omitempty"`
	Stage    Stage  `json:"stage,omitempty"`
	// Ready is MachineStatus.status.ready.
	Ready       Opt[bool]         `json:"ready"`
	Unmet       []Unmet           `json:"unmet,omitempty"`
	Services    []Service         `json:"services,omitempty"` // nil: not known
	CPU         Opt[float64]      `json:"cpu"`                // busy share of all cores between two samples, 0..1
	Cores       Opt[int]          `json:"cores"`
	Memory      Opt[Usage]        `json:"memory"` // total minus available, as in free(1)
	Disk        Opt[Usage]        `json:"disk"`   // the file system of EPHEMERAL (/var)
	BootTime    Opt[time.Time]    `json:"bootTime"`
	BootID      string            `json:"bootID,omitempty"`
	UUID        string            `json:"uuid,omitempty"`
	Serial      string            `json:"serial,omitempty"`
	Schematic   string            `json:"schematic,omitempty"`
	Extensions  []string          `json:"extensions,omitempty"`
	Kernel      string            `json:"kernel,omitempty"`
	Addresses   []string          `json:"addresses,omitempty"` // all its own node addresses
	Diagnostics Opt[[]Diagnostic] `json:"diagnostics"`
	// TimeSynced is TimeStatus.synced.
	TimeSynced Opt[bool] `json:"timeSynced"`
	// ClockOffset is the node's clock minus this host's, as far as a round trip can tell.
	ClockOffset Opt[time.Duration] `json:"clockOffset"`
}

// Member is one member of Talos discovery, as one node lists it.
type Member struct {
	ID        string   `json:"id"`
	Node      string   `json:"node"`     // its name in Kubernetes
	Hostname  string   `json:"hostname"` // with the domain, where the network gives one
	Role      Role     `json:"role"`
	OS        string   `json:"os"` // such as Talos (v1.13.9)
	Addresses []string `json:"addresses"`
}

// EtcdMember is one row of `talosctl etcd members`.
type EtcdMember struct {
	ID       uint64   `json:"id,string"`
	Hostname string   `json:"hostname"`
	PeerURLs []string `json:"peerURLs"`
	Learner  bool     `json:"learner"`
}

// EtcdStatus is what one member says of itself (`talosctl etcd status`).
type EtcdStatus struct {
	MemberID    uint64   `json:"memberID,string"`
	Leader      uint64   `json:"leader,string"` // 0: no leader
	Learner     bool     `json:"learner"`
	DBSize      int64    `json:"dbSize"`
	DBInUse     int64    `json:"dbInUse"`
	RaftIndex   uint64   `json:"raftIndex"`
	RaftApplied uint64   `json:"raftApplied"`
	RaftTerm    uint64   `json:"raftTerm"`
	Version     string   `json:"version"`
	Errors      []string `json:"errors,omitempty"`
}

// EtcdAlarm is a raised alarm.
type EtcdAlarm struct {
	MemberID uint64 `json:"memberID,string"`
	Alarm    string `json:"alarm"` // NOSPACE, CORRUPT
}

// EtcdAnswer is what asking one control plane's etcd gave: its status or why not,
// and the members as that member lists them.
type EtcdAnswer struct {
	Address    string       `json:"address"`
	Status     *EtcdStatus  `json:"status,omitempty"`
	Members    []EtcdMember `json:"members,omitempty"` // nil: not answered
	StatusErr  *Trouble     `json:"statusError,omitempty"`
	MembersErr *Trouble     `json:"membersError,omitempty"`
	At         time.Time    `json:"at"`
}

// Etcd is everything known of etcd at one moment.
type Etcd struct {
	Answers   []EtcdAnswer `json:"answers"` // one a control plane asked, by address
	Alarms    []EtcdAlarm  `json:"alarms,omitempty"`
	AlarmsErr *Trouble     `json:"alarmsError,omitempty"`
	// AlarmsKnown is false until a member answered the alarm list.
	AlarmsKnown bool `json:"alarmsKnown"`
}

package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Limits of what counts as pressure on a node, as shares of the whole.
const (
	MemoryWarn = 0.90
	DiskWarn   = 0.80
	DiskBad    = 0.90
)

// finish adds the notes of a merged row and takes the worst as its severity.
func (m *merger) finish(n *Node) {
	m.noteSources(n)
	noteMachine(n)
	if m.in.KubeErr == nil { // else it is old: shown dimmed, judged no more
		noteKube(n)
	}
	m.noteEtcd(n)
	m.noteMembership(n)
	m.noteRepo(n)
	for _, d := range n.Disagree {
		n.note(Warn, "%s", d)
	}
	slices.SortStableFunc(n.Notes, func(a, b Note) int { return cmp.Compare(b.Severity, a.Severity) })
	if len(n.Notes) > 0 {
		n.Severity = n.Notes[0].Severity
	}
}

func (n *Node) note(s Severity, format string, args ...any) {
	n.Notes = append(n.Notes, Note{Severity: s, Text: fmt.Sprintf(format, args...)})
}

// exists reports whether any source has seen the node: talconfig.yaml only plans it.
func (n *Node) exists() bool { return n.Kube != nil || n.Member != nil || n.Machine.Has() }

// noteSources says which of the sources does not know the node.
func (m *merger) noteSources(n *Node) {
	switch {
	case !n.exists() && n.Repo != nil && n.Machine.Err == nil:
		n.note(Unknown, "only talconfig.yaml knows it")
	case n.Kube == nil && m.in.Kube != nil && n.exists():
		n.note(Warn, "not in Kubernetes")
	case n.Kube != nil && m.in.Members != nil && n.Member == nil:
		n.note(Warn, "not in Talos discovery")
	}
	if m.in.KubeErr != nil {
		n.note(Unknown, "Kubernetes: %s", m.in.KubeErr.Kind)
	}
}

func noteMachine(n *Node) {
	r := n.Machine
	switch {
	case r.Err != nil:
		n.note(Unknown, "Talos API: %s", r.Err.Kind)
		return // the rest is old: shown dimmed, judged no more
	case !r.Has():
		switch {
		case n.Address != "":
			n.note(Unknown, "not asked yet")
		case n.exists():
			n.note(Unknown, "no address is known that Talos could be asked at")
		}
		return
	}
	v := r.Value
	switch v.Stage {
	case StageRunning:
	case StageUnknown:
		n.note(Unknown, "stage unknown")
	case StageMaintenance:
		n.note(Warn, "maintenance mode")
	case StageBooting, StageInstalling, StageRebooting, StageShuttingDown, StageResetting, StageUpgrading:
		n.note(Busy, "%s", v.Stage)
	default:
		n.note(Unknown, "stage %s", v.Stage)
	}
	switch ready, known := v.Ready.Get(); {
	case v.Stage != StageRunning:
	case !known:
		n.note(Unknown, "readiness unknown")
	case !ready:
		n.note(Warn, "not ready%s", unmetText(v.Unmet))
	}
	if v.Services == nil {
		n.note(Unknown, "services unknown")
	}
	for _, s := range v.Services {
		if healthy, known := s.Healthy.Get(); known && !healthy {
			n.note(Bad, "service %s is unhealthy", s.ID)
		} else if s.State == "Failed" {
			n.note(Bad, "service %s failed", s.ID)
		}
	}
	if ds, known := v.Diagnostics.Get(); known {
		for _, d := range ds {
			n.note(Warn, "diagnostic %s", d.ID)
		}
	}
	if synced, known := v.TimeSynced.Get(); known && !synced {
		n.note(Warn, "time is not in sync")
	}
	noteUsage(n, v)
}

func unmetText(unmet []Unmet) string {
	if len(unmet) == 0 {
		return ""
	}
	names := make([]string, len(unmet))
	for i, u := range unmet {
		names[i] = u.Name
	}
	return ": " + strings.Join(names, ", ")
}

func noteUsage(n *Node, v Machine) {
	if mem, known := v.Memory.Get(); known && mem.Share() >= MemoryWarn {
		n.note(Warn, "memory %.0f%%", 100*mem.Share())
	}
	disk, known := v.Disk.Get()
	switch {
	case !known:
	case disk.Share() >= DiskBad:
		n.note(Bad, "/var is %.0f%% full", 100*disk.Share())
	case disk.Share() >= DiskWarn:
		n.note(Warn, "/var is %.0f%% full", 100*disk.Share())
	}
}

func noteKube(n *Node) {
	k := n.Kube
	if k == nil {
		return
	}
	switch k.Ready {
	case "True":
	case "False":
		n.note(Bad, "NotReady: %s", cmp.Or(k.ReadyReason, "no reason given"))
	case "Unknown":
		n.note(Bad, "NotReady: the kubelet stopped reporting")
	default:
		n.note(Unknown, "Kubernetes has no Ready condition")
	}
	for _, p := range k.Pressures {
		n.note(Warn, "%s", p)
	}
	if k.Unschedulable {
		by := ""
		if k.Cordon != nil && k.Cordon.By != "" {
			by = " by " + k.Cordon.By
		}
		n.note(Info, "cordoned%s", by)
	}
}

func (m *merger) noteEtcd(n *Node) {
	if n.Learner {
		n.note(Warn, "etcd learner")
	}
	if n.Etcd != nil {
		for _, e := range n.Etcd.Errors {
			n.note(Bad, "etcd: %s", e)
		}
		if n.Etcd.Leader == 0 {
			n.note(Bad, "etcd has no leader")
		}
	}
	for _, a := range m.in.Etcd.Alarms {
		if a.MemberID == n.EtcdID && n.EtcdID != 0 {
			n.note(Bad, "etcd alarm %s", a.Alarm)
		}
	}
	for _, a := range m.in.Etcd.Answers {
		if ShareAddress([]string{a.Address}, []string{n.Address}) && a.StatusErr != nil && n.Machine.Err == nil {
			n.note(Unknown, "etcd: %s", a.StatusErr.Kind)
		}
	}
}

// noteMembership says of a control-plane node that nothing is known of its etcd,
// or that no member is there.
func (m *merger) noteMembership(n *Node) {
	if n.Role != RoleControlPlane || n.Machine.Err != nil || !n.exists() {
		return
	}
	asked := slices.ContainsFunc(m.in.Etcd.Answers, func(a EtcdAnswer) bool {
		return ShareAddress([]string{a.Address}, []string{n.Address})
	})
	listed := slices.ContainsFunc(m.in.Etcd.Answers, func(a EtcdAnswer) bool { return a.Members != nil })
	switch {
	case !asked:
		n.note(Unknown, "etcd was not asked yet")
	case listed && n.EtcdID == 0:
		n.note(Warn, "not an etcd member")
	}
}

func (m *merger) noteRepo(n *Node) {
	if n.Repo == nil {
		return
	}
	if v := n.Repo.Version; v != "" && n.Machine.Has() && n.Machine.Value.Version != "" && v != n.Machine.Value.Version {
		n.note(Info, "Talos %s is pinned", v)
	}
	if v := n.Repo.Kubernetes; v != "" && n.Kube != nil && n.Kube.Kubelet != "" && v != n.Kube.Kubelet {
		n.note(Info, "Kubernetes %s is pinned", v)
	}
}

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
	noteKube(n)
	m.noteEtcd(n)
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

// noteSources says which of the sources does not know the node.
func (m *merger) noteSources(n *Node) {
	known := n.Kube != nil || n.Member != nil || n.Machine.Has()
	switch {
	case !known && n.Repo != nil && n.Machine.Err == nil:
		n.note(Unknown, "only talconfig.yaml knows it")
	case n.Kube == nil && m.in.Kube != nil && known:
		n.note(Warn, "not in Kubernetes")
	case n.Kube != nil && m.in.Members != nil && n.Member == nil:
		n.note(Warn, "not in Talos discovery")
	}
	if m.in.Kube == nil && m.in.KubeErr != nil {
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
		if n.Address != "" {
			n.note(Unknown, "not asked yet")
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
	if ready, known := v.Ready.Get(); known && !ready && v.Stage == StageRunning {
		n.note(Warn, "not ready%s", unmetText(v.Unmet))
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
		if n.Address != "" && canonical(a.Address) == canonical(n.Address) && a.StatusErr != nil && n.Machine.Err == nil {
			n.note(Unknown, "etcd: %s", a.StatusErr.Kind)
		}
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

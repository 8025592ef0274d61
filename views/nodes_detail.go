package views

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// compose writes everything known of the node.
func (n *nodes) compose(d *document, r *cluster.Node, width int) {
	d.begin(width)
	sign := n.sign(r)
	title := r.Name + "  " + roleName(r.Role)
	if r.EtcdLead {
		title += ", etcd leader"
	}
	d.title(sign, title)
	if r.Machine.Err != nil {
		n.composeTrouble(d, r)
	}
	for _, x := range r.Notes {
		if r.Machine.Err != nil && strings.HasPrefix(x.Text, "Talos API: ") {
			continue
		}
		role := n.th.Severity(x.Severity)
		if x.Severity == cluster.Info {
			role = ui.RoleMuted
		}
		d.item(role, role, x.Text)
	}
	d.blank()
	n.composeMachine(d, r)
	n.composeServices(d, r)
	n.composeKube(d, r)
	n.composeEtcd(d, r)
	n.composeRepo(d, r)
	n.composeSources(d, r)
}

func roleName(r cluster.Role) string {
	switch r {
	case cluster.RoleControlPlane:
		return "control plane"
	case cluster.RoleWorker:
		return "worker"
	case cluster.RoleUnknown:
		return "role unknown"
	default:
		return "role unknown"
	}
}

func (n *nodes) composeTrouble(d *document, r *cluster.Node) {
	e := r.Machine.Err
	d.item(ui.RoleUnknown, ui.RoleUnknown, n.silence(&cluster.Node{Machine: r.Machine}))
	d.field("  because", ui.RoleText, e.What)
	d.field("  do", ui.RoleText, e.Do)
	if e.Raw != e.What {
		d.field("  raw", ui.RoleMuted, e.Raw)
	}
	if r.Machine.Has() {
		d.item(ui.RoleUnknown, ui.RoleMuted, "what Talos told is "+n.ages.of(r.Machine.At)+" old")
	}
}

// composeMachine writes what Talos says.
func (n *nodes) composeMachine(d *document, r *cluster.Node) {
	look := ui.RoleText
	if !r.Machine.Fresh() {
		look = ui.RoleUnknown
	}
	m := r.Machine.Value
	d.field("address", ui.RoleText, r.Address)
	if !r.Machine.Has() {
		d.field("Talos", ui.RoleUnknown, "nothing is known of the machine yet")
		return
	}
	d.field("Talos", look, talosVersion(r)+prefixed(" on ", m.Platform)+prefixed(" ", m.Arch))
	d.field("stage", look, firstOf(string(m.Stage), "?")+readyText(m.Ready))
	for _, u := range m.Unmet {
		d.field("unmet", ui.RoleWarn, u.Name+": "+u.Reason)
	}
	d.field("CPU", look, firstOf(optText(m.CPU, percent), "?")+optText(m.Cores, func(c int) string { return " of " + plural(c, "core") }))
	d.field("memory", look, optText(m.Memory, func(u cluster.Usage) string { return usage(u) + "  " + percent(u.Share()) }))
	d.field("/var", look, optText(m.Disk, func(u cluster.Usage) string { return usage(u) + "  " + percent(u.Share()) }))
	if boot, ok := m.BootTime.Get(); ok && !boot.IsZero() {
		d.field("booted", look, stamp(boot, n.now())+", "+n.ages.of(boot)+" ago")
	}
	d.field("boot id", look, m.BootID)
	d.field("uuid", look, m.UUID)
	d.field("serial", look, m.Serial)
	d.field("kernel", look, m.Kernel)
	d.field("schematic", look, m.Schematic)
	d.field("extensions", look, strings.Join(m.Extensions, ", "))
	d.field("addresses", look, strings.Join(m.Addresses, ", "))
	if synced, ok := m.TimeSynced.Get(); ok {
		text := "in sync"
		if !synced {
			text = "not in sync"
		}
		d.field("time", look, text+optText(m.ClockOffset, func(o time.Duration) string { return ", off by " + o.Round(1e6).String() }))
	}
	d.field("asked via", look, m.Endpoint)
	if ds, ok := m.Diagnostics.Get(); ok {
		for _, x := range ds {
			d.field("diagnostic", ui.RoleWarn, x.ID+": "+x.Message)
		}
	}
}

func readyText(ready cluster.Opt[bool]) string {
	switch r, ok := ready.Get(); {
	case !ok:
		return ", readiness unknown"
	case r:
		return ", ready"
	default:
		return ", not ready"
	}
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func optText[T any](o cluster.Opt[T], f func(T) string) string {
	if v, ok := o.Get(); ok {
		return f(v)
	}
	return ""
}

func (n *nodes) composeServices(d *document, r *cluster.Node) {
	m := r.Machine.Value
	if m.Services == nil {
		return
	}
	d.section("SERVICES")
	for _, s := range m.Services {
		sign, text := serviceLook(s)
		if !r.Machine.Fresh() {
			sign = ui.RoleUnknown
		}
		look := ui.RoleText
		if sign != ui.RoleOK {
			look = sign
		}
		d.item(sign, look, s.ID+"  "+text)
	}
}

// serviceLook judges a service by its own health check; one without is quiet
// while it runs or has finished.
func serviceLook(s cluster.Service) (ui.Role, string) {
	text := strings.ToLower(s.State)
	healthy, checked := s.Healthy.Get()
	switch {
	case checked && !healthy:
		return ui.RoleBad, text + ", unhealthy" + prefixed(": ", s.Message)
	case s.State == "Failed":
		return ui.RoleBad, text + prefixed(": ", s.Message)
	case checked, s.State == "Running", s.State == "Finished":
		return ui.RoleOK, text
	case s.State == "Waiting", s.State == "Preparing", s.State == "Starting", s.State == "Stopping":
		return ui.RoleBusy, text + prefixed(": ", s.Message)
	default:
		return ui.RoleUnknown, text + prefixed(": ", s.Message)
	}
}

// composeKube writes what Kubernetes says.
func (n *nodes) composeKube(d *document, r *cluster.Node) {
	d.section("KUBERNETES")
	k := r.Kube
	if k == nil {
		text := "not in Kubernetes"
		if r.KubeAt.IsZero() {
			text = "not known yet"
		}
		d.item(ui.RoleUnknown, ui.RoleUnknown, text)
		return
	}
	look := ui.RoleText
	if n.kubeOld() {
		look = ui.RoleUnknown
		d.item(ui.RoleUnknown, ui.RoleUnknown, "old: "+n.ages.of(r.KubeAt))
	}
	ready := n.ready(r)
	if !k.ReadySince.IsZero() {
		ready += ", for " + n.ages.of(k.ReadySince)
	}
	d.field("ready", look, ready+prefixed(", ", k.ReadyReason))
	if k.Unschedulable {
		d.field("cordoned", ui.RoleSuspended, n.cordonText(k))
	}
	d.field("kubelet", look, k.Kubelet+prefixed("  ", k.Runtime))
	d.field("OS", look, k.OSImage+prefixed("  ", k.Kernel))
	d.field("pods", look, podsText(r))
	d.field("uid", look, k.UID)
	d.field("addresses", look, strings.Join(k.Addresses, ", "))
	for _, t := range k.Taints {
		d.field("taint", look, t.Key+prefixed("=", t.Value)+":"+t.Effect)
	}
	n.composeConditions(d, k.Conditions)
	if len(k.Labels) == 0 {
		return
	}
	d.section("LABELS")
	for _, key := range slices.Sorted(maps.Keys(k.Labels)) {
		d.text(ui.RoleMuted, key+"="+k.Labels[key])
	}
}

func (n *nodes) cordonText(k *cluster.KubeNode) string {
	if k.Cordon == nil || k.Cordon.By == "" {
		return "by whom is not recorded"
	}
	if k.Cordon.At.IsZero() {
		return "by " + k.Cordon.By
	}
	return "by " + k.Cordon.By + ", " + n.ages.of(k.Cordon.At) + " ago"
}

func podsText(r *cluster.Node) string {
	c, ok := r.Pods.Get()
	if !ok {
		return "not known"
	}
	text := itoa(c.Total)
	if r.Kube.PodCapacity > 0 {
		text += " of " + itoa(int(r.Kube.PodCapacity))
	}
	if c.NotReady > 0 {
		text += ", " + itoa(c.NotReady) + " not ready"
	}
	return text
}

// composeConditions lists conditions; those that ask for attention are signed.
func (n *nodes) composeConditions(d *document, cs []cluster.Condition) {
	for _, c := range cs {
		good := (c.Type == "Ready") == (c.Status == "True")
		look := ui.RoleMuted
		switch {
		case c.Status == "Unknown":
			look = ui.RoleUnknown
		case !good:
			look = ui.RoleWarn
		}
		text := c.Status + prefixed(" ", c.Reason)
		if look != ui.RoleMuted {
			text += prefixed(": ", c.Message)
		}
		if !c.Since.IsZero() {
			text += ", for " + n.ages.of(c.Since)
		}
		d.field(conditionName(c.Type), look, text)
	}
}

// conditionName shortens the usual types to the label's width.
func conditionName(s string) string {
	if short, ok := strings.CutSuffix(s, "Pressure"); ok && short != "" {
		return strings.ToLower(short) + " press."
	}
	if s == "NetworkUnavailable" {
		return "no network"
	}
	return s
}

func (n *nodes) composeEtcd(d *document, r *cluster.Node) {
	if r.EtcdID == 0 && r.Etcd == nil {
		return
	}
	d.section("ETCD")
	d.field("role", etcdLook(r), etcdRole(r)+"  id "+hex(r.EtcdID))
	e := r.Etcd
	if e == nil {
		d.field("status", ui.RoleUnknown, "not known")
		return
	}
	d.field("version", ui.RoleText, e.Version)
	d.field("database", ui.RoleText, size(e.DBSize)+", "+size(e.DBInUse)+" in use")
	d.field("raft", ui.RoleText, "term "+utoa(e.RaftTerm)+", index "+utoa(e.RaftIndex)+", applied "+utoa(e.RaftApplied))
	if e.Leader == 0 {
		d.field("leader", ui.RoleBad, "none")
	}
	for _, x := range e.Errors {
		d.field("error", ui.RoleBad, x)
	}
}

// composeRepo writes what the Git checkout pins.
func (n *nodes) composeRepo(d *document, r *cluster.Node) {
	d.section("GIT CHECKOUT")
	p := r.Repo
	if p == nil {
		d.item(ui.RoleUnknown, ui.RoleMuted, "no entry in talconfig.yaml, as far as known")
		return
	}
	d.field("Talos", pinLook(p.Version, r.Machine.Value.Version), p.Version)
	kube := ""
	if r.Kube != nil {
		kube = r.Kube.Kubelet
	}
	d.field("Kubernetes", pinLook(p.Kubernetes, kube), p.Kubernetes)
	d.field("image", ui.RoleText, p.Image)
	d.field("schematic", ui.RoleText, p.Schematic)
	d.field("disk", ui.RoleText, p.InstallDisk+prefixed(" selector ", p.DiskSelector))
	d.field("addresses", ui.RoleText, strings.Join(p.Addresses, ", "))
	d.field("config", ui.RoleText, p.ConfigFile+prefixed(", ", p.ConfigState))
	d.field("unresolved", ui.RoleWarn, strings.Join(p.Unresolved, ", "))
}

func pinLook(pinned, running string) ui.Role {
	if pinned != "" && running != "" && pinned != running {
		return ui.RoleWarn
	}
	return ui.RoleText
}

// composeSources says who knows the node, and how fresh that is.
func (n *nodes) composeSources(d *document, r *cluster.Node) {
	d.section("SOURCES")
	source := func(name string, known bool, text string) {
		sign, look := ui.RoleOK, ui.RoleText
		if !known {
			sign, look, text = ui.RoleUnknown, ui.RoleMuted, "does not know it, or was not asked"
		}
		d.item(sign, look, name+"  "+text)
	}
	switch {
	case r.Machine.Err != nil:
		d.item(ui.RoleUnknown, ui.RoleUnknown, "Talos API  "+string(r.Machine.Err.Kind))
	default:
		source("Talos API", r.Machine.Has(), "answers")
	}
	member := ""
	if r.Member != nil {
		member = r.Member.Hostname + prefixed(", ", r.Member.OS)
	}
	source("discovery", r.Member != nil, member)
	kube := "live"
	if n.kubeOld() {
		kube = "old, read " + n.ages.of(r.KubeAt) + " ago"
	}
	source("Kubernetes", r.Kube != nil, kube)
	source("etcd", r.EtcdID != 0, etcdRole(r))
	source("checkout", r.Repo != nil, "talconfig.yaml")
	for _, x := range r.Disagree {
		d.item(ui.RoleWarn, ui.RoleWarn, x)
	}
}

package views

import (
	"cmp"
	"strings"
	"time"

	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// nodeColumns are the columns of the inventory. The numbers of Drop say who
// gives way first on a narrow screen.
func nodeColumns(n *nodes) []ui.Column[cluster.Node] {
	type node = cluster.Node
	return []ui.Column[node]{
		{Min: 1, Max: 1, Tight: true, Draw: func(p *ui.Pen, r *node) { role := n.sign(r); p.Put(role, n.th.Shape(role)) }},
		{
			Title: "NODE", Whole: true, Text: func(r *node) string { return r.Name }, Draw: func(p *ui.Pen, r *node) { p.Put(ui.RoleStrong, r.Name) },
			Compare: func(a, b *node) int { return cluster.CompareNames(a.Name, b.Name) },
		},
		{Title: "ROLE", Drop: 5, Text: n.role, Compare: func(a, b *node) int { return cmp.Compare(a.Role, b.Role) }},
		{Title: "STAGE", Drop: 1, Max: 22, Text: stage, Draw: n.drawStage, Compare: func(a, b *node) int { return strings.Compare(stage(a), stage(b)) }},
		{Title: "K8S", Drop: 2, Text: n.ready, Draw: n.drawReady, Compare: func(a, b *node) int { return strings.Compare(n.ready(a), n.ready(b)) }},
		{Title: "TALOS", Drop: 8, Max: 16, Text: talosVersion, Draw: n.drawTalos, Compare: func(a, b *node) int { return cluster.CompareNames(talosVersion(a), talosVersion(b)) }},
		{Title: "KUBE", Drop: 12, Max: 16, Text: kubeVersion, Draw: n.drawKube},
		{Title: "CPU", Drop: 3, Min: 9, Max: 13, Right: true, Fleeting: true, Draw: n.drawCPU, Compare: func(a, b *node) int { return cmp.Compare(cpu(b), cpu(a)) }},
		{Title: "MEM", Drop: 4, Min: memoryText, Max: memoryText + 9, Right: true, Fleeting: true, Draw: n.drawMemory, Compare: func(a, b *node) int { return cmp.Compare(memory(b), memory(a)) }},
		{Title: "DISK", Drop: 9, Min: 4, Max: 4, Right: true, Fleeting: true, Draw: n.drawDisk, Compare: func(a, b *node) int { return cmp.Compare(disk(b), disk(a)) }},
		{Title: "PODS", Drop: 7, Right: true, Text: pods, Draw: n.drawPods, Compare: func(a, b *node) int { return cmp.Compare(b.Pods.V.Total, a.Pods.V.Total) }},
		{Title: "ADDRESS", Drop: 11, Max: 39, Text: func(r *node) string { return r.Address }},
		{Title: "UPTIME", Drop: 10, Min: 6, Max: 6, Right: true, Draw: n.drawUptime, Compare: func(a, b *node) int {
			return a.Machine.Value.BootTime.V.Compare(b.Machine.Value.BootTime.V)
		}},
		{Title: "ETCD", Drop: 13, Text: etcdRole, Draw: func(p *ui.Pen, r *node) { p.Put(etcdLook(r), etcdRole(r)) }},
		{Title: "NOTE", Drop: 6, Min: 14, Max: 60, Grow: true, Text: noteText, Draw: n.drawNote},
	}
}

// sign is the shape in front of the row.
func (n *nodes) sign(r *cluster.Node) ui.Role {
	if r.Severity <= cluster.Info && r.Kube != nil && r.Kube.Unschedulable {
		return ui.RoleSuspended
	}
	return n.th.Severity(r.Severity)
}

func (n *nodes) role(r *cluster.Node) string {
	s := r.Role.Short()
	if r.EtcdLead {
		s += " " + n.th.Glyph("★", "*")
	}
	return s
}

// stage is Talos' stage, or why it is not known.
func stage(r *cluster.Node) string {
	m := r.Machine
	switch {
	case m.Err != nil && silent(m.Err.Kind):
		return "unreachable"
	case m.Err != nil:
		return string(m.Err.Kind)
	case !m.Has() || m.Value.Stage == cluster.StageUnknown:
		return "unknown"
	}
	if ready, known := m.Value.Ready.Get(); known && !ready && m.Value.Stage == cluster.StageRunning {
		return "not ready"
	}
	return string(m.Value.Stage)
}

// silent reports whether the trouble is that nobody answers.
func silent(k cluster.TroubleKind) bool {
	switch k {
	case cluster.TroubleTimeout, cluster.TroubleRefused, cluster.TroubleNoRoute, cluster.TroubleReset,
		cluster.TroubleDNS, cluster.TroubleGoingAway:
		return true
	case cluster.TroubleOther, cluster.TroubleExpired, cluster.TroubleNotYetValid, cluster.TroubleUnknownCA, cluster.TroubleCertRequired,
		cluster.TroubleWrongName, cluster.TroubleForbidden, cluster.TroubleUnauthorized,
		cluster.TroubleVIPEndpoint, cluster.TroubleNoForwarding, cluster.TroubleNotFound, cluster.TroubleUnimplemented,
		cluster.TroubleNoLeader, cluster.TroubleBadFile, cluster.TroubleMissingFile, cluster.TroubleDifferentPlace:
		return false
	default:
		return false
	}
}

func (n *nodes) drawStage(p *ui.Pen, r *cluster.Node) {
	text := stage(r)
	role := ui.RoleText
	switch m := r.Machine; {
	case !m.Fresh() || m.Value.Stage == cluster.StageUnknown:
		role = ui.RoleUnknown
	case text == "not ready", m.Value.Stage == cluster.StageMaintenance:
		role = ui.RoleWarn
	case m.Value.Stage != cluster.StageRunning:
		role = ui.RoleBusy
	}
	p.Put(role, text)
}

// ready is the Ready condition, in kubectl's words.
func (n *nodes) ready(r *cluster.Node) string {
	switch {
	case r.Kube == nil && r.KubeAt.IsZero():
		return "unknown"
	case r.Kube == nil:
		return "absent"
	}
	text := "?"
	switch r.Kube.Ready {
	case "True":
		text = "Ready"
	case "False":
		text = "NotReady"
	case "Unknown":
		text = "Unknown"
	}
	if r.Kube.Unschedulable {
		text += " " + n.th.Glyph("⊘", "-")
	}
	return text
}

func (n *nodes) drawReady(p *ui.Pen, r *cluster.Node) {
	role := ui.RoleUnknown
	switch {
	case n.kubeOld(), r.Kube == nil:
	case r.Kube.Ready == "False":
		role = ui.RoleBad
	case r.Kube.Ready == "True" && r.Kube.Unschedulable:
		role = ui.RoleSuspended
	case r.Kube.Ready == "True" && len(r.Kube.Pressures) > 0:
		role = ui.RoleWarn
	case r.Kube.Ready == "True":
		role = ui.RoleText
	}
	p.Put(role, n.ready(r))
}

// kubeOld reports whether what Kubernetes says is not live any more.
func (n *nodes) kubeOld() bool { return n.snap.Value.KubeErr != nil }

// talosVersion is the version of the machine itself, else of Talos discovery.
func talosVersion(r *cluster.Node) string {
	if v := r.Machine.Value.Version; v != "" {
		return v
	}
	if r.Member != nil {
		_, rest, _ := strings.Cut(r.Member.OS, "(")
		if v, _, ok := strings.Cut(rest, ")"); ok {
			return v
		}
	}
	return "?"
}

func (n *nodes) drawTalos(p *ui.Pen, r *cluster.Node) {
	v := talosVersion(r)
	role := ui.RoleText
	if v == "?" || !r.Machine.Fresh() {
		role = ui.RoleUnknown
	}
	p.Put(role, v)
}

func kubeVersion(r *cluster.Node) string {
	if r.Kube == nil || r.Kube.Kubelet == "" {
		return "?"
	}
	return r.Kube.Kubelet
}

func (n *nodes) drawKube(p *ui.Pen, r *cluster.Node) {
	v := kubeVersion(r)
	role := ui.RoleText
	if v == "?" || n.kubeOld() {
		role = ui.RoleUnknown
	}
	p.Put(role, v)
}

func cpu(r *cluster.Node) float64 { return known(r.Machine.Value.CPU, -1) }

func memory(r *cluster.Node) float64 {
	if m, ok := r.Machine.Value.Memory.Get(); ok {
		return m.Share()
	}
	return -1
}

func disk(r *cluster.Node) float64 {
	if d, ok := r.Machine.Value.Disk.Get(); ok {
		return d.Share()
	}
	return -1
}

func known[T any](o cluster.Opt[T], otherwise T) T {
	if o.Known {
		return o.V
	}
	return otherwise
}

// level is the look of a share: quiet until it matters.
func level(share, warn, bad float64) ui.Role {
	switch {
	case share >= bad:
		return ui.RoleBad
	case share >= warn:
		return ui.RoleWarn
	default:
		return ui.RoleText
	}
}

// missing stands for a value that nobody told.
const missing = "--"

// dim makes the cell of a machine that does not answer look old.
func dim(p *ui.Pen, r *cluster.Node) {
	if !r.Machine.Fresh() {
		p.Dim(ui.RoleUnknown)
	}
}

func (n *nodes) drawCPU(p *ui.Pen, r *cluster.Node) {
	dim(p, r)
	share, ok := r.Machine.Value.CPU.Get()
	text, role := missing, ui.RoleUnknown
	if ok {
		text, role = percent(share), level(share, 0.9, 2)
	}
	if room := p.Room() - 5; room >= 4 {
		p.Put(role, ui.Spark(r.CPUTrail, room, n.th.Look().ASCII))
	}
	p.PutRight(role, text)
}

// memoryText is the room for the longest usage.
const memoryText = 8

func (n *nodes) drawMemory(p *ui.Pen, r *cluster.Node) {
	dim(p, r)
	m, ok := r.Machine.Value.Memory.Get()
	text, role := missing, ui.RoleUnknown
	if ok {
		text, role = usage(m), level(m.Share(), cluster.MemoryWarn, 2)
	}
	if room := p.Room() - max(len(text), memoryText) - 1; room >= 4 {
		p.Put(role, ui.Spark(r.MemTrail, room, n.th.Look().ASCII))
	}
	p.PutRight(role, text)
}

func (n *nodes) drawDisk(p *ui.Pen, r *cluster.Node) {
	dim(p, r)
	d, ok := r.Machine.Value.Disk.Get()
	if !ok {
		p.PutRight(ui.RoleUnknown, missing)
		return
	}
	p.PutRight(level(d.Share(), cluster.DiskWarn, cluster.DiskBad), percent(d.Share()))
}

func pods(r *cluster.Node) string {
	c, ok := r.Pods.Get()
	switch {
	case !ok:
		return missing
	case c.NotReady > 0:
		return itoa(c.Total) + " ▲" + itoa(c.NotReady)
	default:
		return itoa(c.Total)
	}
}

func (n *nodes) drawPods(p *ui.Pen, r *cluster.Node) {
	role := ui.RoleText
	switch {
	case !r.Pods.Known || n.kubeOld():
		role = ui.RoleUnknown
	case r.Pods.V.NotReady > 0:
		role = ui.RoleWarn
	}
	p.PutRight(role, strings.Replace(pods(r), "▲", n.th.Shape(ui.RoleWarn), 1))
}

func (n *nodes) drawUptime(p *ui.Pen, r *cluster.Node) {
	boot, ok := r.Machine.Value.BootTime.Get()
	if !ok || boot.IsZero() || !r.Machine.Fresh() {
		p.PutRight(ui.RoleUnknown, missing)
		return
	}
	p.PutRight(ui.RoleText, n.ages.of(boot))
}

// etcdRole is what the node is in etcd.
func etcdRole(r *cluster.Node) string {
	switch {
	case r.EtcdLead:
		return "leader"
	case r.Learner:
		return "learner"
	case r.EtcdID != 0:
		return "member"
	case r.Role == cluster.RoleControlPlane:
		return "?"
	default:
		return ""
	}
}

func etcdLook(r *cluster.Node) ui.Role {
	switch {
	case r.Learner:
		return ui.RoleWarn
	case r.EtcdID == 0 && !r.EtcdLead:
		return ui.RoleUnknown
	case r.Etcd != nil && len(r.Etcd.Errors) > 0:
		return ui.RoleBad
	default:
		return ui.RoleText
	}
}

// noteText is the notes in one line, worst first.
func noteText(r *cluster.Node) string {
	switch len(r.Notes) {
	case 0:
		return ""
	case 1:
		return shortNote(r.Notes[0].Text)
	}
	texts := make([]string, len(r.Notes))
	for i, x := range r.Notes {
		texts[i] = shortNote(x.Text)
	}
	return strings.Join(texts, " · ")
}

// shortNote puts what matters of a note first, so that a narrow column cuts the rest.
func shortNote(text string) string {
	what, ok := strings.CutSuffix(text, " is pinned")
	if !ok {
		return strings.TrimPrefix(text, "NotReady: the ") // K8S says NotReady
	}
	return "pinned " + strings.Replace(strings.TrimPrefix(what, "Talos "), "Kubernetes ", "k8s ", 1)
}

func (n *nodes) drawNote(p *ui.Pen, r *cluster.Node) {
	role, text := n.headline(r)
	if r.Machine.Err != nil && n.table.WidthOf("NOTE") < wideNote { // its Span says the rest
		text = n.others(r)
	}
	p.Put(role, text)
}

// headline is the row's note: since when a machine does not answer, else its notes.
func (n *nodes) headline(r *cluster.Node) (ui.Role, string) {
	if r.Machine.Err != nil {
		return ui.RoleUnknown, n.silence(r)
	}
	if len(r.Notes) == 0 {
		return ui.RoleMuted, ""
	}
	role := n.th.Severity(r.Notes[0].Severity)
	if r.Notes[0].Severity <= cluster.Info {
		role = ui.RoleMuted
	}
	return role, n.dated(r, noteText(r))
}

// dated adds for how long a node is cordoned or silent in Kubernetes.
func (n *nodes) dated(r *cluster.Node, text string) string {
	k := r.Kube
	if k == nil {
		return text
	}
	if c := k.Cordon; k.Unschedulable && c != nil && !c.At.IsZero() {
		note := "cordoned" + prefixed(" by ", c.By)
		text = strings.Replace(text, note, note+" "+n.ages.of(c.At)+" ago", 1)
	}
	if k.Ready == "Unknown" && !k.ReadySince.IsZero() {
		text = strings.Replace(text, "kubelet stopped reporting", "kubelet stopped reporting "+n.ages.of(k.ReadySince)+" ago", 1)
	}
	return text
}

// silence says since when and why a machine gives no answer, and when it last did.
func (n *nodes) silence(r *cluster.Node) string {
	text := string(r.Machine.Err.Kind) + n.since(r)
	if silent(r.Machine.Err.Kind) {
		text = "no answer" + n.since(r) + ": " + string(r.Machine.Err.Kind)
	}
	return text + n.lastSeen(r) + prefixed(" · ", n.others(r))
}

// since is for how long the machine has given no answer.
func (n *nodes) since(r *cluster.Node) string {
	if r.Machine.Since.IsZero() {
		return ""
	}
	return " for " + n.ages.of(r.Machine.Since)
}

// lastSeen is when the machine gave its last answer; empty if it never did.
func (n *nodes) lastSeen(r *cluster.Node) string {
	if !r.Machine.Has() {
		return ""
	}
	layout := "15:04"
	if at, now := r.Machine.At.In(n.now().Location()), n.now(); now.Sub(at) >= 24*time.Hour || now.Day() != at.Day() {
		layout = "2 Jan 15:04"
	}
	return " · last seen " + r.Machine.At.In(n.now().Location()).Format(layout)
}

// others are the notes that say something else than that Talos does not answer;
// that Kubernetes does not is said once, above the table.
func (n *nodes) others(r *cluster.Node) string {
	var out []string
	for _, x := range r.Notes {
		if strings.HasPrefix(x.Text, "Talos API: ") || n.kubeOld() && strings.HasPrefix(x.Text, "Kubernetes: ") {
			continue
		}
		out = append(out, shortNote(x.Text))
	}
	return strings.Join(out, " · ")
}

// inAWord is the kind of a silence where there is hardly any room for it.
func inAWord(k cluster.TroubleKind) string {
	words := map[cluster.TroubleKind]string{
		cluster.TroubleRefused: "refused", cluster.TroubleNoRoute: "no route", cluster.TroubleReset: "reset", cluster.TroubleDNS: "no such name",
	}
	return firstOf(words[k], string(k))
}

// wideNote is the width at which the note says enough by itself, so that the
// old values can stay beside it.
const wideNote = 44

// span says in place of the values that are not known why they are not, the
// reason first: there is not much room, and the stage says the rest.
func (n *nodes) span(p *ui.Pen, r *cluster.Node) bool {
	if r.Machine.Err == nil || n.table.WidthOf("NOTE") >= wideNote {
		return false
	}
	text := string(r.Machine.Err.Kind) + n.since(r)
	if ui.Width(text) > p.Room() {
		text = inAWord(r.Machine.Err.Kind) + n.since(r)
	}
	text += n.lastSeen(r)
	switch n.table.Before("NOTE") {
	case "", "CPU", "MEM", "DISK": // the span takes the place of the note
		text += prefixed(" · ", n.others(r))
	}
	p.Put(ui.RoleUnknown, text)
	return true
}

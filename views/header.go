package views

import (
	"slices"
	"strings"
	"time"

	"github.com/talos-cockpit/talos-cockpit/board"
	"github.com/talos-cockpit/talos-cockpit/cluster"
	"github.com/talos-cockpit/talos-cockpit/feed"
	"github.com/talos-cockpit/talos-cockpit/ui"
)

// BarTopics are the changes that the bar shows at once.
const BarTopics = feed.Topics(1<<board.TopicStatus | 1<<board.TopicNodes | 1<<board.TopicFlux)

// Bar returns what the shell shows around the panes: which cluster this is and
// how it does on the left, what is old on the right, what is wrong with the
// connection as banners, and the worst finding as notice.
func Bar(b *board.Board, th *ui.Theme) ui.BarFunc {
	return func(now time.Time, width int) ui.Bar {
		x := &bar{th: th, now: now, status: b.Status.Load(), nodes: b.Nodes.Load(), flux: b.Flux.Load()}
		return ui.Bar{Left: x.left(), Right: x.right(), Banner: x.banner(), Notice: x.notice(width)}
	}
}

// bar is one picture of the board.
type bar struct {
	th     *ui.Theme
	now    time.Time
	status feed.Snapshot[cluster.Status]
	nodes  feed.Snapshot[cluster.Inventory]
	flux   feed.Snapshot[cluster.FluxList]
}

// What goes first from the left side where there is no room: the highest.
const (
	dropState = iota + 1
	dropFlux
	dropEtcd
	dropTalos
	dropKube
	dropLeader
	dropServer
)

func (x *bar) left() []ui.Segment {
	if !x.status.Has() {
		return []ui.Segment{{Role: ui.RoleStrong, Text: "talos-cockpit"}, {Role: ui.RoleBusy, Text: x.th.Shape(ui.RoleBusy) + " connecting"}}
	}
	s := x.status.Value
	out := []ui.Segment{{Role: ui.RoleStrong, Text: clean(firstOf(s.Cluster, s.TalosCtx, s.Context, "no cluster"))}}
	if s.Demo != "" {
		text := "DEMO"
		if s.Demo != out[0].Text {
			text += " " + clean(s.Demo)
		}
		out = append(out, ui.Segment{Role: ui.RoleBusy, Text: text, Drop: dropState})
	}
	switch {
	case proving(&s):
		out = append(out, ui.Segment{Role: ui.RoleBusy, Text: x.th.Shape(ui.RoleBusy) + " proving that both are one cluster…", Drop: dropState})
	case s.ReadOnly != "":
		out = append(out, ui.Segment{Role: ui.RoleSuspended, Text: x.th.Shape(ui.RoleSuspended) + " read-only", Drop: dropState})
	}
	if s.Server != "" {
		out = append(out, ui.Segment{Role: ui.RoleMuted, Text: clean(host(s.Server)), Drop: dropServer})
	}
	out = append(out, x.talos(), x.kube())
	out = append(out, x.etcd()...)
	return append(out, x.fluxCounts())
}

// proving reports whether nothing can be done only because the proof that
// talosconfig and kubeconfig are one cluster is under way.
func proving(s *cluster.Status) bool {
	return s.Proof == cluster.ProofPending && len(s.Troubles) == 0 && !strings.HasPrefix(s.ReadOnly, "--")
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// host is the host of https://host:6443.
func host(server string) string {
	_, rest, ok := strings.Cut(server, "://")
	if !ok {
		rest = server
	}
	return strings.TrimSuffix(strings.TrimSuffix(rest, "/"), ":6443")
}

// talos shows the versions that the machines run: one, or from the oldest to the newest.
func (x *bar) talos() ui.Segment {
	var versions []string
	for i := range x.nodes.Value.Nodes {
		if v := x.nodes.Value.Nodes[i].Machine.Value.Version; v != "" && !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	if t := x.status.Value.Talos; len(versions) == 0 && t.Has() {
		versions = append(versions, t.Value)
	}
	role, text := ui.RoleUnknown, "Talos ?"
	if len(versions) > 0 {
		slices.SortFunc(versions, cluster.CompareNames)
		text = "Talos " + versions[0]
		if len(versions) > 1 {
			text += "…" + versions[len(versions)-1]
		}
		role = ui.RoleText
	}
	if x.nodes.Value.TalosErr != nil {
		role = ui.RoleUnknown
	}
	return x.signed(role, clean(text), dropTalos)
}

// signed puts a shape in front of the text unless the role is quiet.
func (x *bar) signed(role ui.Role, text string, drop int) ui.Segment {
	if role != ui.RoleText {
		text = x.th.Shape(role) + " " + text
	}
	return ui.Segment{Role: role, Text: text, Drop: drop}
}

func (x *bar) kube() ui.Segment {
	k := x.status.Value.Kubernetes
	role, text := ui.RoleUnknown, "k8s ?"
	if k.Has() {
		text = "k8s " + k.Value.GitVersion
	}
	if k.Fresh() && x.nodes.Value.KubeErr == nil {
		role = ui.RoleText
	}
	return x.signed(role, clean(text), dropKube)
}

// etcd counts the members that answer and know a leader.
func (x *bar) etcd() []ui.Segment {
	e := x.nodes.Value.Etcd
	members := len(cluster.EtcdMembers(e))
	if members == 0 {
		return []ui.Segment{{Role: ui.RoleUnknown, Text: "etcd ?", Drop: dropEtcd}}
	}
	well := 0
	for _, a := range e.Answers {
		if a.Status != nil && a.Status.Leader != 0 && len(a.Status.Errors) == 0 {
			well++
		}
	}
	role := ui.RoleOK
	switch {
	case well < members/2+1, len(e.Alarms) > 0:
		role = ui.RoleBad
	case well < members:
		role = ui.RoleWarn
	case !e.AlarmsKnown:
		role = ui.RoleUnknown
	}
	text := "etcd " + itoa(well) + "/" + itoa(members) + " " + x.th.Shape(role)
	for _, a := range e.Alarms {
		text += " " + clean(a.Alarm)
	}
	if role == ui.RoleOK {
		role = ui.RoleText
	}
	out := []ui.Segment{{Role: role, Text: text, Drop: dropEtcd}}
	for i := range x.nodes.Value.Nodes {
		if n := &x.nodes.Value.Nodes[i]; n.EtcdLead {
			return append(out, ui.Segment{Role: ui.RoleMuted, Text: "leader " + clean(n.Name), Drop: dropLeader})
		}
	}
	return out
}

func (x *bar) fluxCounts() ui.Segment {
	switch {
	case !x.flux.Has(), !x.flux.Value.Installed && x.flux.Err != nil:
		return ui.Segment{Role: ui.RoleUnknown, Text: "flux ?", Drop: dropFlux}
	case !x.flux.Value.Installed:
		return ui.Segment{Role: ui.RoleMuted, Text: "no flux", Drop: dropFlux}
	}
	by := fluxSigns(x.th, x.flux.Value)
	worst, text := ui.RoleText, "flux"
	for _, r := range []ui.Role{ui.RoleBad, ui.RoleUnknown, ui.RoleBusy, ui.RoleSuspended, ui.RoleOK} {
		if by[r] == 0 {
			continue
		}
		text += " " + itoa(by[r]) + x.th.Shape(r)
		if worst == ui.RoleText && r != ui.RoleOK {
			worst = r
		}
	}
	if x.flux.Err != nil {
		worst, text = ui.RoleUnknown, x.th.Shape(ui.RoleUnknown)+" "+text
	}
	return ui.Segment{Role: worst, Text: text, Drop: dropFlux}
}

// right names what is old. Live data has no age, so that an idle screen draws nothing.
func (x *bar) right() []ui.Segment {
	var out []ui.Segment
	old := func(what string, since time.Time, ever bool) {
		text := what + " old"
		switch {
		case !ever:
			text = "no " + what
		case !since.IsZero():
			text = what + " " + age(x.now.Sub(since)) + " old"
		}
		out = append(out, ui.Segment{Role: ui.RoleUnknown, Text: x.th.Shape(ui.RoleUnknown) + " " + text, Drop: len(out) + 1})
	}
	inv := x.nodes.Value
	switch {
	case x.nodes.Err != nil && x.nodes.Has():
		old("nodes", x.nodes.At, true)
	case inv.TalosErr != nil:
		old("Talos", inv.TalosSince, slices.ContainsFunc(inv.Nodes, func(n cluster.Node) bool { return n.Machine.Has() }))
	}
	if inv.KubeErr != nil {
		old("k8s", inv.KubeSince, slices.ContainsFunc(inv.Nodes, func(n cluster.Node) bool { return n.Kube != nil }))
	}
	if x.flux.Err != nil && x.flux.Has() && inv.KubeErr == nil {
		old("flux", x.flux.Since, true)
	}
	return out
}

// soon is how long before its end a certificate is talked about.
const soon = 7 * 24 * time.Hour

// banner says what is wrong with the connection, worst first.
func (x *bar) banner() []ui.Segment {
	var out []ui.Segment
	add := func(r ui.Role, text string) {
		out = append(out, ui.Segment{Role: r, Text: clean(text)})
	}
	s := x.status.Value
	for i := range s.Troubles {
		add(ui.RoleBad, s.Troubles[i].Error())
	}
	if len(out) == 0 && x.status.Err != nil {
		add(ui.RoleBad, x.status.Err.Error())
	}
	switch s.Proof {
	case cluster.ProofDifferent:
		add(ui.RoleBad, "talosconfig and kubeconfig are different clusters, so nothing can be done from here"+prefixed(": ", s.ProofWhy))
	case cluster.ProofImpossible:
		add(ui.RoleWarn, "not proven that talosconfig and kubeconfig are the same cluster, so nothing can be done from here"+prefixed(": ", s.ProofWhy))
	case cluster.ProofPending, cluster.ProofSame:
	}
	x.expiry(add, "talosconfig", s.TalosExpiry)
	x.expiry(add, "kubeconfig", s.KubeExpiry)
	return out
}

func (x *bar) expiry(add func(ui.Role, string), what string, end time.Time) {
	left := end.Sub(x.now)
	switch {
	case end.IsZero() || left > soon:
	case left <= 0:
		add(ui.RoleBad, "the client certificate of the "+what+" expired on "+end.In(x.now.Location()).Format("2 Jan 2006 15:04"))
	default:
		add(ui.RoleWarn, "the client certificate of the "+what+" expires on "+end.In(x.now.Location()).Format("2 Jan 2006 15:04"))
	}
}

// notice is the worst finding, for how long it is known to last, and how many
// findings there are.
func (x *bar) notice(width int) []ui.Segment {
	worst, text, since, n := cluster.OK, "", time.Time{}, 0
	found := func(s cluster.Severity, what func() (string, time.Time)) {
		if s < cluster.Warn {
			return
		}
		n++
		if s > worst {
			worst = s
			text, since = what()
		}
	}
	for i := range x.nodes.Value.Nodes {
		r := &x.nodes.Value.Nodes[i]
		found(r.Severity, func() (string, time.Time) { return nodeFinding(r) })
	}
	for i := range x.flux.Value.Objects {
		o := &x.flux.Value.Objects[i]
		severity := o.State.Severity()
		if x.flux.Err != nil && severity >= cluster.Warn {
			severity = cluster.Unknown // it was so when it was last read
		}
		found(severity, func() (string, time.Time) {
			return shortKind(o) + " " + o.Name + ": " + firstOf(o.Message, string(o.State)), o.Since
		})
	}
	if n == 0 {
		return nil
	}
	var tail []string
	if !since.IsZero() {
		tail = append(tail, "for "+age(x.now.Sub(since)))
	}
	if n > 1 {
		tail = append(tail, "1 of "+itoa(n)+" findings")
	}
	rest := strings.Join(tail, ", ")
	role := x.th.Severity(worst)
	text = x.th.Shape(role) + " " + clean(text)
	if room := width - ui.Width(rest) - noticeGap; room > width/2 {
		text = ui.Fit(text, min(ui.Width(text), room))
	}
	return []ui.Segment{{Role: role, Text: text}, {Role: ui.RoleMuted, Text: rest, Drop: 1}}
}

// noticeGap is the room between and around the parts of the notice.
const noticeGap = 6

// nodeFinding is what is worst of a node, and since when if that is known.
func nodeFinding(r *cluster.Node) (string, time.Time) {
	switch {
	case r.Machine.Err != nil && r.Severity == cluster.Unknown:
		text := string(r.Machine.Err.Kind)
		if silent(r.Machine.Err.Kind) {
			text = "no answer, " + text
		}
		return r.Name + ": " + text, r.Machine.Since
	case len(r.Notes) == 0:
		return r.Name, time.Time{}
	case r.Kube != nil && strings.HasPrefix(r.Notes[0].Text, "NotReady"):
		return r.Name + ": " + r.Notes[0].Text, r.Kube.ReadySince
	default:
		return r.Name + ": " + r.Notes[0].Text, time.Time{}
	}
}
